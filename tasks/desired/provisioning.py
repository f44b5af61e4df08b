"""Step 3: the container exists as desired, is ours, and runs."""

from __future__ import annotations

from collections.abc import Iterable

from tasks.containers.base import Container, ContainerSpec
from tasks.containers.drivers import driver_of
from tasks.desired.rendering import origin_of
from tasks.model.instance import Instance
from tasks.model.plan import PlanEntry
from tasks.paths import Paths
from tasks.progress import Progress
from tasks.resources.base import Resource
from tasks.resources.container import ContainerRunning, DesiredContainer

KEYS = (
    "resources.cpu_cores",
    "resources.memory_mb",
    "resources.disk_size_gb",
    "network.bridge",
    "network.ip_address",
    "network.gateway",
    "network.ip6_address",
    "network.gateway6",
    "network.mac_address",
    "network.nameservers",
)


def declare(instance: Instance, container: Container) -> tuple[Resource, ...]:
    """The container as it should be, and that it runs."""
    every = frozenset((*ContainerSpec.__struct_fields__, *container.spec.more))
    driver = driver_of(instance)
    origin = origin_of(instance, (*KEYS, *driver.keys))
    desired = DesiredContainer(
        spec=container.spec,
        restarting=container.needs_restart(every),
        moving=driver.moving,
        own_disk=container.own_disk,
        origin=origin,
    )
    return (desired, ContainerRunning(container=desired, origin=origin))


def prepare_machine(
    instance: Instance,
    container: Container,
    entries: Iterable[PlanEntry],
    paths: Paths,
    progress: Progress,
) -> None:
    """Bring about what this machine needs for what a plan makes on it, a builder included. Nothing
    of the instance is touched; ResourceError or NetworkError where it cannot be."""
    entries = tuple(entries)
    makes = ("create", "replace")
    if any(isinstance(one.resource, DesiredContainer) and one.action in makes for one in entries):
        container.prepare_machine(progress)
    builds = instance.git is not None and any(entry.step == "build" for entry in entries)
    if builds and instance.build.where == "container":
        from tasks.builds.builder import builder_container

        builder_container(paths).prepare_machine(progress)
