"""The header of an age file: its key, wrapped for each recipient or by a passphrase."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from tasks.age.keys import Identity, Key, Passphrase, Recipient

KEY = 16
"""Bytes of a file's key."""

_TAG = 16
_COLUMNS = 64
_VERSION = b"age-encryption.org/v1"
_SCRYPT_LABEL = _VERSION + b"/scrypt"
_X25519_LABEL = _VERSION + b"/X25519"
_MOST_STANZAS = 64
_LONGEST_LINE = 1024
_LOG_N = 18
"""A second or so, and 256 MiB, for every guess at a passphrase: what age itself takes."""

_MOST_LOG_N = 22


class Source(Protocol):
    """What a header and what follows it are read from."""

    def read(self, count: int, /) -> bytes: ...

    def readline(self, count: int, /) -> bytes: ...


class NotAge(Exception):
    """Not a stream of this format, or not as it was made; the message says what is wrong."""


class NoKey(Exception):
    """None of the keys opens it."""


class Stanza(Struct, frozen=True):
    """The file's key for one who can open it."""

    kind: str
    arguments: tuple[str, ...]
    body: bytes


def wrap_for(key: bytes, recipient: Recipient) -> Stanza:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

    own = X25519PrivateKey.generate()
    share = own.public_key().public_bytes_raw()
    secret = own.exchange(X25519PublicKey.from_public_bytes(recipient.public))
    wrapping = derive(secret, share + recipient.public, _X25519_LABEL)
    return Stanza("X25519", (_encoded(share),), _wrapped(wrapping, key))


def wrap_with_passphrase(key: bytes, passphrase: Passphrase) -> Stanza:
    salt = os.urandom(16)
    wrapping = _stretched(passphrase, salt, _LOG_N)
    return Stanza("scrypt", (_encoded(salt), str(_LOG_N)), _wrapped(wrapping, key))


def file_key(stanzas: Sequence[Stanza], keys: Sequence[Key]) -> bytes:
    if any(stanza.kind == "scrypt" for stanza in stanzas) and len(stanzas) > 1:
        raise NotAge("its header has a passphrase and something else")
    for stanza in stanzas:
        for key in keys:
            found = _unwrap(stanza, key)
            if found is not None:
                return found
    kinds = ", ".join(sorted({stanza.kind for stanza in stanzas}))
    raise NoKey(f"it was made for another key ({kinds})")


def _unwrap(stanza: Stanza, key: Key) -> bytes | None:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    if len(stanza.body) != KEY + _TAG:
        return None
    if stanza.kind == "X25519" and isinstance(key, Identity) and len(stanza.arguments) == 1:
        share = _decoded(stanza.arguments[0])
        own = X25519PrivateKey.from_private_bytes(key.reveal())
        public = own.public_key().public_bytes_raw()
        try:
            secret = own.exchange(X25519PublicKey.from_public_bytes(share))
        except ValueError as error:
            raise NotAge("its header has an impossible share") from error
        wrapping = derive(secret, share + public, _X25519_LABEL)
    elif stanza.kind == "scrypt" and isinstance(key, Passphrase) and len(stanza.arguments) == 2:
        effort = stanza.arguments[1]
        if not effort.isascii() or not effort.isdigit() or not 1 <= int(effort) <= _MOST_LOG_N:
            raise NotAge("its passphrase asks for more work than is allowed")
        wrapping = _stretched(key, _decoded(stanza.arguments[0]), int(effort))
    else:
        return None
    try:
        return ChaCha20Poly1305(wrapping).decrypt(bytes(12), stanza.body, None)
    except InvalidTag:
        return None


def _wrapped(wrapping: bytes, key: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    return ChaCha20Poly1305(wrapping).encrypt(bytes(12), key, None)


def _stretched(passphrase: Passphrase, salt: bytes, log_n: int) -> bytes:
    n = 1 << log_n
    return hashlib.scrypt(
        passphrase.reveal().encode(),
        salt=_SCRYPT_LABEL + salt,
        n=n,
        r=8,
        p=1,
        maxmem=128 * 8 * n + (1 << 20),
        dklen=32,
    )


def header(stanzas: Sequence[Stanza], key: bytes) -> bytes:
    lines = [_VERSION]
    for stanza in stanzas:
        lines.append(" ".join(("->", stanza.kind, *stanza.arguments)).encode())
        body = _encoded(stanza.body)
        # A body ends with a line that is not full, if need be an empty one.
        lines += [body[at : at + _COLUMNS].encode() for at in range(0, len(body) + 1, _COLUMNS)]
    covered = b"\n".join([*lines, b"---"])
    return covered + b" " + _encoded(mac_of(key, covered)).encode() + b"\n"


def read_header(file: Source) -> tuple[list[Stanza], bytes, bytes]:
    """Stanzas, checksum, and the bytes that it covers."""
    version = _VERSION + b"\n"
    covered = file.readline(len(version))
    if not version.startswith(covered):
        raise NotAge("it is no archive that was encrypted with age")
    if covered != version:
        raise NotAge("its header is not as it was made, or cut short")
    stanzas: list[Stanza] = []
    while True:
        line = _line(file)
        if line.startswith(b"--- "):
            if not stanzas:
                raise NotAge("its header names nobody")
            return stanzas, _decoded(line[4:].decode("ascii", "replace")), covered + b"---"
        words = line.decode("ascii", "replace").split(" ")
        if words[0] != "->" or len(words) < 2 or len(stanzas) >= _MOST_STANZAS:
            raise NotAge("its header is not as it was made")
        covered += line + b"\n"
        body = ""
        while True:
            part = _line(file)
            covered += part + b"\n"
            body += part.decode("ascii", "replace")
            if len(part) > _COLUMNS or len(body) > _LONGEST_LINE:
                raise NotAge("its header is not as it was made")
            if len(part) < _COLUMNS:
                break
        stanzas.append(Stanza(words[1], tuple(words[2:]), _decoded(body)))


def _line(file: Source) -> bytes:
    line = file.readline(_LONGEST_LINE)
    if not line.endswith(b"\n"):
        raise NotAge("its header is not as it was made, or cut short")
    return line[:-1]


def mac_of(key: bytes, covered: bytes) -> bytes:
    return hmac.digest(derive(key, b"", b"header"), covered, "sha256")


def derive(secret: bytes, salt: bytes, info: bytes) -> bytes:
    """HKDF with SHA-256, 32 bytes (RFC 5869)."""
    extracted = hmac.digest(salt or bytes(32), secret, "sha256")
    return hmac.digest(extracted, info + b"\x01", "sha256")


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    """Base64 without padding, in its only spelling."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise NotAge("its header is not as it was made") from error
    if _encoded(data) != text:
        raise NotAge("its header is not as it was made")
    return data
