"""Which template, which storage, which guest: from lists, without a call."""

from __future__ import annotations

import pytest

from tasks.containers.base import ContainerSpec
from tasks.containers.proxmox.answers import Resource
from tasks.containers.proxmox.desired import DesiredProxmox
from tasks.containers.proxmox.guests import Guest, choose, parse_guests
from tasks.containers.proxmox.parameters import Config, changes
from tasks.containers.proxmox.selection import choose_template, matching
from tasks.errors import ResourceError

VOLUMES = [
    "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst",
    "nas:vztmpl/debian-12-standard_12.12-1_amd64.tar.zst",
    "local:vztmpl/debian-12-standardised_99_amd64.tar.zst",
    "local:vztmpl/debian-13-standard_13.1-2_amd64.tar.zst",
]
SPEC = ContainerSpec(
    name="vikunja-main",
    instance_id="vikunja-main",
    template="debian-12-standard",
    hostname="vikunja-main",
    cpu_cores=1,
    memory_mb=512,
    disk_size_gb=8,
    bridge="vmbr0",
    ip_address="192.0.2.10/24",
    gateway="192.0.2.1",
)


@pytest.mark.parametrize(
    ("desired", "volume"),
    [
        ("debian-12-standard", VOLUMES[1]),
        ("debian-13-standard", VOLUMES[3]),
        ("debian-12-standard_12.7-1_amd64.tar.zst", VOLUMES[0]),
        (VOLUMES[0], VOLUMES[0]),
        ("debian-1", None),
        ("ubuntu-24.04-standard", None),
    ],
)
def test_a_template_is_the_one_that_is_named_or_the_newest(
    desired: str, volume: str | None
) -> None:
    assert choose_template(desired, VOLUMES, "vikunja-main") == volume


def test_a_volume_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(ResourceError, match="no template local:vztmpl/mine") as caught:
        choose_template("local:vztmpl/mine.tar.zst", VOLUMES, "vikunja-main")
    assert caught.value.evidence == tuple(VOLUMES)


def test_versions_are_compared_as_numbers() -> None:
    names = ["a-standard_9.1", "a-standard_10.2", "a-standard_10.10", "a-standard_10.1"]
    assert matching("a-standard", names)[-1] == "a-standard_10.10"


def test_ids_are_shared_with_virtual_machines() -> None:
    guests = parse_guests(
        [
            Resource("qemu", 100, "pve2", "vikunja-deploy.vikunja-main"),
            Resource("lxc", 101, "pve"),
            Resource("storage", node="pve"),
        ]
    )
    assert guests[1] == Guest(101, "pve", "lxc", ())
    assert choose(SPEC, DesiredProxmox("pve"), guests) is None
    assert choose(SPEC, DesiredProxmox("pve", vmid=101), guests) == guests[1]
    with pytest.raises(ResourceError, match="100 is taken by a virtual machine on node pve2"):
        choose(SPEC, DesiredProxmox("pve", vmid=100), guests)


@pytest.mark.parametrize("given", ["", ",firewall=0"])
def test_a_firewall_flag_that_is_off_is_no_difference(given: str) -> None:
    net0 = f"name=eth0,bridge=vmbr0,gw=192.0.2.1,hwaddr=BC:24:11:00:00:01,ip=192.0.2.10/24{given}"
    found = Config({"net0": net0, "rootfs": "a:v,size=8G"})
    assert "net0" not in changes(SPEC, DesiredProxmox("pve"), found, "pve").settings
    on = changes(SPEC, DesiredProxmox("pve", firewall=True), found, "pve").settings["net0"]
    assert "firewall=1" in str(on).split(",")
