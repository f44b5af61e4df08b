"""What a node tells of its cluster in one look, from files as Proxmox VE writes them."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from pve.cluster import Cluster, Guest
from pve.files import ClusterFiles, conf_text

from tasks.containers.proxmox.attributes import ha_of, jobs_of
from tasks.containers.proxmox.conf import parse_conf
from tasks.containers.proxmox.desired import Ha, Replication
from tasks.containers.proxmox.view import NO_NODE, View, look_text, parse_seen, parse_view
from tasks.errors import DeployError

CONF = """\
#vikunja-deploy%3A vikunja-main
#made from%3A debian-12-standard
#100%25 of us, # and =
arch: amd64
cores: 2
hostname: vikunja-main
memory: 2048
net0: name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:01,ip=192.0.2.10/24,type=veth
tags: vikunja-deploy.vikunja-main;web

[pve:pending]
delete: searchdomain
nameserver: 192.0.2.53

[before-update]
#a note of a snapshot
memory: 512
snaptime: 1732400000
"""


def test_a_configuration_file_is_what_the_api_would_say() -> None:
    config = parse_conf(CONF)
    assert config.current["description"] == (
        "vikunja-deploy: vikunja-main\nmade from: debian-12-standard\n100% of us, # and =\n"
    )
    assert (config.current["memory"], config.current["cores"]) == ("2048", "2")
    assert config.current["net0"].startswith("name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:01")
    assert config.pending == {"searchdomain": None, "nameserver": "192.0.2.53"}
    assert "snaptime" not in config.current
    assert config.digest == hashlib.sha1(CONF.encode()).hexdigest()


def test_an_empty_configuration_has_nothing() -> None:
    assert parse_conf("").current == {}


def test_the_stand_in_writes_what_is_read() -> None:
    notes = "vikunja-deploy: a\nüber 50%: yes\n"
    guest = Guest(100, "pve", {"memory": 512, "description": notes}, {"nameserver": "192.0.2.1"})
    config = parse_conf(conf_text(guest))
    assert config.current == {"memory": "512", "description": notes}
    assert config.pending == {"nameserver": "192.0.2.1"}
    assert config.digest == guest.digest


def looked(
    etc_pve: Path, lxc: Path, what: str = "all", root: str = "/nowhere"
) -> subprocess.CompletedProcess[str]:
    argv = ["sh", "-c", look_text(), "look", str(etc_pve), str(lxc), what, root]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


@pytest.fixture
def cluster() -> Cluster:
    made = Cluster(("pve", "pve2"))
    made.guests[100] = Guest(
        100, "pve2", {"tags": "vikunja-deploy.a;web", "description": "vikunja-deploy: a\n"}
    )
    made.guests[101] = Guest(101, "pve", {"tags": "web"})
    made.machines[102] = "pve"
    made.ha["ct:100"] = {"state": "started", "max_restart": 3, "group": "web"}
    made.replication["100-0"] = {"target": "pve", "schedule": "*/5"}
    return made


def view(cluster: Cluster, folder: Path) -> View:
    files = ClusterFiles(folder, cluster)
    done = looked(files.seen_by("pve"), folder)
    assert (done.returncode, done.stderr) == (0, "")
    return parse_view(done.stdout, "pve")


def test_one_look_tells_everything_about_all_containers(cluster: Cluster, tmp_path: Path) -> None:
    seen = view(cluster, tmp_path)
    assert (seen.node, seen.quorate) == ("pve", True)
    assert {guest.vmid: (guest.node, guest.kind, guest.tags) for guest in seen.guests} == {
        100: ("pve2", "lxc", ("vikunja-deploy.a", "web")),
        101: ("pve", "lxc", ()),
        102: ("pve", "qemu", ()),
    }
    assert seen.config(100).current["description"] == "vikunja-deploy: a\n"
    assert ha_of(seen.ha, seen.affinities, 100, None) == Ha("web", "started", 3)
    assert ha_of(seen.ha, seen.affinities, 101, None) is None
    assert jobs_of(seen.replication, 100) == {"100-0": Replication("pve", "*/5")}
    assert jobs_of(seen.replication, 10) == {}
    assert seen.members["pve2"].online


def test_a_look_tells_who_is_missing_and_whether_changes_are_taken(
    cluster: Cluster, tmp_path: Path
) -> None:
    cluster.nodes["pve2"].online = False
    cluster.quorate = False
    seen = view(cluster, tmp_path)
    assert not seen.quorate
    assert not seen.members["pve2"].online
    assert seen.members["pve"].online
    assert 100 in seen.confs


def test_a_node_on_its_own_is_a_cluster_of_one(tmp_path: Path) -> None:
    seen = view(Cluster(("pve",)), tmp_path)
    assert (seen.node, seen.quorate) == ("pve", True)
    assert list(seen.members) == ["pve"]
    assert seen.guests == ()


def test_a_cluster_without_any_guest_is_one(tmp_path: Path) -> None:
    files = ClusterFiles(tmp_path, Cluster(("pve", "pve2")))
    # As the real one has it: no list, and no files of what there is nothing to say about.
    assert json.loads((files.seen_by("pve") / ".vmlist").read_text()) == {"version": 1}
    assert not list((tmp_path / "shared").glob("**/*.cfg"))
    seen = view(Cluster(("pve", "pve2")), tmp_path / "again")
    assert seen.guests == ()
    assert sorted(seen.members) == ["pve", "pve2"]


def test_a_machine_without_a_cluster_file_system_is_no_node(tmp_path: Path) -> None:
    assert looked(tmp_path / "nowhere", tmp_path).returncode == NO_NODE
    assert looked(tmp_path, tmp_path).returncode == NO_NODE


def test_what_runs_is_told_by_id() -> None:
    assert parse_seen("running 100\nrunning 7\n\nrunning x\n").running == {100, 7}
    assert parse_seen("").running == frozenset()


@pytest.mark.parametrize(
    ("files", "pending"),
    [
        ({"boot/vmlinuz-6.8.12-10-pve": "", "boot/vmlinuz-6.8.12-9-pve": ""}, True),
        ({"boot/vmlinuz-6.8.12-9-pve": "", "boot/vmlinuz-6.8.4-2-pve": ""}, False),
        ({"boot/vmlinuz-6.8.12-9-pve": "", "run/reboot-required": ""}, True),
        (
            {
                "boot/vmlinuz-6.14.0-1-pve": "",
                "boot/vmlinuz-6.8.12-9-pve": "",
                "etc/kernel/proxmox-boot-pin": "6.8.12-9-pve\n",
            },
            False,
        ),
        # A kernel that is no package's says nothing.
        ({"boot/vmlinuz": ""}, False),
    ],
)
def test_a_node_says_that_it_waits_for_a_restart(
    files: Mapping[str, str], pending: bool, tmp_path: Path
) -> None:
    for path, text in {"proc/sys/kernel/osrelease": "6.8.12-9-pve\n", **files}.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    cluster_files = ClusterFiles(tmp_path / "pve", Cluster(("pve",))).seen_by("pve")
    for what in ("all", "running"):
        done = looked(cluster_files, tmp_path, what, str(tmp_path))
        assert (done.returncode, done.stderr) == (0, "")
        assert parse_seen(done.stdout).restart_pending == pending


def test_half_a_file_is_no_cluster(tmp_path: Path) -> None:
    (tmp_path / ".members").write_text('{"nodename": "pve", "nodelist": {')
    with pytest.raises(DeployError, match=r"no sense in \.members"):
        parse_view(looked(tmp_path, tmp_path).stdout, "pve")


def test_a_file_with_one_line_has_its_name(tmp_path: Path) -> None:
    (tmp_path / ".members").write_text(json.dumps({"nodename": "alone"}))
    assert parse_view(looked(tmp_path, tmp_path).stdout, "pve").node == "alone"
