"""Public keys of OpenPGP (RFC 9580), as far as it takes to hand one on: text made binary."""

from __future__ import annotations

import base64
import binascii

_BEGIN, _END = b"-----BEGIN PGP ", b"-----END PGP "
_PUBLIC_KEY, _SECRET_KEY = 6, 5
"""Tags of the packet that a key begins with."""


def public_keys(content: bytes) -> bytes:
    """All keys of a file, armored or not, in binary form. Raises ValueError, which says what it
    holds instead."""
    keys = b"".join(_armored(content)) if _BEGIN in content else content
    first = keys[0] if keys else 0
    tag = first & 0x3F if first & 0x40 else (first & 0x3F) >> 2
    if tag == _SECRET_KEY and first & 0x80:
        raise ValueError("holds a private key")
    if tag != _PUBLIC_KEY or not first & 0x80:
        raise ValueError("holds no public key of OpenPGP")
    return keys


def _armored(content: bytes) -> list[bytes]:
    blocks = []
    lines = iter(content.replace(b"\r\n", b"\n").split(b"\n"))
    for line in lines:
        if not line.startswith(_BEGIN):
            continue
        # Headers end with an empty line.
        while (line := next(lines, b"")).strip():
            pass
        body = []
        while (line := next(lines, _END)).strip() and not line.startswith(_END):
            # What begins with this is a checksum of what came before.
            if not line.startswith(b"="):
                body.append(line.strip())
        try:
            blocks.append(base64.b64decode(b"".join(body), validate=True))
        except binascii.Error as error:
            raise ValueError("holds a damaged key") from error
    return blocks
