"""The gzip members that an archive is made of: one per block, each saying how long it is.

An archive is a plain gzip file of many members, which gunzip and tar read as one stream. Each
member's header carries its own length in an extra field (RFC 1952, 2.3.1.1), so that they can be
found without unpacking, and be checked and unpacked on several cores at once. Every byte of the
header is fixed but for that length: a changed one is seen.
"""

from __future__ import annotations

import struct

BLOCK = 512 * 1024
"""Bytes of tar in a member, fewer in the last."""

_FIXED = b"\x1f\x8b\x08\x04\x00\x00\x00\x00\x00\xff" + b"\x08\x00" + b"VK" + b"\x04\x00"
HEADER = len(_FIXED) + 4
_TRAILER = 8
_STORED = 65535
LONGEST = HEADER + BLOCK + 5 * (BLOCK // _STORED + 1) + _TRAILER
"""No member is longer: what does not shrink is stored."""

FASTEST, BEST = 1, 9
DEFAULT, SMALL = 2, 5
"""Levels: 1 to 3 are igzip's, above libdeflate's."""

_WORTH_IT = 0.97
_SAMPLE = 8 * 1024


class Broken(Exception):
    """A member that is not as it was made; the message says how."""


Bytes = bytes | bytearray | memoryview
Parts = list[Bytes]


def pack(block: Bytes, level: int) -> Parts:
    """One member that holds this block, of at most BLOCK bytes, in parts.

    What does not shrink is not copied: its parts are of the block itself.
    """
    from isal import isal_zlib

    body: Parts | None = None
    if not _incompressible(block):
        deflated = _deflated(block, level)
        if len(deflated) < len(block):
            body = [deflated]
    if body is None:
        body = _stored(block)
    length = HEADER + sum(map(len, body)) + _TRAILER
    trailer = struct.pack("<II", isal_zlib.crc32(block), len(block))
    return [_FIXED + struct.pack("<I", length), *body, trailer]


def length_of(header: bytes | memoryview) -> int:
    """How long the member that begins with these HEADER bytes is. Raises Broken."""
    if bytes(header[: len(_FIXED)]) != _FIXED:
        raise Broken("no header of a block where one belongs")
    (length,) = struct.unpack("<I", header[len(_FIXED) : HEADER])
    if not HEADER + _TRAILER < length <= LONGEST:
        raise Broken(f"a block of {length} bytes is impossible")
    return int(length)


def unpack(rest: Bytes) -> bytes | bytearray:
    """The block in a member, given without its header.

    Raises Broken where its own checksum or length say so.
    """
    import deflate
    from isal import isal_zlib

    checksum, length = struct.unpack("<II", rest[-_TRAILER:])
    if length > BLOCK:
        raise Broken(f"a block of {length} bytes unpacked is impossible")
    try:
        # libdeflate needs room for one byte even where nothing comes out.
        block = deflate.deflate_decompress(memoryview(rest)[:-_TRAILER], length or 1)
    except deflate.DeflateError as error:
        raise Broken("a block cannot be unpacked") from error
    if len(block) != length or isal_zlib.crc32(block) != checksum:
        raise Broken("a block has another checksum or length than it says")
    unpacked: bytes | bytearray = block
    return unpacked


def _deflated(block: Bytes, level: int) -> Bytes:
    if level <= 3:
        from isal import isal_zlib

        fast: bytes = isal_zlib.compress(block, level, -15)
        return fast
    import deflate

    small: bytes | bytearray = deflate.deflate_compress(block, level)
    return small


def _incompressible(block: Bytes) -> bool:
    """Whether three samples of it hardly shrink: pictures, archives, films."""
    from isal import isal_zlib

    view = memoryview(block)
    if len(view) < 4 * _SAMPLE:
        return False
    last = len(view) - _SAMPLE
    samples = b"".join(view[start : start + _SAMPLE] for start in (0, last // 2, last))
    return len(isal_zlib.compress(samples, 1, -15)) > _WORTH_IT * len(samples)


def _stored(block: Bytes) -> Parts:
    """The block in DEFLATE's stored form: 5 bytes more for each 64 KiB."""
    view = memoryview(block)
    parts: Parts = []
    for start in range(0, len(view) or 1, _STORED):
        part = view[start : start + _STORED]
        last = start + _STORED >= len(view)
        parts += [struct.pack("<BHH", last, len(part), len(part) ^ 0xFFFF), part]
    return parts
