"""Containers made, changed, moved and removed through the API, against the stand-in."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from pve.cluster import Guest as Standing
from pve.contract import VERSIONS, check_call, load
from pve.lifecycles import DESIRED, SPEC
from pve.place import Place

from tasks.containers.proxmox.access import Local
from tasks.containers.proxmox.api import ProxmoxerSession, open_session
from tasks.containers.proxmox.desired import DesiredProxmox, Mount
from tasks.containers.proxmox.lifecycle import Lifecycle
from tasks.containers.proxmox.pvesh import answer_of
from tasks.errors import (
    LockedError,
    NetworkError,
    ResourceError,
    StalePlanError,
)

UPID = "UPID:pve:0:0:0:resize:100:root@pam:"


@pytest.fixture
def box(place: Place, https: ProxmoxerSession) -> Lifecycle:
    place.cluster.duration = 0
    return Lifecycle(SPEC, DESIRED, https, lock_limit=0)


def calls(place: Place, *methods: str) -> list[str]:
    return [f"{m} {path}" for m, path, _ in place.cluster.calls if m in methods]


def wanting(box: Lifecycle, desired: DesiredProxmox = DESIRED, **spec: Any) -> Lifecycle:
    return replace(box, spec=replace(SPEC, **spec), desired=desired)


def foreign(place: Place, vmid: int = 100, **config: str) -> None:
    place.cluster.guests[vmid] = Standing(vmid, "pve", {"memory": 512, "hostname": "x", **config})


# Making


def test_a_container_lives_its_whole_life(place: Place, session: ProxmoxerSession) -> None:
    place.cluster.duration = 0.02
    box = Lifecycle(SPEC, DESIRED, session)
    assert box.find() is None
    box.create()
    found = box.find()
    assert found is not None
    assert (found.owner, found.running, found.lock) == ("vikunja-main", False, None)
    assert found.facts.attributes["ip_address"] == "192.0.2.10/24"
    assert found.facts.attributes["template"] == "debian-12-standard"
    box.start()
    assert place.cluster.guests[100].running
    wanting(box, memory_mb=4096, disk_size_gb=32).configure()
    assert place.cluster.guests[100].config["memory"] == 4096
    box.stop()
    assert not place.cluster.guests[100].running
    box.start()
    box.destroy()
    assert place.cluster.guests == {}


def test_what_a_hotplug_prints_is_no_answer(place: Place, session: ProxmoxerSession) -> None:
    place.cluster.duration = 0
    box = Lifecycle(SPEC, DESIRED, session, lock_limit=0)
    box.create()
    box.start()
    mounts = (Mount("/srv/files", "local-lvm", 4),)
    wanting(box, replace(DESIRED, mounts=mounts), ip_address="192.0.2.11/24").configure()
    config = place.cluster.guests[100].config
    assert "ip=192.0.2.11/24" in str(config["net0"])
    assert "mp=/srv/files" in str(config["mp0"])


@pytest.mark.parametrize(
    ("output", "reads", "answer"),
    [
        ('[{"a": 1}]\n', True, [{"a": 1}]),
        ('{"a":\n 1}\n', True, {"a": 1}),
        ('a program says\n"100"\n', True, "100"),
        ("net.ipv4.conf.eth0.promote_secondaries = 1\n", False, None),
        ("Formatting 'x'\nUPID:pve:0:0:0:resize:100:root@pam:\n", False, UPID),
        ("UPID:pve:0:0:0:resize:100:root@pam:\n", False, UPID),
        ('Formatting\n"UPID:pve:0:0:0:resize:100:root@pam:"\n', False, UPID),
        ("", False, None),
        ("", True, None),
    ],
)
def test_the_answer_of_pvesh_is_what_comes_last(output: str, reads: bool, answer: object) -> None:
    assert json.loads(answer_of(output, reads=reads)) == answer


def test_an_answer_that_is_none_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "pvesh"
    program.write_text("#!/bin/sh\necho this is something else\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(NetworkError, match="no Proxmox VE") as caught:
        open_session(Local()).call("GET", "/version")
    assert caught.value.evidence[-1] == "this is something else"


@pytest.mark.parametrize("done", [True, False])
def test_an_error_that_is_no_refusal_fails_only_what_was_not_done(
    place: Place, box: Lifecycle, monkeypatch: pytest.MonkeyPatch, done: bool
) -> None:
    box.create()
    call = box.session.call

    def losing(method: Any, path: str, parameters: Any = ()) -> Any:
        if method != "PUT":
            return call(method, path, dict(parameters))
        if done:
            call(method, path, dict(parameters))
        raise NetworkError("the connection failed")

    monkeypatch.setattr(box.session, "call", losing)
    wanted = wanting(box, memory_mb=4096)
    if done:
        wanted.configure()
    else:
        with pytest.raises(NetworkError):
            wanted.configure()
    assert place.cluster.guests[100].config["memory"] == (4096 if done else 2048)


def test_every_call_keeps_the_contract_of_both_versions(place: Place, box: Lifecycle) -> None:
    place.cluster.nodes["pve"].templates.clear()
    box.create()
    box.start()
    nameservers = wanting(box, replace(DESIRED, tags=("blue",)), nameservers=("192.0.2.53",))
    nameservers.configure()
    box.configure()
    wanting(box, disk_size_gb=30).configure()
    wanting(box, replace(DESIRED, storage="local")).move_disk()
    wanting(box, replace(DESIRED, storage="local-lvm")).move_disk()
    wanting(box, replace(DESIRED, node="pve2")).migrate()
    box.stop()
    box.destroy()
    assert len(place.cluster.calls) > 40
    for version in VERSIONS:
        for method, path, parameters in place.cluster.calls:
            check_call(load(version), method, path, parameters)


def test_what_is_done_already_is_not_done_again(place: Place, box: Lifecycle) -> None:
    box.create()
    box.start()
    place.cluster.calls.clear()
    assert box.create() is None
    box.start()
    box.configure()
    box.migrate()
    box.move_disk()
    assert calls(place, "POST", "PUT", "DELETE") == []
    box.stop()
    box.stop()
    box.destroy()
    box.destroy()
    assert len(calls(place, "POST", "DELETE")) == 2


def test_what_is_not_there_is_not_changed(place: Place, box: Lifecycle) -> None:
    acts = {"configure": box.configure, "start": box.start, "stop": box.stop}
    for name, act in {**acts, "migrate": box.migrate}.items():
        with pytest.raises(ResourceError, match=f"no container to {name}"):
            act()
    assert calls(place, "POST", "PUT", "DELETE") == []


def test_the_next_free_id_is_taken_and_kept(place: Place, box: Lifecycle) -> None:
    foreign(place, 100)
    foreign(place, 101)
    box.create()
    del place.cluster.guests[100]
    found = box.find()
    assert found is not None and found.guest.vmid == 102
    assert box.create() is None


def test_an_id_that_another_takes_in_the_same_moment_is_passed_over(
    place: Place, box: Lifecycle
) -> None:
    place.cluster.inject("POST /nodes/pve/lxc", 500, "CT 100 already exists on node 'pve2'", 2)
    box.create()
    assert calls(place, "POST") == ["POST /nodes/pve/lxc"] * 3
    place.cluster.guests.clear()
    place.cluster.inject("POST /nodes/pve/lxc", 500, "CT 100 already exists on node 'pve2'", 99)
    with pytest.raises(ResourceError, match="5 free container ids in a row"):
        box.create()


def test_a_desired_id_that_is_taken_is_an_error_before_anything_changed(
    place: Place, box: Lifecycle
) -> None:
    foreign(place, 200, tags="vikunja-deploy.vikunja-other", description="mine")
    fixed = wanting(box, replace(DESIRED, vmid=200))
    for act in (fixed.create, fixed.configure, fixed.start, fixed.stop, fixed.destroy):
        with pytest.raises(
            ResourceError,
            match="200 exists and is not proven ours: its tag is another's, its notes",
        ) as caught:
            act()
        assert caught.value.exit_code == 4
        assert caught.value.evidence == (
            "tags: vikunja-deploy.vikunja-other",
            "notes name: no instance",
        )
    assert calls(place, "POST", "PUT", "DELETE") == []


@pytest.mark.parametrize(
    "config",
    [
        {"tags": "vikunja-deploy.vikunja-main"},
        {"tags": "vikunja-deploy.vikunja-main", "description": "vikunja-deploy: vikunja-other\n"},
        {"description": "vikunja-deploy: vikunja-main\n"},
    ],
)
def test_tag_or_notes_alone_prove_nothing(
    place: Place, box: Lifecycle, config: dict[str, str]
) -> None:
    foreign(place, 100, **config)
    with pytest.raises(ResourceError, match="not proven"):
        wanting(box, replace(DESIRED, vmid=100)).destroy()
    assert 100 in place.cluster.guests


def test_two_containers_with_our_tag_are_an_error(place: Place, box: Lifecycle) -> None:
    foreign(place, 100, tags="vikunja-deploy.vikunja-main")
    foreign(place, 101, tags="home;vikunja-deploy.vikunja-main")
    with pytest.raises(ResourceError, match="100 on pve, 101 on pve"):
        box.find()


def test_another_desired_id_than_the_containers_is_an_error(place: Place, box: Lifecycle) -> None:
    box.create()
    with pytest.raises(ResourceError, match="has the id 100, not 555"):
        wanting(box, replace(DESIRED, vmid=555)).create()


def test_a_missing_bridge_is_found_before_anything_changed(place: Place, box: Lifecycle) -> None:
    with pytest.raises(ResourceError, match="node pve has no bridge vmbr7") as caught:
        wanting(box, bridge="vmbr7").create()
    assert "one of: vmbr0" in caught.value.hint
    assert place.cluster.guests == {}
    box.create()
    before = calls(place, "PUT")
    with pytest.raises(ResourceError, match="no bridge vmbr7"):
        wanting(box, bridge="vmbr7").configure()
    assert calls(place, "PUT") == before


@pytest.mark.parametrize(
    ("desired", "code"),
    [
        ({"bridge": "vmbr7"}, 4),
        ({"template": "debian-11-standard"}, 4),
        ({"disk_size_gb": 90_000}, 4),
    ],
)
def test_what_create_refuses_is_refused_before_and_changes_nothing(
    place: Place, box: Lifecycle, desired: dict[str, Any], code: int
) -> None:
    other = wanting(box, **desired)
    with pytest.raises(ResourceError) as before:
        other.preflight()
    assert calls(place, "POST") == []
    with pytest.raises(ResourceError) as then:
        other.create()
    assert str(before.value) == str(then.value)
    assert before.value.exit_code == then.value.exit_code == code
    box.preflight()
    assert calls(place, "POST") == []


# Template and storage


def test_the_newest_template_that_is_there_is_taken(place: Place, box: Lifecycle) -> None:
    for version in ("12.12-1", "12.9-1"):
        name = f"local:vztmpl/debian-12-standard_{version}_amd64.tar.zst"
        place.cluster.nodes["pve"].templates.append(name)
    box.create()
    sent = next(values for method, _, values in place.cluster.calls if method == "POST")
    assert sent["ostemplate"] == "local:vztmpl/debian-12-standard_12.12-1_amd64.tar.zst"


def test_a_missing_template_is_downloaded_where_allowed(place: Place, box: Lifecycle) -> None:
    wanting(box, template="debian-13-standard").create()
    assert "local:vztmpl/debian-13-standard_13.1-2_amd64.tar.zst" in (
        place.cluster.nodes["pve"].templates
    )
    with pytest.raises(ResourceError, match="no template debian-11-standard, and none"):
        wanting(box, template="debian-11-standard", instance_id="b", name="b").create()
    never = replace(wanting(box, template="debian-11-standard", instance_id="b"), download=False)
    with pytest.raises(ResourceError, match="node pve has no template debian-11-standard"):
        never.create()


def test_the_storage_with_most_space_is_found(place: Place, box: Lifecycle) -> None:
    storages = place.cluster.nodes["pve"].storages
    storages["local"].active = False
    storages["local-lvm"].used = 1 << 30
    storages["local"].active, storages["local"].content = True, "vztmpl"
    box.create()
    assert str(place.cluster.guests[100].config["rootfs"]).startswith("local-lvm:")


def test_no_storage_that_will_do_is_told_with_each_ones_reason(
    place: Place, box: Lifecycle
) -> None:
    storages = place.cluster.nodes["pve"].storages
    storages["local"].content = "vztmpl"
    storages["local-lvm"].used = 99 << 30
    with pytest.raises(ResourceError) as caught:
        box.create()
    assert "local: does not take rootdir" in str(caught.value)
    assert "local-lvm: 1.0 GiB free of 20 needed" in str(caught.value)
    storages["local-lvm"].active = False
    with pytest.raises(ResourceError, match="local-lvm: not active"):
        wanting(box, replace(DESIRED, storage="local-lvm")).create()
    with pytest.raises(ResourceError, match="no storage ceph on the node"):
        wanting(box, replace(DESIRED, storage="ceph")).create()
    assert calls(place, "POST") == []


# Changing


def test_a_lost_update_is_noticed(place: Place, box: Lifecycle) -> None:
    box.create()
    seen = box.find()
    place.cluster.guests[100].config["swap"] = 0
    assert seen is not None

    class Late(Lifecycle, frozen=True):
        def require(self, action: str) -> Any:
            return seen

    late = Late(replace(SPEC, memory_mb=4096), DESIRED, box.session)
    with pytest.raises(StalePlanError):
        late.configure()
    assert place.cluster.guests[100].config["memory"] == 2048


def test_a_disk_that_would_shrink_is_refused_before_anything_changed(
    place: Place, box: Lifecycle
) -> None:
    box.create()
    with pytest.raises(ResourceError, match="cannot shrink"):
        wanting(box, memory_mb=4096, disk_size_gb=10).configure()
    assert place.cluster.guests[100].config["memory"] == 2048


def test_a_container_that_was_moved_is_found_where_it_is(place: Place, box: Lifecycle) -> None:
    box.create()
    place.cluster.guests[100].node = "pve3"
    wanting(box, memory_mb=4096).configure()
    box.start()
    assert place.cluster.guests[100].config["memory"] == 4096
    assert place.cluster.guests[100].node == "pve3"
    box.migrate()
    assert place.cluster.guests[100].node == "pve"
    assert place.cluster.guests[100].running


@pytest.mark.parametrize("running", [True, False])
def test_moving_the_disk_keeps_a_container_as_it_was(
    place: Place, box: Lifecycle, running: bool
) -> None:
    box.create()
    if running:
        box.start()
    wanting(box, replace(DESIRED, storage="local-lvm")).move_disk()
    guest = place.cluster.guests[100]
    assert str(guest.config["rootfs"]).startswith("local-lvm:")
    assert guest.running is running


def test_a_protected_container_is_not_even_stopped(place: Place, box: Lifecycle) -> None:
    protected = wanting(box, replace(DESIRED, protection=True))
    protected.create()
    protected.start()
    with pytest.raises(ResourceError, match="100 is protected"):
        protected.destroy()
    assert place.cluster.guests[100].running


# Locks, nodes, failures


def test_a_lock_is_waited_for_and_then_an_error(place: Place, box: Lifecycle) -> None:
    box.create()
    config = place.cluster.guests[100].config
    config["lock"] = "backup"
    with pytest.raises(LockedError, match=r"locked by Proxmox VE \(backup\)") as caught:
        box.start()
    assert caught.value.exit_code == 5
    threading.Timer(0.3, config.pop, ["lock"]).start()
    replace(box, lock_limit=30).start()
    assert place.cluster.guests[100].running


def test_a_failed_start_shows_why(place: Place, box: Lifecycle) -> None:
    box.create()
    place.cluster.nodes["pve"].bridges = ()
    with pytest.raises(ResourceError, match="no bridge vmbr0") as caught:
        box.start()
    assert "TASK ERROR: startup for container '100' failed" in caught.value.evidence


def test_a_failed_create_leaves_nothing_and_can_be_done_again(place: Place, box: Lifecycle) -> None:
    storage = place.cluster.nodes["pve"].storages["local-lvm"]
    place.cluster.duration = 0.2

    class Filling:
        def step(
            self, text: str, fraction: float | None = None, since: float | None = None
        ) -> None:
            storage.used = storage.total

    only_lvm = wanting(box, replace(DESIRED, storage="local-lvm"))
    with pytest.raises(ResourceError, match="the storage has no space left") as caught:
        only_lvm.create(Filling())
    assert caught.value.evidence[-1] == (
        "TASK ERROR: unable to create CT 100 - no space left on device"
    )
    assert box.find() is None
    storage.used = 0
    only_lvm.create()


def test_a_node_that_is_down_is_told(place: Place, box: Lifecycle) -> None:
    box.create()
    place.cluster.nodes["pve"].online = False
    with pytest.raises(NetworkError, match="does not reach node pve"):
        box.start()


def test_a_plan_of_one_container_takes_three_calls(place: Place, box: Lifecycle) -> None:
    box.create()
    before = box.session.round_trips
    box.find()
    assert box.session.round_trips - before == 3


def test_packets_larger_than_the_bridge_takes_are_refused_and_nothing_is_changed(
    box: Lifecycle, place: Place
) -> None:
    said = "proxmox.mtu is 9000, and the bridge's own only 1500"
    large = wanting(box, replace(DESIRED, mtu=9000))
    with pytest.raises(ResourceError, match=said):
        large.create()
    assert not place.cluster.guests
    box.create()
    before = dict(place.cluster.guests[100].config)
    with pytest.raises(ResourceError, match=said):
        large.configure()
    assert place.cluster.guests[100].config == before
