"""What `check` finds out about Proxmox VE, on the stand-in, without a container."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pve.cluster import Cluster, Guest, Refused, Token
from pve.place import SECRET, USER
from pve.rights import EVERY_PRIVILEGE, refuse_tags
from pve.standin import Standin, standing_in

from tasks.checks import run
from tasks.config import load_instances
from tasks.containers.proxmox import availability_check as availability
from tasks.containers.proxmox import checks as proxmox
from tasks.containers.proxmox import section_of
from tasks.containers.proxmox.cluster import cluster_of
from tasks.containers.proxmox.privileges import needs
from tasks.errors import DeployError, NetworkError
from tasks.model.finding import Finding, World
from tasks.paths import Paths


@pytest.fixture
def standin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Standin]:
    with standing_in(Paths(tmp_path), Cluster(("pve", "pve2"))) as made:
        # A look at this node needs none; ssh would need root here.
        monkeypatch.setenv("PATH", made.environment["PATH"])
        yield made


def world(standin: Standin, **changes: Any) -> World:
    """Over https, from a node: its token counts, and nothing goes through ssh."""
    document = {
        "deployment": {"instance_id": "vikunja-main"},
        "proxmox": {"node": "pve", "connection": standin.connection("https")},
        "network": {
            "ip_address": "192.0.2.10/24",
            "gateway": "192.0.2.1",
            "domain": "vikunja.example.com",
        },
        "database": {"type": "sqlite"},
        "git": {"repository": "https://git.example.com/vikunja.git"},
        "admin": {"email": "admin@example.com"},
    }
    for section, values in changes.items():
        document[section] = {**document.get(section, {}), **values}  # type: ignore[dict-item]
    file = standin.paths.prefix / "config.yaml"
    file.write_text(yaml.safe_dump(document))
    (instance,) = load_instances([file])
    return World(instance, standin.paths, lambda: None)


def reported(findings: Iterator[Finding]) -> list[tuple[str, str]]:
    return [(finding.level, finding.what) for finding in findings]


def test_where_all_is_there_each_concern_says_so(standin: Standin) -> None:
    here = world(standin)
    assert reported(proxmox.node(here)) == [
        ("ok", "the cluster takes changes"),
        ("ok", "pve is up"),
        ("ok", "Proxmox VE 8.4.5 answers"),
        ("ok", "node pve starts them"),
    ]
    assert reported(proxmox.privileges(here)) == [("ok", "the API token has all that is needed")]
    assert reported(proxmox.storage(here))[0][0] == "ok"
    assert reported(proxmox.template(here)) == [
        ("ok", "local:vztmpl/debian-13-standard_13.1-2_amd64.tar.zst is there")
    ]
    assert reported(proxmox.bridge(here)) == [("ok", "node pve has vmbr0")]
    assert reported(proxmox.address(here)) == [
        ("ok", "no other container of the cluster has 192.0.2.10")
    ]


def test_a_token_that_lacks_something_is_told_what_and_where(standin: Standin) -> None:
    standin.cluster.tokens[USER] = Token(SECRET, {"/": frozenset({"VM.Audit"})})
    found = dict.fromkeys(what for _, what in reported(proxmox.privileges(world(standin))))
    assert "the API token lacks SDN.Use on /sdn/zones/localnetwork/vmbr0" in found
    assert any("VM.Allocate" in what and what.endswith("on /vms") for what in found)


def test_a_template_is_downloaded_only_where_that_is_allowed(standin: Standin) -> None:
    standin.cluster.nodes["pve"].templates.clear()
    assert reported(proxmox.template(world(standin))) == [
        ("ok", "debian-13-standard_13.1-2_amd64.tar.zst can be downloaded to local")
    ]
    refused = world(
        standin,
        proxmox={"node": "pve", "connection": standin.connection("https"), "download": False},
    )
    ((level, what),) = reported(proxmox.template(refused))
    assert (level, "none may be downloaded" in what) == ("problem", True)
    unknown = {"connection": standin.connection("https"), "template": "debian-99", "node": "pve"}
    with pytest.raises(DeployError, match="there is no template debian-99"):
        reported(proxmox.template(world(standin, proxmox=unknown)))


def test_an_address_of_another_container_is_a_problem_even_on_another_node(
    standin: Standin,
) -> None:
    net = "name=eth0,bridge=vmbr0,ip=192.0.2.10/24,type=veth"
    standin.cluster.guests[105] = Guest(105, "pve2", {"memory": 512, "net0": net})
    standin.cluster.publish()
    assert reported(proxmox.address(world(standin))) == [
        ("problem", "192.0.2.10 is the address of container 105 on node pve2")
    ]


def test_a_node_that_is_unknown_or_down_and_a_lost_quorum_are_problems(standin: Standin) -> None:
    here = world(standin)
    standin.set_down("pve2")
    standin.cluster.quorate = False
    standin.cluster.publish()
    view = cluster_of(section_of(here.instance), here.paths).view(0)
    assert proxmox.evaluate_quorum(here, view).exit_code == 6
    assert proxmox.evaluate_node(here, view, "pve2").what == "node pve2 is down"
    assert proxmox.evaluate_node(here, view, "pve7").hint == "Set proxmox.node to one of: pve, pve2"
    assert proxmox.evaluate_version(here, "7.4-1").level == "warning"


def test_whether_another_node_starts_programs_is_tried(
    standin: Standin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ssh = tmp_path / "bin/ssh"
    ssh.parent.mkdir()
    ssh.write_text("#!/bin/sh\necho 'no route' >&2\nexit 255\n")
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{ssh.parent}:{standin.environment['PATH']}")
    connection = standin.connection("https")
    there = world(standin, proxmox={"node": "pve2", "connection": connection})
    with pytest.raises(NetworkError, match="ssh did not get through"):
        reported(proxmox.node(there))
    nowhere = world(standin, proxmox={"node": "pve7", "connection": connection})
    assert [what for level, what in reported(proxmox.node(nowhere)) if level == "problem"] == [
        "there is no node pve7"
    ]


def test_a_bridge_or_a_room_that_is_not_there_is_a_problem(standin: Standin) -> None:
    here = world(standin, network={"bridge": "vmbr9"}, resources={"disk_size_gb": 500})
    assert reported(proxmox.bridge(here)) == [("problem", "node pve has no bridge vmbr9")]
    ((level, what),) = reported(proxmox.storage(here))
    assert (level, "GiB free of 500 needed" in what) == ("problem", True)


def test_the_role_is_for_the_token_of_the_file(standin: Standin) -> None:
    lines = run.role([world(standin).instance])
    assert f"pveum acl modify /vms --users 'deploy@pve' --tokens '{USER}'" in "\n".join(lines)
    assert SECRET not in "\n".join(lines)


@pytest.mark.parametrize("version", [8, 9])
def test_a_group_or_rule_is_there_or_told_to_be_missing(standin: Standin, version: int) -> None:
    cluster = standin.cluster
    cluster.version = version
    kind = "rule" if version == 9 else "group"
    assert reported(availability.check(world(standin))) == []
    plain = world(standin, proxmox={"ha": {"max_restart": 2}})
    assert reported(availability.check(plain)) == [
        ("ok", "the HA manager may run it on every node")
    ]
    desired = {"ha": {"group": "web"}}
    (missing,) = availability.check(world(standin, proxmox=desired))
    assert (missing.what, missing.exit_code) == (f"the cluster has no HA {kind} web", 4)
    made = world(standin, proxmox={"ha": {"group": "web", "nodes": ["pve:2", "pve3"]}})
    assert reported(availability.check(made)) == [
        ("ok", f"{kind} web will be made, on pve:2, pve3"),
        ("problem", "there is no node pve3"),
    ]
    if version == 8:
        cluster.ha_groups["web"] = {"nodes": "pve,pve2"}
    else:
        cluster.ha_rules["web"] = {"type": "node-affinity", "nodes": "pve,pve2", "resources": ""}
    cluster.publish()
    there = [("ok", f"{kind} web is there, on pve, pve2")]
    again = world(standin, proxmox=desired)
    # A cluster is looked at once in a run: this look is another run's.
    cluster_of(section_of(again.instance), again.paths).view(time.monotonic())
    assert reported(availability.check(again)) == there


def test_a_rule_that_is_disabled_is_told(standin: Standin) -> None:
    standin.cluster.version = 9
    standin.cluster.ha_rules["web"] = {
        "type": "node-affinity", "nodes": "pve", "resources": "ct:1", "disable": 1
    }  # fmt: skip
    standin.cluster.publish()
    (found,) = availability.check(world(standin, proxmox={"ha": {"group": "web"}}))
    assert (found.level, found.what) == (
        "warning",
        "HA rule web is disabled: the HA manager does not heed it",
    )


def test_a_replication_to_a_node_that_is_none_is_told(standin: Standin) -> None:
    desired = {"replication": [{"target": "pve9"}, {"target": "pve2"}]}
    assert reported(availability.check(world(standin, proxmox=desired))) == [
        ("problem", "there is no node pve9")
    ]


def test_high_availability_takes_privileges_of_its_own(standin: Standin) -> None:
    rights = {"/": frozenset(EVERY_PRIVILEGE - {"Sys.Console"})}
    standin.cluster.tokens[USER] = Token(SECRET, rights)
    desired = world(standin, proxmox={"ha": {"group": "web", "nodes": ["pve"]}})
    assert reported(proxmox.privileges(desired)) == [
        ("problem", "the API token lacks Sys.Console on /")
    ]
    lines = run.role([desired.instance])
    assert (
        "pveum role add VikunjaDeployHa --privs 'Sys.Audit,Sys.Console' 2>/dev/null || "
        "pveum role modify VikunjaDeployHa --append 1 --privs 'Sys.Audit,Sys.Console'"
    ) in lines
    granted = {"/": rights["/"] | {"Sys.Console"}}
    standin.cluster.tokens[USER] = Token(SECRET, granted)
    assert reported(proxmox.privileges(desired)) == [("ok", "the API token has all that is needed")]


TAG = "vikunja-deploy.vikunja-main"


@pytest.mark.parametrize(
    ("options", "has", "forbidden"),
    [
        ({}, "", ""),
        ({"user-tag-access": "user-allow=none"}, "", f"{TAG}, Web"),
        ({"user-tag-access": f"user-allow=list,user-allow-list={TAG};web"}, "", ""),
        ({"user-tag-access": f"user-allow=list,user-allow-list={TAG}"}, "", "Web"),
        ({"user-tag-access": "user-allow=none"}, f"{TAG};web", ""),
        ({"user-tag-access": "user-allow=existing"}, f"{TAG};web", ""),
        ({"user-tag-access": "user-allow=existing"}, "", f"{TAG}, Web"),
        ({"registered-tags": "web;other"}, "", "Web"),
        ({"registered-tags": "web", "tag-style": "case-sensitive=1"}, "", ""),
        ({"user-tag-access": "user-allow=existing"}, "other", f"{TAG}, Web"),
    ],
)
def test_tags_that_the_token_may_not_set_are_told(
    standin: Standin, options: dict[str, str], has: str, forbidden: str
) -> None:
    rights = {"/": EVERY_PRIVILEGE - {"Sys.Modify"}}
    standin.cluster.tokens[USER] = Token(SECRET, rights)
    standin.cluster.options = options
    notes = "vikunja-deploy: vikunja-main\n"
    standin.cluster.guests[100] = Guest(
        100, "pve", {"memory": 512, "description": notes, "tags": has}
    )
    standin.cluster.publish()
    here = world(standin, proxmox={"tags": ["Web"]})
    said = [what for level, what in reported(proxmox.privileges(here)) if level == "problem"]
    text = "datacenter.cfg keeps the API token from setting the tag "
    assert said == ([f"{text}{forbidden}"] if forbidden else [])
    # What is told is what Proxmox VE refuses.
    for tag in (TAG, "web"):
        refused = False
        try:
            refuse_tags(standin.cluster, USER, 100, has, f"{has};{tag}")
        except Refused:
            refused = True
        if "case-sensitive=1" not in options.get("tag-style", ""):
            assert refused == (tag in forbidden.lower())


def test_a_role_for_one_id_alone_is_told_to_be_too_little_for_a_drill(standin: Standin) -> None:
    here = world(standin, proxmox={"container_id": 100})
    standin.cluster.tokens[USER] = Token(SECRET, granted_by(here))
    ((level, what),) = [one for one in reported(proxmox.privileges(here)) if one[0] != "ok"]
    assert (level, what) == (
        "warning",
        "the API token may make container 100 and no other: ./doit drill needs one with an id of"
        " its own for a while",
    )
    pooled = world(standin, proxmox={"container_id": 100, "pool": "web"})
    standin.cluster.tokens[USER] = Token(SECRET, granted_by(pooled))
    assert {level for level, _ in reported(proxmox.privileges(pooled))} == {"ok"}


def granted_by(here: World) -> dict[str, frozenset[str]]:
    """What `check --role` grants, and no more."""
    rights: dict[str, frozenset[str]] = {}
    for need in needs(section_of(here.instance), here.instance.network.bridge):
        rights[need.path] = rights.get(need.path, frozenset()) | set(need.privileges)
    return rights
