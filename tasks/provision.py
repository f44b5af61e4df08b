"""Step 3: the container exists as wished, is ours, and runs."""

from __future__ import annotations

from dataclasses import fields

from tasks.containers.base import Container, ContainerFacts, ContainerSpec
from tasks.errors import ResourceError
from tasks.model.instance import Instance
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


def refuse_foreign(instance_id: str, name: str, found: ContainerFacts) -> None:
    """Raise ResourceError where the name is taken by a container not proven ours."""
    if found.exists and found.owner != instance_id:
        whose = f"belongs to instance {found.owner}" if found.owner else "is not proven ours"
        number = found.attributes.get("container_id")
        what = "name" if number is None else "proxmox.container_id"
        raise ResourceError(
            f"container {number or name} exists and {whose}",
            where=instance_id,
            hint=f"Choose another {what} for this instance, or remove that container yourself.",
        )
