"""Whether backups can be written."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from tasks.backup.mount import require_mounted
from tasks.model.finding import Finding, World


def check(world: World) -> Iterator[Finding]:
    directory = world.instance.backup.directory
    require_mounted(world.instance.backup)
    nearest = nearest_existing(directory)
    yield evaluate(
        world,
        nearest,
        is_folder=nearest.is_dir(),
        writable=os.access(nearest, os.W_OK | os.X_OK),
        holds_container=directory.is_relative_to(world.paths.lxc),
    )
    command = world.instance.backup.after
    if command:
        yield evaluate_second_target(world, command[0], shutil.which(command[0]))


def nearest_existing(path: Path) -> Path:
    """The path itself, or the deepest of its parents that is there."""
    return next((one for one in (path, *path.parents) if os.path.lexists(one)), path)


def evaluate_second_target(world: World, program: str, found: str | None) -> Finding:
    """found: the path of `backup.after`'s program, where it can be run."""
    if found is None:
        what = f"backup.after: there is no program {program} to run"
        return world.warning("backups", what, "Install it, or correct backup.after")
    return world.ok("backups", f"copied elsewhere by {found}")


def evaluate(
    world: World, nearest: Path, *, is_folder: bool, writable: bool, holds_container: bool
) -> Finding:
    """nearest: the backup directory, or what is there of the way to it."""
    directory = world.instance.backup.directory
    if not is_folder:
        what = f"{directory} cannot be a folder: {nearest} is a file"
        return world.problem("backups", what, "Change backup.directory")
    if not writable:
        what = f"nothing can be written to {nearest}"
        return world.problem("backups", what, "Mount it writable, or change backup.directory")
    if holds_container:
        what = f"{directory} lies among the containers themselves"
        return world.warning("backups", what, "Put backup.directory on another disk")
    made = "" if nearest == directory else ", made by the first backup"
    return world.ok("backups", f"{directory}{made}")
