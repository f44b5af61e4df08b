"""A real file system of a few pages, to fill up to the page. Needs root."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PAGE = os.sysconf("SC_PAGE_SIZE")
FILLER = "filler"


class SmallDisk:
    """A tmpfs at `folder`, of which a filler takes what is not to be used."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def leave(self, pages: int) -> None:
        """Take all of it but so many pages."""
        self.free()
        room = self.pages - pages
        assert room >= 0, "the disk is not that large"
        (self.folder / FILLER).write_bytes(bytes(room * PAGE))
        assert self.pages == pages

    def free(self) -> None:
        (self.folder / FILLER).unlink(missing_ok=True)

    @property
    def pages(self) -> int:
        """Free ones."""
        return os.statvfs(self.folder).f_bfree

    def names(self, beside: str = "") -> list[str]:
        """Every file and link that is there, below the folder `beside`, but for the filler."""
        start = self.folder / beside
        return sorted(
            str(path.relative_to(start))
            for path in start.rglob("*")
            if path.name != FILLER and (path.is_symlink() or not path.is_dir())
        )


@contextmanager
def small_disk(folder: Path, pages: int) -> Iterator[SmallDisk]:
    """A disk of so many pages at an empty folder, which is made where it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    options = f"size={pages * PAGE},mode=755"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", str(folder)], check=True)
