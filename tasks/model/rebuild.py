"""How far a rebuild is: which container serves, and what is to be done about the other.

    rebuilding/<instance>.json   the rebuild that is under way, or was broken off
    replaced/<instance>.json     old containers that are kept, stopped

A rebuild is `preparing` while the new container is made beside the old one, which serves; `frozen`
from before the first write is refused, with both still where they are; `moving` while the new one
takes the old one's place and proves itself; `committed` from then on. What breaks off before that
is undone, and finished after it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from tasks.errors import ResourceError
from tasks.host.files import named, read_record, write_json
from tasks.model.fields import END, ContainerId, InstanceId, Seconds, Text, UtcTime
from tasks.model.registry import IDENTITY
from tasks.paths import Paths

Phase = Literal["preparing", "frozen", "moving", "committed"]

BESIDE, REPLACED = "-new", "-old"
"""Of the id and the name of a container that is made beside the old one; of an old one's."""

Identity = Annotated[str, Meta(pattern=f"^{IDENTITY}{END}")]


class Place(Struct, frozen=True, forbid_unknown_fields=True):
    """Where one of the containers is, and in which network."""

    name: Annotated[Text, Meta(description="The container's name.")]
    owner: Annotated[InstanceId, Meta(description="The instance that it says it is of.")]
    container_id: Annotated[
        ContainerId | None,
        Meta(description="Proxmox's number; null in plain LXC and before it is known."),
    ]
    hostname: Text
    bridge: str
    ip_address: Annotated[
        str, Meta(description="With prefix length, dhcp, or empty for one that is in no network.")
    ]
    gateway: str
    ip6_address: str | None = None
    gateway6: str | None = None
    mac_address: str | None = None


class Rebuild(Struct, frozen=True, forbid_unknown_fields=True):
    """rebuilding/<instance>.json: a rebuild that has not come to its end."""

    instance_id: Annotated[
        InstanceId, Meta(description="Unique identifier, as in the configuration.")
    ]
    phase: Annotated[
        Phase,
        Meta(
            description="preparing, frozen, moving: the old container is the one that serves, or "
            "is brought back to it; committed: the new one is."
        ),
    ]
    begun_at: Annotated[UtcTime, Meta(description="When it began, UTC.")]
    old: Annotated[Place, Meta(description="The old container while it serves.")]
    new: Annotated[Place, Meta(description="The new one while it is made.")]
    kept: Annotated[Place, Meta(description="The old one once the new one serves.")]
    old_identity: Annotated[Identity, Meta(description="What the old container was made with.")]
    new_identity: Annotated[
        Identity | None, Meta(description="The same of the new one; null before it is known.")
    ] = None
    hardware_address: Annotated[
        str | None,
        Meta(
            description="Of the old one's interface, which the new one gets with its place; null "
            "where it follows from the container's name."
        ),
    ] = None


class Replaced(Struct, frozen=True, forbid_unknown_fields=True):
    """An old container that is kept, stopped."""

    place: Place
    identity: Annotated[Identity, Meta(description="What it was made with.")]
    template: Annotated[Text, Meta(description="What it was made from.")]
    since: Annotated[UtcTime, Meta(description="When the new one took its place, UTC.")]
    write_stop: Annotated[
        Seconds, Meta(description="Seconds that nobody could write when it did.")
    ] = 0.0

    def until(self, keep_days: int) -> datetime:
        """When it may be removed."""
        return datetime.fromisoformat(self.since) + timedelta(days=keep_days)


class ReplacedContainers(Struct, frozen=True, forbid_unknown_fields=True):
    """replaced/<instance>.json: old containers of an instance that are kept, the oldest first."""

    instance_id: Annotated[
        InstanceId, Meta(description="Unique identifier, as in the configuration.")
    ]
    containers: tuple[Replaced, ...]


def read(paths: Paths, instance_id: str) -> Rebuild | None:
    """The rebuild that has not come to its end, None where there is none. Raises DeployError where
    its record is damaged."""
    path = paths.rebuilding(instance_id)
    hint = (
        f"Look which containers there are; the one that serves is {instance_id}'s. Then move "
        f"{path} aside."
    )
    return read_record(path, Rebuild, hint)


def refuse_rebuilding(paths: Paths, instance_id: str) -> None:
    """Raise ResourceError where which container serves is not certain, for a rebuild is about to
    change it, or broke off there."""
    found = read(paths, instance_id)
    if found is not None and found.phase != "preparing":
        raise ResourceError(
            "a rebuild is under way, or broke off, while one container takes another's place",
            where=instance_id,
            hint=f"./doit rebuild --recover {instance_id} puts in order what is left of it.",
        )


def write(paths: Paths, rebuild: Rebuild) -> Rebuild:
    write_json(paths.rebuilding(rebuild.instance_id), msgspec.to_builtins(rebuild))
    return rebuild


def enter(paths: Paths, rebuild: Rebuild, phase: Phase) -> Rebuild:
    """It has come so far: on the disk when this returns."""
    return write(paths, replace(rebuild, phase=phase))


def remove(paths: Paths, instance_id: str) -> None:
    """It has come to its end. Gone already is success."""
    path = paths.rebuilding(instance_id)
    with named(path, "cannot be removed"):
        path.unlink(missing_ok=True)


def kept(paths: Paths, instance_id: str) -> tuple[Replaced, ...]:
    """Old containers that are kept, the oldest first. Raises DeployError where that is damaged."""
    path = paths.replaced(instance_id)
    hint = f"Move {path} aside: what it names is then removed by hand."
    found = read_record(path, ReplacedContainers, hint)
    return found.containers if found else ()


def keep(paths: Paths, instance_id: str, container: Replaced) -> None:
    """Note one that is kept from now on; noted already is success."""
    others = [one for one in kept(paths, instance_id) if one.identity != container.identity]
    _write_kept(paths, instance_id, (*others, container))


def forget(paths: Paths, instance_id: str, name: str) -> None:
    """One of this name is kept no longer. Gone already is success."""
    left = tuple(one for one in kept(paths, instance_id) if one.place.name != name)
    _write_kept(paths, instance_id, left)


def _write_kept(paths: Paths, instance_id: str, containers: tuple[Replaced, ...]) -> None:
    path = paths.replaced(instance_id)
    if containers:
        write_json(path, msgspec.to_builtins(ReplacedContainers(instance_id, containers)))
        return
    with named(path, "cannot be removed"):
        path.unlink(missing_ok=True)


def next_suffixes(containers: tuple[Replaced, ...], name: str) -> Iterator[str]:
    """What the name of the next one that is kept may end in: `-old`, `-old2` …"""
    taken = {one.place.name for one in containers}
    suffixes = (f"{REPLACED}{number if number > 1 else ''}" for number in itertools.count(1))
    return (suffix for suffix in suffixes if f"{name}{suffix}" not in taken)
