"""What others write may lack anything, or hold anything: an answer or a DeployError, no defect."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from damage import ODD, altered

from tasks.containers.base import ContainerSpec
from tasks.containers.proxmox.affinity import parse_affinities
from tasks.containers.proxmox.answers import (
    Bridge,
    LogLine,
    Permissions,
    Resource,
    Setting,
    Status,
    Storage,
    TaskStatus,
    Template,
    Version,
    Volume,
    understood,
)
from tasks.containers.proxmox.attributes import ha_of, jobs_of, observed, pending
from tasks.containers.proxmox.conf import parse_conf, parse_sections
from tasks.containers.proxmox.desired import DesiredProxmox, Mount
from tasks.containers.proxmox.faults import error_of, fault_of
from tasks.containers.proxmox.guests import choose, parse_guests
from tasks.containers.proxmox.parameters import attributes_of, changes, parse_pending
from tasks.containers.proxmox.privileges import Need, missing
from tasks.containers.proxmox.selection import choose_storage
from tasks.containers.proxmox.view import parse_view
from tasks.errors import DeployError

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
DESIRED = DesiredProxmox("pve", mounts=(Mount("/srv", "local", 4),))

MEMBERS = {
    "nodename": "pve",
    "version": 3,
    "cluster": {"name": "lab", "version": 2, "nodes": 2, "quorate": 1},
    "nodelist": {
        "pve": {"id": 1, "online": 1, "ip": "192.0.2.1"},
        "pve2": {"id": 2, "online": 0, "ip": "192.0.2.2"},
    },
}
GUESTS = {
    "version": 10,
    "ids": {
        "100": {"node": "pve", "type": "lxc", "version": 7},
        "102": {"node": "pve2", "type": "qemu", "version": 9},
    },
}
CONF = """\
#vikunja-deploy%3A vikunja-main
arch: amd64
cores: 2
hostname: vikunja-main
lock: backup
memory: 2048
mp0: local:100/vm-100-disk-1.raw,mp=/srv,size=4G
net0: name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:01,ip=192.0.2.10/24,mtu=1400,tag=5,type=veth
rootfs: local:100/vm-100-disk-0.raw,size=8G
swap: 512
tags: vikunja-deploy.vikunja-main;web
[pve:pending]
delete: searchdomain
nameserver: 192.0.2.53
"""
HA = "ct: 100\n\tstate started\n\tmax_restart 1\n\tgroup web\n"
RULES = "node-affinity: web\n\tresources ct:100\n\tnodes pve:2,pve2\n"
JOBS = "local: 100-0\n\ttarget pve2\n\tschedule */5\n"


def altered_text(text: str) -> Iterator[str]:
    """The text with a line, or what one says, missing or something else."""
    lines = text.splitlines(keepends=True)
    for number, line in enumerate(lines):
        head, separator, value = line.rstrip("\n").partition(" ")
        parts = [",".join(p for p in value.split(",") if p != left) for left in value.split(",")]
        names = [f"{one.partition('=')[0]}={odd}" for one in value.split(",") for odd in ODD]
        for other in ("", "\n", head, ":", "\udcff", *parts, *names, *map(str, ODD)):
            new = other if not other.strip() else f"{head}{separator}{other}\n"
            yield "".join([*lines[:number], new, *lines[number + 1 :]])


def looked(**files: str) -> str:
    given = {".members": json.dumps(MEMBERS), ".vmlist": json.dumps(GUESTS)}
    given |= {"nodes/pve/lxc/100.conf": CONF, "ha/resources.cfg": HA, "replication.cfg": JOBS}
    given |= {"ha/rules.cfg": RULES, **files}
    return "".join(f"{name}:{x}\n" for name, text in given.items() for x in text.split("\n"))


def through(output: str) -> None:
    """All that is made of one look at a node."""
    view = parse_view(output, "pve")
    guest = choose(SPEC, DesiredProxmox("pve"), view.guests)
    view.holder("192.0.2.10", 101)
    if guest is not None:
        config = view.config(guest.vmid)
        ha = ha_of(view.ha, view.affinities, guest.vmid, None)
        observed(DESIRED, config, "pve", 100, ha, jobs_of(view.replication, guest.vmid).values())
        pending(DESIRED, config)
        changes(SPEC, DESIRED, config, "pve")


def quietly(work: Callable[[], object]) -> None:
    try:
        work()
    except DeployError as error:
        assert error.what


def test_as_they_are_written_they_are_understood() -> None:
    through(looked())


@pytest.mark.parametrize("name", [".members", ".vmlist"])
def test_any_key_of_the_cluster_file_system_may_be_missing_or_odd(name: str) -> None:
    for data in altered(MEMBERS if name == ".members" else GUESTS):
        quietly(partial(through, looked(**{name: json.dumps(data)})))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("nodes/pve/lxc/100.conf", CONF),
        ("ha/resources.cfg", HA),
        ("ha/rules.cfg", RULES),
        ("replication.cfg", JOBS),
    ],
)
def test_any_line_of_its_files_may_be_missing_or_odd(name: str, text: str) -> None:
    for other in altered_text(text):
        quietly(partial(through, looked(**{name: other})))
        parse_sections(other)
        parse_affinities(other, other)
        attributes_of(parse_conf(other).current)


def storages(rows: Any) -> None:
    found = understood(rows, list[Storage], "GET …", "pve")
    choose_storage(None, "rootdir", 1, found, where="pve")


def granted(data: Any) -> None:
    wanted = [Need("Role", "/vms/100", ("VM.Audit",))]
    missing(wanted, understood(data, Permissions, "GET …", "pve"))


def read_as(form: Any, rows: Any) -> None:
    understood(rows, list[form], "GET …", "pve")


ANSWERS: dict[str, tuple[Any, Callable[[Any], object]]] = {
    "storages": (
        [{"storage": "a", "active": 1, "enabled": 1, "content": "rootdir", "avail": 1 << 40}],
        storages,
    ),
    "permissions": ({"/": {"VM.Audit": 1}, "/vms/100": {"VM.Allocate": 0}}, granted),
    "guests": (
        [{"type": "lxc", "vmid": 100, "node": "pve", "tags": "a;b"}],
        lambda rows: parse_guests(understood(rows, list[Resource], "", "")),
    ),
    "pending": (
        [{"key": "cores", "value": 2, "pending": 3}, {"key": "lock", "delete": 1}],
        lambda rows: attributes_of(parse_pending(understood(rows, list[Setting], "", "")).current),
    ),
    **{
        form.__name__: ([row], partial(read_as, form))
        for form, row in (
            (Bridge, {"iface": "vmbr0"}),
            (LogLine, {"n": 1, "t": "done"}),
            (Status, {"status": "running", "lock": "backup"}),
            (TaskStatus, {"status": "stopped", "exitstatus": "OK"}),
            (Template, {"template": "debian"}),
            (Version, {"version": "9.1"}),
            (Volume, {"volid": "local:vztmpl/debian"}),
        )
    },
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_any_key_of_an_answer_may_be_missing_or_odd(answer: str) -> None:
    data, work = ANSWERS[answer]
    work(data)
    for other in altered(data):
        quietly(partial(work, other))


def test_an_answer_in_another_form_is_told_with_what_it_was() -> None:
    with pytest.raises(DeployError, match="in a form that is not known") as caught:
        understood([{"iface": 7}], list[Bridge], "GET /nodes/pve/network", "pve")
    assert "GET /nodes/pve/network: Expected `str`" in caught.value.evidence[0]


def test_nothing_at_all_is_an_empty_list() -> None:
    assert understood(None, list[Bridge], "GET /nodes/pve/network", "pve") == []
    assert understood([{"iface": "a", "type": None}], list[Bridge], "", "") == [Bridge("a")]


def test_a_refusal_without_a_reason_leads_to_who_knows_it() -> None:
    # As a creation is refused, which says neither path nor privilege.
    fault = fault_of("Permission check failed\n")
    assert fault is not None
    assert fault.what == "the API token lacks a privilege, and Proxmox VE does not say which"
    assert "./doit check" in fault.hint


def test_an_error_of_several_lines_is_told_in_one() -> None:
    # As pvesh says that the cluster file system is down.
    said = [f"ipcc_send_rec[{n}] failed: Connection refused" for n in (1, 2, 3)]
    error = error_of("GET /nodes/pve/storage", 500, "\n".join(said))
    assert error.what == f"GET /nodes/pve/storage failed: {said[0]}"
    assert error.evidence == ("GET /nodes/pve/storage: 500", *said)
