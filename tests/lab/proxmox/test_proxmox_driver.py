"""The Proxmox VE driver, against the stand-in with real containers behind it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import asdict, replace
from places import LabNetwork
from pve.by_hand import clone, edit
from pve.cluster import Guest, Token
from pve.contract import VERSIONS, check_call, load
from pve.place import SECRET, USER
from pve.standin import Standin
from router import routing

from tasks.containers.base import GIVEN, MARKER_PATH, Container, ContainerSpec
from tasks.containers.lxc import init
from tasks.containers.proxmox.attributes import more_of
from tasks.containers.proxmox.cluster import Cluster
from tasks.containers.proxmox.container import ProxmoxContainer
from tasks.containers.proxmox.desired import DesiredProxmox, Ha, Replication
from tasks.containers.proxmox.privileges import needs
from tasks.containers.proxmox.reach import Reach
from tasks.containers.proxmox.section import Connection, Proxmox, Ssh
from tasks.errors import DeployError, LockedError, NetworkError, ResourceError
from tasks.host.packages import ensure
from tasks.model import registry
from tasks.model.registry import Registered

VMID = 200_000 + os.getpid()
NAME = f"vkd-lab-{os.getpid()}-driver"
DESIRED = DesiredProxmox(node="pve", vmid=VMID, storage="local-lvm")


@pytest.fixture(scope="module")
def spec(pve_network: LabNetwork) -> ContainerSpec:
    return ContainerSpec(
        name=NAME,
        instance_id=NAME,
        template="debian-12-standard",
        hostname=NAME,
        cpu_cores=1,
        memory_mb=512,
        disk_size_gb=8,
        bridge=pve_network.bridge,
        ip_address=pve_network.free_address(),
        gateway=pve_network.gateway,
    )


@pytest.fixture
def over(
    standin: Standin, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Cluster]:
    """The cluster, reached in the way that the test names; by itself from a node of it."""
    kind = getattr(request, "param", "local")
    standin.be_node("pve" if kind == "local" else None)
    monkeypatch.setenv("PATH", standin.environment["PATH"])
    given: dict[str, Any] = {
        "host": None,
        "port": 8006,
        "token_file": None,
        "fingerprint": None,
        "ca_file": None,
    }
    given |= standin.connection(kind)
    if given["token_file"]:
        given["token_file"] = Path(str(given["token_file"]))
    ssh = Ssh("root", 22, {})
    reach = Reach(Connection(**given), ssh, standin.paths.run / "ssh")
    yield Cluster(reach, standin.paths)
    standin.clear()
    standin.be_node("pve")


def boxed(
    over: Cluster, spec: ContainerSpec, desired: DesiredProxmox = DESIRED
) -> ProxmoxContainer:
    return ProxmoxContainer(replace(spec, more=more_of(desired)), desired, over, lock_limit=0)


@pytest.fixture(params=[None, Ha(None, "started", 1)], ids=["alone", "managed"])
def desired(request: pytest.FixtureRequest) -> DesiredProxmox:
    """Of a container alone, and of one that the HA manager has."""
    return replace(DESIRED, ha=request.param)


@pytest.fixture
def box(over: Cluster, spec: ContainerSpec, desired: DesiredProxmox) -> ProxmoxContainer:
    return boxed(over, spec, desired)


everywhere = pytest.mark.parametrize("over", ["local", "https", "openssh"], indirect=True)


def test_an_address_that_another_container_has_is_refused(
    box: ProxmoxContainer, spec: ContainerSpec, standin: Standin
) -> None:
    net = f"name=eth0,bridge=vmbr0,ip={spec.ip_address},type=veth"
    standin.cluster.guests[VMID + 1] = Guest(VMID + 1, "pve2", {"memory": 512, "net0": net})
    standin.cluster.publish()
    tasks = len(standin.cluster.tasks)
    with pytest.raises(ResourceError, match=f"is the address of container {VMID + 1} on node pve2"):
        box.create()
    assert len(standin.cluster.tasks) == tasks
    del standin.cluster.guests[VMID + 1]
    standin.cluster.publish()


def test_it_is_a_container(box: ProxmoxContainer) -> None:
    container: Container = box
    assert not container.observe().exists


@everywhere
def test_a_container_lives_its_whole_life(
    box: ProxmoxContainer, standin: Standin, tmp_path: Path
) -> None:
    before = len(standin.cluster.calls)
    box.create()
    facts = box.observe()
    assert (facts.exists, facts.running, facts.owner) == (True, False, NAME)
    # The HA manager gets it when it runs.
    desired = {**asdict(box.spec), **box.spec.more, "container_id": VMID, "node": "pve", "ha": None}
    found = {name: desired[name] for name in facts.attributes}
    assert dict(facts.attributes) == found
    box.start()
    assert box.observe().running
    assert box.observe().attributes["ha"] == box.spec.more["ha"]
    assert box.run(["systemctl", "is-system-running"]).stdout == b"running\n"
    assert box.run(["cat", MARKER_PATH]).stdout.decode().strip() == NAME
    assert "marker" not in str(standin.cluster.guests[VMID].config["description"])
    box.start()
    programs_do_what_they_do_elsewhere(box, tmp_path)
    box.stop()
    assert not box.observe().running
    with pytest.raises(ResourceError, match="does not run"):
        box.run(["true"])
    box.start()
    box.destroy()
    box.destroy()
    assert not box.observe().exists
    for version in VERSIONS:
        for method, path, parameters in standin.cluster.calls[before:]:
            check_call(load(version), method, path, parameters)


@everywhere
def test_a_container_takes_another_s_place_and_gives_it_back(
    over: Cluster, spec: ContainerSpec, standin: Standin, pve_network: LabNetwork
) -> None:
    before = len(standin.cluster.calls)
    old = boxed(over, spec)
    beside = replace(
        spec, name=f"{NAME}-new", instance_id=f"{NAME}-new", ip_address=pve_network.free_address()
    )
    new = boxed(over, beside, replace(DESIRED, vmid=VMID + 1))
    for box in (old, new):
        box.create()
        box.start()
    identity, other = old.observe().identity, new.observe().identity
    assert identity and other and old.known_as(identity) and not old.known_as(other)
    with pytest.raises(ResourceError, match=f"container {VMID} runs and cannot become"):
        old.become(boxed(over, replace(spec, name="x", instance_id="x")), identity)
    hardware = old.observe().hardware_address
    assert hardware
    old.retire()
    new.stop()
    parted = replace(spec, name=f"{NAME}-old", instance_id=f"{NAME}-old", ip_address="", gateway="")
    kept = boxed(over, parted, replace(DESIRED, onboot=False))
    old.become(kept, identity)
    place = replace(spec, mac_address=hardware)
    real = boxed(over, place, replace(DESIRED, vmid=VMID + 1))
    new.become(real, other)
    assert kept.observe().owner == f"{NAME}-old"
    interface = str(standin.cluster.guests[VMID].config["net0"])
    assert "ip=" not in interface and "link_down=1" in interface
    real.start()
    assert (real.observe().owner, real.observe().hardware_address) == (NAME, hardware)
    assert real.run(["hostname"]).stdout.decode().strip() == NAME
    assert real.run(["cat", MARKER_PATH]).stdout.decode().strip() == NAME
    # And back.
    real.stop()
    real.become(new, other)
    kept.become(old, identity)
    old.start()
    assert old.observe().owner == NAME
    assert old.run(["cat", MARKER_PATH]).stdout.decode().strip() == NAME
    assert "marker" not in str(standin.cluster.guests[VMID].config["description"])
    for version in VERSIONS:
        for method, path, parameters in standin.cluster.calls[before:]:
            check_call(load(version), method, path, parameters)
    for box in (old, new):
        box.destroy()


@pytest.mark.parametrize("over", ["https"], indirect=True)
def test_the_role_that_is_printed_is_enough_for_a_whole_life_in_a_pool(
    over: Cluster, spec: ContainerSpec, standin: Standin, monkeypatch: pytest.MonkeyPatch
) -> None:
    desired = replace(DESIRED, pool="web", tags=("Home",))
    wanted = needs(proxmox_of(desired, over), spec.bridge)
    rights = {
        path: frozenset(name for n in wanted if n.path == path for name in n.privileges)
        for path in {need.path for need in wanted}
    }
    monkeypatch.setitem(standin.cluster.tokens, USER, Token(SECRET, rights))
    box = boxed(over, spec, desired)
    box.create()
    box.start()
    assert standin.cluster.guests[VMID].config["tags"] == f"home;vikunja-deploy.{NAME}".lower()
    assert box.observe().attributes["tags"] == ["Home"]
    boxed(over, replace(spec, memory_mb=640), desired).configure()
    box.stop()
    box.destroy()


def proxmox_of(desired: DesiredProxmox, over: Cluster) -> Proxmox:
    """As a configuration has what what is desired says."""
    return Proxmox(
        connection=over.reach.connection,
        container_id=desired.vmid,
        template="debian-12-standard",
        ssh=over.reach.ssh,
        download=False,
        lock_wait_seconds=0,
        **{name: value for name, value in asdict(desired).items() if name not in ("vmid",)},
    )


def test_a_kill_before_its_tags_leaves_a_container_that_is_known(
    box: ProxmoxContainer, standin: Standin
) -> None:
    box.create()
    config = standin.cluster.guests[VMID].config
    tags = config.pop("tags")
    standin.cluster.publish()
    facts = box.observe()
    assert (facts.exists, facts.running, facts.owner) == (True, False, NAME)
    box.start()
    assert config["tags"] == tags
    # From then on it takes both: it may have been somebody's reason to take the tag away.
    del config["tags"]
    standin.cluster.publish()
    assert box.observe().owner is None
    config["tags"] = tags


def programs_do_what_they_do_elsewhere(box: ProxmoxContainer, folder: Path) -> None:
    odd = ["a b", "$HOME", "'", '"', "*", "--name=x", "ä", "", "a\nb", "-n"]
    assert box.run(["printf", "%s\\0", *odd]).stdout.decode().split("\0")[:-1] == odd
    assert box.run(["cat"], stdin=bytes(range(256))).stdout == bytes(range(256))
    assert box.run(["cat"]).stdout == b""
    (folder / "in").write_bytes(os.urandom(1 << 20))
    with (folder / "in").open("rb") as source, (folder / "out").open("wb") as target:
        box.run(["cat"], stdin=source, stdout=target)
    assert (folder / "out").read_bytes() == (folder / "in").read_bytes()
    assert box.run(["sh", "-c", "head -c 1; exit 7"], stdin=b"x" * 9999999, check=False) is not None
    for code in (0, 1, 113, 127):
        assert box.run(["sh", "-c", f"exit {code}"], check=False).returncode == code
    assert box.run(["env"]).stdout.decode().count("VIKUNJA") == 0
    with pytest.raises(DeployError, match="ls failed with exit code 2"):
        box.run(["ls", "/nowhere"])
    with pytest.raises(DeployError, match="sh did not finish in 1 s and was killed"):
        box.run(["sh", "-c", "sleep 1003 & sleep 1004"], timeout=1)
    assert b"sleep" not in box.run(["sh", "-c", "cat /proc/[0-9]*/comm"]).stdout


def test_a_kill_between_start_and_marker_is_mended_by_the_next_start(
    box: ProxmoxContainer, standin: Standin
) -> None:
    box.create()
    cluster = standin.cluster
    cluster.backend.start(cluster.guests[VMID])
    cluster.guests[VMID].running = True
    assert "marker" in str(cluster.guests[VMID].config["description"])
    box.start()
    assert "marker" not in str(cluster.guests[VMID].config["description"])
    assert box.run(["true"]).returncode == 0


def test_a_running_container_is_changed_in_place(
    box: ProxmoxContainer, over: Cluster, spec: ContainerSpec, standin: Standin
) -> None:
    box.create()
    box.start()
    jobs = (Replication("pve2", "*/15"),)
    desired = replace(DESIRED, tags=("web",), ha=Ha(None, "started", 2), replication=jobs)
    changed = boxed(over, replace(spec, memory_mb=1024, nameservers=("192.0.2.53",)), desired)
    changed.configure()
    found = changed.observe()
    assert found.running
    assert (found.attributes["memory_mb"], found.attributes["nameservers"]) == (1024, ())
    assert found.pending == {"nameservers": ("192.0.2.53",)}
    assert (found.attributes["tags"], found.attributes["ha"]) == (["web"], "started, 2 restarts")
    assert found.attributes["replication"] == ["pve2 at */15"]
    names = frozenset({"memory_mb", "nameservers"})
    assert changed.needs_restart(names) == {"nameservers"}
    changed.stop()
    changed.start()
    assert changed.observe().attributes["nameservers"] == ("192.0.2.53",)
    boxed(over, spec).configure()
    assert (standin.cluster.ha, standin.cluster.replication) == ({}, {})


def test_a_disk_that_grew_without_its_file_system_is_told(
    box: ProxmoxContainer, over: Cluster, spec: ContainerSpec, standin: Standin
) -> None:
    box.create()
    box.start()
    # The file system below is this machine's, and far from that.
    size = 100_000
    standin.cluster.stuck.add(VMID)
    grown = boxed(over, replace(spec, disk_size_gb=size))
    for _ in range(2):
        with pytest.raises(DeployError, match=f"the disk of / has {size} GiB, and its file system"):
            grown.configure()
        assert grown.observe().attributes["disk_size_gb"] == size
    log = [line for task in standin.cluster.tasks.values() for line in task.log]
    assert "Failed to update the container's filesystem: command 'resize2fs' failed" in log
    standin.cluster.stuck.clear()


def test_a_first_start_that_was_cut_off_before_the_marker_is_gone_on_with(
    box: ProxmoxContainer, standin: Standin
) -> None:
    box.create()
    guest = standin.cluster.guests[VMID]
    standin.cluster.backend.start(guest)
    guest.running = True
    standin.cluster.publish()
    found = box.observe()
    assert (found.exists, found.running, found.unproven) == (True, False, None)
    box.start()
    assert box.observe().running
    assert box.run(["cat", MARKER_PATH]).stdout.decode().strip() == NAME


def test_an_mtu_holds_from_the_next_start(
    box: ProxmoxContainer, over: Cluster, spec: ContainerSpec
) -> None:
    box.create()
    box.start()
    changed = boxed(over, spec, replace(DESIRED, mtu=1380))
    changed.configure()
    assert changed.observe().attributes["mtu"] == 1380
    assert changed.needs_restart(frozenset({"mtu"})) == {"mtu"}
    ask = ["cat", "/sys/class/net/eth0/mtu"]
    assert changed.run(ask).stdout != b"1380\n"
    changed.stop()
    changed.start()
    assert changed.run(ask).stdout == b"1380\n"


def test_a_container_is_moved_with_its_node_and_its_storage(
    box: ProxmoxContainer,
    over: Cluster,
    spec: ContainerSpec,
    desired: DesiredProxmox,
    standin: Standin,
) -> None:
    box.create()
    box.start()
    moved = boxed(over, spec, replace(desired, node="pve2", storage="local"))
    before = len(standin.ssh_log())
    moved.configure()
    found = moved.observe()
    # Where the HA manager has put it, there it stays.
    node = "pve2" if desired.ha is None else "pve"
    assert (found.attributes["node"], found.attributes["storage"]) == (node, "local")
    assert found.running
    assert moved.run(["systemctl", "is-system-running"]).stdout == b"running\n"
    assert set(standin.ssh_log()[before:]) == ({node} - {"pve"})
    if desired.ha is not None:
        return
    standin.set_down("pve2")
    try:
        with pytest.raises(NetworkError, match="node pve2 is down"):
            boxed(over, spec).observe()
    finally:
        standin.set_down("pve2", down=False)


def test_a_container_that_another_moved_is_found_where_it_is(
    box: ProxmoxContainer, over: Cluster, spec: ContainerSpec, standin: Standin
) -> None:
    box.create()
    box.start()
    standin.cluster.guests[VMID].node = "pve3"
    standin.cluster.publish()
    fresh = boxed(over, spec)
    assert fresh.observe().attributes["node"] == "pve3"
    assert fresh.run(["echo", "yes"]).stdout == b"yes\n"
    assert standin.ssh_log()[-1] == "pve3"


def test_a_program_needs_no_look_before(
    box: ProxmoxContainer, over: Cluster, spec: ContainerSpec, standin: Standin
) -> None:
    fresh = boxed(over, spec)
    with pytest.raises(ResourceError, match="no container to run a command in"):
        fresh.run(["true"])
    box.create()
    box.start()
    fresh = boxed(over, spec)
    assert fresh.run(["echo", "yes"]).stdout == b"yes\n"
    standin.cluster.guests[VMID].config["tags"] = "somebody"
    standin.cluster.publish()
    box.observe()
    with pytest.raises(ResourceError, match="not proven ours: its tag is missing"):
        box.run(["true"])


def test_a_plan_costs_one_look_and_no_call_of_the_api(
    box: ProxmoxContainer, over: Cluster, spec: ContainerSpec, standin: Standin
) -> None:
    box.create()
    box.start()
    calls, looks = len(standin.cluster.calls), over.looks
    together = [boxed(over, spec) for _ in range(5)]
    for one in together:
        assert one.restart_pending is None
        assert one.observe().running
        assert one.restart_pending is False
    for _ in range(3):
        box.run(["true"])
    assert over.looks == looks + 1
    assert len(standin.cluster.calls) == calls


def test_a_marker_that_names_another_protects_the_container(
    box: ProxmoxContainer, standin: Standin
) -> None:
    box.create()
    box.start()
    pid = init.running_init(standin.paths.lxc / str(VMID))
    marker = Path(f"/proc/{pid}/root{MARKER_PATH}")
    marker.write_text("vikunja-other\n")
    before = len(standin.cluster.tasks)
    try:
        acts = (box.configure, box.start, box.stop, box.destroy)
        for act in (lambda: box.run(["touch", "/root/foreign"]), *acts):
            with pytest.raises(ResourceError, match="not proven to be instance"):
                act()
    finally:
        marker.write_text(f"{NAME}\n")
    assert len(standin.cluster.tasks) == before
    assert box.run(["test", "-e", "/root/foreign"], check=False).returncode == 1


@pytest.fixture
def recorded(box: ProxmoxContainer, standin: Standin) -> Iterator[ProxmoxContainer]:
    """A running container, as the registry has it after an apply."""
    box.create()
    box.start()
    found = box.observe()
    entry = Registered(
        instance_id=NAME,
        driver="proxmox",
        node="pve",
        container_id=VMID,
        container_name=NAME,
        ip_address=box.spec.ip_address,
        domain="tasks.example.com",
        created_at="2026-01-01T00:00:00Z",
        config="/nowhere",
        identity=found.identity,
    )
    registry.add(standin.paths, entry)
    yield box
    registry.remove(standin.paths, NAME)


def refused(box: ProxmoxContainer, said: str) -> str:
    """Looking at it, and whatever would change it, says so and does nothing. Returns the hint."""
    seen = box.observe()
    assert seen.owner is None and seen.unproven is not None
    assert said in seen.unproven.what
    for act in (box.configure, box.start, box.stop, box.retire, box.require_removable, box.destroy):
        with pytest.raises(ResourceError, match="not proven"):
            act()
    assert "remove" not in seen.unproven.hint
    return seen.unproven.hint


def test_a_clone_is_told_from_the_container(
    recorded: ProxmoxContainer, over: Cluster, standin: Standin
) -> None:
    clone(standin.cluster, VMID, VMID + 1)
    tasks = len(standin.cluster.tasks)
    anywhere = replace(recorded._desired, vmid=None)
    for box in (recorded, boxed(over, recorded.spec, anywhere)):
        assert box.observe().owner == NAME
        box.require_removable()
        assert box.copies() == (f"{VMID + 1} on node pve",)
    named = boxed(over, recorded.spec, replace(recorded._desired, vmid=VMID + 1))
    with pytest.raises(ResourceError, match=f"container has the id {VMID}, not {VMID + 1}"):
        named.destroy()
    # Nothing recorded tells them apart: both are named, and neither is touched.
    registry.note_container(
        standin.paths, NAME, "proxmox", identity=registry.new_identity(), container_id=VMID
    )
    for act in (recorded.observe, recorded.stop, recorded.destroy, recorded.missing):
        with pytest.raises(ResourceError, match=f"{VMID} on pve, {VMID + 1} on pve"):
            act()
    assert len(standin.cluster.tasks) == tasks


def test_where_the_container_is_gone_a_clone_is_not_taken_for_it(
    recorded: ProxmoxContainer, over: Cluster, standin: Standin
) -> None:
    clone(standin.cluster, VMID, VMID + 1)
    recorded.destroy()
    assert VMID not in standin.cluster.guests
    # Nor is it started in its place: the running one was what went.
    assert not standin.cluster.guests[VMID + 1].running
    for act in (recorded.observe, recorded.create, recorded.destroy):
        with pytest.raises(ResourceError, match=f"recorded container {VMID} is gone, and") as gone:
            act()
        assert "nothing in it is lost" in gone.value.hint
    box = boxed(over, recorded.spec, replace(recorded._desired, vmid=None))
    hint = refused(box, f"the recorded one of {NAME} is {VMID}, so this is a clone of it")
    assert f"./doit apply --adopt {NAME}" in hint
    assert VMID + 1 in standin.cluster.guests
    # Restored under another id it would be taken as the instance's, were its marker there to ask.
    with pytest.raises(ResourceError, match="its marker, which only a running") as stopped:
        box.adopt()
    assert f"`pct start {VMID + 1}` on node pve" in stopped.value.hint
    entry = registry.find(standin.paths, NAME)
    assert entry is not None and entry.container_id == VMID


def test_one_that_was_made_before_there_were_identities_gets_one_with_the_next_apply(
    recorded: ProxmoxContainer, standin: Standin
) -> None:
    notes = str(standin.cluster.guests[VMID].config["description"])
    edit(standin.cluster, VMID, description=notes.partition("identity: ")[0])
    entry = registry.find(standin.paths, NAME)
    assert entry is not None
    registry.add(standin.paths, replace(entry, identity=None))
    seen = recorded.observe()
    assert (seen.owner, seen.attributes["identity"]) == (NAME, "not recorded")
    recorded.configure()
    seen = recorded.observe()
    assert (seen.owner, seen.attributes["identity"]) == (NAME, "recorded")
    entry = registry.find(standin.paths, NAME)
    assert entry is not None and entry.identity == seen.identity is not None


@pytest.mark.parametrize("lost", ["tag", "notes", "marker"])
def test_what_was_lost_of_the_proof_is_named_and_put_back(
    recorded: ProxmoxContainer, standin: Standin, lost: str
) -> None:
    config = standin.cluster.guests[VMID].config
    before = dict(config)
    pid = init.running_init(standin.paths.lxc / str(VMID))
    marker = Path(f"/proc/{pid}/root{MARKER_PATH}")
    # What of it is the user's own stays.
    edit(standin.cluster, VMID, tags=f"web;{before['tags']}")
    if lost == "tag":
        edit(standin.cluster, VMID, tags="web")
    elif lost == "notes":
        edit(standin.cluster, VMID, description="Ask Ann.")
    else:
        marker.unlink()
    tasks = len(standin.cluster.tasks)
    if lost == "marker":
        with pytest.raises(ResourceError, match="its marker /etc/vikunja-deploy is missing") as no:
            recorded.run(["touch", "/root/foreign"])
        assert f"./doit apply --adopt {NAME}" in no.value.hint
    else:
        there = "its notes are there" if lost == "tag" else "its tag is there"
        hint = refused(recorded, there)
        assert f"./doit apply --adopt {NAME}" in hint
    assert recorded.missing() == f"container {VMID} gets its {lost} back"
    assert len(standin.cluster.tasks) == tasks
    recorded.adopt()
    assert recorded.missing() is None
    assert recorded.observe().owner == NAME
    assert recorded.run(["true"]).returncode == 0
    assert str(config["tags"]).split(";") == sorted(["web", *str(before["tags"]).split(";")])
    if lost == "notes":
        assert str(config["description"]).startswith("Ask Ann.\n")
    own = set(str(before["description"]).splitlines())
    # What it was made from is read of what runs in it where nothing tells it any more.
    made = {line for line in own if line.startswith("made from: ")}
    assert own - made <= set(str(config["description"]).splitlines())
    assert "\nmade from: debian-1" in "\n" + str(config["description"])


@pytest.mark.parametrize("left", ["tag alone", "notes of another", "no registry", "stopped"])
def test_what_too_little_speaks_for_is_left_as_it_is(
    recorded: ProxmoxContainer, standin: Standin, left: str
) -> None:
    pid = init.running_init(standin.paths.lxc / str(VMID))
    marker = Path(f"/proc/{pid}/root{MARKER_PATH}")
    if left == "stopped":
        recorded.stop()
    text = "vikunja-deploy: vikunja-other" if left == "notes of another" else "Ask Ann."
    edit(standin.cluster, VMID, description=text)
    if left == "tag alone":
        marker.unlink()
    if left == "no registry":
        registry.remove(standin.paths, NAME)
    before = dict(standin.cluster.guests[VMID].config)
    try:
        for act in (recorded.missing, recorded.adopt):
            with pytest.raises(ResourceError, match="not proven ours"):
                act()
        assert standin.cluster.guests[VMID].config == before
    finally:
        if left == "tag alone":
            marker.write_text(f"{NAME}\n")


def test_a_container_of_which_nothing_tells_any_more_gets_no_second_one_beside_it(
    recorded: ProxmoxContainer, over: Cluster, standin: Standin
) -> None:
    edit(standin.cluster, VMID, description="Ask Ann.", tags="web")
    box = boxed(over, recorded.spec, replace(recorded._desired, vmid=None))
    hint = refused(box, "its tag is missing, its notes are missing, its marker is there")
    assert f"put its tag vikunja-deploy.{NAME}" in hint
    with pytest.raises(ResourceError, match="not proven"):
        box.create()
    assert len(standin.cluster.guests) == 1


def test_nothing_is_changed_without_quorum_or_while_it_is_locked(
    box: ProxmoxContainer, standin: Standin
) -> None:
    box.create()
    standin.cluster.quorate = False
    standin.cluster.publish()
    try:
        with pytest.raises(NetworkError, match="no quorum"):
            box.start()
        assert box.observe().owner == NAME
    finally:
        standin.cluster.quorate = True
    standin.cluster.guests[VMID].config["lock"] = "backup"
    standin.cluster.publish()
    with pytest.raises(LockedError, match=r"locked by Proxmox VE \(backup\)"):
        box.start()


def test_it_goes_by_the_address_that_a_dhcp_server_gives(
    standin: Standin, over: Cluster, spec: ContainerSpec, tmp_path: Path
) -> None:
    """Asked of the API, beside an address of IPv6, with the hardware address that is wanted."""
    ensure(["dnsmasq-base"])
    number = os.getpid() % 10000
    bridge, subnet = f"vkdpdh{number}", f"10.{20 + number // 250}.{number % 250}"
    asks = replace(
        spec,
        bridge=bridge,
        ip_address="dhcp",
        gateway="",
        ip6_address="2001:db8:9::7/64",
        gateway6="fe80::1",
        mac_address="bc:24:11:00:00:07",
    )
    node = standin.cluster.nodes["pve"]
    before = node.bridges
    with routing(bridge, subnet, tmp_path) as router:
        node.bridges = (*before, bridge)
        container = boxed(over, asks)
        try:
            container.create()
            assert GIVEN not in container.observe().attributes
            container.start()
            found = container.observe().attributes
            assert found[GIVEN] == f"{subnet}.20/24"
            assert found["ip_address"] == "dhcp"
            assert found["ip6_address"] == asks.ip6_address
            assert found["mac_address"] == asks.mac_address
            assert f"{asks.mac_address} {subnet}.20" in router.leases
        finally:
            container.destroy()
            node.bridges = before
