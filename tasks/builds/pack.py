"""From what a build left to one archive: the same files make the same bytes.

Members come from streams written by the build's own unprivileged user, so nothing here opens a
path that foreign code could have bent, and nothing in a stream is believed: names, links, sizes
and kinds are checked.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any, Protocol

from tasks.errors import BuildError

ELF = b"\x7fELF"
MAXIMUM_BYTES = 4 << 30


class Readable(Protocol):
    """What gives bytes, so many at a time."""

    def read(self, count: int, /) -> bytes: ...


class Packer:
    """One archive in the making. modified: seconds since the epoch, for every member."""

    def __init__(self, archive: tarfile.TarFile, modified: int) -> None:
        self._archive = archive
        self._modified = modified
        self._bytes = 0
        self._links: set[str] = set()
        self.files: dict[str, int] = {}
        """Size of every regular file so far, by name."""

    def folder(self, name: str) -> None:
        self._archive.addfile(self._member(name, tarfile.DIRTYPE, 0o755))

    def file(self, name: str, content: Readable, size: int, *, executable: bool) -> None:
        """Add a regular file of `size` bytes."""
        self._bytes += size
        if self._bytes > MAXIMUM_BYTES:
            raise BuildError(
                f"what the build left is larger than {MAXIMUM_BYTES >> 30} GiB",
                hint="check what the build commands write into the packed folders",
            )
        member = self._member(name, tarfile.REGTYPE, 0o755 if executable else 0o644)
        member.size = size
        source: Any = content
        self._archive.addfile(member, source)
        self.files[name] = size

    def take(self, stream: IO[bytes], target: str) -> None:
        """Add everything of a tar stream below the folder `target`."""
        with tarfile.open(fileobj=stream, mode="r|") as source:
            for found in source:
                name = _inside(target, found.name)
                self._refuse_below_link(name)
                if found.isdir():
                    if name != target:
                        self.folder(name)
                elif found.issym():
                    self._link(target, name, found.linkname)
                elif found.isfile():
                    content = source.extractfile(found)
                    assert content is not None
                    self.file(name, content, found.size, executable=bool(found.mode & 0o111))
                else:
                    raise BuildError(
                        f"{name} is neither a file nor a folder nor a link",
                        hint="the build commands must not leave such a thing there",
                    )

    def _link(self, part: str, name: str, pointee: str) -> None:
        whole = posixpath.normpath(posixpath.join(posixpath.dirname(name), pointee))
        steps = pointee.split("/")
        # `..` after a name could climb out from wherever a link of that name leads.
        climbs_late = ".." in steps[next((i for i, s in enumerate(steps) if s != ".."), 0) :]
        outside = not (whole + "/").startswith(part + "/")
        if pointee.startswith("/") or climbs_late or outside:
            raise BuildError(
                f"the link {name} points out of its part, to {pointee}",
                hint="the build commands must copy what it points to",
            )
        member = self._member(name, tarfile.SYMTYPE, 0o777)
        member.linkname = pointee
        self._archive.addfile(member)
        self._links.add(name)

    def _refuse_below_link(self, name: str) -> None:
        above = PurePosixPath(name).parents
        if self._links and any(str(folder) in self._links for folder in above):
            raise BuildError(
                f"{name} lies below a link",
                hint="the build's output cannot be used",
            )

    def _member(self, name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
        member = tarfile.TarInfo(name)
        member.type, member.mode, member.mtime = kind, mode, self._modified
        return member


def _inside(target: str, name: str) -> str:
    parts = PurePosixPath(name).parts
    if name.startswith("/") or ".." in parts:
        raise BuildError(
            f"a member named {name!r} would land outside of {target}",
            hint="the build's output cannot be used",
        )
    return posixpath.join(target, *parts)


@contextmanager
def packing(path: Path, modified: int) -> Iterator[Packer]:
    """Write the archive `path`; it is whole and on the disk when this ends without an error."""
    try:
        with path.open("wb") as file:
            with tarfile.open(fileobj=file, mode="w|", format=tarfile.PAX_FORMAT) as archive:
                yield Packer(archive, modified)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def digest(path: Path) -> str:
    """SHA-256 of a file, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def first_bytes(path: Path, member: str, count: int = 20) -> bytes:
    """The first bytes of a regular member of an archive; b"" where it is not there."""
    with tarfile.open(path) as archive:
        try:
            content = archive.extractfile(member)
        except KeyError:
            return b""
        return content.read(count) if content else b""
