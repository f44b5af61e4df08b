"""What goes through a tar stream: each member's name, size and SHA-256, without unpacking it.

Only what GNU tar writes in its own format is known: files, folders and links, with long names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import NamedTuple
from zlib import adler32

RECORD = 512
_ZEROS = bytes(RECORD)
_SPACES = b" " * 8
_LONG_NAME, _LONG_LINK = b"L", b"K"
_FILE = (b"0", b"\0", b"7")
_WITHOUT_DATA = (b"1", b"2", b"3", b"4", b"5", b"6")
LONGEST_NAME = 16 * 1024


class BrokenTar(Exception):
    """Not a tar stream of the kind that archives hold; the message says what is wrong."""


class Member(NamedTuple):
    """One member. sha256: of a file's data, hex; None for what has no data."""

    name: str
    size: int
    sha256: str | None


class MemberReader:
    """Fed with a tar stream piece by piece, calls `seen` with each member as it ends.

    current: the name of the member that is passing, for messages. ended: the end has been seen.
    """

    def __init__(
        self,
        seen: Callable[[Member], object],
        wanted: str | None = None,
        take: Callable[[bytes], object] = lambda _: None,
    ) -> None:
        """wanted, take: the data of the member of this name goes to `take`, too."""
        self._seen = seen
        self._wanted = wanted
        self._take = take
        self._long: bytearray | None = None
        self._long_is_name = False
        self._next_name: str | None = None
        self._size = 0
        self._left = 0
        self._padding = 0
        self._hash = hashlib.sha256()
        self.current = ""
        self.ended = False

    def feed(self, piece: memoryview) -> int:
        """Take the next whole records; how many bytes of them come before the archive's end.

        Less than all of them says that the end has come. Raises BrokenTar.
        """
        if len(piece) % RECORD:
            raise BrokenTar("it does not end with a whole record")
        at = 0
        end = len(piece)
        while at < end and not self.ended:
            if self._left:
                count = min(self._left, end - at)
                self._data(piece[at : at + count])
                at += count
            elif self._padding:
                # A piece ends with a record, so the padding is never split.
                if bytes(piece[at : at + self._padding]) != _ZEROS[: self._padding]:
                    raise BrokenTar(f"{self.current}: something follows its end")
                at += self._padding
                self._padding = 0
            else:
                header = bytes(piece[at : at + RECORD])
                if header == _ZEROS:
                    self.ended = True
                else:
                    self._begin(header)
                    at += RECORD
        return at

    def _begin(self, header: bytes) -> None:
        if not _sums_up(header):
            raise BrokenTar(f"no header of a member after {self.current or 'the beginning'}")
        kind = header[156:157]
        size = _number(header[124:136])
        self._left = size
        self._padding = -size % RECORD
        if kind in (_LONG_NAME, _LONG_LINK):
            if not 0 < size <= LONGEST_NAME:
                raise BrokenTar(f"a name of {size} bytes")
            self._long = bytearray()
            self._next_name = self._next_name or ""
            self._long_is_name = kind == _LONG_NAME
            return
        self.current = self._next_name or _field(header[0:100])
        self._next_name = None
        self._size = size
        if kind in _FILE:
            self._hash = hashlib.sha256()
            if not size:
                self._end()
        elif kind in _WITHOUT_DATA:
            if size:
                raise BrokenTar(f"{self.current}: data where none belongs")
            self._seen(Member(self.current, 0, None))
        else:
            raise BrokenTar(f"{self.current}: a member of unknown kind {kind!r}")

    def _data(self, data: memoryview) -> None:
        self._left -= len(data)
        if self._long is not None:
            self._long += data
            if not self._left:
                if self._long_is_name:
                    self._next_name = _field(bytes(self._long))
                self._long = None
            return
        self._hash.update(data)
        if self.current == self._wanted:
            self._take(bytes(data))
        if not self._left:
            self._end()

    def _end(self) -> None:
        self._seen(Member(self.current, self._size, self._hash.hexdigest()))


def _sums_up(header: bytes) -> bool:
    """Whether a header's bytes, those of the sum itself taken as spaces, have the sum that it says.

    The lower half of Adler-32 is 1 and that sum, modulo 65521, in a sixth of the time that adding
    up takes in Python.
    """
    found = adler32(header[156:], adler32(_SPACES, adler32(header[:148]))) & 0xFFFF
    said = _number(header[148:156])
    return said <= RECORD * 255 and (said + 1) % 65521 == found


def _field(data: bytes) -> str:
    return data.partition(b"\0")[0].decode(errors="surrogateescape")


def _number(field: bytes) -> int:
    """An octal number, or GNU's binary form of a large one."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    try:
        return int(field.strip(b" \0") or b"0", 8)
    except ValueError:
        raise BrokenTar(f"{field!r} is no number") from None
