"""Where containers live. `container_for` gives the one of an instance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.containers.base import Container, ContainerSpec
from tasks.errors import UsageError

if TYPE_CHECKING:
    from tasks.model.instance import Instance
    from tasks.paths import Paths


def spec_for(instance: Instance) -> ContainerSpec:
    """The container that an instance wishes for."""
    template = instance.lxc.template if instance.lxc else ""
    if instance.proxmox:
        template = instance.proxmox.template
    return ContainerSpec(
        name=instance.container_name,
        instance_id=instance.id,
        template=template,
        hostname=instance.id,
        cpu_cores=instance.resources.cpu_cores,
        memory_mb=instance.resources.memory_mb,
        disk_size_gb=instance.resources.disk_size_gb,
        bridge=instance.network.bridge,
        ip_address=instance.network.ip_address,
        gateway=instance.network.gateway,
        nameservers=instance.network.nameservers,
    )


def container_for(instance: Instance, paths: Paths) -> Container:
    """The instance's container, not yet looked at."""
    if instance.lxc:
        from tasks.containers.lxc.driver import LxcContainer

        return LxcContainer(spec_for(instance), paths)
    raise UsageError(
        "this version deploys to plain LXC only",
        where=f"{instance.source}: proxmox",
        hint="Write an lxc section instead of the proxmox section.",
    )
