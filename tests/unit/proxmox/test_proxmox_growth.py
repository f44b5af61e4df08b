"""File systems that stayed behind their disks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest

from tasks.containers.base import ContainerSpec
from tasks.containers.file_system import ASK
from tasks.containers.proxmox.desired import DesiredProxmox
from tasks.containers.proxmox.growth import require_grown, volume_of
from tasks.containers.proxmox.guest_access import Inside
from tasks.containers.proxmox.guests import Found, Guest
from tasks.containers.proxmox.parameters import Config
from tasks.containers.proxmox.section import Mount
from tasks.errors import DeployError
from tasks.host.process import Completed

SPEC = ContainerSpec(
    name="web",
    instance_id="web",
    template="debian-13-standard",
    hostname="web",
    cpu_cores=2,
    memory_mb=2048,
    disk_size_gb=20,
    bridge="vmbr0",
    ip_address="192.0.2.10/24",
    gateway="192.0.2.1",
)
DESIRED = DesiredProxmox(node="pve", mounts=(Mount("/srv/files", "local-lvm", 2),))
CONFIG = {
    "rootfs": "local:110/vm-110-disk-0.raw,size=20G",
    "mp3": "local-lvm:vm-110-disk-1,mp=/srv/files,size=2G",
}
FOUND = Found(Guest(110, "pve", "lxc", ()), True, None, Config(CONFIG))


class Answers:
    """What `stat` says in the container, by path."""

    def __init__(self, answers: dict[str, str]) -> None:
        self.answers = answers

    def run(self, argv: Sequence[str], *, check: bool = True) -> Completed:
        assert tuple(argv[:-1]) == ASK and not check
        return Completed(tuple(argv), 0, self.answers[argv[-1]].encode(), b"")


def grown(**answers: str) -> None:
    paths = {"/": answers["root"], "/srv/files": answers["files"]}
    require_grown(SPEC, DESIRED, FOUND, cast(Inside, Answers(paths)))


@pytest.mark.parametrize(
    "answers",
    [
        {"root": "ext2/ext3 5116564 4096\n", "files": "ext2/ext3 498379 4096\n"},
        # A pool with little left says nothing of a disk.
        {"root": "zfs 100000 131072\n", "files": "btrfs 100 4096\n"},
        {"root": "", "files": "stat: cannot read file system information\n"},
    ],
)
def test_what_fills_its_disk_or_does_not_say_is_fine(answers: dict[str, Any]) -> None:
    grown(**answers)


def test_what_stayed_behind_is_told_with_what_grows_it() -> None:
    with pytest.raises(DeployError) as caught:
        grown(root="ext2/ext3 5116564 4096", files="ext2/ext3 249189 4096")
    assert caught.value.what == "the disk of /srv/files has 2 GiB, and its file system only 1.0"
    # In a running container only Proxmox VE's own way, which failed, gets at the file system.
    assert caught.value.hint == (
        "On node pve: `pct shutdown 110`, `P=$(pvesm path local-lvm:vm-110-disk-1)`, of LVM "
        "`lvchange -ay $P`, then `e2fsck -f $P && resize2fs $P` and `pct start 110`; nothing is "
        "lost by that"
    )


def test_a_volume_is_known_by_where_it_is_mounted() -> None:
    assert volume_of(CONFIG, "/") == "local:110/vm-110-disk-0.raw"
    assert volume_of(CONFIG, "/srv") == ""
