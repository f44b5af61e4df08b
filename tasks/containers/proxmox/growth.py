"""Whether the file systems of a container have grown with their disks."""

from __future__ import annotations

from collections.abc import Mapping

from tasks.containers.base import ContainerSpec
from tasks.containers.file_system import ASK, fills, parse_size
from tasks.containers.proxmox.desired import DesiredProxmox
from tasks.containers.proxmox.guest_access import Inside
from tasks.containers.proxmox.guests import Found
from tasks.containers.proxmox.parameters import MOUNTS
from tasks.containers.proxmox.properties import parse_properties
from tasks.errors import DeployError


def require_grown(
    spec: ContainerSpec, desired: DesiredProxmox, found: Found, inside: Inside
) -> None:
    """DeployError where a disk is larger than the file system on it: Proxmox VE grows both, and
    says that it is done where it could grow the first alone. The container runs."""
    wanted = {"/": spec.disk_size_gb, **{mount.path: mount.size_gb for mount in desired.mounts}}
    for path, disk in wanted.items():
        answer = inside.run([*ASK, path], check=False)
        size = parse_size(answer.stdout.decode(errors="replace"))
        if size is not None and not fills(size, disk):
            raise DeployError(
                f"the disk of {path} has {disk} GiB, and its file system only {size:.1f}",
                where=spec.name,
                hint=how_to_grow(found, volume_of(found.config.current, path)),
            )


def volume_of(config: Mapping[str, str], path: str) -> str:
    """The volume that is mounted there; empty where none is."""
    disks = {
        "/" if name == "rootfs" else properties.get("mp", ""): properties.get("volume", "")
        for name in ("rootfs", *MOUNTS)
        for properties in [parse_properties(config.get(name, ""), "volume")]
    }
    return disks.get(path, "")


def how_to_grow(found: Found, volume: str) -> str:
    """While the container runs, its multi-mount protection lets nobody at the file system but
    Proxmox VE's own way, which has failed."""
    vmid = found.guest.vmid
    return (
        f"On node {found.guest.node}: `pct shutdown {vmid}`, `P=$(pvesm path {volume})`, of LVM "
        f"`lvchange -ay $P`, then `e2fsck -f $P && resize2fs $P` and `pct start {vmid}`; nothing "
        "is lost by that"
    )
