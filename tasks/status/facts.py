"""What one look tells of an instance: the host's records, its container, what answers in it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from ipaddress import ip_interface
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from tasks.containers import container_for
from tasks.containers.base import GIVEN6, ContainerFacts, Refusal
from tasks.containers.drivers import driver_named
from tasks.containers.registry_entry import found_number, given_address
from tasks.errors import DeployError
from tasks.host import timers
from tasks.model import health as checks
from tasks.model import last_drill, layout, registry
from tasks.model import rebuild as rebuilds
from tasks.model import state as states
from tasks.model.health_document import ContainerState
from tasks.model.history import Performed
from tasks.model.holder import LockInfo, inspect
from tasks.model.instance import DatabaseType, Instance, is_asked
from tasks.model.last_drill import LastDrill
from tasks.model.operation_log import utc_now
from tasks.model.rebuild import Rebuild
from tasks.model.registry import Registered
from tasks.model.state import State
from tasks.paths import Paths
from tasks.status import backups
from tasks.status.backups import Backups
from tasks.status.guest_facts import Inside, look_inside
from tasks.status.recent import recent

__all__ = [
    "ContainerState",
    "Inside",
    "Standing",
    "inspect_standing",
    "look_from_outside",
    "look_inside",
]

"""Of a container; foreign: its name is taken by one not proven ours; unknown: not looked at."""

RECENT_OPERATIONS = 10


class Standing(Struct, frozen=True):
    """An instance at one moment.

    configured: in the configuration that was loaded; where not, only the host's records and the
    container's state are known. container_id: what Proxmox VE calls the container; None elsewhere,
    and where it is not known. addresses: without prefix length. created_at: ISO 8601, empty where
    the registry does not know it. own_disk: not a part of the host's. operations: the last ones,
    oldest first. forwarding: this machine lets the container out; None where that is not its to
    do. unproven: why the container of its name is not proven its own. drill: the last that went
    well. rebuild: one that is under way or broke off. replaced: containers that are kept, each with
    when it may go. checked: the health document of the last check, where that stands for a look
    inside. timed: a timer of this machine takes backups. restart_pending: the container's machine
    waits for one; None where nobody says. problems: what could not be looked at.
    """

    instance_id: str
    configured: bool
    container_name: str
    container: ContainerState
    addresses: tuple[str, ...]
    url: str
    container_id: int | None = None
    state: State | None = None
    lock: LockInfo | None = None
    inside: Inside | None = None
    config: str = ""
    created_at: str = ""
    own_disk: bool = True
    forwarding: bool | None = None
    unproven: Refusal | None = None
    database_type: DatabaseType | None = None
    operations: tuple[Performed, ...] = ()
    backups: Backups | None = None
    drill: LastDrill | None = None
    rebuild: Rebuild | None = None
    replaced: tuple[tuple[str, datetime], ...] = ()
    checked: Mapping[str, Any] | None = None
    timed: bool = False
    restart_pending: bool | None = None
    problems: tuple[DeployError, ...] = ()

    @property
    def container_label(self) -> str:
        """What its own tools call the container."""
        return str(self.container_id or self.container_name)

    @property
    def locked(self) -> bool:
        return self.lock is not None and self.lock.holder != "dead"

    @property
    def interrupted(self) -> bool:
        """Whether its last operation was killed."""
        return (
            self.state is not None and not self.locked and states.recover(self.state) != self.state
        )


def inspect_standing(instance: Instance, paths: Paths, cached: bool = False) -> Standing:
    """Look at a configured instance: one round trip to its container, no change, no lock.

    cached: no round trip where the last check is fresh, and the container still runs. What cannot
    be looked at is in `problems`; nothing is raised for it.
    """
    entry = None
    # A registry that cannot be read is a problem of the records, which are looked at below.
    with suppress(DeployError):
        entry = registry.find(paths, instance.id)
    applied = as_applied(instance, entry)
    standing = Standing(
        instance.id,
        configured=True,
        container_name=instance.container_name,
        container="unknown",
        container_id=entry.container_id if entry else None,
        addresses=layout.addresses(applied),
        url=applied.public_url,
        config=str(instance.source),
        database_type=instance.database.type,
    )
    standing = with_records(standing, paths, instance.rebuild.keep_days)
    standing = replace(standing, timed=timers.are_installed(paths, "backup"))
    try:
        standing = replace(standing, backups=backups.inspect_backups(instance, paths))
    except DeployError as problem:
        standing = with_problem(standing, problem)
    try:
        rebuilds.refuse_rebuilding(paths, instance.id)
        container = container_for(instance, paths)
        found = container.observe()
        standing = replace(
            standing,
            container=container_state(found, instance.id),
            own_disk=container.own_disk,
            restart_pending=container.restart_pending,
            addresses=addresses_of(applied, found),
            forwarding=forwarding_of(found),
            container_id=found_number(found) or standing.container_id,
            unproven=found.unproven,
        )
        checked = checks.read(paths, instance.id) if cached else None
        if standing.container == "running" and checked and checks.fresh(checked, utc_now()):
            return replace(standing, checked=checked)
        if standing.container == "running":
            standing = replace(standing, inside=look_inside(applied, container))
    except DeployError as problem:
        return with_problem(standing, problem)
    return standing


def addresses_of(applied: Instance, found: ContainerFacts) -> tuple[str, ...]:
    """Without prefix length; the one that was given as it is now."""
    network = applied.network
    recorded = (network.ip_address, network.ip6_address)
    given = (given_address(found), given_address(found, GIVEN6))
    known = (now or before for now, before in zip(given, recorded, strict=True))
    return tuple(str(ip_interface(one).ip) for one in known if one and not is_asked(one))


def as_applied(instance: Instance, entry: Registered | None) -> Instance:
    """The instance with the domain and the address that it has: an edit counts once applied."""
    if entry is None:
        return instance
    network = replace(
        instance.network,
        domain=entry.domain,
        ip_address=entry.ip_address,
        ip6_address=entry.ip6_address,
    )
    return replace(instance, network=network)


def look_from_outside(instance_id: str, paths: Paths) -> Standing:
    """What the host's records tell of an instance that no loaded configuration has."""
    standing = Standing(instance_id, False, "", "unknown", (), "")
    try:
        entry = registry.find(paths, instance_id)
    except DeployError as problem:
        return with_records(with_problem(standing, problem), paths)
    if entry is not None:
        standing = replace(
            standing,
            container_name=entry.container_name,
            container_id=entry.container_id,
            container=registered_state(entry, paths),
            addresses=tuple(one.partition("/")[0] for one in entry.addresses),
            url=f"https://{entry.domain}",
            config=entry.config,
        )
    return with_records(standing, paths)


def with_problem(standing: Standing, problem: DeployError) -> Standing:
    return replace(standing, problems=(*standing.problems, problem))


def with_records(standing: Standing, paths: Paths, keep_days: int = 0) -> Standing:
    """The standing with state and lock, of one moment: no operation began or ended between.
    keep_days: for how many days a container that was replaced is kept."""
    name = standing.instance_id
    try:
        lock = inspect(paths, name)
        while True:
            state = states.read(paths, name)
            again = inspect(paths, name)
            if again is lock or (again and lock and again.same_holder(lock)):
                break
            lock = again
        standing = replace(standing, state=state, lock=again)
        entry = registry.find(paths, name)
        operations = recent(paths, name, RECENT_OPERATIONS)
        drill = last_drill.read(paths, name)
        rebuild, replaced = rebuilds.read(paths, name), rebuilds.kept(paths, name)
    except DeployError as problem:
        return with_problem(standing, problem)
    created = entry.created_at if entry else ""
    return replace(
        standing,
        created_at=created,
        operations=operations,
        drill=drill,
        rebuild=rebuild,
        replaced=tuple((one.place.name, one.until(keep_days)) for one in replaced),
    )


def forwarding_of(found: ContainerFacts) -> bool | None:
    forwarding = found.attributes.get("forwarding")
    return forwarding if isinstance(forwarding, bool) else None


def container_state(found: ContainerFacts, instance_id: str) -> ContainerState:
    if not found.exists:
        return "absent"
    if found.owner != instance_id:
        return "foreign"
    return "running" if found.running else "stopped"


def registered_state(entry: Registered, paths: Paths) -> ContainerState:
    """Where the container of a registered instance stands, as far as this machine can tell."""
    owner = entry.instance_id
    container = driver_named(entry.driver).named(entry.container_name, owner, paths)
    return "unknown" if container is None else container_state(container.observe(), owner)
