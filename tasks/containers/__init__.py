"""Where containers live. `container_for` gives the one of an instance."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tasks.containers.base import RECORDED, Container, ContainerSpec

if TYPE_CHECKING:
    from tasks.containers.proxmox.desired import DesiredProxmox
    from tasks.model.instance import Instance, Proxmox
    from tasks.paths import Paths


def spec_for(instance: Instance) -> ContainerSpec:
    """The container that an instance asks for."""
    section = instance.lxc or instance.proxmox
    return ContainerSpec(
        name=instance.container_name,
        instance_id=instance.id,
        template=instance.template,
        template_named=section is not None and section.template is not None,
        hostname=instance.id,
        cpu_cores=instance.resources.cpu_cores,
        memory_mb=instance.resources.memory_mb,
        disk_size_gb=instance.resources.disk_size_gb,
        bridge=instance.network.bridge,
        ip_address=instance.network.ip_address,
        gateway=instance.network.gateway,
        nameservers=instance.network.nameservers,
        more=more_of(instance),
    )


def more_of(instance: Instance) -> Mapping[str, object]:
    """What only one of the drivers has, as more_of."""
    if instance.proxmox is None:
        return {"autostart": True, "forwarding": True, "identity": RECORDED}
    from tasks.containers.proxmox.attributes import more_of

    return more_of(desired_for(instance.proxmox))


def desired_for(desired: Proxmox) -> DesiredProxmox:
    """The container that a configuration asks for on Proxmox VE, beyond a ContainerSpec."""
    from tasks.containers.proxmox.desired import DesiredProxmox

    return DesiredProxmox(
        node=desired.node,
        vmid=desired.container_id,
        storage=desired.storage,
        swap_mb=desired.swap_mb,
        vlan=desired.vlan,
        mtu=desired.mtu,
        firewall=desired.firewall,
        search_domain=desired.search_domain,
        onboot=desired.onboot,
        startup=desired.startup,
        protection=desired.protection,
        tags=desired.tags,
        pool=desired.pool,
        timezone=desired.timezone,
        ssh_keys=desired.ssh_keys,
        mounts=desired.mounts,
        ha=desired.ha,
        replication=desired.replication,
    )


def container_for(instance: Instance, paths: Paths) -> Container:
    """The instance's container, not yet looked at."""
    if instance.lxc:
        from tasks.containers.lxc.driver import LxcContainer

        return LxcContainer(spec_for(instance), paths)
    from tasks.containers.proxmox.cluster import cluster_of
    from tasks.containers.proxmox.driver import ProxmoxContainer

    assert instance.proxmox is not None
    return ProxmoxContainer(
        spec_for(instance),
        desired_for(instance.proxmox),
        cluster_of(instance.proxmox, paths),
        lock_limit=instance.proxmox.lock_wait_seconds,
        download=instance.proxmox.download,
        paths=paths,
    )


def unfinished() -> Sequence[str]:
    """What other threads of this process wait for and what runs on without them; a line each."""
    proxmox = sys.modules.get("tasks.containers.proxmox.tasks")
    return proxmox.waited_for() if proxmox else ()
