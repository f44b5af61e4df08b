"""Real containers behind the stand-in: each of its own is one of plain LXC, named by its id."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

from pve.cluster import Backend, Failed, Guest
from tasks.containers.base import ContainerSpec
from tasks.containers.lxc import ownership
from tasks.containers.lxc.config import INSTANCE
from tasks.containers.lxc.container import LxcContainer
from tasks.containers.lxc.ownership_check import OwnershipCheck
from tasks.containers.proxmox.parameters import attributes_of
from tasks.containers.proxmox.properties import instance_in_notes, parse_properties
from tasks.errors import DeployError
from tasks.paths import Paths

SUITE = "trixie"

WAIT_ONLINE = "systemd-networkd-wait-online.service"


class ByNumber(OwnershipCheck):
    """Proxmox VE knows a container by its number, whatever others say of themselves."""

    def others(self) -> list[ownership.Claim]:
        return []


class RealContainers(Backend):
    """golden: the own files of a container that new ones begin with, as if their template had
    them."""

    def __init__(self, paths: Paths, golden: Path | None = None) -> None:
        self.paths = paths
        self.golden = golden
        self._owners: dict[int, str] = {}
        self._fixed: dict[int, list[str]] = {}

    def _follow(self, guest: Guest) -> None:
        """Whose plain LXC says that it is, where it was given another's marker: Proxmox VE has no
        such proof of its own."""
        folder = self.paths.lxc / str(guest.vmid)
        marker, known = ownership.marker_of(folder), self._owners.get(guest.vmid)
        named = instance_in_notes(str(guest.config.get("description", "")))
        if marker is None or marker == known or marker != named:
            return
        self._owners[guest.vmid] = marker
        text = (folder / "config").read_text()
        (folder / "config").write_text(text.replace(f"{INSTANCE}={known}", f"{INSTANCE}={marker}"))

    def box(self, guest: Guest) -> LxcContainer:
        self._follow(guest)
        found = attributes_of({name: str(value) for name, value in guest.config.items()})
        interface = parse_properties(str(guest.config["net0"]))
        spec = ContainerSpec(
            name=str(guest.vmid),
            instance_id=self._owners.get(guest.vmid, "nobody"),
            template=SUITE,
            hostname=str(found["hostname"]),
            cpu_cores=int(guest.config.get("cores", 1)),
            memory_mb=int(guest.config["memory"]),
            disk_size_gb=8,
            bridge=str(found["bridge"]),
            ip_address=str(found.get("ip_address", "")),
            gateway=str(found.get("gateway", "")),
            ip6_address=interface.get("ip6") if "ip" in interface else None,
            gateway6=interface.get("gw6") if "ip" in interface else None,
            mac_address=interface["hwaddr"].lower(),
            nameservers=tuple(str(guest.config.get("nameserver", "")).split()),
        )
        box = LxcContainer(spec, self.paths)
        box.ownership = ByNumber(spec, self.paths)
        return box

    def create(self, guest: Guest) -> None:
        # Whatever becomes of its notes: plain LXC needs to know whose it is.
        notes = str(guest.config.get("description", ""))
        self._owners[guest.vmid] = instance_in_notes(notes) or "nobody"
        box = self.box(guest)
        attempt(box.create)
        if self.golden is not None:
            upper = box.folder / "upper"
            own = [*IDENTITY, "etc/vikunja-deploy"]
            kept = {name: (upper / name).read_bytes() for name in own if (upper / name).is_file()}
            copy = ["cp", "--archive", "--reflink=auto", f"{self.golden}/.", str(upper)]
            subprocess.run(copy, check=True)
            for name, content in kept.items():
                (upper / name).write_bytes(content)
        wait_for_network(box.folder / "upper")

    def start(self, guest: Guest) -> None:
        box = self.box(guest)
        # Before each start it writes names and name servers into the container.
        attempt(box.configure)
        attempt(box.start)
        self._fixed[guest.vmid] = box.spec.addresses
        # What was written down of it before a start holds from then on, and not sooner.
        mtu = parse_properties(str(guest.config.get("net0", ""))).get("mtu")
        if mtu:
            attempt(lambda: box.run(["ip", "link", "set", "eth0", "mtu", mtu]))

    def interfaces(self, guest: Guest) -> list[dict[str, object]]:
        found = json.loads(self.box(guest).run(["ip", "-json", "address"]).stdout)
        return [
            {
                "name": one["ifname"],
                "hwaddr": one["address"],
                **_last_addresses(one["addr_info"]),
                "ip-addresses": [
                    {
                        "ip-address": each["local"],
                        "ip-address-type": each["family"],
                        "prefix": each["prefixlen"],
                    }
                    for each in one["addr_info"]
                ],
            }
            for one in found
        ]

    def stop(self, guest: Guest) -> None:
        attempt(self.box(guest).stop)

    def destroy(self, guest: Guest) -> None:
        attempt(self.box(guest).destroy)

    def change(self, guest: Guest) -> None:
        box = self.box(guest)
        attempt(box.configure)
        if not guest.running:
            return
        # Fixed addresses come and go at once; nobody asks for another before the next start.
        before, after = self._fixed.get(guest.vmid, []), box.spec.addresses
        self._fixed[guest.vmid] = after
        for verb, these, others in (("add", after, before), ("del", before, after)):
            for one in these:
                if one not in others:
                    box.run(["ip", "address", verb, one, "dev", "eth0"])


def _last_addresses(shown: list[dict[str, object]]) -> dict[str, object]:
    """As Proxmox VE has them, of each family: of IPv6 that of the link, which comes last."""
    return {str(one["family"]): f"{one['local']}/{one['prefixlen']}" for one in shown}


IDENTITY = (
    "etc/hostname",
    "etc/hosts",
    "etc/machine-id",
    "etc/resolv.conf",
    "etc/network/interfaces",
)
"""What tells a container from one with the same packages."""


def wait_for_network(upper: Path) -> None:
    """As the first start of a container of Debian 13 leaves it: its presets enable the unit that
    waits for systemd-networkd, which Proxmox VE gives nothing to set up and disables."""
    units = upper / "etc/systemd/system"
    wants = units / "network-online.target.wants"
    wants.mkdir(parents=True, exist_ok=True)
    for name in ("systemd-networkd.service", "systemd-networkd.socket", WAIT_ONLINE):
        # Plain LXC's own root file system masks them: in an overlay, this takes a mask away.
        # One that asks for its address has it in use.
        if not (units / name).is_symlink():
            os.mknod(units / name, stat.S_IFCHR)
    (wants / WAIT_ONLINE).symlink_to(f"/usr/lib/systemd/system/{WAIT_ONLINE}")


def attempt(act: Callable[[], object]) -> None:
    """As a task of Proxmox VE fails: with a line that says why."""
    try:
        act()
    except DeployError as error:
        raise Failed(str(error)) from error


def make_golden(spec: ContainerSpec, paths: Paths, packages: list[str], target: Path) -> Path:
    """The own files of a container with these packages, none of whose services were started."""
    from tasks.host.packages import install_argv

    box = LxcContainer(spec, paths)
    box.create()
    box.start()
    try:
        argv = ["env", "DEBIAN_FRONTEND=noninteractive", *install_argv(packages)]
        box.run(argv, timeout=900)
        box.run(["systemctl", "disable", "--now", "nginx.service"], check=False)
        box.stop()
        copy = ["cp", "--archive", str(box.folder / "upper"), str(target)]
        subprocess.run(copy, check=True)
    finally:
        box.destroy()
    return target
