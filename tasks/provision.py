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


def declare(instance: Instance, container: Container) -> tuple[Resource, ...]:
    """The container's wish, and that it runs."""
    every = frozenset(field.name for field in fields(ContainerSpec))
    origin = origin_of(instance, (*KEYS, f"{instance.driver}.template"))
    wish = ContainerWish(
        spec=container.spec, restarting=container.needs_restart(every), origin=origin
    )
    return (wish, ContainerRunning(container=wish, origin=origin))


def refuse_foreign(instance_id: str, name: str, found: ContainerFacts) -> None:
    """Raise ResourceError where the name is taken by a container not proven ours."""
    if found.exists and found.owner != instance_id:
        whose = f"belongs to instance {found.owner}" if found.owner else "is not proven ours"
        raise ResourceError(
            f"container {name} exists and {whose}",
            where=instance_id,
            hint="Choose another name for this instance, or remove that container yourself.",
        )
