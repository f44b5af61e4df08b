"""Instances on all nodes of a cluster from one folder of configuration; what `check` finds."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from journey import DOIT
from places import LabNetwork
from pve.cluster import Token
from pve.place import SECRET, USER
from pve.standin import Standin
from pve_site import PveSite, new_pve_site

NODES = ("pve", "pve2", "pve3")

PATIENCE = 300.0


@dataclass
class Fleet:
    """A folder of configuration with one instance on each node."""

    folder: Path
    sites: list[PveSite]

    def run(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        for site in self.sites:
            (self.folder / site.file.name).write_text(site.file.read_text())
        done = subprocess.run(
            [str(DOIT), *arguments, "--config", str(self.folder)],
            env=self.sites[0].environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=1500,
        )
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode == code, f"{arguments}: {done.stdout}\n{done.stderr}"
        return done

    def edit(self, changes: dict[str, Any]) -> None:
        for site in self.sites:
            site.edit(changes)


@pytest.fixture(scope="module")
def fleet(standin: Standin, golden: Path, pve_network: LabNetwork) -> Iterator[Fleet]:
    """On a workstation: the API over https, programs through ssh to each node."""
    standin.be_node(None)
    folder = standin.paths.prefix / "fleet"
    folder.mkdir()
    sites = [
        new_pve_site(standin, pve_network, 5 + number, "https", node)
        for number, node in enumerate(NODES)
    ]
    for site in sites:
        del site.document["proxmox"]["container_id"]
        site.edit({})
    made = Fleet(folder, sites)
    try:
        yield made
    finally:
        standin.clear()
        standin.be_node("pve")


def test_all_nodes_are_worked_on_at_once_and_ids_are_kept(fleet: Fleet, standin: Standin) -> None:
    fleet.run("apply", "--yes")
    guests = standin.cluster.guests.values()
    assert sorted(guest.node for guest in guests) == sorted(NODES)
    owners = {f"vikunja-deploy.{site.id}" for site in fleet.sites}
    assert {str(guest.config["tags"]) for guest in guests} == owners
    ids = sorted(standin.cluster.guests)
    for site in fleet.sites:
        (site.vmid,) = [g.vmid for g in guests if site.id in str(g.config["tags"])]
        assert site.served()["version"] == "v1.0.0"
    calls, ssh = len(standin.cluster.calls), len(standin.ssh_log())
    fleet.run("plan", "--detailed-exitcode")
    # One look at the cluster, one at each of the other nodes, one program in each container.
    assert len(standin.cluster.calls) == calls
    assert len(standin.ssh_log()) - ssh <= 2 * (1 + len(NODES)) + len(fleet.sites)
    fleet.run("apply", "--yes")
    assert sorted(standin.cluster.guests) == ids


def test_a_node_that_is_down_keeps_nobody_else_from_being_done(
    fleet: Fleet, standin: Standin
) -> None:
    fleet.edit({"resources": {"memory_mb": 3072}})
    standin.set_down("pve3")
    try:
        planned = fleet.run("plan", code=6)
        assert f"{fleet.sites[2].id}" in planned.stderr
        assert "node pve3 is down" in planned.stderr
        applied = fleet.run("apply", "--yes", code=6)
        assert "node pve3 is down" in applied.stderr
    finally:
        standin.set_down("pve3", down=False)
    guests = standin.cluster.guests
    assert [guests[site.vmid].config["memory"] for site in fleet.sites] == [3072, 3072, 2048]
    fleet.run("apply", "--yes")
    assert guests[fleet.sites[2].vmid].config["memory"] == 3072


def interrupted(place: Path, site: PveSite, tasks: int) -> tuple[int, str]:
    """Ctrl-C when so many tasks are waited for that do not end: exit code and stderr."""
    cluster = site.standin.cluster
    before = len(cluster.calls)
    process = subprocess.Popen(
        [str(DOIT), "apply", "--yes", "--config", str(place)],
        env=site.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + PATIENCE
    asked: set[str] = set()
    while len(asked) < tasks and process.poll() is None:
        assert time.monotonic() < deadline, f"asked for {asked}"
        time.sleep(0.05)
        paths = [path for _, path, _ in cluster.calls[before:]]
        asked = {path for path in paths if "/tasks/" in path and path.endswith("/status")}
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=PATIENCE)
    return process.returncode, said


@pytest.mark.parametrize("number", [1, 3])
def test_ctrl_c_stops_waiting_says_so_and_the_next_plan_tells_the_truth(
    fleet: Fleet, standin: Standin, number: int
) -> None:
    """Of one instance, and of several at once, each in a thread of its own."""
    cluster, sites = standin.cluster, fleet.sites[:number]
    size = 22 + number
    for site in sites:
        site.edit({"resources": {"disk_size_gb": size}})
        (fleet.folder / site.file.name).write_text(site.file.read_text())
    place = sites[0].file if number == 1 else fleet.folder
    cluster.duration, usual = 3600, cluster.duration
    try:
        code, said = interrupted(place, sites[0], number)
    finally:
        cluster.duration = usual
    assert (code, "Traceback" in said) == (20, False), said
    begun = [task for task in cluster.tasks.values() if task.exit_status is None]
    assert len(begun) == number
    for task in begun:
        running = f"grow rootfs to {size} GiB: task {task.upid} on node {task.node} still runs"
        assert running in said
    assert fleet.run("plan").stdout.count("disk_size_gb: 2") == number
    with cluster.lock:
        for task in begun:
            task.ends = 0
        cluster.finish_due()
        cluster.publish()
    assert "disk_size_gb" not in fleet.run("plan").stdout
    fleet.run("apply", "--yes")


def test_an_instance_that_was_moved_after_the_plan_makes_it_stale(
    fleet: Fleet, standin: Standin, tmp_path: Path
) -> None:
    fleet.edit({"resources": {"memory_mb": 4096}})
    saved = tmp_path / "plan.json"
    fleet.run("plan", "--out", str(saved))
    guest = standin.cluster.guests[fleet.sites[0].vmid]
    with standin.cluster.lock:
        guest.node = "pve2"
        standin.cluster.publish()
    refused = fleet.run("apply", "--plan", str(saved), code=21)
    assert fleet.sites[0].id in refused.stderr
    assert guest.config["memory"] == 3072
    (moved,) = [
        entry
        for instance in json.loads(fleet.run("plan", "--json").stdout)["instances"]
        for entry in instance["entries"]
        if entry["address"].endswith(f"container:{fleet.sites[0].id}")
    ]
    assert {"name": "node", "before": "pve2", "after": "pve"} in moved["changes"]
    assert moved["interrupts"] == "the site, while the container moves"
    fleet.run("apply", "--yes")
    assert (guest.node, guest.config["memory"]) == ("pve", 4096)
    assert fleet.sites[0].served()["version"] == "v1.0.0"
    fleet.run("plan", "--detailed-exitcode")


def test_high_availability_and_replication_are_registered(fleet: Fleet, standin: Standin) -> None:
    """With a group of version 8, with the rule that an upgrade to 9 makes of it, and undone."""
    site, cluster = fleet.sites[1], standin.cluster
    ha: dict[str, Any] = {"group": "web", "nodes": ["pve2:2", "pve3"], "max_restart": 2}
    site.edit({"proxmox": {"ha": ha, "replication": [{"target": "pve3"}]}})
    site.run("apply", "--yes")
    sid = f"ct:{site.vmid}"
    assert cluster.ha[sid] == {"state": "started", "max_restart": 2, "group": "web"}
    assert cluster.ha_groups["web"]["nodes"] == "pve2:2,pve3"
    assert cluster.replication[f"{site.vmid}-0"]["target"] == "pve3"
    try:
        with cluster.lock:
            # Where the HA manager puts it, there it stays.
            cluster.guests[site.vmid].node = "pve3"
            cluster.version = 9
            del cluster.ha[sid]["group"]
            cluster.ha_groups.clear()
            rule = {"type": "node-affinity", "nodes": "pve2:2,pve3", "resources": sid}
            cluster.ha_rules["ha-rule-6e12c05d-c269"] = {"comment": "web", **rule}
            cluster.publish()
        assert [a for a in site.addresses() if not a.startswith("record:")] == []
        with cluster.lock:
            cluster.guests[site.vmid].node = "pve2"
            cluster.publish()
        site.edit({"proxmox": {"ha": {**ha, "group": "mail"}}})
        was, comes = "group ha-rule-6e12c05d-c269 on", "group mail on"
        reported = (
            f"ha: started, 2 restarts, {was} pve2:2, pve3 → started, 2 restarts, {comes} pve2:2"
        )
        assert reported in site.run("plan").stdout
        site.run("apply", "--yes")
        assert cluster.ha_rules == {"mail": rule}
        site.edit({"proxmox": {"ha": None, "replication": None}})
        site.run("apply", "--yes")
        assert (cluster.ha, cluster.ha_rules, cluster.replication) == ({}, {}, {})
    finally:
        cluster.version = 8


def test_a_cluster_without_quorum_is_told_and_nothing_is_changed(
    fleet: Fleet, standin: Standin
) -> None:
    site = fleet.sites[0]
    site.edit({"resources": {"memory_mb": 5000}})
    with standin.cluster.lock:
        standin.cluster.quorate = False
        standin.cluster.publish()
    try:
        refused = site.run("apply", "--yes", code=6).stderr
        assert "the cluster has no quorum" in refused
        assert site.run("plan", code=6).stderr in refused
        found = site.run("check", "--json", code=None).stdout
        assert "the cluster has no quorum" in found
    finally:
        with standin.cluster.lock:
            standin.cluster.quorate = True
            standin.cluster.publish()
    site.edit({"resources": {"memory_mb": 4096}})


def findings(site: PveSite) -> dict[str, list[str]]:
    """Problems by topic."""
    found: dict[str, list[str]] = {}
    for one in json.loads(site.run("check", "--json", code=None).stdout)["findings"]:
        if one["level"] == "problem":
            found.setdefault(one["topic"], []).append(one["what"])
    return found


def test_check_names_everything_that_is_missing_before_the_first_change(
    fleet: Fleet, standin: Standin, pve_network: LabNetwork
) -> None:
    site = new_pve_site(standin, pve_network, 9, "https", "pve")
    assert findings(site) == {}
    tasks, cluster = len(standin.cluster.tasks), standin.cluster
    few = {"/vms": frozenset({"VM.Audit"}), "/storage": frozenset({"Datastore.Audit"})}
    cluster.tokens[USER] = Token(SECRET, few)
    site.edit(
        {
            "network": {
                "bridge": "vmbr7",
                "ip_address": fleet.sites[1].document["network"]["ip_address"],
            },
            "resources": {"disk_size_gb": 500},
            "proxmox": {"template": "debian-99", "storage": "local-lvm"},
        }
    )
    try:
        found = findings(site)
    finally:
        cluster.tokens[USER] = Token(SECRET)
    lacking = "\n".join(found["privileges"])
    assert "VM.Allocate, VM.Config.CPU" in lacking
    assert "Datastore.AllocateSpace on /storage/local-lvm" in lacking
    assert "SDN.Use on /sdn/zones/localnetwork/vmbr7" in lacking
    assert "there is no template debian-99" in found["template"][0]
    assert "GiB free of 500 needed" in found["storage"][0]
    assert found["bridge"] == ["node pve has no bridge vmbr7"]
    assert "belongs to" in found["registry"][0]
    site.edit({"proxmox": {"node": "pve9"}})
    assert findings(site)["node"] == ["there is no node pve9"]
    site.edit({"proxmox": {"node": "pve"}, "network": {"ip_address": pve_network.free_address()}})
    for desired, words in (
        ({}, "GiB free of 500 needed"),
        ({"resources": {"disk_size_gb": 20}}, "has no bridge vmbr7"),
        ({"network": {"bridge": pve_network.bridge}}, "there is no template debian-99"),
    ):
        site.edit(desired)
        refused = site.run("plan", code=4).stderr
        assert words in refused
        assert refused in site.run("apply", "--yes", code=4).stderr
    assert len(cluster.tasks) == tasks


def test_check_prints_the_commands_that_grant_the_least(fleet: Fleet, standin: Standin) -> None:
    lines = fleet.sites[0].run("check", "--role").stdout.splitlines()
    assert any(line.startswith("pveum role add VikunjaDeployContainer --privs") for line in lines)
    who = f"--users '{USER.partition('!')[0]}' --tokens '{USER}'"
    assert f"pveum acl modify /vms {who} --roles VikunjaDeployContainer" in lines
