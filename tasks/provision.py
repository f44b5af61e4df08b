"""Step 3: the container exists as wished, is ours, and runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields

from tasks.containers.base import Container, ContainerFacts, ContainerSpec, Progress
from tasks.errors import ResourceError
from tasks.model.instance import Instance
from tasks.model.plan import Entry
from tasks.paths import Paths
from tasks.render import origin_of
from tasks.resources.base import Resource
from tasks.resources.place import ContainerRunning, ContainerWish

KEYS = (
    "resources.cpu_cores",
    "resources.memory_mb",
    "resources.disk_size_gb",
    "network.bridge",
    "network.ip_address",
    "network.gateway",
    "network.nameservers",
)

PROXMOX_KEYS = tuple(
    f"proxmox.{name}"
    for name in (
        "node",
        "storage",
        "swap_mb",
        "vlan",
        "mtu",
        "firewall",
        "search_domain",
        "timezone",
        "onboot",
        "startup",
        "protection",
        "tags",
        "mounts",
        "ha",
        "replication",
    )
)
"""Those of Proxmox VE that an existing container takes on."""


def declare(instance: Instance, container: Container) -> tuple[Resource, ...]:
    """The container's wish, and that it runs."""
    every = frozenset((*(field.name for field in fields(ContainerSpec)), *container.spec.more))
    placed = PROXMOX_KEYS if instance.proxmox else ()
    origin = origin_of(instance, (*KEYS, f"{instance.driver}.template", *placed))
    wish = ContainerWish(
        spec=container.spec,
        restarting=container.needs_restart(every),
        own_disk=container.own_disk,
        origin=origin,
    )
    return (wish, ContainerRunning(container=wish, origin=origin))


def prepare_machine(
    instance: Instance,
    container: Container,
    entries: Iterable[Entry],
    paths: Paths,
    progress: Progress,
) -> None:
    """Bring about what this machine needs for what a plan makes on it, a builder included. Nothing
    of the instance is touched; ResourceError or NetworkError where it cannot be."""
    entries = tuple(entries)
    makes = ("create", "replace")
    if any(isinstance(one.resource, ContainerWish) and one.action in makes for one in entries):
        container.prepare_machine(progress)
    builds = instance.git is not None and any(entry.step == "build" for entry in entries)
    if builds and instance.build.where == "container":
        from tasks.containers.lxc.preparing import prepare_machine as prepare_for_builder

        prepare_for_builder(paths, progress)


def refuse_foreign(instance_id: str, name: str, found: ContainerFacts) -> None:
    """Raise ResourceError where the name is taken by a container not proven ours."""
    if not found.exists or found.owner == instance_id:
        return
    if found.owner is None and found.unproven is not None:
        raise ResourceError(found.unproven.what, where=instance_id, hint=found.unproven.hint)
    whose = f"belongs to instance {found.owner}" if found.owner else "is not proven ours"
    number = found.attributes.get("container_id")
    what = "name" if number is None else "proxmox.container_id"
    raise ResourceError(
        f"container {number or name} exists and {whose}",
        where=instance_id,
        hint=f"Choose another {what} for this instance; that container is left as it is.",
    )
