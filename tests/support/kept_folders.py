"""A folder in memory: what many tests begin with is brought about once and laid down for each."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple


class Kept(NamedTuple):
    """One file, folder or link. content: of a file; of a link its target; None: a folder.

    owner: user and group. mtime_ns: of the content.
    """

    mode: int
    owner: tuple[int, int]
    content: bytes | str | None
    mtime_ns: int


def keep(folder: Path, without: str = "") -> dict[str, Kept]:
    """Everything below the folder, by its path there; without: a folder in it that is left out."""
    found = {}
    for place, folders, files in os.walk(folder):
        if without in folders:
            folders.remove(without)
        for name in (*folders, *files):
            path = Path(place, name)
            status = path.lstat()
            content: bytes | str | None = None
            if path.is_symlink():
                content = str(path.readlink())
            elif name in files:
                content = path.read_bytes()
            relative = str(path.relative_to(folder))
            found[relative] = Kept(
                status.st_mode, (status.st_uid, status.st_gid), content, status.st_mtime_ns
            )
    return found


def lay(folder: Path, kept: Mapping[str, Kept], without: str = "") -> None:
    """Have in the folder what was kept of it, and nothing else."""
    for name in sorted(keep(folder, without).keys() - kept.keys(), reverse=True):
        path = folder / name
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink()
    for name, one in kept.items():
        path = folder / name
        if isinstance(one.content, str):
            path.unlink(missing_ok=True)
            path.symlink_to(one.content)
            os.lchown(path, *one.owner)
            continue
        if one.content is None:
            path.mkdir(exist_ok=True)
        else:
            path.write_bytes(one.content)
            os.utime(path, ns=(one.mtime_ns, one.mtime_ns))
        os.chown(path, *one.owner)
        path.chmod(one.mode & 0o7777)
