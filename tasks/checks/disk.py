"""Whether there is room for what an apply adds, and for what may grow."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks import builds
from tasks.checks.backup import nearest_existing
from tasks.checks.finding import MACHINE, Finding, World
from tasks.containers import container_for
from tasks.errors import DeployError, ResourceError
from tasks.paths import Paths

GB = 1 << 30

ROOT_FILE_SYSTEM_GB = 1.0
"""debootstrap's result with what it downloads, in the cache."""
CONTAINER_GB = 1.0
"""Packages, release and first data of a container."""
BUILD_GB = 4.0
"""A builder with its toolchains, caches and one tree of Vikunja's."""
BACKUP_GB = 0.5
"""A first archive."""

FEWEST_FILES = 100_000


@dataclass(frozen=True)
class Need:
    """Room that something takes. now: GB at the next apply; later: GB it may grow to."""

    path: Path
    what: str
    now: float
    later: float = 0.0


@dataclass(frozen=True)
class Room:
    """A file system. device: tells it from others. free: GB. files: how many more it can hold,
    None where it does not count them."""

    device: int
    path: Path
    free: float
    files: int | None


def check(worlds: Sequence[World], paths: Paths) -> Iterator[Finding]:
    needs = [need for world in worlds for need in needs_of(world)]
    if any(world.instance.lxc for world in worlds) and not any((paths.cache / "rootfs").glob("*")):
        needs.append(Need(paths.cache, "the root file system", ROOT_FILE_SYSTEM_GB))
    if any(unbuilt(world) for world in worlds):
        needs.append(Need(paths.lxc, "the build", BUILD_GB))
    yield from evaluate([(need, room_of(need.path)) for need in needs])


def needs_of(world: World) -> Iterator[Need]:
    instance = world.instance
    if instance.lxc:
        exists = container_for(instance, world.paths).observe().exists
        now = 0.0 if exists else CONTAINER_GB
        yield Need(world.paths.lxc, instance.id, now, float(instance.resources.disk_size_gb))
    yield Need(instance.backup.directory, "backups", BACKUP_GB)


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
    place = nearest_existing(path)
    found = os.statvfs(place)
    return Room(
        device=place.stat().st_dev,
        path=place,
        free=found.f_bavail * found.f_frsize / GB,
        files=found.f_favail if found.f_files else None,
    )


def evaluate(found: Iterable[tuple[Need, Room]]) -> Iterator[Finding]:
    """One finding a file system, or two."""
    by_device: dict[int, list[tuple[Need, Room]]] = {}
    for need, room in found:
        by_device.setdefault(room.device, []).append((need, room))
    for group in by_device.values():
        yield from judge_room(group[0][1], [need for need, _ in group])


def judge_room(room: Room, needs: Sequence[Need]) -> Iterator[Finding]:
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
