"""Where containers live. `container_for` gives the one of an instance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.containers.base import Container, ContainerSpec
from tasks.containers.drivers import driver_of

if TYPE_CHECKING:
    from tasks.model.instance import Instance
    from tasks.paths import Paths


def spec_for(instance: Instance) -> ContainerSpec:
    """The container that an instance asks for."""
    network = instance.network
    return ContainerSpec(
        name=instance.container_name,
        instance_id=instance.id,
        template=instance.template,
        template_named=instance.placement.template is not None,
        hostname=instance.id,
        cpu_cores=instance.resources.cpu_cores,
        memory_mb=instance.resources.memory_mb,
        disk_size_gb=instance.resources.disk_size_gb,
        bridge=network.bridge,
        ip_address=network.ip_address,
        gateway=network.gateway or "",
        nameservers=network.nameservers,
        more=driver_of(instance).more_of(instance),
        ip6_address=network.ip6_address,
        gateway6=network.gateway6,
        mac_address=network.mac_address and network.mac_address.lower(),
    )


def container_for(instance: Instance, paths: Paths) -> Container:
    """The instance's container, not yet looked at."""
    return driver_of(instance).container(spec_for(instance), instance, paths)
