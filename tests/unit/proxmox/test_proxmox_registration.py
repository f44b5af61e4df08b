"""What the HA manager and storage replication are told, and what a token needs for it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from pve.contract import VERSIONS, check_call, load

from tasks.containers.proxmox.desired import DesiredProxmox, Ha, Replication
from tasks.containers.proxmox.guests import Found, Guest
from tasks.containers.proxmox.parameters import Config
from tasks.containers.proxmox.privileges import CONTAINER, Need, commands, missing, needs
from tasks.containers.proxmox.registration import registrations
from tasks.containers.proxmox.section import Connection, Mount, Proxmox, Ssh

FOUND = Found(Guest(100, "pve", "lxc", ()), True, None, Config({}))
DESIRED = DesiredProxmox("pve")
STARTED = Ha(None, "started", 1)
JOB = Replication("pve2", "*/15")

CASES: dict[str, tuple[DesiredProxmox, Found, list[tuple[str, str, dict[str, Any]]]]] = {
    "nothing desired and nothing there": (DESIRED, FOUND, []),
    "all is up to date": (
        replace(DESIRED, ha=STARTED, replication=(JOB,)),
        replace(FOUND, ha=STARTED, jobs={"100-3": JOB}),
        [],
    ),
    "no HA any more": (
        DESIRED,
        replace(FOUND, ha=STARTED),
        [("DELETE", "/cluster/ha/resources/ct:100", {})],
    ),
    "a job, another time and another target": (
        replace(DESIRED, replication=(JOB, Replication("pve3", "mon 02:00"))),
        replace(
            FOUND, jobs={"100-0": Replication("pve4", "*/15"), "100-1": Replication("pve2", "*/5")}
        ),
        [
            ("DELETE", "/cluster/replication/100-0", {}),
            ("PUT", "/cluster/replication/100-1", {"schedule": "*/15"}),
            (
                "POST",
                "/cluster/replication",
                {"id": "100-2", "type": "local", "target": "pve3", "schedule": "mon 02:00"},
            ),
        ],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_exactly_what_differs_is_told(name: str) -> None:
    desired, found, expected = CASES[name]
    for version in VERSIONS:
        calls = list(registrations(desired, found, rules=version == 9))
        assert calls == expected
        for method, path, parameters in calls:
            check_call(load(version), method, path, parameters)


def proxmox(**changes: Any) -> Proxmox:
    return replace(
        Proxmox(
            node="pve",
            container_id=None,
            template="debian-12-standard",
            connection=Connection("local", None, 8006, None, None, None),
            ssh=Ssh("root", 22, {}),
            download=True,
            storage="local-lvm",
            swap_mb=512,
            vlan=None,
            mtu=None,
            firewall=False,
            search_domain=None,
            timezone=None,
            onboot=True,
            startup=None,
            protection=False,
            tags=(),
            pool=None,
            ssh_keys=(),
            mounts=(),
            ha=None,
            replication=(),
            lock_wait_seconds=300,
        ),
        **changes,
    )


def paths(**changes: Any) -> set[str]:
    return {need.path for need in needs(proxmox(**changes), "vmbr0")}


def test_a_token_needs_no_more_than_the_configuration_uses() -> None:
    assert paths() == {
        "/vms",
        "/storage/local-lvm",
        "/storage",
        "/sdn/zones/localnetwork/vmbr0",
    }
    assert paths(container_id=100, template="local:vztmpl/x.tar.zst", vlan=20) == {
        "/vms/100",
        "/storage/local-lvm",
        "/storage/local",
        "/sdn/zones/localnetwork/vmbr0/20",
    }
    assert "/pool/web" in paths(pool="web")
    assert "/vms" not in paths(pool="web")
    assert "/" in paths(ha=STARTED)
    assert "/storage/fast" in paths(mounts=(Mount("/srv", "fast", 1),))


def test_what_is_granted_further_down_counts_first() -> None:
    wanted = [Need("Role", "/vms/100", ("VM.Audit", "VM.Allocate"))]
    both = {"VM.Audit": 1, "VM.Allocate": 1}
    assert missing(wanted, {"/": both}) == []
    assert missing(wanted, {"/vms": both}) == []
    lacking = [Need("Role", "/vms/100", ("VM.Allocate",))]
    assert missing(wanted, {"/": both, "/vms/100": {"VM.Audit": 1}}) == lacking
    assert missing(wanted, {"/vms": {"VM.Audit": 1, "VM.Allocate": 0}}) == lacking
    assert missing(wanted, {"/vms/101": both}) == wanted
    assert missing(wanted, {}) == wanted


def test_the_commands_grant_what_is_missing() -> None:
    wanted = needs(proxmox(), "vmbr0")
    lines = commands(wanted, "deploy@pve!tool")
    roles = {line.split()[3]: line.split("'")[1].split(",") for line in lines if "role add" in line}
    granted: dict[str, dict[str, int]] = {}
    for line in lines:
        if "acl modify" in line:
            assert "--users 'deploy@pve' --tokens 'deploy@pve!tool'" in line
            path, role = line.split()[3], line.split()[-1]
            granted.setdefault(path, {}).update(dict.fromkeys(roles[role], 1))
    assert missing(wanted, granted) == []
    assert set(roles["VikunjaDeployContainer"]) == set(CONTAINER)
