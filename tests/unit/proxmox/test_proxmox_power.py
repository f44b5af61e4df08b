"""Containers stopped and started, by themselves and by the HA manager, against the stand-in."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace
from pve import manager
from pve.calls import answer
from pve.cluster import Cluster, Guest
from pve.contract import VERSIONS, check_call, load
from pve.place import USER, Place

from tasks.containers.proxmox import power
from tasks.containers.proxmox.lifecycle import Lifecycle
from tasks.errors import DeployError

PATH = "/nodes/pve/lxc/100"
NET = "name=eth0,bridge=vmbr0,ip=192.0.2.10/24"


def wanting(box: Lifecycle, spec: dict[str, Any] | None = None, **desired: Any) -> Lifecycle:
    return replace(
        box, spec=replace(box.spec, **(spec or {})), desired=replace(box.desired, **desired)
    )


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# The stand-in


@pytest.fixture
def cluster() -> Cluster:
    """With a container that runs and that the HA manager has; rounds come when they are called."""
    made = Cluster(duration=0)
    made.ha_pause = 0
    made.guests[100] = Guest(100, "pve", {"memory": 512, "rootfs": "local:a,size=8G", "net0": NET})
    made.guests[100].running = True
    made.ha["ct:100"] = {"state": "started", "max_restart": 1}
    return made


def rounds(cluster: Cluster, count: int = 1) -> None:
    for _ in range(count):
        cluster.finish_due()
        manager.work(cluster)
        cluster.finish_due()


def test_what_a_managed_container_is_asked_is_told_to_the_manager_and_happens_later(
    cluster: Cluster,
) -> None:
    guest = cluster.guests[100]
    upid = answer(cluster, USER, "POST", f"{PATH}/status/shutdown", {"timeout": "60"})
    assert ":hastop:100:" in upid
    cluster.finish_due()
    assert cluster.tasks[upid].exit_status == "OK"
    assert guest.running
    rounds(cluster)
    assert not guest.running
    assert cluster.ha["ct:100"]["state"] == "stopped"
    upid = answer(cluster, USER, "POST", f"{PATH}/status/start", {})
    assert ":hastart:100:" in upid
    rounds(cluster)
    assert guest.running


@pytest.mark.parametrize("state", ["started", "stopped"])
def test_the_manager_starts_again_what_somebody_else_stopped_and_stops_what_was_started(
    cluster: Cluster, state: str
) -> None:
    cluster.ha["ct:100"]["state"] = state
    cluster.guests[100].running = state == "stopped"
    rounds(cluster)
    assert cluster.guests[100].running == (state == "started")
    cluster.ha["ct:100"]["state"] = "ignored"
    cluster.guests[100].running = state == "stopped"
    rounds(cluster)
    assert cluster.guests[100].running == (state == "stopped")


def test_a_locked_container_that_is_to_be_started_ends_in_error(cluster: Cluster) -> None:
    guest = cluster.guests[100]
    guest.running, guest.config["lock"] = False, "disk"
    rounds(cluster, 3)
    del guest.config["lock"]
    rounds(cluster, 3)
    assert manager.in_error(cluster, "ct:100") and not guest.running
    cluster.ha["ct:100"]["state"] = "disabled"
    rounds(cluster)
    cluster.ha["ct:100"]["state"] = "started"
    rounds(cluster)
    assert guest.running


# The tool


def test_a_container_lives_its_whole_life(place: Place, either: Lifecycle) -> None:
    either.create()
    either.start()
    wanting(either, {"memory_mb": 4096, "disk_size_gb": 32}).configure()
    either.stop()
    assert not place.cluster.guests[100].running
    # Longer than the manager takes to notice.
    time.sleep(3 * place.cluster.ha_pause)
    assert not place.cluster.guests[100].running
    either.start()
    assert place.cluster.guests[100].running
    either.destroy()
    assert (place.cluster.guests, place.cluster.ha) == ({}, {})
    for version in VERSIONS:
        for method, path, parameters in place.cluster.calls:
            check_call(load(version), method, path, parameters)


def test_the_disk_of_a_container_that_runs_is_moved_and_it_runs_again(
    place: Place, either: Lifecycle
) -> None:
    either.create()
    either.start()
    wanting(either, storage="local-lvm").move_disk()
    guest = place.cluster.guests[100]
    assert str(guest.config["rootfs"]).startswith("local-lvm:")
    assert guest.running
    assert [one["state"] for one in place.cluster.ha.values()] == ["started"] * bool(
        either.desired.ha
    )


def test_a_move_that_fails_leaves_it_running_as_before(place: Place, either: Lifecycle) -> None:
    either.create()
    either.start()
    cluster, guest = place.cluster, place.cluster.guests[100]
    before = guest.config["rootfs"]
    cluster.full.add("local-lvm")
    with pytest.raises(DeployError, match=r"the storage has no space left$"):
        wanting(either, storage="local-lvm").move_disk()
    assert (guest.config["rootfs"], guest.running) == (before, True)
    time.sleep(3 * cluster.ha_pause)
    assert guest.running
    assert [one["state"] for one in cluster.ha.values()] == ["started"] * bool(either.desired.ha)


def test_what_cannot_be_started_again_after_a_failure_is_told_with_both_reasons(
    place: Place, either: Lifecycle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(power, "START_LIMIT", 1)
    monkeypatch.setattr(power, "STOP_LIMIT", 1)
    either.create()
    either.start()
    cluster = place.cluster
    cluster.full.add("local-lvm")
    moving = wanting(either, storage="local-lvm")

    class Unplugging:
        def step(
            self, text: str, fraction: float | None = None, since: float | None = None
        ) -> None:
            if text.startswith("move the disk"):
                cluster.nodes["pve"].bridges = ()

    with pytest.raises(DeployError) as caught:
        moving.move_disk(Unplugging())
    assert "the storage has no space left; container 100 is left stopped (" in str(caught.value)
    assert caught.value.hint.endswith("then `./doit apply` starts it")


def test_a_stop_that_the_manager_does_not_do_is_taken_back(
    place: Place, either: Lifecycle, monkeypatch: pytest.MonkeyPatch
) -> None:
    if either.desired.ha is None:
        return
    monkeypatch.setattr(power, "START_LIMIT", 0.2)
    monkeypatch.setattr(power, "STOP_LIMIT", 0.2)
    either.create()
    either.start()
    cluster = place.cluster
    cluster.ha_round = time.monotonic() + 3600
    with pytest.raises(DeployError, match="the HA manager has not stopped container 100 in") as it:
        either.stop()
    assert "`ha-manager status`" in it.value.hint
    assert cluster.ha["ct:100"]["state"] == "started"
    cluster.ha_round = 0
    time.sleep(3 * cluster.ha_pause)
    assert cluster.guests[100].running


def test_what_a_kill_left_stopped_is_started_by_the_next_apply(
    place: Place, either: Lifecycle
) -> None:
    either.create()
    either.start()
    guest = place.cluster.guests[100]
    # As far as a move of the disk had come.
    if either.desired.ha is None:
        either.session.call("POST", f"{PATH}/status/shutdown")
    else:
        either.session.call("PUT", "/cluster/ha/resources/ct:100", {"state": "stopped"})
    until(lambda: not guest.running)
    wanting(either, storage="local-lvm").move_disk()
    assert not guest.running
    either.register()
    either.start()
    assert guest.running
    assert [one["state"] for one in place.cluster.ha.values()] == ["started"] * bool(
        either.desired.ha
    )


def test_a_container_that_the_manager_has_put_elsewhere_stays_there(
    place: Place, either: Lifecycle
) -> None:
    either.create()
    either.start()
    place.cluster.guests[100].node = "pve2"
    either.migrate()
    where = "pve" if either.desired.ha is None else "pve2"
    assert place.cluster.guests[100].node == where
    wanting(either, ha=None).leave()
    assert place.cluster.ha == {}
    wanting(either, ha=None).migrate()
    assert place.cluster.guests[100].node == "pve"
    until(lambda: place.cluster.guests[100].running)
