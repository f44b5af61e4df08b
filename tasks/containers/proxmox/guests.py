"""Where a cluster has an instance's container, and what it is. No change is made here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from tasks.containers.base import GIVEN, GIVEN6, ContainerFacts, ContainerSpec, Refusal
from tasks.containers.proxmox.affinity import Affinities
from tasks.containers.proxmox.answers import Interface, Resource, Setting, Status
from tasks.containers.proxmox.api import Session, ask
from tasks.containers.proxmox.desired import DesiredProxmox, Ha, Replication
from tasks.containers.proxmox.parameters import (
    Config,
    attributes_of,
    interface_addresses,
    parse_pending,
)
from tasks.containers.proxmox.proof import Proof
from tasks.containers.proxmox.properties import (
    instance_in_notes,
    parse_tags,
    tag_of,
)
from tasks.containers.proxmox.refusals import refusals
from tasks.errors import ResourceError
from tasks.model.instance import DHCP, is_asked
from tasks.model.registry import Registered

NOTHING = ContainerFacts(exists=False, running=False, owner=None, attributes={})


class Guest(Struct, frozen=True):
    """One guest of a cluster. kind: `lxc` or `qemu`; they share their ids. owner: the instance
    whose container its notes and tags prove it to be, where both are known. named, identity: what
    its notes say, where they are known."""

    vmid: int
    node: str
    kind: str
    tags: tuple[str, ...]
    owner: str | None = None
    named: str | None = None
    identity: str | None = None

    @property
    def path(self) -> str:
        return f"/nodes/{self.node}/lxc/{self.vmid}"


class Found(Struct, frozen=True):
    """A container as found. lock: what Proxmox VE does with it just now (`backup`), if anything.

    recorded: what the registry has of the instance that it was looked for. ha: how the HA manager
    has it. jobs: its replication, by the id of each job. affinities: where the HA manager may run
    what. clones: ids of its linked clones.
    """

    guest: Guest
    running: bool
    lock: str | None
    config: Config
    ha: Ha | None = None
    jobs: Mapping[str, Replication] = msgspec.field(default_factory=dict)
    affinities: Affinities = msgspec.field(default_factory=Affinities)
    clones: tuple[int, ...] = ()
    recorded: Registered | None = None

    @property
    def owner(self) -> str | None:
        """The instance that it is proven to be of: see proof."""
        return self.proof(self.recorded.instance_id if self.recorded else "").owner

    def proof(self, instance_id: str, marker: str | None = None) -> Proof:
        return Proof(self.guest.vmid, instance_id, self.config.current, self.recorded, marker)

    @property
    def second_address(self) -> str | None:
        """The one that the registry has."""
        return self.recorded.ip6_address if self.recorded else None

    @property
    def refusals(self) -> dict[str, Refusal]:
        return refusals(self.guest.vmid, self.guest.node, self.config, self.clones)

    @property
    def facts(self) -> ContainerFacts:
        return ContainerFacts(
            exists=True,
            running=self.running,
            owner=self.owner,
            attributes=attributes_of(self.config.current),
        )


def list_guests(session: Session) -> tuple[Guest, ...]:
    """All guests of the cluster that the session may see, on whatever node they are: one call."""
    return parse_guests(ask(session, "/cluster/resources", list[Resource], {"type": "vm"}))


def parse_guests(rows: Iterable[Resource]) -> tuple[Guest, ...]:
    """Guests among the resources of a cluster."""
    return tuple(
        Guest(row.vmid, row.node, row.type, parse_tags(row.tags))
        for row in rows
        if row.type in ("lxc", "qemu")
    )


def choose(
    spec: ContainerSpec,
    desired: DesiredProxmox,
    guests: Sequence[Guest],
    recorded: Registered | None = None,
) -> Guest | None:
    """The guest that is meant: with the id that is asked for, or said to be the instance's.

    None if neither.
    ResourceError where these contradict each other, or the id is a virtual machine's. Of several
    that say so of themselves, the one that the registry has is meant.
    """
    tagged = claiming(spec.instance_id, guests)
    if len(tagged) > 1:
        known = [guest for guest in tagged if _is_recorded(guest, spec.instance_id, recorded)]
        if not known:
            raise _contested(spec, tagged)
        tagged = known
    if desired.vmid is None:
        return tagged[0] if tagged else None
    if tagged and tagged[0].vmid != desired.vmid:
        if recorded is not None and recorded.container_id == desired.vmid:
            raise _gone(spec, tagged[0], desired.vmid)
        raise ResourceError(
            f"the instance's container has the id {tagged[0].vmid}, not {desired.vmid}",
            where=spec.name,
            hint=f"set proxmox.container_id to {tagged[0].vmid}, or leave it out",
        )
    meant = next((guest for guest in guests if guest.vmid == desired.vmid), None)
    if meant is not None and meant.kind != "lxc":
        raise ResourceError(
            f"the id {desired.vmid} is taken by a virtual machine on node {meant.node}",
            where=spec.name,
            hint="choose another proxmox.container_id, or leave it out",
        )
    return meant


def claiming(instance_id: str, guests: Sequence[Guest]) -> list[Guest]:
    """The containers that say that they are the instance's: by tag, or else by notes alone."""
    tag = tag_of(instance_id)
    lxc = [guest for guest in guests if guest.kind == "lxc"]
    tagged = [guest for guest in lxc if tag in guest.tags or guest.owner == instance_id]
    return tagged or [guest for guest in lxc if guest.named == instance_id]


def _is_recorded(guest: Guest, instance_id: str, recorded: Registered | None) -> bool:
    return (
        recorded is not None
        and guest.owner == instance_id
        and guest.vmid == recorded.container_id
        and recorded.identity is not None
        and guest.identity == recorded.identity
    )


def _gone(spec: ContainerSpec, claim: Guest, vmid: int) -> ResourceError:
    return ResourceError(
        f"its recorded container {vmid} is gone, and container {claim.vmid} on node {claim.node} "
        "says that it is the instance's: a clone of it, or it restored under another id",
        where=spec.instance_id,
        hint=f"Where it takes its place: set proxmox.container_id to {claim.vmid}, then ./doit "
        f"apply --adopt {spec.instance_id}. Where it is a clone: take the tag, "
        "and the line of the notes that names the instance, from it; nothing in it is lost by that",
    )


def _contested(spec: ContainerSpec, claims: Sequence[Guest]) -> ResourceError:
    tag = tag_of(spec.instance_id)
    ids = ", ".join(f"{guest.vmid} on {guest.node}" for guest in claims)
    return ResourceError(
        f"more than one container is named the instance's by its tag {tag} or its notes: {ids}",
        where=spec.name,
        hint="Take the tag, and the line of the notes that names the instance, from those that are "
        "not it: nothing in them is lost by that",
    )


def inspect_guest(session: Session, guest: Guest) -> Found:
    """A container's state and configuration: two calls."""
    status = ask(session, f"{guest.path}/status/current", Status)
    rows = ask(session, f"{guest.path}/pending", list[Setting])
    return Found(guest, status.status == "running", status.lock, parse_pending(rows))


def require_ours(found: Found | None, spec: ContainerSpec, action: str) -> Found:
    """What was found. ResourceError where there is none, or it is not proven the instance's."""
    if found is None:
        raise ResourceError(
            f"there is no container to {action}",
            where=spec.name,
            hint="`./doit apply` creates it",
        )
    unproven = found.proof(spec.instance_id).doubt()
    if unproven is None:
        return found
    config = found.config.current
    raise ResourceError(
        unproven.what,
        where=spec.name,
        hint=unproven.hint,
        evidence=(
            f"tags: {config.get('tags') or 'none'}",
            f"notes name: {instance_in_notes(config.get('description', '')) or 'no instance'}",
        ),
    )


def given_address(session: Session, found: Found) -> dict[str, object]:
    """The attributes GIVEN and GIVEN6 of a container that has asked for an address; nothing
    without one."""
    first, second = interface_addresses(found.config.current)
    if not (found.running and (first == DHCP or is_asked(second))):
        return {}
    # Nothing at all, where it has stopped meanwhile.
    form: Any = list[Interface] | None
    rows: list[Interface] = ask(session, f"{found.guest.path}/interfaces", form) or []
    eth0 = next((row for row in rows if row.name == "eth0"), None)
    if eth0 is None:
        return {}
    given = {
        GIVEN: eth0.inet if first == DHCP else None,
        GIVEN6: eth0.inet6 if is_asked(second) else None,
    }
    return {name: value for name, value in given.items() if value}


def asked(found: Found) -> tuple[str, ...]:
    """By which words it gets its addresses, of those that others give."""
    every = interface_addresses(found.config.current)
    return tuple(one if one and is_asked(one) else "" for one in every)


def placed(found: Found) -> tuple[str | None, ...]:
    """Where it is: what it comes up anew with where that changes."""
    return (found.guest.node, *(found.config.current.get(name) for name in ("rootfs", "net0")))
