"""The two containers of a rebuild: the one that serves, and the one that is made beside it.

The new one is of an instance of its own, `<id>-new`, until it takes the old one's place, in a
network of its own or with an address of the user's. Everything in it is made for the real one from
the start: its settings, names and address, so that nothing is left to be done when it takes over.
Its records are in a folder of their own meanwhile.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from tasks.backup import running_instance
from tasks.backup.running_instance import RunningInstance
from tasks.config.make import make_instance
from tasks.containers import spec_for
from tasks.containers.base import (
    NOT_RECORDED,
    Container,
    ContainerFacts,
    ContainerSpec,
    refuse_foreign,
)
from tasks.containers.drivers import driver_of
from tasks.containers.registry_entry import found_number
from tasks.desired.places import container_at, numbered
from tasks.errors import ResourceError, UsageError
from tasks.model import rebuild as records
from tasks.model import registry
from tasks.model.instance import Instance
from tasks.model.operation_log import format_time, utc_now
from tasks.model.rebuild import BESIDE, Place, Rebuild
from tasks.paths import Paths
from tasks.resources.data_move import database_address
from tasks.workflows.drill_site import DrillNetwork, isolated_network
from tasks.workflows.own_records import OwnRecords


class RebuildSite(Struct, frozen=True):
    """instance: as it is configured. running: as it serves in the old container. beside: of the new
    container, until it takes over. own: its records. journal: where all of it is."""

    instance: Instance
    running: RunningInstance
    beside: Instance
    old: Container
    new: Container
    paths: Paths
    own: OwnRecords
    journal: Rebuild

    @property
    def where(self) -> str:
        return self.instance.id

    @property
    def outside(self) -> bool:
        """Whether the database is on a server of its own: it stays there, and the new container has
        nothing at work that uses it before the old one rests."""
        return not self.instance.database.inside


def find_site(instance: Instance, network: DrillNetwork | None, paths: Paths) -> RebuildSite:
    """What a rebuild would be done with; three round trips, no change.

    network: where the new container is until it takes over; None for one of its own. Raises
    ResourceError where the old one does not run or is not proven the instance's; UsageError where
    the new one could not be told from it, or would not have its data.
    """
    old = old_container(instance, paths)
    found = old.observe()
    refuse_configured(instance, network, found, paths)
    _refuse_absent(instance, old, found)
    running = running_instance.find(instance, old, paths)
    _refuse_unlike(instance, running)
    journal = _journal(instance, old.spec, found, network, paths)
    own = OwnRecords(paths.prefix, records=paths.rebuild(instance.id))
    beside = beside_instance(instance)
    new = container_at(instance, journal.new, own)
    return RebuildSite(instance, running, beside, old, new, paths, own, journal)


def refuse_configured(
    instance: Instance, network: DrillNetwork | None, found: ContainerFacts, paths: Paths
) -> None:
    """Raise UsageError where what is configured lets no second container be made beside the one
    that was found."""
    driver, name = driver_of(instance), instance.id
    if network is None and not driver.makes_networks:
        raise UsageError(
            "a rebuild needs an address on the instance's network, until the old one's is free",
            where=name,
            hint="Name one that is free: rebuild.address, or "
            f"./doit rebuild {name} --address 192.0.2.9/24",
        )
    number, configured = found_number(found), driver.location(instance)[1]
    if number is not None and configured == number:
        free = driver.next_number(instance, paths)
        raise UsageError(
            f"{number} is the number of the container that is to be replaced, and both are there "
            "for a while",
            where=f"{name}: {driver.name}.container_id",
            hint=f"Set it to one that is free (the next is {free}), or take the key out.",
        )

    if instance.database.by_socket:
        raise UsageError(
            "its database is reached by a socket in the container, which a new one does not have",
            where=f"{name}: database.host",
            hint="Do by hand what the docs say: docs/staying.md, Another Debian, another disk.",
        )


def old_container(instance: Instance, paths: Paths) -> Container:
    """The container that is recorded, whatever number is configured for the new one."""
    recorded = registry.find(paths, instance.id)
    driver = driver_of(instance)
    number = None
    if recorded is not None and recorded.driver == instance.driver:
        number = recorded.container_id
    there = numbered(instance, number)
    return driver.container(spec_for(there), there, paths)


def beside_instance(instance: Instance) -> Instance:
    """The same in a container beside the instance's own."""
    document: dict[str, Any] = deepcopy(dict(instance.document))
    document["deployment"]["instance_id"] = f"{instance.id}{BESIDE}"
    document[instance.driver] |= driver_of(instance).double(instance, BESIDE)
    return make_instance(document, instance.source)


def differences(site: RebuildSite) -> list[str]:
    """What the new container has otherwise than the old one, as far as a plan would tell."""
    has, found = site.old.observe().attributes, []
    spec = spec_for(site.instance)
    desired = {
        "template": spec.template,
        "cpu_cores": spec.cpu_cores,
        "memory_mb": spec.memory_mb,
        "disk_size_gb": spec.disk_size_gb,
        "bridge": spec.bridge,
        "ip_address": spec.ip_address,
        **spec.more,
    }
    for name, value in desired.items():
        if name in has and name != "identity" and has[name] != value:
            found.append(f"{name}: {has[name]} → {value}")
    return found


def _journal(
    instance: Instance,
    spec: ContainerSpec,
    found: ContainerFacts,
    network: DrillNetwork | None,
    paths: Paths,
) -> Rebuild:
    has = found.attributes
    old = Place(
        name=spec.name,
        owner=instance.id,
        container_id=found_number(found),
        hostname=str(has.get("hostname", spec.hostname)),
        bridge=str(has.get("bridge", spec.bridge)),
        ip_address=str(has.get("ip_address", spec.ip_address)),
        gateway=str(has.get("gateway", spec.gateway) or ""),
        ip6_address=_text(has.get("ip6_address", spec.ip6_address)),
        gateway6=_text(has.get("gateway6", spec.gateway6)),
        mac_address=found.hardware_address or _text(has.get("mac_address", spec.mac_address)),
    )
    name = instance.container_name
    where = network or isolated_network(f"{instance.id}{BESIDE}", paths.prefix)
    new = Place(
        name=f"{name}{BESIDE}",
        owner=f"{instance.id}{BESIDE}",
        container_id=driver_of(instance).location(instance)[1],
        hostname=instance.id,
        bridge=where.bridge,
        ip_address=where.address,
        gateway=where.gateway or "",
    )
    kept = _kept_as(instance, old, paths)
    for place in (new, kept):
        if registry.find(paths, place.owner) is not None:
            raise UsageError(
                f"another instance is called {place.owner}, as a container of this one would be",
                where=instance.id,
                hint="Uninstall that one, or give it another deployment.instance_id.",
            )
    return Rebuild(
        instance_id=instance.id,
        phase="preparing",
        begun_at=format_time(utc_now()),
        old=old,
        new=new,
        kept=kept,
        old_identity=found.identity or "",
        hardware_address=found.hardware_address,
    )


def _kept_as(instance: Instance, old: Place, paths: Paths) -> Place:
    """The old one once it is replaced: without an address, by a name that no other has."""
    name = instance.container_name
    places = (
        replace(
            old,
            name=f"{name}{suffix}",
            owner=f"{instance.id}{suffix}",
            container_id=None,
            hostname=f"{instance.id}{suffix}",
            ip_address="",
            gateway="",
            ip6_address=None,
            gateway6=None,
            mac_address=None,
        )
        for suffix in records.next_suffixes(records.kept(paths, instance.id), name)
    )
    free = (one for one in places if not container_at(instance, one, paths).observe().exists)
    return replace(next(free), container_id=old.container_id)


def _text(value: object) -> str | None:
    return str(value) if value else None


def _refuse_absent(instance: Instance, old: Container, found: ContainerFacts) -> None:
    name = instance.id
    refuse_foreign(name, old.spec.name, found)
    if not found.exists:
        raise ResourceError(
            "there is no container that a new one could take the place of",
            where=name,
            hint=f"./doit apply {name} makes one.",
        )
    if not found.running:
        raise ResourceError(
            "its container is stopped, and its data is copied while it runs",
            where=name,
            hint=f"Start it first: ./doit start {name}",
        )
    if found.identity is None or found.attributes.get("identity") == NOT_RECORDED:
        raise ResourceError(
            "its container was made before containers were known by an identity",
            where=name,
            hint="It gets one by an apply of the configuration that it was last applied with.",
        )


def _refuse_unlike(instance: Instance, running: RunningInstance) -> None:
    """Where the data would have to move to another database or folder, too."""
    name, serving = instance.id, running.instance
    if running.version == "unknown":
        raise ResourceError(
            "no application serves in its container",
            where=name,
            hint=f"Finish its deployment first: ./doit apply {name}",
        )
    if not database_address(serving).same(database_address(instance)):
        raise UsageError(
            "another database is configured than the one that serves",
            where=f"{name}: database",
            hint="Do one after the other: let the data move to it by an apply, with the container "
            "as it is; then rebuild.",
        )
    if serving.vikunja.files != instance.vikunja.files:
        raise UsageError(
            "another place of attachments is configured than the one that serves",
            where=f"{name}: vikunja.files",
            hint="Do one after the other: apply that, with the container as it is; then rebuild.",
        )
