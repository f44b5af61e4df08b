"""What is desired of a container on Proxmox VE beyond a ContainerSpec."""

from __future__ import annotations

from msgspec import Struct

from tasks.containers.proxmox.section import Ha, Mount, Proxmox, Replication

__all__ = ["DesiredProxmox", "Ha", "Mount", "Replication", "desired_of"]


class DesiredProxmox(Struct, frozen=True):
    """vmid None: the cluster's next free id. storage None: a sensible one is found.

    startup: as Proxmox VE writes it, `order=3,up=10,down=60`. tags: the user's own, beside ours.
    ssh_keys, pool: taken at creation only.
    """

    node: str
    vmid: int | None = None
    storage: str | None = None
    swap_mb: int = 512
    vlan: int | None = None
    mtu: int | None = None
    firewall: bool = False
    search_domain: str | None = None
    onboot: bool = True
    startup: str | None = None
    protection: bool = False
    tags: tuple[str, ...] = ()
    pool: str | None = None
    timezone: str | None = None
    ssh_keys: tuple[str, ...] = ()
    mounts: tuple[Mount, ...] = ()
    ha: Ha | None = None
    replication: tuple[Replication, ...] = ()


def desired_of(section: Proxmox) -> DesiredProxmox:
    """What a configuration asks for."""
    return DesiredProxmox(
        node=section.node,
        vmid=section.container_id,
        storage=section.storage,
        swap_mb=section.swap_mb,
        vlan=section.vlan,
        mtu=section.mtu,
        firewall=section.firewall,
        search_domain=section.search_domain,
        onboot=section.onboot,
        startup=section.startup,
        protection=section.protection,
        tags=section.tags,
        pool=section.pool,
        timezone=section.timezone,
        ssh_keys=section.ssh_keys,
        mounts=section.mounts,
        ha=section.ha,
        replication=section.replication,
    )
