"""HA as Proxmox VE 8 has it, with groups, and as 9 has it, with rules: calls, plan and check."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from pve.calls import answer
from pve.cluster import Cluster, Guest, Refused
from pve.contract import check_call, load
from pve.files import ClusterFiles
from pve.place import USER, Place

from tasks.containers.proxmox.affinity import Affinities, Rule, parse_affinities
from tasks.containers.proxmox.api import ProxmoxerSession
from tasks.containers.proxmox.attributes import ha_of, ha_text, jobs_of
from tasks.containers.proxmox.availability import register, uses_rules
from tasks.containers.proxmox.desired import DesiredProxmox, Ha
from tasks.containers.proxmox.guests import Found
from tasks.containers.proxmox.guests import Guest as Seen
from tasks.containers.proxmox.parameters import Config
from tasks.containers.proxmox.registration import registrations
from tasks.containers.proxmox.view import View, look_text, parse_view
from tasks.errors import ResourceError, StalePlanError

STARTED = Ha(None, "started", 1)
WEB = Ha("web", "started", 1)
ON_TWO = Ha("web", "started", 1, ("pve:2", "pve2"))
FOUND = Found(Seen(100, "pve", "lxc", ()), True, None, Config({}))
GROUPS = Affinities({"web": ("pve", "pve2"), "db": ("pve3",)})
WEB_RULE = Rule("web", ("pve", "pve2"), ("ct:101",))
RULES = Affinities(rules=(WEB_RULE, Rule("db", ("pve3",), ("ct:100", "vm:107"))), digest="d" * 40)
RESOURCES = "/cluster/ha/resources"
KIND = {"type": "node-affinity"}
DIGEST = {"digest": "d" * 40}

Calls = list[tuple[str, str, dict[str, Any]]]


def has(affinities: Affinities, ha: Ha | None = None) -> Found:
    return replace(FOUND, affinities=affinities, ha=ha)


WITH_GROUPS: dict[str, tuple[Ha, Found, Calls]] = {
    "a group that is there is joined": (
        WEB,
        has(GROUPS),
        [
            (
                "POST",
                RESOURCES,
                {"sid": "ct:100", "state": "started", "max_restart": 1, "group": "web"},
            )
        ],
    ),
    "a group that is missing is made first": (
        ON_TWO,
        has(Affinities()),
        [
            ("POST", "/cluster/ha/groups", {"group": "web", "nodes": "pve:2,pve2"}),
            (
                "POST",
                RESOURCES,
                {"sid": "ct:100", "state": "started", "max_restart": 1, "group": "web"},
            ),
        ],
    ),
    "a group with other nodes gets the desired": (
        ON_TWO,
        has(GROUPS, replace(WEB, nodes=("pve", "pve2"))),
        [("PUT", "/cluster/ha/groups/web", {"nodes": "pve:2,pve2"})],
    ),
    "a group that goes": (
        STARTED,
        has(GROUPS, WEB),
        [
            (
                "PUT",
                f"{RESOURCES}/ct:100",
                {"state": "started", "max_restart": 1, "delete": "group"},
            )
        ],
    ),
}  # fmt: skip

WITH_RULES: dict[str, tuple[Ha | None, Found, Calls]] = {
    "a rule that is there is joined, once it is managed": (
        WEB,
        has(Affinities(rules=(WEB_RULE,), digest="d" * 40)),
        [
            ("POST", RESOURCES, {"sid": "ct:100", "state": "started", "max_restart": 1}),
            (
                "PUT",
                "/cluster/ha/rules/web",
                {**KIND, "resources": "ct:101,ct:100", **DIGEST},
            ),
        ],
    ),
    "a rule that is missing is made": (
        ON_TWO,
        has(Affinities(), STARTED),
        [
            (
                "POST",
                "/cluster/ha/rules",
                {"rule": "web", **KIND, "resources": "ct:100", "nodes": "pve:2,pve2"},
            )
        ],
    ),
    "a rule with other nodes gets the desired": (
        ON_TWO,
        has(
            Affinities(rules=(Rule("web", ("pve3",), ("ct:100",)),), digest="d" * 40),
            replace(WEB, nodes=("pve3",)),
        ),
        [("PUT", "/cluster/ha/rules/web", {**KIND, "nodes": "pve:2,pve2", **DIGEST})],
    ),
    "another rule is left before the desired is joined": (
        WEB,
        has(RULES, Ha("db", "started", 1)),
        [
            ("PUT", "/cluster/ha/rules/db", {**KIND, "resources": "vm:107", **DIGEST}),
            ("PUT", "/cluster/ha/rules/web", {**KIND, "resources": "ct:101,ct:100", **DIGEST}),
        ],
    ),
    "a rule that has nobody else goes": (
        replace(STARTED, max_restart=3),
        has(Affinities(rules=(Rule("web", ("pve",), ("ct:100",)),)), WEB),
        [
            ("PUT", f"{RESOURCES}/ct:100", {"state": "started", "max_restart": 3}),
            ("DELETE", "/cluster/ha/rules/web", {}),
        ],
    ),
    "no HA any more": (None, has(RULES, WEB), [("DELETE", f"{RESOURCES}/ct:100", {})]),
}


@pytest.mark.parametrize("version", [8, 9])
def test_what_differs_is_told_in_the_words_of_the_version(version: int) -> None:
    cases = WITH_RULES if version == 9 else WITH_GROUPS
    for name, (ha, found, expected) in cases.items():
        calls = list(registrations(DesiredProxmox("pve", ha=ha), found, rules=version == 9))
        assert calls == expected, name
        for method, path, parameters in calls:
            check_call(load(version), method, path, parameters)


@pytest.mark.parametrize("rules", [False, True])
def test_a_group_that_nobody_made_is_an_error_before_anything_is_called(rules: bool) -> None:
    there = Affinities(rules=(WEB_RULE,)) if rules else GROUPS
    desired = DesiredProxmox("pve", ha=Ha("mail", "started", 1))
    with pytest.raises(ResourceError, match=f"no HA {'rule' if rules else 'group'} mail") as caught:
        next(registrations(desired, has(there), rules=rules))
    assert "web" in str(caught.value.hint)


def test_a_rule_whose_name_was_drawn_is_meant_by_its_comment() -> None:
    drawn = Rule("ha-rule-6e12c05d-c269", ("pve",), ("ct:100",), comment="web")
    affinities = Affinities(rules=(drawn,))
    assert affinities.rule("web") is drawn
    assert affinities.group_of("ct:100", "web") == "web"
    assert affinities.group_of("ct:100", None) == drawn.name
    assert affinities.rule("ha-rule") is None
    named = Rule("web", (), ())
    assert Affinities(rules=(drawn, named)).rule("web") is named
    other = replace(drawn, name="ha-rule-0")
    with pytest.raises(ResourceError, match="more than one HA rule has the comment web"):
        Affinities(rules=(drawn, other)).rule("web")


def test_what_is_found_is_said_in_the_words_of_the_desired() -> None:
    sections = {("ct", "100"): {"state": "enabled", "max_restart": "1"}}
    affinities = Affinities(rules=(Rule("web", ("pve2", "pve:2"), ("ct:100",)),))
    desired = replace(ON_TWO, nodes=("pve2:0", "pve:2"))
    assert ha_of(sections, affinities, 100, desired) == desired
    assert ha_text(desired) == "started, 1 restart, group web on pve2, pve:2"
    assert ha_text(ha_of(sections, affinities, 100, WEB)) == "started, 1 restart, group web"
    assert ha_text(ha_of(sections, Affinities(), 100, desired)) == "started, 1 restart"


def test_a_rule_that_is_disabled_or_of_another_kind_names_nobody() -> None:
    text = (
        "node-affinity: web\n\tnodes pve\n\tresources ct:100,vm:107\n\tdisable\n\n"
        "resource-affinity: apart\n\taffinity negative\n\tresources ct:100,ct:101\n\n"
    )
    affinities = parse_affinities("group: old\n\tnodes pve2:0,pve:2\n\n", text)
    assert affinities.naming("ct:100") == ()
    assert [(rule.name, rule.disabled) for rule in affinities.rules] == [("web", True)]
    assert affinities.groups == {"old": ("pve2", "pve:2")}


class Site:
    """A container on the stand-in, seen through the files that its cluster publishes."""

    def __init__(self, place: Place, session: ProxmoxerSession, folder: Path) -> None:
        self.cluster, self.session = place.cluster, session
        self.files = ClusterFiles(folder, place.cluster)
        place.cluster.publish = self.files.publish
        for vmid in (100, 101):
            place.cluster.guests[vmid] = Guest(vmid, "pve", {"memory": 512})
        self.files.publish()

    def view(self) -> View:
        folder = str(self.files.seen_by("pve"))
        argv = ["sh", "-c", look_text(), "look", folder, folder, "all"]
        done = subprocess.run(argv, capture_output=True, text=True, check=True)
        return parse_view(done.stdout, "pve")

    def found(self, ha: Ha | None, vmid: int = 100) -> Found:
        view = self.view()
        (guest,) = [one for one in view.guests if one.vmid == vmid]
        had = ha_of(view.ha, view.affinities, vmid, ha)
        jobs = jobs_of(view.replication, vmid)
        return Found(guest, False, None, view.config(vmid), had, jobs, view.affinities)

    def register(self, ha: Ha | None, vmid: int = 100) -> None:
        desired = DesiredProxmox("pve", ha=ha)
        register(self.session, desired, lambda: self.found(ha, vmid))
        assert self.found(ha, vmid).ha == ha

    def do(self, method: str, path: str, **given: str) -> None:
        """Done by somebody else."""
        answer(self.cluster, USER, method, path, given)


@pytest.fixture
def site(place: Place, https: ProxmoxerSession, tmp_path: Path) -> Site:
    return Site(place, https, tmp_path / "files")


def test_a_registration_is_made_changed_and_undone_in_either_version(site: Site) -> None:
    cluster = site.cluster
    site.register(ON_TWO)
    site.register(replace(ON_TWO, max_restart=4), 101)
    settings = {"state": "started", "max_restart": 1}
    if cluster.version == 8:
        assert cluster.ha["ct:100"] == {**settings, "group": "web"}
        assert cluster.ha_groups["web"]["nodes"] == "pve:2,pve2"
    else:
        assert cluster.ha["ct:100"] == settings
        rule = {"type": "node-affinity", "nodes": "pve:2,pve2", "resources": "ct:100,ct:101"}
        assert cluster.ha_rules == {"web": rule}
    calls = len(cluster.calls)
    site.register(ON_TWO)
    assert [method for method, _, _ in cluster.calls[calls:]] == []
    site.register(Ha("db", "started", 1, ("pve3",)))
    site.register(Ha("web", "stopped", 0))
    site.register(STARTED)
    assert site.found(WEB, 101).ha == replace(WEB, max_restart=4)
    site.register(None)
    site.register(None, 101)
    assert (cluster.ha, cluster.ha_rules) == ({}, {})


def test_what_an_upgrade_made_of_a_group_is_the_group(site: Site) -> None:
    """The cluster of version 8 with a group, then of 9 with the rule it became."""
    if site.cluster.version == 8:
        site.register(ON_TWO)
    site.cluster.version = 9
    site.cluster.ha = {"ct:100": {"state": "started", "max_restart": 1}}
    site.cluster.ha_groups = {}
    drawn = {
        "type": "node-affinity",
        "nodes": "pve:2,pve2",
        "resources": "ct:100",
        "comment": "web",
    }
    site.cluster.ha_rules = {"ha-rule-6e12c05d-c269": {**drawn, "strict": 0}}
    site.files.publish()
    assert site.found(ON_TWO).ha == ON_TWO
    site.register(replace(WEB, max_restart=2), 101)
    assert site.cluster.ha_rules["ha-rule-6e12c05d-c269"]["resources"] == "ct:100,ct:101"


@pytest.mark.parametrize("place", [9], indirect=True)
def test_a_rule_that_somebody_else_changes_meanwhile_keeps_their_change(site: Site) -> None:
    site.register(ON_TWO)
    site.do("POST", RESOURCES, sid="ct:101")
    seen = site.found(None)
    old = replace(seen, ha=STARTED, affinities=site.found(None).affinities)
    changed = {"type": "node-affinity", "resources": "ct:100,ct:101"}
    site.do("PUT", "/cluster/ha/rules/web", **changed)
    desired = Ha("web", "started", 1, ("pve3",))
    with pytest.raises(StalePlanError, match="somebody else changed"):
        register(site.session, DesiredProxmox("pve", ha=desired), lambda: old)
    assert site.cluster.ha_rules["web"]["resources"] == "ct:100,ct:101"
    site.register(desired)
    assert site.cluster.ha_rules["web"]["resources"] == "ct:100,ct:101"


def test_a_cluster_of_9_that_has_groups_yet_is_told_groups(https: ProxmoxerSession) -> None:
    calls = https.round_trips
    assert not uses_rules(https, WEB, GROUPS)
    assert uses_rules(https, WEB, RULES)
    assert not uses_rules(https, STARTED, Affinities())
    assert https.round_trips == calls


def test_the_version_is_asked_where_nothing_else_tells(
    https: ProxmoxerSession, place: Place
) -> None:
    assert uses_rules(https, WEB, Affinities()) == (place.cluster.version == 9)


def test_the_stand_in_refuses_what_proxmox_refuses() -> None:
    cluster = Cluster(("pve",), version=9)
    cluster.guests[100] = Guest(100, "pve", {})
    rule = {"type": "node-affinity", "nodes": "pve", "resources": "ct:100"}

    def refusal(method: str, path: str, **given: str) -> str:
        with pytest.raises(Refused) as caught:
            answer(cluster, USER, method, path, given)
        return f"{caught.value.text} {caught.value.errors}"

    assert "unmanaged" in refusal("POST", "/cluster/ha/rules", rule="web", **rule)
    assert "migrated" in refusal("POST", RESOURCES, sid="ct:100", group="web")
    answer(cluster, USER, "POST", RESOURCES, {"sid": "ct:100"})
    answer(cluster, USER, "POST", "/cluster/ha/rules", {"rule": "web", **rule})
    assert "already used in another" in refusal("POST", "/cluster/ha/rules", rule="db", **rule)
    other = {**rule, "nodes": "pve9"}
    assert "non-existant" in refusal("PUT", "/cluster/ha/rules/web", **other)
