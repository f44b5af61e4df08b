"""Whether there is room for what an apply adds, and for what may grow."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from tasks import builds
from tasks.checks.backup import nearest_existing
from tasks.containers.base import DiskNeed
from tasks.containers.drivers import by_driver
from tasks.errors import DeployError, ResourceError
from tasks.model.finding import MACHINE, Finding, World
from tasks.paths import Paths

GB = 1 << 30

BUILD_GB, BUILDS_GB = 4.0, 9.0
"""A builder with its toolchains, caches and one tree of Vikunja's; and what it may grow to with the
toolchains of builds that are kept, and all the caches that are left."""
BACKUP_GB = 0.5
"""A first archive."""

FEWEST_FILES = 100_000


class Room(Struct, frozen=True):
    """A file system. device: tells it from others. free: GB. files: how many more it can hold,
    None where it does not count them."""

    device: int
    path: Path
    free: float
    files: int | None


def check(worlds: Sequence[World], paths: Paths) -> Iterator[Finding]:
    instances = [world.instance for world in worlds]
    needs = [DiskNeed(one.backup.directory, "backups", BACKUP_GB) for one in instances]
    for driver, own in by_driver(instances):
        needs += driver.disk_needs(own, paths)
    if any(unbuilt(world) for world in worlds):
        needs.append(DiskNeed(paths.lxc, "the build", BUILD_GB, BUILDS_GB))
    yield from evaluate([(need, room_of(need.path)) for need in needs])


def unbuilt(world: World) -> bool:
    """Whether its commit is to be built; an unreachable repository is told by its own check."""
    if world.instance.git is None:
        return False
    try:
        commit = world.commit()
    except DeployError:
        return False
    return builds.find(world.paths, builds.artifact_key(world.instance, commit)) is None


def room_of(path: Path) -> Room:
    """Of the file system that the path is on, or will be."""
    existing = nearest_existing(path)
    found = os.statvfs(existing)
    return Room(
        device=existing.stat().st_dev,
        path=existing,
        free=found.f_bavail * found.f_frsize / GB,
        files=found.f_favail if found.f_files else None,
    )


def evaluate(found: Iterable[tuple[DiskNeed, Room]]) -> Iterator[Finding]:
    """One finding a file system, or two."""
    by_device: dict[int, list[tuple[DiskNeed, Room]]] = {}
    for need, room in found:
        by_device.setdefault(room.device, []).append((need, room))
    for group in by_device.values():
        yield from evaluate_room(group[0][1], [need for need, _ in group])


def evaluate_room(room: Room, needs: Sequence[DiskNeed]) -> Iterator[Finding]:
    now = sum(need.now for need in needs)
    later = sum(need.later for need in needs)
    free = f"{room.path} has {room.free:.1f} GB free"
    if room.free < now:
        what = ", ".join(dict.fromkeys(need.what for need in needs if need.now))
        yield Finding(
            MACHINE,
            "disk",
            "problem",
            f"{free}, {now:.1f} GB are needed: {what}",
            "Make room there, or mount a larger disk",
            ResourceError.exit_code,
        )
    elif room.free < later:
        yield Finding(
            MACHINE,
            "disk",
            "warning",
            f"{free}, the containers may grow to {later:.0f} GB",
            "Watch it, or lower resources.disk_size_gb",
        )
    else:
        yield Finding(MACHINE, "disk", "ok", free)
    if room.files is not None and room.files < FEWEST_FILES:
        yield Finding(
            MACHINE,
            "disk",
            "warning",
            f"{room.path} can hold {room.files} more files only",
            "A container needs tens of thousands: remove some, or use another file system",
        )
