"""A folder of this machine: a root file system that is not running, or one of a compose file."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from tasks.errors import ResourceError
from tasks.imports.live import unreadable
from tasks.imports.source import MOST_BYTES, Measured


class Folder(Struct, frozen=True):
    """See tasks.imports.source.Source. Links lead to where they would in it as the root."""

    said: str
    root: Path

    def fetch(self, patterns: Sequence[str]) -> Mapping[str, bytes]:
        found = {}
        for pattern in patterns:
            for path in self._matching(pattern):
                real = self.inside(path)
                try:
                    if real.is_file() and real.stat().st_size <= MOST_BYTES:
                        found[path] = real.read_bytes()
                except PermissionError as error:
                    raise unreadable(self.said, path) from error
        return found

    def sizes(self, paths: Sequence[str]) -> Mapping[str, int]:
        real = {path: self.inside(path) for path in paths}
        return {path: file.stat().st_size for path, file in real.items() if file.is_file()}

    def measure(self, folder: str) -> Measured | None:
        real = self.inside(folder)
        if not real.is_dir():
            return None
        sizes = [path.stat().st_size for path in real.rglob("*") if path.is_file()]
        return Measured(len(sizes), sum(sizes))

    def version(self, program: str) -> str:
        return ""

    def processes(self) -> frozenset[str]:
        return frozenset()

    def inside(self, path: str) -> Path:
        """Where a path of the installation is on this machine."""
        real = self.root
        parts = [part for part in reversed(path.split("/")) if part]
        hops = 0
        while parts:
            part = parts.pop()
            if part == "..":
                real = real if real == self.root else real.parent
                continue
            real /= part
            if real.is_symlink() and hops < 40:
                hops += 1
                target = str(real.readlink())
                real = self.root if target.startswith("/") else real.parent
                parts += [one for one in reversed(target.split("/")) if one not in ("", ".")]
        return real

    def _matching(self, pattern: str) -> Iterator[str]:
        if glob.has_magic(pattern):
            names = glob.glob(pattern.lstrip("/"), root_dir=self.root)  # noqa: PTH207 - root_dir
            yield from (f"/{name}" for name in sorted(names))
        else:
            yield pattern


def folder_source(said: str, path: Path) -> Folder:
    if not path.is_dir():
        what = "is no folder" if path.exists() else "no such folder"
        raise ResourceError(what, where=said, hint="Name one: folder:/PATH")
    return Folder(said, path.resolve())
