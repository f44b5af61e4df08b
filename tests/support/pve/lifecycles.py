"""A container on the stand-in as unit tests drive it: alone, and with the HA manager."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from pve.files import ClusterFiles
from pve.place import Place
from tasks.containers.base import ContainerSpec
from tasks.containers.proxmox.attributes import ha_of
from tasks.containers.proxmox.desired import DesiredProxmox, Ha
from tasks.containers.proxmox.guests import Found
from tasks.containers.proxmox.lifecycle import Lifecycle
from tasks.containers.proxmox.view import look_text, parse_view
from tasks.progress import SILENT, Progress

SPEC = ContainerSpec(
    name="vikunja-main",
    instance_id="vikunja-main",
    template="debian-12-standard",
    hostname="vikunja-main",
    cpu_cores=2,
    memory_mb=2048,
    disk_size_gb=20,
    bridge="vmbr0",
    ip_address="192.0.2.10/24",
    gateway="192.0.2.1",
)
DESIRED = DesiredProxmox(node="pve")


class Managed(Lifecycle, frozen=True):
    """A container that the HA manager gets as soon as it has been started, as of the driver."""

    def start(self, progress: Progress = SILENT) -> None:
        super().start(progress)
        self.register()


def finder(place: Place, folder: Path, vmid: int, ha: Ha) -> Callable[[], Found | None]:
    """Finds a container as the driver does, in the files that its cluster publishes."""
    files = ClusterFiles(folder, place.cluster)

    def find() -> Found | None:
        with place.cluster.lock:
            files.publish()
            seen = str(files.seen_by("pve"))
            argv = ["sh", "-c", look_text(), "look", seen, seen, "all"]
            done = subprocess.run(argv, capture_output=True, text=True, check=True)
            running = vmid in place.cluster.guests and place.cluster.guests[vmid].running
        view = parse_view(done.stdout, "pve")
        guest = next((one for one in view.guests if one.vmid == vmid), None)
        if guest is None:
            return None
        config = view.config(vmid)
        had = ha_of(view.ha, view.affinities, vmid, ha)
        return Found(guest, running, config.current.get("lock"), config, had)

    return find
