"""The program in a release archive: a zip, a tar or the program by itself."""

from __future__ import annotations

import gzip
import hashlib
import lzma
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from tasks.builds import pack
from tasks.errors import BuildError

MAXIMUM_UNPACKED = 2 << 30
MAXIMUM_BINARY = 1 << 30
MAXIMUM_MEMBERS = 100_000
UNREADABLE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    gzip.BadGzipFile,
    lzma.LZMAError,
    zlib.error,
    EOFError,
    # What zipfile raises for an encrypted member or a method that it does not know.
    RuntimeError,
)


SHA256 = re.compile(rb"\s*([0-9A-Fa-f]{64})\b")


class Program:
    """Vikunja's program as it is read. size: bytes. said: its SHA-256 as a file beside it in a zip
    says, None where none does."""

    def __init__(self, content: IO[bytes], size: int, said: str | None = None) -> None:
        self.size = size
        self._content = content
        self._said = said
        self._digest = hashlib.sha256()

    def read(self, count: int = -1) -> bytes:
        data = self._content.read(count)
        self._digest.update(data)
        return data

    def check(self, where: str) -> None:
        """Raise BuildError where what was read is not what the archive itself says it is."""
        found = self._digest.hexdigest()
        if self._said not in (None, found):
            raise BuildError(
                f"the program's SHA-256 is {found}, the archive says {self._said}",
                where=where,
                hint="the archive is damaged; do not use it",
            )


@contextmanager
def binary(path: Path, where: str) -> Iterator[Program]:
    """Vikunja's program in a zip, a tar or by itself.

    Nothing is unpacked: one member is read, so names and links in an archive reach nothing.
    """
    with path.open("rb") as file:
        head = file.read(4)
    if head == pack.ELF:
        with path.open("rb") as file:
            yield Program(file, _bounded(path.stat().st_size, where))
        return
    try:
        if head.startswith(b"PK"):
            with zipfile.ZipFile(path) as zipped:
                yield from _from_zip(zipped, where)
        else:
            with tarfile.open(path, "r:*") as tarred:
                yield from _from_tar(tarred, where)
    except UNREADABLE as error:
        # tarfile lists what each of its readers says.
        why = next(iter(str(error).splitlines()), "").rstrip(":")
        raise BuildError(
            f"the release is no zip, tar or program that can be read: {why}",
            where=where,
            hint="use a zip or tar of Vikunja's releases, or the binary itself",
        ) from error


def _from_zip(zipped: zipfile.ZipFile, where: str) -> Iterator[Program]:
    regular = [member for member in zipped.infolist() if not member.is_dir()]
    names = {member.filename: member for member in regular[:MAXIMUM_MEMBERS]}

    def head(name: str) -> bytes:
        with zipped.open(name) as content:
            return content.read(4)

    chosen = names[_choose(list(names), head, where)]
    beside = names.get(f"{chosen.filename}.sha256")
    with zipped.open(chosen) as content:
        yield Program(content, _bounded(chosen.file_size, where), _said(zipped, beside))


def _said(zipped: zipfile.ZipFile, beside: zipfile.ZipInfo | None) -> str | None:
    if beside is None:
        return None
    with zipped.open(beside) as content:
        found = SHA256.match(content.read(1000))
    return found[1].decode().lower() if found else None


def _from_tar(tarred: tarfile.TarFile, where: str) -> Iterator[Program]:
    names: dict[str, tarfile.TarInfo] = {}
    total = 0
    for member in tarred:
        total += member.size
        if total > MAXIMUM_UNPACKED or len(names) > MAXIMUM_MEMBERS:
            raise BuildError("the release unpacks to more than 2 GiB", where=where)
        if member.isfile():
            names[member.name] = member

    def open_member(name: str) -> IO[bytes]:
        content = tarred.extractfile(names[name])
        assert content is not None
        return content

    chosen = _choose(list(names), lambda name: open_member(name).read(4), where)
    yield Program(open_member(chosen), _bounded(names[chosen].size, where))


def _choose(names: list[str], head: Callable[[str], bytes], where: str) -> str:
    """The one program among the members that is Vikunja by its name."""
    named = [name for name in names if PurePosixPath(name).name.startswith("vikunja")]
    programs = [name for name in named if head(name) == pack.ELF]
    exact = [name for name in programs if PurePosixPath(name).name == "vikunja"]
    if len(exact) == 1:
        return exact[0]
    if len(programs) == 1:
        return programs[0]
    raise BuildError(
        "the release holds more than one program named vikunja…"
        if programs
        else "the release holds no program named vikunja…",
        where=where,
        hint="use the archive for Linux and this machine's kind of processor",
        evidence=(programs or names)[:20],
    )


def _bounded(size: int, where: str) -> int:
    if size > MAXIMUM_BINARY:
        raise BuildError(
            f"the program in the release is larger than {MAXIMUM_BINARY >> 30} GiB", where=where
        )
    return size
