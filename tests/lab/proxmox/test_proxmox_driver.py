"""The Proxmox VE driver, against the stand-in with real containers behind it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pve.cluster import Backend, Cluster, Guest, Token
from pve.contract import VERSIONS, check_call, load
from pve.server import make_certificate, serving

from tasks.containers.base import MARKER_PATH, Container
from tasks.containers.lxc import init
from tasks.containers.lxc.driver import LxcContainer
from tasks.containers.proxmox.access import Https
from tasks.containers.proxmox.api import ProxmoxerSession, open_session
from tasks.containers.proxmox.driver import ProxmoxContainer
from tasks.containers.proxmox.wish import ProxmoxWish
from tasks.errors import ResourceError
from tasks.paths import Paths

MakeContainer = Callable[[str], LxcContainer]

VMID = 200_000 + os.getpid()


class RealContainers(Backend):
    """Each container of the cluster is one of plain LXC, named by its id."""

    def __init__(self, model: LxcContainer, paths: Paths) -> None:
        self.spec = model.spec
        self.paths = paths

    def box(self, guest: Guest) -> LxcContainer:
        return LxcContainer(replace(self.spec, name=str(guest.vmid)), self.paths)

    def create(self, guest: Guest) -> None:
        self.box(guest).create()

    def start(self, guest: Guest) -> None:
        self.box(guest).start()

    def stop(self, guest: Guest) -> None:
        self.box(guest).stop()

    def destroy(self, guest: Guest) -> None:
        self.box(guest).destroy()


@pytest.fixture(scope="module")
def model(make_container: MakeContainer) -> LxcContainer:
    return make_container("standin")


@pytest.fixture(scope="module")
def cluster(model: LxcContainer, lab_paths: Paths) -> Cluster:
    made = Cluster(("pve", "pve2"))
    made.tokens = {"root@pam!lab": Token("secret")}
    made.backend = RealContainers(model, lab_paths)
    made.nodes["pve"].bridges = (model.spec.bridge,)
    return made


@pytest.fixture(scope="module")
def session(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ProxmoxerSession]:
    folder = tmp_path_factory.mktemp("pve")
    certificate = make_certificate(folder)
    token = folder / "token"
    token.touch(0o600)
    token.write_text("root@pam!lab=secret")
    with serving(cluster, certificate) as port:
        access = Https("127.0.0.1", token, port, fingerprint=certificate.fingerprint)
        with open_session(access) as opened:
            yield opened


@pytest.fixture
def box(
    cluster: Cluster, session: ProxmoxerSession, model: LxcContainer, lab_paths: Paths
) -> Iterator[ProxmoxContainer]:
    spec = replace(model.spec, template="debian-12-standard")
    wish = ProxmoxWish(node="pve", vmid=VMID)
    container = ProxmoxContainer(spec, wish, session, node="pve", lxc_path=lab_paths.lxc)
    yield container
    for guest in list(cluster.guests.values()):
        cluster.backend.destroy(guest)
    cluster.guests.clear()


def test_it_is_a_container(box: ProxmoxContainer) -> None:
    container: Container = box
    assert not container.observe().exists


def test_a_container_lives_its_whole_life(box: ProxmoxContainer, cluster: Cluster) -> None:
    box.create()
    facts = box.observe()
    assert (facts.exists, facts.running, facts.owner) == (True, False, box.spec.instance_id)
    wished = {name: getattr(box.spec, name) for name in facts.attributes}
    assert dict(facts.attributes) == wished
    box.start()
    assert box.observe().running
    assert box.run(["systemctl", "is-system-running"]).stdout == b"running\n"
    assert box.run(["cat", MARKER_PATH]).stdout.decode().strip() == box.spec.instance_id
    assert "marker" not in str(cluster.guests[VMID].config["description"])
    box.start()
    box.stop()
    assert not box.observe().running
    with pytest.raises(ResourceError, match="does not run"):
        box.run(["true"])
    box.start()
    box.destroy()
    box.destroy()
    assert not box.observe().exists
    for version in VERSIONS:
        for method, path, parameters in cluster.calls:
            check_call(load(version), method, path, parameters)


def test_a_kill_between_start_and_marker_is_mended_by_the_next_start(
    box: ProxmoxContainer, cluster: Cluster
) -> None:
    box.create()
    cluster.backend.start(cluster.guests[VMID])
    cluster.guests[VMID].running = True
    assert "marker" in str(cluster.guests[VMID].config["description"])
    box.start()
    assert "marker" not in str(cluster.guests[VMID].config["description"])
    assert box.run(["true"]).returncode == 0


def test_a_running_container_is_changed_in_place(
    box: ProxmoxContainer, cluster: Cluster, session: ProxmoxerSession, lab_paths: Paths
) -> None:
    box.create()
    box.start()
    wished = replace(box.spec, memory_mb=1024, nameservers=("192.0.2.53",))
    wish = ProxmoxWish("pve")
    changed = ProxmoxContainer(wished, wish, session, node="pve", lxc_path=lab_paths.lxc)
    changed.configure()
    found = changed.observe()
    assert found.running
    assert (found.attributes["memory_mb"], found.attributes["nameservers"]) == (1024, ())
    names = frozenset({"memory_mb", "nameservers"})
    assert changed.needs_restart(names) == {"nameservers"}
    changed.stop()
    changed.start()
    assert changed.observe().attributes["nameservers"] == ("192.0.2.53",)


def test_a_program_needs_no_look_before(
    box: ProxmoxContainer, cluster: Cluster, session: ProxmoxerSession, lab_paths: Paths
) -> None:
    fresh = ProxmoxContainer(
        box.spec, ProxmoxWish("pve", vmid=VMID), session, node="pve", lxc_path=lab_paths.lxc
    )
    with pytest.raises(ResourceError, match="no container to run a command in"):
        fresh.run(["true"])
    box.create()
    box.start()
    assert fresh.run(["echo", "yes"]).stdout == b"yes\n"
    cluster.guests[VMID].config["tags"] = "somebody"
    box.observe()
    with pytest.raises(ResourceError, match="not proven to be instance"):
        box.run(["true"])


def test_a_program_costs_no_call_of_the_api(box: ProxmoxContainer) -> None:
    box.create()
    box.start()
    calls, programs = box._session.round_trips, box.round_trips
    for _ in range(3):
        box.run(["true"])
    assert box._session.round_trips == calls
    assert box.round_trips == programs + 3


def test_a_marker_that_names_another_protects_the_container(
    box: ProxmoxContainer, cluster: Cluster, lab_paths: Paths
) -> None:
    box.create()
    box.start()
    pid = init.running_init(lab_paths.lxc / str(VMID))
    marker = Path(f"/proc/{pid}/root{MARKER_PATH}")
    marker.write_text("vikunja-other\n")
    before = len(cluster.tasks)
    try:
        acts = (box.configure, box.start, box.stop, box.destroy)
        for act in (lambda: box.run(["touch", "/root/foreign"]), *acts):
            with pytest.raises(ResourceError, match="not proven to be instance"):
                act()
    finally:
        marker.write_text(f"{box.spec.instance_id}\n")
    assert len(cluster.tasks) == before
    assert box.run(["test", "-e", "/root/foreign"], check=False).returncode == 1


def test_a_container_on_another_node_is_told(
    box: ProxmoxContainer, session: ProxmoxerSession, lab_paths: Paths
) -> None:
    box.create()
    elsewhere = ProxmoxContainer(
        box.spec, ProxmoxWish("pve"), session, node="pve2", lxc_path=lab_paths.lxc
    )
    assert elsewhere.observe().exists
    with pytest.raises(ResourceError, match="is on node pve, this is pve2") as caught:
        elsewhere.run(["true"])
    assert caught.value.hint == "run this on pve"
