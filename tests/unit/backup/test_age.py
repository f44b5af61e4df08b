"""The format of age: what is written opens, what was changed does not, and others agree."""

from __future__ import annotations

import io
import random

import pyrage
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.age import (
    CHUNK,
    Key,
    Lock,
    NoKey,
    NotAge,
    Opener,
    Passphrase,
    Sealer,
    parse_identities,
    parse_recipient,
)

OWNER = pyrage.x25519.Identity.generate()
OTHER = pyrage.x25519.Identity.generate()
PUBLIC = parse_recipient(str(OWNER.to_public()))
(PRIVATE,) = parse_identities(f"# created: today\n# public key: …\n{OWNER}\n")
(FOREIGN,) = parse_identities(str(OTHER))
SIZES = (0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 7)


def sealed(data: bytes, lock: Lock, step: int = 100_000) -> bytes:
    out = io.BytesIO()
    sealer = Sealer(out.write, lock)
    for at in range(0, len(data), step):
        sealer.write(data[at : at + step])
    sealer.close()
    return out.getvalue()


def opened(data: bytes, *keys: Key) -> bytes:
    opener = Opener(io.BytesIO(data), keys)
    pieces = []
    while piece := opener.read(50_000):
        pieces.append(piece)
    return b"".join(pieces)


def noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)


@pytest.mark.parametrize("size", SIZES)
def test_what_is_sealed_opens_again(size: int) -> None:
    assert opened(sealed(noise(size), [PUBLIC]), PRIVATE) == noise(size)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 90_000), max_size=6), st.lists(st.integers(1, 70_000), min_size=1))
def test_pieces_make_no_difference(written: list[int], asked: list[int]) -> None:
    pieces = [noise(size) for size in written]
    out = io.BytesIO()
    sealer = Sealer(out.write, [PUBLIC])
    for piece in pieces:
        sealer.write(piece)
    sealer.close()
    opener = Opener(io.BytesIO(out.getvalue()), [PRIVATE])
    found = b""
    for number in range(1_000_000):
        count = asked[number % len(asked)]
        piece = opener.read(count)
        found += piece
        if len(piece) < count:
            break
    assert found == b"".join(pieces)


@pytest.mark.parametrize("size", SIZES)
def test_another_implementation_opens_what_is_sealed_here(size: int) -> None:
    assert pyrage.decrypt(sealed(noise(size), [PUBLIC]), [OWNER]) == noise(size)


@pytest.mark.parametrize("size", SIZES)
def test_what_another_implementation_seals_opens_here(size: int) -> None:
    theirs = pyrage.encrypt(noise(size), [OTHER.to_public(), OWNER.to_public()])
    assert opened(theirs, PRIVATE) == noise(size)


def test_passphrases_go_both_ways() -> None:
    text = "correct horse Grüße"
    ours = sealed(b"data", Passphrase(text))
    assert pyrage.passphrase.decrypt(ours, text) == b"data"
    assert opened(pyrage.passphrase.encrypt(b"more", text), Passphrase(text)) == b"more"
    with pytest.raises(NoKey):
        opened(ours, Passphrase("correct horse"))


def test_every_recipient_opens_and_nobody_else() -> None:
    both = [PUBLIC, parse_recipient(str(OTHER.to_public()))]
    data = sealed(b"data", both)
    assert opened(data, PRIVATE) == opened(data, FOREIGN) == b"data"
    assert opened(sealed(b"data", [PUBLIC]), FOREIGN, PRIVATE) == b"data"
    with pytest.raises(NoKey, match="another key"):
        opened(sealed(b"data", [PUBLIC]), FOREIGN)
    with pytest.raises(NoKey):
        opened(sealed(b"data", [PUBLIC]), Passphrase("data"))


def test_nothing_of_the_data_shows() -> None:
    assert b"secret" not in sealed(b"secret" * 1000, [PUBLIC])
    assert sealed(b"data", [PUBLIC]) != sealed(b"data", [PUBLIC])


def test_a_flipped_bit_is_found_wherever_it_is() -> None:
    whole = sealed(noise(CHUNK + 100), [PUBLIC])
    header = whole.index(b"\n--- ") + 60
    positions = {*range(header), *range(header, len(whole), 997), len(whole) - 1}
    for number, position in enumerate(sorted(positions)):
        changed = bytearray(whole)
        changed[position] ^= 1 << number % 8
        with pytest.raises((NotAge, NoKey)):
            opened(bytes(changed), PRIVATE)


def test_a_truncated_one_is_found_at_every_place() -> None:
    whole = sealed(noise(2 * CHUNK + 100), [PUBLIC])
    begin = len(whole) - (2 * (CHUNK + 16) + 116)
    chunks = {begin, begin + CHUNK + 16, begin + 2 * (CHUNK + 16)}
    for length in {*range(begin), *chunks, *range(begin, len(whole), 1999), len(whole) - 1}:
        with pytest.raises(NotAge):
            opened(whole[:length], PRIVATE)


def test_swapped_repeated_and_appended_chunks_are_found() -> None:
    whole = sealed(noise(2 * CHUNK + 100), [PUBLIC])
    begin = len(whole) - (2 * (CHUNK + 16) + 116)
    one = whole[begin : begin + CHUNK + 16]
    two = whole[begin + CHUNK + 16 : begin + 2 * (CHUNK + 16)]
    last = whole[begin + 2 * (CHUNK + 16) :]
    head = whole[:begin]
    for wrong in (head + two + one + last, head + one + one + last, whole + last, whole + b"x"):
        with pytest.raises(NotAge):
            opened(wrong, PRIVATE)


@pytest.mark.parametrize("full", [1, 2])
def test_an_empty_last_chunk_after_full_ones_is_refused(
    full: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only an empty stream ends so: else one stream could be written in two ways."""

    def close(sealer: Sealer) -> None:
        while sealer._pending:
            sealer._seal(bytes(sealer._pending[:CHUNK]), last=False)
            del sealer._pending[:CHUNK]
        sealer._seal(b"", last=True)

    monkeypatch.setattr(Sealer, "close", close)
    with pytest.raises(NotAge, match="empty chunk"):
        opened(sealed(noise(full * CHUNK), [PUBLIC]), PRIVATE)


def test_a_passphrase_that_asks_for_too_much_work_is_refused() -> None:
    salt = "c2FsdHNhbHRzYWx0c2FsdA"
    body = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY"
    for effort in ("23", "-1", "99999", "x"):
        text = f"age-encryption.org/v1\n-> scrypt {salt} {effort}\n{body}\n--- {body}\n"
        with pytest.raises(NotAge, match="more work"):
            opened(text.encode(), Passphrase("p"))


@pytest.mark.parametrize(
    "text",
    [b"", b"hello", b"\x1f\x8b\x08", b"age-encryption.org/v1\n", b"age-encryption.org/v2\n---\n"],
)
def test_something_else_is_named_as_such(text: bytes) -> None:
    with pytest.raises(NotAge):
        opened(text, PRIVATE)


def test_private_keys_and_passphrases_do_not_show() -> None:
    for key in (PRIVATE, Passphrase("open sesame")):
        assert repr(key) in ("Identity(…)", "Passphrase(…)")
        with pytest.raises(TypeError):
            str(key)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "age1",
        "ssh-ed25519 AAAA",
        str(OWNER.to_public())[:-1],
        str(OWNER.to_public())[:-1] + ("q" if str(OWNER.to_public())[-1] != "q" else "p"),
        str(OWNER),
    ],
    ids=["empty", "its beginning", "of ssh", "cut off", "wrong checksum", "a private one"],
)
def test_a_wrong_public_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="key") as raised:
        parse_recipient(text)
    assert str(OWNER) not in str(raised.value)


def test_a_file_of_private_keys_may_hold_several_and_comments() -> None:
    assert len(parse_identities(f"# a\n{OWNER}\n\n  {OTHER}  \n")) == 2
    with pytest.raises(ValueError, match="key") as raised:
        parse_identities(f"{OWNER}X")
    assert "AGE-SECRET" not in str(raised.value)
