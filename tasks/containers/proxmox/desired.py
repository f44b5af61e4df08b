"""What is desired of a container on Proxmox VE beyond a ContainerSpec."""

from __future__ import annotations

from tasks.frozen import dataclass
from tasks.model.instance import Ha, Mount, Replication

__all__ = ["DesiredProxmox", "Ha", "Mount", "Replication"]


@dataclass(frozen=True)
class DesiredProxmox:
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
