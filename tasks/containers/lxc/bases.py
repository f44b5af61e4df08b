"""The root file systems that containers stand on, kept where the cache's fate does not matter.

    paths.lxc/.vikunja-deploy.bases/<key>    hard links to the cached one: no room, no copy

Whoever empties a cache loses time, never a container.
"""

from __future__ import annotations

from pathlib import Path

from tasks.containers.lxc.network import configurations
from tasks.host.process import execute, remove_tree, sync_folder
from tasks.paths import Paths


def bases_folder(paths: Paths) -> Path:
    return paths.lxc / ".vikunja-deploy.bases"


def keep_base(paths: Paths, cached: Path, where: str, lock: int) -> Path:
    """The kept twin of a cached root file system (`…/<key>/root`), made where missing.

    lock: that of all containers, which the caller holds. Where the caller is killed, whoever comes
    next waits until nothing writes there any more.
    """
    folder = bases_folder(paths)
    kept = folder / cached.parent.name
    if kept.is_dir():
        return kept
    folder.mkdir(exist_ok=True)
    aside = folder / f".{kept.name}"
    remove_tree(aside, where)
    same_device = cached.stat().st_dev == folder.stat().st_dev
    how = "--link" if same_device else "--reflink=auto"
    execute(
        ["cp", "--archive", how, "--no-target-directory", "--", str(cached), str(aside)],
        where=where,
        timeout=600,
        hint=f"look for free room below {folder}",
        lock=lock,
    )
    aside.rename(kept)
    sync_folder(folder)
    return kept


def remove_unused_bases(paths: Paths, where: str) -> None:
    """Remove what no container's configuration names. The caller holds the same lock."""
    folder = bases_folder(paths)
    if not folder.is_dir():
        return
    texts = configurations(paths).values()
    for kept in folder.iterdir():
        if not any(f" {kept} " in text for text in texts):
            remove_tree(kept, where)
    if not any(folder.iterdir()):
        folder.rmdir()
