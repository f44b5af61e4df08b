"""Who can open an archive: public and private keys of age, and passphrases; and keys as text."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from tasks.secret import Secret


class Recipient(Struct, frozen=True):
    """Who can open what is written: the owner of a private key. public: 32 bytes."""

    public: bytes


class Identity(Secret[bytes]):
    """A private key, 32 bytes."""

    __slots__ = ()


class Passphrase(Secret[str]):
    """For writing and reading."""

    __slots__ = ()


Key = Identity | Passphrase
Lock = Sequence[Recipient] | Passphrase
"""What an archive is made for: at least one recipient, or a passphrase, which stands alone."""


def parse_recipient(text: str) -> Recipient:
    """`age1…`. Raises ValueError."""
    return Recipient(_bech32(text.strip(), "age"))


def parse_identities(text: str) -> tuple[Identity, ...]:
    """The private keys in a file as age-keygen writes it. Raises ValueError; never shows any."""
    lines = [line.strip() for line in text.splitlines()]
    return tuple(
        Identity(_bech32(line.lower() if line.isupper() else line, "age-secret-key-"))
        for line in lines
        if line and not line.startswith("#")
    )


_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


def _bech32(text: str, prefix: str) -> bytes:
    """The 32 bytes in a Bech32 text with this prefix."""
    name, separator, data = text.rpartition("1")
    if name != prefix or not separator or any(char not in _BECH32 for char in data):
        raise ValueError(f"no key that begins with {prefix}1")
    values = [_BECH32.index(char) for char in data]
    expanded = [ord(char) >> 5 for char in name] + [0] + [ord(char) & 31 for char in name]
    if _polymod([*expanded, *values]) != 1:
        raise ValueError("a key with a mistake in it: its checksum is wrong")
    bits = count = 0
    out = bytearray()
    for value in values[:-6]:
        bits, count = bits << 5 | value, count + 5
        if count >= 8:
            count -= 8
            out.append(bits >> count & 0xFF)
    if len(out) != 32 or bits & ((1 << count) - 1):
        raise ValueError("a key of another length than keys have")
    return bytes(out)


def _polymod(values: Sequence[int]) -> int:
    checksum = 1
    for value in values:
        top = checksum >> 25
        checksum = (checksum & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate(_GENERATOR):
            if top >> bit & 1:
                checksum ^= generator
    return checksum
