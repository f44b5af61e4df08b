from __future__ import annotations

import hashlib
import json
import tarfile

import pytest
from backup_samples import CONTENTS
from hypothesis import given
from hypothesis import strategies as st

from tasks.backup.manifest import manifest
from tasks.backup.members import RECORD, BrokenTar, Member, MemberReader


def header(name: str, size: int = 0) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(tarfile.GNU_FORMAT)


def read(stream: bytes) -> list[Member]:
    seen: list[Member] = []
    MemberReader(seen.append).feed(memoryview(stream))
    return seen


@given(st.binary(max_size=3 * RECORD), st.integers(1, 7))
def test_members_are_the_same_in_pieces_of_any_size(data: bytes, records: int) -> None:
    stream = header("one", len(data)) + data + bytes(-len(data) % RECORD) + header("two")
    stream += bytes(2 * RECORD)
    whole = read(stream)
    assert whole == [
        Member("one", len(data), hashlib.sha256(data).hexdigest()),
        Member("two", 0, hashlib.sha256().hexdigest()),
    ]
    seen: list[Member] = []
    reader = MemberReader(seen.append)
    for at in range(0, len(stream), records * RECORD):
        reader.feed(memoryview(stream)[at : at + records * RECORD])
    assert (seen, reader.ended) == (whole, True)


@given(st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1, max_size=24))
def test_a_header_has_the_sum_that_tar_gives_it(name: str) -> None:
    assert read(header(name) + bytes(RECORD))[0].name == name


@pytest.mark.parametrize("position", [0, 99, 124, 135, 150, 156, 157, 511])
@pytest.mark.parametrize("change", [1, 0x40, 0x80])
def test_a_header_that_is_not_its_sum_is_none(position: int, change: int) -> None:
    broken = bytearray(header("é" * 40, 7))
    broken[position] ^= change
    with pytest.raises(BrokenTar, match=r"no header of a member|is no number"):
        read(bytes(broken) + bytes(RECORD))


def test_a_list_of_any_length_is_whole() -> None:
    digest = "0" * 64
    for count in (0, 1, 255, 256, 257, 600):
        with manifest("root") as listed:
            for number in range(count):
                listed.add(Member(f"root/files/{number}", 1, digest))
            text = b"".join(listed.text(CONTENTS))
            assert len(text) == listed.size(CONTENTS)
            assert len(json.loads(text)["members"]) == count
