"""The container itself: that it exists as desired, and that it runs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Set
from typing import Any, ClassVar

from msgspec.structs import asdict

from tasks.containers.base import ContainerFacts, ContainerSpec, refuse
from tasks.containers.file_system import fills, parse_size
from tasks.errors import ResourceError
from tasks.model.instance import is_asked
from tasks.model.plan import AttributeChange
from tasks.resources.base import Difference, Facts, Resource

REPLACING = ("template",)
"""Attributes that no existing container can take on: a new one does, and gets the data."""

MEANWHILE = "the site, for some seconds, once all is copied to a new container"
"""What that interrupts. The old one is kept."""

ADDRESSES = ("ip_address", "ip6_address")

OPTIONAL = ("ip6_address", "gateway6", "mac_address")
"""Attributes that a container may have none of."""

FILE_SYSTEM: tuple[str, ...] = ("probe", "file-system")
"""Asked of a path in the container."""

HOST_NAME: tuple[str, ...] = ("text", "/proc/sys/kernel/hostname")

RESOLVERS: tuple[str, ...] = ("text", "/etc/resolv.conf")

MTU: tuple[str, ...] = ("text", "/sys/class/net/eth0/mtu")

GROWING = re.compile(r"disk_size_gb|mounts\[(?P<path>.+)\]\.size_gb")
"""Attributes that never shrink, GiB."""


class DesiredContainer(Resource, frozen=True, kw_only=True):
    """restarting: attributes that take effect only by a restart. moving: those that a container
    takes on by a move, which stops it. own_disk: it has one, whose file system is looked at: a disk
    may have grown without it."""

    kind: ClassVar[str] = "container"

    spec: ContainerSpec
    restarting: frozenset[str] = frozenset()
    moving: tuple[str, ...] = ()
    own_disk: bool = False

    def questions(self) -> tuple[tuple[str, ...], ...]:
        paths = self._disks().values() if self.own_disk else ()
        sizes = tuple((*FILE_SYSTEM, path) for path in paths)
        if "nameservers" in self.restarting:
            return (*sizes, HOST_NAME, RESOLVERS)
        return (*sizes, HOST_NAME) if self._named_by_us else sizes

    @property
    def _named_by_us(self) -> bool:
        """Whether its driver writes the container's name into it, and so can write it again."""
        return "/etc/hostname" in self.spec.more

    def _disks(self) -> dict[str, str]:
        """Where the file system of each disk is, by the attribute that says how large it is."""
        sizes = [GROWING.fullmatch(name) for name in ("disk_size_gb", *self.spec.more)]
        return {match[0]: match["path"] or "/" for match in sizes if match}

    @property
    def name(self) -> str:
        return self.spec.name

    def desired(self) -> Mapping[str, Any]:
        known = {**asdict(self.spec), "nameservers": list(self.spec.nameservers)}
        more: Mapping[str, Any] = known.pop("more")
        del known["template_named"]
        # What is not configured is no part of what is recorded.
        unset = [name for name in OPTIONAL if known[name] is None]
        return {name: value for name, value in known.items() if name not in unset} | dict(more)

    def difference(self, facts: Facts) -> Difference | None:
        found = facts.container
        desired = {**dict.fromkeys(OPTIONAL), **self.desired()}
        if found is None or not found.exists:
            shown = ["template", "cpu_cores", "memory_mb", "disk_size_gb", "ip_address"]
            shown += [name for name in self.moving if name in self.spec.more]
            changes = tuple(AttributeChange(key, None, _shown(key, desired[key])) for key in shown)
            return Difference("create", "removed", changes)
        changes = tuple(
            AttributeChange(key, _found(key, found), _shown(key, desired[key]))
            for key, value in found.attributes.items()
            if key in desired
            and _plain(value) != desired[key]
            # What new containers are made from is nothing that an existing one differs by.
            and (key != "template" or self.spec.template_named)
        )
        changes += self._behind_its_disk(facts, found)
        changes += self._renamed(facts, found)
        changes += self._nameless(facts)
        if not changes:
            return None
        names = {change.name for change in changes}
        self._refuse_shrinking(found, names)
        self._refuse(found, names)
        drift = _drift(names)
        if names & set(REPLACING):
            return Difference("replace", drift, changes, interrupts=MEANWHILE)
        interrupts = "the site, while the container moves" if names & set(self.moving) else ""
        return Difference("update", drift, changes, interrupts=interrupts)

    def _behind_its_disk(self, facts: Facts, found: ContainerFacts) -> tuple[AttributeChange, ...]:
        desired = self.desired()
        changes = []
        for name, path in self._disks().items():
            size = parse_size(facts.probes.get((*FILE_SYSTEM[1:], path), ""))
            if found.attributes.get(name) == desired[name] and not fills(size, desired[name]):
                before = f"{size:.1f} (its file system, on a disk of {desired[name]})"
                changes.append(AttributeChange(name, before, str(desired[name])))
        return tuple(changes)

    def _renamed(self, facts: Facts, found: ContainerFacts) -> tuple[AttributeChange, ...]:
        """Whether it runs by another name than it was started by."""
        name = facts.texts.get(HOST_NAME[1])
        as_started = found.attributes.get("hostname") == self.spec.hostname
        if not (self._named_by_us and as_started and name and name != self.spec.hostname):
            return ()
        return (AttributeChange("hostname", name, self.spec.hostname),)

    def _nameless(self, facts: Facts) -> tuple[AttributeChange, ...]:
        """Whether what its driver writes at each start, and looks for only from outside, has been
        emptied inside."""
        looked = HOST_NAME[1] in facts.texts
        if "nameservers" not in self.restarting or not looked or RESOLVERS[1] in facts.texts:
            return ()
        desired = _shown("nameservers", self.desired()["nameservers"])
        return (AttributeChange("nameservers", "none in the container", desired),)

    def _refuse(self, found: ContainerFacts, names: Set[str]) -> None:
        """ResourceError where what it takes would be refused, or nothing brings it about."""
        for name in sorted(names):
            refuse(found.refusals, name, self.spec.instance_id)
        if "storage" in names and not names & set(REPLACING):
            refuse(found.refusals, "move", self.spec.instance_id)

    def _refuse_shrinking(self, found: ContainerFacts, names: Iterable[str]) -> None:
        desired = self.desired()
        for name in names:
            if not GROWING.fullmatch(name):
                continue
            has: Any = found.attributes[name]
            if has is not None and has > desired[name]:
                raise ResourceError(
                    f"{name}: a disk of {has:g} GiB cannot shrink to {desired[name]} GiB",
                    where=self.spec.instance_id,
                    hint=f"Set it to {has:g} or more; a smaller disk needs a new container, which "
                    f"./doit rebuild {self.spec.instance_id} makes.",
                )


def _drift(names: Set[str]) -> str:
    """In words. What a container is known by was never noted, or its host was brought back."""
    changed = ", ".join(sorted(names - {"identity"}))
    said = [f"{changed} changed"] if changed else []
    return ", ".join([*said, *(["identity not noted"] if "identity" in names else [])])


def _found(name: str, found: ContainerFacts) -> str:
    value = _shown(name, found.attributes[name])
    if name not in found.pending:
        return value
    return f"{value} (pending: {_shown(name, found.pending[name])})"


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _shown(name: str, value: object) -> str:
    if isinstance(value, list | tuple):
        nothing = "as the host" if name == "nameservers" else "none"
        return ", ".join(str(item) for item in value) or nothing
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)


class ReplacedContainer(Resource, frozen=True, kw_only=True):
    """An old container that a rebuild has kept is gone once its time is over. The host's facts say
    of each that there is `kept until DATE`, or `over since DATE`."""

    kind: ClassVar[str] = "replaced-container"

    container: str

    @property
    def name(self) -> str:
        return self.container

    def desired(self) -> Mapping[str, Any]:
        return {"container": self.container, "kept": False}

    def difference(self, facts: Facts) -> Difference | None:
        how, _, date = facts.host.get(self.address, "").partition(" since ")
        if how != OVER:
            return None
        because = f"another took its place, and it was to be kept until {date}"
        return Difference("delete", "", because=because)


OVER = "over"
"""What the host says of such a container whose time is over."""


class ContainerRunning(Resource, frozen=True, kw_only=True):
    """The container runs; started again where a changed attribute needs that."""

    kind: ClassVar[str] = "running"

    container: DesiredContainer

    @property
    def name(self) -> str:
        return self.container.spec.name

    def desired(self) -> Mapping[str, Any]:
        return {"running": True}

    def questions(self) -> tuple[tuple[str, ...], ...]:
        return (MTU,) if self.container.spec.more.get("mtu") else ()

    def difference(self, facts: Facts) -> Difference | None:
        found = facts.container
        if found is None or not found.exists:
            return Difference("create", "stopped")
        changing = self.container.difference(facts)
        if changing is not None and changing.action == "replace":
            return Difference("run", "", (AttributeChange("state", "running", "started anew"),))
        if not found.running:
            refuse(found.refusals, "start", self.container.spec.instance_id)
            return Difference(
                "update", "stopped", (AttributeChange("state", "stopped", "running"),)
            )
        if changing is not None and any(map(self._restarts, changing.changes)):
            change = AttributeChange("state", "running", "restarted")
            return Difference("run", "", (change,), interrupts="the site, while it restarts")
        mtu, has = self.container.spec.more.get("mtu"), facts.texts.get(MTU[1])
        if mtu and has and has != str(mtu):
            # It is in the configuration, which the interface takes up with the next start.
            change = AttributeChange("mtu", f"{has}, until it is restarted", str(mtu))
            return Difference("run", "", (change,), interrupts="the site, while it restarts")
        return None

    def _restarts(self, change: AttributeChange) -> bool:
        """Who asks for an address does so, or no more, from a start on."""
        asks = change.name in ADDRESSES and (is_asked(change.before) or is_asked(change.after))
        return asks or change.name in self.container.restarting
