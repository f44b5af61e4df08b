from __future__ import annotations

import gzip
import io
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.backup import blocks
from tasks.backup.blocks import BEST, BLOCK, FASTEST, HEADER, LONGEST, Broken
from tasks.backup.compress import compressing, level_of
from tasks.errors import UsageError

NOISE = random.Random(2).randbytes(BLOCK)
LEVELS = range(FASTEST, BEST + 1)

contents = st.one_of(
    st.binary(max_size=3000),
    st.builds(lambda size: NOISE[:size], st.sampled_from([1, 65535, 65536, 131070, BLOCK])),
    st.builds(
        lambda size, byte: byte * size, st.integers(1, BLOCK), st.binary(min_size=1, max_size=1)
    ),
)


@given(contents, st.sampled_from(LEVELS))
def test_gunzip_reads_what_was_packed(data: bytes, level: int) -> None:
    member = b"".join(blocks.pack(data, level))
    assert gzip.decompress(member) == data
    assert blocks.length_of(bytes(member[:HEADER])) == len(member) <= LONGEST
    assert blocks.unpack(member[HEADER:]) == data


@pytest.mark.parametrize("level", LEVELS)
def test_what_does_not_shrink_hardly_grows(level: int) -> None:
    assert sum(map(len, blocks.pack(NOISE, level))) < BLOCK + 100


def test_higher_levels_make_smaller_archives() -> None:
    text = "".join(f"task {n} is due at {n * 7919 % 86400}\n" for n in range(20000)).encode()[
        :BLOCK
    ]
    sizes = [sum(map(len, blocks.pack(text, level))) for level in (1, 2, 4, 6, 9)]
    assert sizes[0] >= sizes[1] > sizes[2] > sizes[3] >= sizes[4]


@given(st.data())
def test_a_flipped_bit_breaks_a_member_or_changes_nothing_in_it(data: st.DataObject) -> None:
    block = b"some text that repeats, that repeats " * 30 + NOISE[:100]
    member = bytearray(b"".join(blocks.pack(block, data.draw(st.sampled_from(LEVELS)))))
    position = data.draw(st.integers(0, len(member) * 8 - 1))
    member[position // 8] ^= 1 << position % 8
    try:
        if blocks.length_of(bytes(member[:HEADER])) != len(member):
            return
        # Padding, or another encoding of the same: only the archive's digest covers that.
        assert blocks.unpack(member[HEADER:]) == block
    except Broken:
        pass


@given(st.lists(contents, max_size=6), st.sampled_from(LEVELS))
def test_a_stream_comes_out_as_it_went_in_whatever_the_pieces(
    pieces: list[bytes], level: int
) -> None:
    out = io.BytesIO()
    with compressing(out.writelines, level) as compressor:
        for piece in pieces:
            compressor.write(piece)
    assert gzip.decompress(out.getvalue()) == b"".join(pieces)
    assert compressor.taken == sum(map(len, pieces))


def test_what_the_writer_raises_comes_out() -> None:
    def full(_: blocks.Parts) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"), compressing(full) as compressor:
        for _ in range(100):
            compressor.write(NOISE)


@pytest.mark.parametrize(("asked", "level"), [("", 2), ("1", 1), ("9", 9), ("small", 5)])
def test_levels_are_numbers_or_small(asked: str, level: int) -> None:
    assert level_of(asked) == level


@pytest.mark.parametrize("asked", ["0", "10", "fast", "-1", "²", "1.5"])
def test_other_levels_are_refused(asked: str) -> None:
    with pytest.raises(UsageError, match="compression level"):
        level_of(asked)
