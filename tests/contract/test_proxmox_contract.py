"""The checker that every call is held against, on calls that Proxmox VE takes or refuses."""

from __future__ import annotations

from typing import Any

import pytest
from pve.contract import (
    FORMATS,
    VERSIONS,
    ContractBroken,
    Rule,
    check_call,
    is_asynchronous,
    load,
    route,
)

CREATE = {
    "vmid": 100,
    "ostemplate": "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst",
    "rootfs": "local-lvm:20",
    "net0": "name=eth0,bridge=vmbr0,ip=192.0.2.10/24,gw=192.0.2.1,tag=12,firewall=1,mtu=1400",
    "features": "nesting=1",
    "unprivileged": 1,
    "cores": 2,
    "memory": 2048,
    "hostname": "vikunja-main",
    "nameserver": "192.0.2.1 2001:db8::1",
    "tags": "vikunja-deploy;blue",
    "startup": "order=3,up=10",
    "ssh-public-keys": "ssh-ed25519 AAAA",
}


@pytest.fixture(params=VERSIONS)
def contract(request: pytest.FixtureRequest) -> Any:
    return load(request.param)


def refusal(contract: Any, method: str, path: str, parameters: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(ContractBroken) as caught:
        check_call(contract, method, path, parameters)
    return caught.value.problems


def test_the_contract_says_its_version() -> None:
    assert [load(version)["version"].partition(".")[0] for version in VERSIONS] == ["8", "9"]


def test_a_whole_create_is_taken(contract: Any) -> None:
    check_call(contract, "POST", "/nodes/pve/lxc", CREATE)


def test_a_parameter_that_must_be_there_is_missed(contract: Any) -> None:
    without = {name: value for name, value in CREATE.items() if name != "ostemplate"}
    assert list(refusal(contract, "POST", "/nodes/pve/lxc", without)) == ["ostemplate"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("vmid", 99),
        ("vmid", 1_000_000_000),
        ("memory", 15),
        ("cores", "2"),
        ("unprivileged", True),
        ("unprivileged", "yes"),
        ("hostname", "under_score"),
        ("hostname", "a" * 256),
        ("description", "x" * 8193),
        ("net0", "bridge=vmbr0,ip=192.0.2.10/24"),
        ("net0", "name=eth0,ip=192.0.2.10"),
        ("net0", "name=eth0,tag=4095"),
        ("net0", "name=eth0,name=eth1"),
        ("net0", "eth0"),
        ("net0", "name=eth0,color=blue"),
        ("net0", "name=eth0,firewall=yes"),
        ("features", "nesting=2"),
        ("nameserver", "192.0.2.300"),
        ("tags", "-dash"),
        ("rootfs", "local-lvm:20,size=20 GB"),
        ("password", "1234"),
        ("startup", "first"),
        ("lock", "mine"),
        ("unique", 1),
        ("sshkeys", "ssh-ed25519 AAAA"),
    ],
)
def test_a_value_that_proxmox_refuses_is_refused(contract: Any, name: str, value: Any) -> None:
    assert list(refusal(contract, "POST", "/nodes/pve/lxc", {**CREATE, name: value})) == [name]


def test_all_that_is_wrong_is_told_at_once(contract: Any) -> None:
    wrong = {**CREATE, "memory": 1, "cores": 0}
    assert set(refusal(contract, "POST", "/nodes/pve/lxc", wrong)) == {"memory", "cores"}


def test_a_call_that_does_not_exist_is_refused(contract: Any) -> None:
    assert refusal(contract, "POST", "/nodes/pve/lxc/100/exec", {}) == {"": "no such call"}
    assert refusal(contract, "GET", "/nodes/pve/lxc/100/status/start", {}) == {"": "no such call"}


def test_what_the_path_says_is_checked(contract: Any) -> None:
    assert list(refusal(contract, "GET", "/nodes/pve/lxc/99/config", {})) == ["vmid"]
    assert list(refusal(contract, "GET", "/nodes/no_node/lxc", {})) == ["node"]


def test_a_disk_that_is_no_disk_is_refused(contract: Any) -> None:
    path = "/nodes/pve/lxc/100/resize"
    check_call(contract, "PUT", path, {"disk": "mp12", "size": "20G"})
    assert list(refusal(contract, "PUT", path, {"disk": "unused1", "size": "20G"})) == ["disk"]
    assert list(refusal(contract, "PUT", path, {"disk": "rootfs", "size": "-1G"})) == ["size"]


def test_only_version_9_knows_the_parameters_that_it_added() -> None:
    new = {**CREATE, "ha-managed": 1}
    check_call(load(9), "POST", "/nodes/pve/lxc", new)
    assert list(refusal(load(8), "POST", "/nodes/pve/lxc", new)) == ["ha-managed"]


def test_calls_that_make_a_task_are_known(contract: Any) -> None:
    assert is_asynchronous(contract, "POST", "/nodes/pve/lxc")
    assert is_asynchronous(contract, "POST", "/nodes/pve/lxc/100/status/start")
    assert is_asynchronous(contract, "PUT", "/nodes/pve/lxc/100/resize")
    assert not is_asynchronous(contract, "PUT", "/nodes/pve/lxc/100/config")
    assert not is_asynchronous(contract, "GET", "/nodes/pve/lxc")


def test_a_path_is_told_apart_from_its_neighbours(contract: Any) -> None:
    upid = "UPID:pve:000D7AA2:08D5A17C:63DF62A5:vzcreate:100:root@pam!deploy:"
    found = route(contract, "GET", f"/nodes/pve/tasks/{upid}/status")
    assert found is not None
    assert found.call == "GET /nodes/{node}/tasks/{upid}/status"
    assert found.values == {"node": "pve", "upid": upid}


def test_every_format_that_the_contract_names_is_checked(contract: Any) -> None:
    def names(rule: Rule) -> set[str]:
        form = rule.get("format")
        if isinstance(form, str):
            return {form.removesuffix("-list")}
        return set().union(*map(names, form.values())) if form else set()

    rules = [rule for call in contract["calls"].values() for rule in call["parameters"].values()]
    assert set().union(*map(names, rules)) <= set(FORMATS)
