"""metadata.json, the last member of an archive: what it holds and the SHA-256 of every file.

    {
      "backup_version": "1.0.0",
      …the other fields of tasks.model.archive.Contents,
      "members": {
        "deployment-config.yaml": "<SHA-256, hex>",
        "database/vikunja.db": "…",
        "files/1": "…"
      }
    }

The list is spooled: memory does not grow with the number of files.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import zip_longest
from json.encoder import encode_basestring_ascii
from pathlib import Path
from typing import IO

import msgspec

from tasks.backup.members import BrokenTar, Member
from tasks.host.files import as_record
from tasks.model.archive import Contents

NAME = "metadata.json"
DATABASE = "database/"
FILES = "files/"

_IN_MEMORY = 1024 * 1024
_AT_ONCE = 256
_OPEN = b'  "members": {\n'
_CLOSE = b"\n  }\n}\n"


@dataclass
class Counted:
    """What went by."""

    database_size_bytes: int = 0
    files_count: int = 0
    files_size_bytes: int = 0


@dataclass
class Manifest:
    """The list as it grows. root: the folder all members lie in; lines: JSON, one a file."""

    root: str
    lines: IO[bytes]
    counted: Counted = field(default_factory=Counted)
    length: int = 0
    _waiting: list[bytes] = field(default_factory=list)

    def add(self, member: Member) -> None:
        """Note a member; folders and links have no digest. Raises BrokenTar for a foreign one."""
        root, _, name = member.name.partition("/")
        if root != self.root or (".." in name and ".." in name.split("/")):
            raise BrokenTar(f"{member.name!r} is outside {self.root}")
        if member.sha256 is None or name == NAME:
            return
        if name.startswith(DATABASE):
            self.counted.database_size_bytes += member.size
        elif name.startswith(FILES):
            self.counted.files_count += 1
            self.counted.files_size_bytes += member.size
        separator = ",\n" if self.length else ""
        line = f'{separator}    {encode_basestring_ascii(name)}: "{member.sha256}"'.encode("ascii")
        self.length += len(line)
        self._waiting.append(line)
        if len(self._waiting) == _AT_ONCE:
            self._flush()

    def text(self, contents: Contents) -> Iterator[bytes]:
        """metadata.json, piece by piece."""
        self._flush()
        yield self.head(contents)
        self.lines.seek(0)
        while piece := self.lines.read(_IN_MEMORY):
            yield piece
        yield _CLOSE

    def size(self, contents: Contents) -> int:
        return len(self.head(contents)) + self.length + len(_CLOSE)

    def _flush(self) -> None:
        self.lines.write(b"".join(self._waiting))
        self._waiting.clear()

    @staticmethod
    def head(contents: Contents) -> bytes:
        own = json.dumps(msgspec.to_builtins(contents), indent=2, ensure_ascii=False)
        return own.removesuffix("\n}").encode() + b",\n" + _OPEN


@contextmanager
def manifest(root: str, folder: Path | None = None) -> Iterator[Manifest]:
    """An empty list; what does not fit into memory goes to a file without a name in `folder`."""
    place = None if folder is None else str(folder)
    with tempfile.SpooledTemporaryFile(_IN_MEMORY, dir=place) as lines:
        yield Manifest(root, lines)


def read_contents(text: IO[bytes]) -> Contents:
    """What a metadata.json says but for its members. Raises ValueError where it says it wrongly."""
    head = b""
    text.seek(0)
    for line in text:
        if line == _OPEN:
            break
        head += line
        if len(head) > _IN_MEMORY:
            break
    else:
        raise ValueError("it names no members")
    return as_record(json.loads(head.decode().rstrip().removesuffix(",") + "\n}"), Contents)


def first_difference(said: IO[bytes], found: Callable[[], Iterator[bytes]]) -> str | None:
    """The line in which two metadata.json differ; None where they are the same to the letter.

    found: begins the text of the second, piece by piece.
    """
    said.seek(0)
    if all(said.read(len(piece)) == piece for piece in found()) and not said.read(1):
        return None
    said.seek(0)
    for one, other in zip_longest(said, _lines(found())):
        if one != other:
            shown = one if one is not None else other
            assert shown is not None
            return shown.decode(errors="replace").strip().rstrip(",")
    return None


def _lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        yield from (line + b"\n" for line in whole)
    if rest:
        yield rest
