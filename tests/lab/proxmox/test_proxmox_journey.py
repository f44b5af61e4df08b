"""The journey of a user with Proxmox VE, over every connection: from nothing, an edit, a drift,
kills, a removal. The stand-in answers, real containers are behind it, the command line drives."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from journey import DOIT
from migrating_branches import MORE, NEW, OLD, commit
from people_lab import at_a_terminal, login, user, users
from places import LabNetwork
from pve.by_hand import edit
from pve.ha import forget
from pve.standin import Standin
from pve_site import PveSite, new_pve_site
from writers import PATIENCE, Writer, assert_nothing_lost, get, killed_at, writing

from tasks.containers.lxc.network import host_nameservers
from tasks.resources.migration import HOME, JOURNAL

WAYS = (("local", False), ("openssh", False), ("https", True))
"""Each connection, and whether the HA manager has the container. test_proxmox_cluster goes over
https without it."""


@pytest.fixture(params=WAYS, ids=["local", "openssh", "https-managed"], scope="module")
def site(
    request: pytest.FixtureRequest, standin: Standin, golden: Path, pve_network: LabNetwork
) -> Iterator[PveSite]:
    """One after the other, so that this machine can be what the connection needs it to be."""
    kind, managed = request.param
    standin.be_node("pve" if kind == "local" else None)
    number = WAYS.index(request.param)
    site = new_pve_site(standin, pve_network, number, kind, "pve2" if kind == "https" else "pve")
    if managed:
        site.edit({"proxmox": {"ha": {"max_restart": 3}}})
    site.run("apply", "--yes")
    yield site
    standin.clear()


def test_a_first_apply_serves_and_the_next_plan_is_empty(site: PveSite) -> None:
    assert site.served()["version"] == "v1.0.0"
    shown = site.run("plan", "--detailed-exitcode")
    assert shown.stdout == f"Nothing to do: {site.id} is up to date.\n"
    (known,) = [
        one for one in json.loads(site.paths.registry.read_text()) if one["instance_id"] == site.id
    ]
    assert (known["container_id"], known["node"]) == (
        site.vmid,
        site.document["proxmox"]["node"],
    )


def test_people_are_let_in_over_every_connection(site: PveSite) -> None:
    password = "two 'words\" $HOME"
    user(site, "add", "anna", "--email", "a@example.com", password=password)
    assert login(site, "anna", password) == 200
    words = ["app", "--config", str(site.file), site.id, "--"]
    said = at_a_terminal(
        site,
        [*words, "user", "reset-password", "anna", "-d"],
        [("Enter Password: ", "another one\r"), ("Confirm Password: ", "another one\r")],
        asks="vikunja",
    )
    assert "another one" not in said
    assert login(site, "anna", "another one") == 200
    done = subprocess.run(
        [str(DOIT), *words, "user", "delete", "anna", "--now"],
        env=site.environment,
        input="YES, I CONFIRM\n",
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "User deleted successfully." in done.stdout
    assert users(site) == {}


def test_nginx_waits_for_no_network_that_nobody_sets_up(site: PveSite) -> None:
    unit = "systemd-networkd-wait-online.service"
    shown = site.inside("systemctl", "show", "-p", "ActiveState,UnitFileState", "--value", unit)
    assert shown.split() == ["inactive", "enabled"]
    assert site.inside("systemctl", "list-jobs", "--no-legend") == ""


def test_an_edit_of_the_site_and_of_its_container_is_one_plan(site: PveSite) -> None:
    site.edit(
        {
            "network": {"domain": "moved.example.com"},
            "resources": {"memory_mb": 3072, "disk_size_gb": 24},
            "proxmox": {"tags": ["web"], "startup": "order=3", "onboot": False},
        }
    )
    (container,) = [
        entry for entry in site.plan() if entry["address"].endswith(f"container:{site.id}")
    ]
    assert {change["name"]: change["after"] for change in container["changes"]} == {
        "memory_mb": "3072",
        "disk_size_gb": "24",
        "onboot": "no",
        "startup": "order=3",
        "tags": "web",
    }
    assert container["action"] == "update"
    assert not container["destructive"]
    site.run("apply", "--yes")
    assert site.addresses() == []
    assert site.served()["frontend_url"] == "https://moved.example.com/"
    assert (site.config["memory"], site.config["onboot"]) == (3072, 0)
    assert "size=24G" in str(site.config["rootfs"])


def test_a_change_that_needs_a_restart_says_so(site: PveSite) -> None:
    before = site.inside("cat", "/proc/sys/kernel/random/boot_id"), site.inside("stat", "/proc/1")
    # One that answers: the container may have packages to get.
    server = host_nameservers()[0]
    site.edit({"network": {"nameservers": [server]}, "proxmox": {"mtu": 1380}})
    plan = {entry["address"].partition("/")[2]: entry for entry in site.plan()}
    assert plan[f"running:{site.id}"]["interrupts"] == "the site, while it restarts"
    site.run("apply", "--yes")
    assert site.addresses() == []
    assert site.config["nameserver"] == server
    assert site.inside("cat", "/sys/class/net/eth0/mtu").strip() == "1380"
    assert site.inside("stat", "/proc/1") != before[1]
    assert site.served()["version"] == "v1.0.0"


def test_a_smaller_disk_is_refused_before_anything_is_changed(site: PveSite) -> None:
    site.edit({"resources": {"disk_size_gb": 21}, "network": {"domain": "never.example.com"}})
    calls = len(site.standin.cluster.calls)
    for command in (["plan"], ["apply", "--yes"]):
        refused = site.run(*command, code=4)
        assert "disk_size_gb: a disk of 24 GiB cannot shrink to 21 GiB" in refused.stderr
    assert len(site.standin.cluster.calls) == calls
    site.edit({"resources": {"disk_size_gb": 24}, "network": {"domain": "moved.example.com"}})
    assert site.addresses() == []


def test_a_drift_of_either_side_is_shown_and_mended(site: PveSite) -> None:
    site.inside("sh", "-c", "echo edited >>/etc/nginx/nginx.conf")
    site.config["cores"] = 7
    site.standin.cluster.publish()
    shown = site.run("plan").stdout
    assert "drift: cpu_cores changed" in shown
    assert "drift: edited in the container" in shown
    site.run("apply", "--yes")
    assert site.config["cores"] == 2
    assert site.addresses() == []

    site.inside("sh", "-c", ": >/etc/resolv.conf")
    assert "drift: nameservers changed" in site.run("plan").stdout
    site.run("apply", "--yes")
    assert site.inside("cat", "/etc/resolv.conf")
    assert site.addresses() == []

    del site.config["unprivileged"]
    site.standin.cluster.publish()
    for command in (("plan",), ("apply", "--yes")):
        assert "counts as privileged" in site.run(*command, code=4).stderr
    site.config["unprivileged"] = 1
    site.standin.cluster.publish()
    assert site.addresses() == []


def test_a_container_that_somebody_stopped_is_started(site: PveSite) -> None:
    cluster = site.standin.cluster
    guest = cluster.guests[site.vmid]
    with cluster.lock:
        if managed(site):
            # Any other way the manager starts it again.
            managed(site)["state"] = "stopped"
        else:
            cluster.backend.stop(guest)
            guest.running = False
        cluster.publish()
    until(lambda: not guest.running)
    assert f"running:{site.id}" in site.addresses()
    site.run("apply", "--yes")
    assert site.served()["version"] == "v1.0.0"
    assert site.addresses() == []


def managed(site: PveSite) -> dict[str, Any]:
    """How the HA manager has it; empty where it has not."""
    return site.standin.cluster.ha.get(f"ct:{site.vmid}", {})


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_move_of_the_disk_that_fails_or_is_killed_leaves_nothing_down(site: PveSite) -> None:
    cluster, guest = site.standin.cluster, site.standin.cluster.guests[site.vmid]
    here = str(site.config["rootfs"]).partition(":")[0]
    there = "local" if here == "local-lvm" else "local-lvm"
    site.edit({"proxmox": {"storage": there}})
    cluster.full.add(there)
    try:
        assert "the storage has no space left" in site.run("apply", "--yes", code=4).stderr
    finally:
        cluster.full.clear()
    # The manager's own task ends a moment after the container runs.
    until(lambda: guest.running)
    assert site.served()["version"] == "v1.0.0"

    cluster.duration, usual = 2, cluster.duration
    try:
        process = subprocess.Popen(
            [str(DOIT), "apply", "--yes", "--config", str(site.file)],
            env=site.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until(lambda: not guest.running)
        process.kill()
        process.wait()
    finally:
        cluster.duration = usual
    assert f"running:{site.id}" in site.addresses()
    site.run("apply", "--yes")
    assert str(site.config["rootfs"]).startswith(f"{there}:")
    until(lambda: guest.running)
    assert managed(site).get("state", "started") == "started"
    assert site.served()["version"] == "v1.0.0"
    assert site.addresses() == []


def test_a_locked_container_is_waited_for_and_then_left(site: PveSite) -> None:
    site.config["lock"] = "backup"
    site.edit({"resources": {"memory_mb": 4096}, "proxmox": {"lock_wait_seconds": 1}})
    try:
        site.standin.cluster.publish()
        refused = site.run("apply", "--yes", code=5)
    finally:
        del site.config["lock"]
        site.standin.cluster.publish()
    assert "locked by Proxmox VE (backup)" in refused.stderr
    assert site.config["memory"] == 3072
    site.edit({"proxmox": {"lock_wait_seconds": 300}})
    site.run("apply", "--yes")
    assert site.config["memory"] == 4096


def test_a_kill_at_any_step_of_another_container_is_finished_by_the_next_apply(
    site: PveSite,
) -> None:
    site.edit({"proxmox": {"timezone": "Europe/Berlin"}, "redis": {"port": 6380}})
    guest = site.standin.cluster.guests[site.vmid]
    with site.standin.cluster.lock:
        site.standin.cluster.backend.destroy(guest)
        del site.standin.cluster.guests[site.vmid]
        # Without that Proxmox VE removes none that the HA manager has.
        forget(site.standin.cluster, f"ct:{site.vmid}")
        site.standin.cluster.publish()
    for line in (1, 2, 3):
        site.apply_killed_at(line)
        assert site.addresses(), "it had come to its end"
    # What Proxmox VE was told to do it finishes, whoever waits for it.
    site.run("apply", "--yes")
    assert site.addresses() == []
    assert site.served()["version"] == "v1.0.0"
    assert len([g for g in site.standin.cluster.guests.values() if g.vmid == site.vmid]) == 1


def test_the_container_of_somebody_else_is_left_alone(site: PveSite) -> None:
    own = dict(site.config)
    site.config["tags"] = "somebody"
    site.standin.cluster.publish()
    tasks = len(site.standin.cluster.tasks)
    refused = site.run("apply", "--yes", code=4)
    assert f"container {site.vmid} exists and is not proven ours" in refused.stderr
    site.config["tags"] = own["tags"]
    site.config["description"] = "vikunja-deploy: another\n"
    site.standin.cluster.publish()
    site.run("apply", "--yes", code=4)
    assert len(site.standin.cluster.tasks) == tasks
    site.config.update(own)
    site.standin.cluster.publish()
    assert site.addresses() == []


@pytest.mark.parametrize("lost", ["notes", "marker"])
def test_what_was_lost_of_the_proof_is_said_and_put_back_by_adopting(
    site: PveSite, lost: str
) -> None:
    Writer(site).write("before")
    adopt = f"./doit apply --adopt {site.id}"
    if lost == "notes":
        edit(site.standin.cluster, site.vmid, description="Our tasks. Ask Ann.")
        said = "its tag is there, its notes are missing, its marker is there"
    else:
        site.inside("rm", "/etc/vikunja-deploy")
        said = "its marker /etc/vikunja-deploy is missing"
    tasks = len(site.standin.cluster.tasks)
    for command in (("plan",), ("apply", "--yes"), ("backup",), ("stop",), ("uninstall", "--yes")):
        refused = site.run(*command, code=4)
        assert said in refused.stderr
        assert adopt in refused.stderr
        assert "remove that" not in refused.stderr
    assert len(site.standin.cluster.tasks) == tasks
    assert "gets its" in site.run("apply", "--adopt", code=3).stderr
    shown = site.run("apply", "--adopt", "--yes")
    assert f"{site.id}: container {site.vmid} gets its {lost} back" in shown.stderr
    assert site.addresses() == []
    assert str(site.config["description"]).startswith("Our tasks. Ask Ann.") or lost == "marker"
    assert site.served()["version"] == "v1.0.0"
    assert f"Adopted: container {site.vmid} gets its {lost} back" in site.log()


def test_a_drill_sweeps_up_one_that_was_killed_and_leaves_nothing(
    site: PveSite, pve_network: LabNetwork
) -> None:
    """On a node it is not killed first: what is swept up is found by the cluster either way."""
    kind = site.document["proxmox"]["connection"]["type"]
    if kind == "https":
        return
    Writer(site).write("in the archive")
    site.run("backup")
    drill = ("drill", "--address", pve_network.free_address())
    guests = site.standin.cluster.guests
    if kind == "openssh":
        argv = [str(DOIT), *drill, "--progress", "--config", str(site.file)]
        process = subprocess.Popen(
            argv, env=site.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        assert process.stderr is not None
        assert any("container up" in line for line in process.stderr)
        process.send_signal(signal.SIGKILL)
        process.stderr.close()
        process.wait(timeout=PATIENCE)
        (left,) = set(guests) - {site.vmid}
        assert f"vikunja-deploy.{site.id}-drill" in str(guests[left].config["tags"])

    went = json.loads(site.run(*drill, "--json").stdout)
    assert (went["version"], went["rows"] >= 1) == ("v1.0.0", True)
    assert list(guests) == [site.vmid]
    assert [path.name for path in site.paths.lxc.iterdir() if path.name.isdigit()] == [
        str(site.vmid)
    ]
    assert site.addresses() == []


def test_a_killed_update_with_a_migration_goes_back_by_itself_and_is_finished(
    site: PveSite,
) -> None:
    """What stands by in the container hears of the tool's end, here and through ssh."""
    if site.document["proxmox"]["connection"]["type"] == "https":
        return
    repository = Path(site.document["git"]["repository"])
    if not (repository / "refs/heads/more").exists():
        commit(repository, "more", MORE, NEW)
    site.edit({"git": {"branch": "more"}})
    with writing(site, "killed") as writers:
        killed_at(site, "saving the database", "tool")
        # Nobody helps it.
        until = time.monotonic() + PATIENCE
        while site.inside("sh", "-c", f"cat {JOURNAL} 2>/dev/null || true"):
            assert time.monotonic() < until, "nobody ended what was cut short"
            time.sleep(0.1)
    assert site.served()["version"] == OLD
    assert_nothing_lost(site, writers, "killed")
    assert any(writer.answers["503"] for writer in writers)

    with writing(site, "updating") as writers:
        site.run("apply", "--yes")
    assert site.served()["version"] == NEW
    assert_nothing_lost(site, writers, "updating")
    left = f"find {HOME} /etc/vikunja/active/maintenance -type f || true"
    assert site.inside("sh", "-c", left) == ""
    assert site.addresses() == []


def test_another_template_is_another_container_which_gets_the_data(
    site: PveSite, pve_network: LabNetwork
) -> None:
    old, before = site.vmid, get(site, "/api/v1/tasks")
    template, version = site.template(), site.served()["version"]
    hardware = str(site.config["net0"]).partition("hwaddr=")[2].partition(",")[0]
    site.edit({"proxmox": {"template": "debian-12-standard"}})
    # What an apply would refuse, a plan says.
    shown = json.loads(site.run("plan", "--json", code=3).stdout)["instances"][0]["entries"]
    (replaced,) = [entry for entry in shown if entry["action"] == "replace"]
    assert not replaced["destructive"]
    tasks = len(site.standin.cluster.tasks)
    refused = site.run("apply", "--yes", code=3)
    assert "a rebuild needs an address on the instance's network" in refused.stderr
    site.edit({"rebuild": {"address": pve_network.free_address(), "keep_days": 0}})
    refused = site.run("apply", "--yes", code=3)
    assert f"{old} is the number of the container that is to be replaced" in refused.stderr
    assert "Set it to one that is free (the next is " in refused.stderr
    assert len(site.standin.cluster.tasks) == tasks
    if site.document["proxmox"]["connection"]["type"] != "https":
        site.edit({"proxmox": {"template": template}})
        return
    site.edit({"proxmox": {"container_id": old + len(WAYS)}})
    with writing(site, "rebuilt") as writers:
        site.run("rebuild", "--yes")
    site.vmid = old + len(WAYS)
    assert "made from: debian-12-standard" in str(site.config["description"])
    assert hardware in str(site.config["net0"])
    assert site.served()["version"] == version
    assert_nothing_lost(site, writers, "rebuilt", others=True)
    titles = {task["title"] for task in get(site, "/api/v1/tasks")}
    assert {task["title"] for task in before} <= titles
    # It is out of the network, nobody starts it, and an apply removes it.
    kept = site.standin.cluster.guests[old].config
    assert ("ip=" in str(kept["net0"]), kept["onboot"]) == (False, 0)
    assert f"vikunja-deploy.{site.id}-old" in str(kept["tags"])
    assert site.addresses() == [f"replaced-container:{site.id}-old"]
    site.run("apply", "--yes")
    assert old not in site.standin.cluster.guests
    assert site.addresses() == []


def test_a_protected_container_is_kept_running_by_a_refused_uninstall(site: PveSite) -> None:
    site.edit({"proxmox": {"template": site.template(), "protection": True}})
    site.run("apply", "--yes")
    tasks = len(site.standin.cluster.tasks)
    archives = list((site.paths.prefix / "backups" / site.id).glob("*"))
    refused = site.run("uninstall", "--yes", code=4)
    assert f"container {site.vmid} is protected" in refused.stderr
    assert len(site.standin.cluster.tasks) == tasks
    assert list((site.paths.prefix / "backups" / site.id).glob("*")) == archives
    assert site.served()["version"]
    assert site.addresses() == []
    site.edit({"proxmox": {"template": site.template(), "protection": False}})
    site.run("apply", "--yes")


def test_kept_data_is_started_by_nobody_and_taken_over_by_the_next_apply(site: PveSite) -> None:
    site.edit({"proxmox": {"onboot": True}})
    site.run("apply", "--yes")
    had, guest = dict(managed(site)), site.standin.cluster.guests[site.vmid]
    site.run("uninstall", "--yes", "--keep-data")
    assert (guest.running, guest.config["onboot"], managed(site)) == (False, 0, {})
    assert site.id not in site.paths.registry.read_text()
    site.run("apply", "--yes")
    assert (guest.running, guest.config["onboot"], managed(site)) == (True, 1, had)
    assert site.served()["version"]
    assert site.addresses() == []


def test_an_uninstall_takes_a_last_backup_and_leaves_nothing(site: PveSite) -> None:
    site.edit({"proxmox": {"template": site.template()}})
    site.run("uninstall", site.id, "--yes")
    assert site.vmid not in site.standin.cluster.guests
    assert not (site.paths.lxc / str(site.vmid)).exists()
    assert list((site.paths.prefix / "backups" / site.id).glob("*.tar.gz"))
    assert site.id not in site.paths.registry.read_text()
