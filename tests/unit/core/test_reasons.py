"""Why an entry is in a plan: what was desired, applied and found, and the words that follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from msgspec.structs import replace

from tasks.containers.base import ContainerFacts
from tasks.model.applied import NOTHING_APPLIED, Applied
from tasks.planning.planner import Desired, plan
from tasks.resources.applied import applied_resource
from tasks.resources.base import Facts, FileFact, Origin, Resource, UnitFact
from tasks.resources.files import Absent, Directory, File, Link
from tasks.resources.system import DaemonReload, Package, Script, Secret, StoppedUnit, Unit, User
from tasks.secret import Secret as SecretValue

PATH = "/etc/thing"
RUNS = ContainerFacts(True, True, "a", {})


def file(content: bytes | SecretValue[bytes] = b"desired\n", **more: Any) -> File:
    return File(path=PATH, content=content, **more)


def origin(template: str | None = None, **inputs: str) -> Origin:
    return Origin({name.replace("_", "."): value for name, value in inputs.items()}, template)


def found(content: bytes = b"desired\n", **more: Any) -> Facts:
    attributes = {"mode": "0644", "owner": "root", "group": "root", **more}
    fact = FileFact("file", sha256=File(path="/", content=content).sha256, **attributes)
    return Facts(files={PATH: fact}, container=RUNS)


def applied(*resources: Resource, pending: bool = False, **configuration: str) -> Applied:
    return Applied(
        created_at="",
        updated_at="",
        configuration={name.replace("_", "."): value for name, value in configuration.items()},
        resources={r.address: replace(applied_resource(r), pending=pending) for r in resources},
    )


NOTHING = Facts(container=RUNS)
NGINX = Unit(unit="nginx.service", revision="r1", triggers=(f"file:{PATH}",))
STAMP = {NGINX.stamp: "r1"}


def unit_facts(active: str = "active", file: str = "enabled", load: str = "loaded") -> Facts:
    fact = UnitFact(load, active, file, False)
    return Facts(units={"nginx.service": fact}, texts=STAMP, container=RUNS)


@dataclass(frozen=True)
class Case:
    desired: Resource
    facts: Facts
    applied: Applied
    action: str
    reasons: str
    changes: Mapping[str, tuple[str | None, str | None]] = field(default_factory=dict)


CASES = {
    "nothing is there and nothing was applied": Case(
        file(), NOTHING, NOTHING_APPLIED, "create", "not there yet"
    ),
    "it was applied and is gone": Case(
        file(), NOTHING, applied(file()), "create", "drift: removed in the container"
    ),
    "the whole container is gone": Case(
        file(),
        Facts(container=ContainerFacts(False, False, None, {})),
        applied(file()),
        "create",
        "not there",
    ),
    "it was edited by hand": Case(
        file(), found(b"mine"), applied(file()), "update", "drift: edited in the container"
    ),
    "its mode was changed by hand": Case(
        file(),
        found(mode="0600"),
        applied(file()),
        "update",
        "drift: mode changed in the container",
        {"mode": ("0600", "0644")},
    ),
    "a configuration key changed": Case(
        file(origin=origin(network_domain="2")),
        found(b"old"),
        applied(file(b"old", origin=origin(network_domain="1"))),
        "update",
        "network.domain changed",
    ),
    "a key matters no longer": Case(
        file(),
        found(b"old"),
        applied(file(b"old", origin=origin(redis_port="1"))),
        "update",
        "redis.port no longer matters",
    ),
    "the template changed": Case(
        file(origin=origin("t2")),
        found(b"old"),
        applied(file(b"old", origin=origin("t1"))),
        "update",
        "template changed",
    ),
    "template and key changed": Case(
        file(origin=origin("t2", a="2")),
        found(b"old"),
        applied(file(b"old", origin=origin("t1", a="1"))),
        "update",
        "a changed, template changed",
    ),
    "the tool itself desired something else": Case(
        file(),
        found(b"old"),
        applied(file(b"old")),
        "update",
        "changed by this version of vikunja-deploy",
    ),
    "what it was made of is another, and no key": Case(
        file(otherwise="main is at 1234567 now"),
        found(b"old"),
        applied(file(b"old")),
        "update",
        "main is at 1234567 now",
    ),
    "the last apply has not finished it": Case(
        file(),
        NOTHING,
        applied(file(), pending=True),
        "create",
        "the last apply has not finished it",
    ),
    "a new desired value of a changed configuration": Case(
        file(origin=origin(files="2")), NOTHING, applied(files="1"), "create", "files changed"
    ),
    "something unknown is in its place": Case(
        file(), found(b"theirs"), NOTHING_APPLIED, "update", "found edited"
    ),
    "a folder is in its place": Case(
        file(),
        Facts(files={PATH: FileFact("directory", "0755", "root", "root")}, container=RUNS),
        applied(file()),
        "replace",
        "drift: replaced by a directory in the container",
        {"type": ("directory", "file")},
    ),
    "a folder became a link": Case(
        Directory(path=PATH),
        Facts(files={PATH: FileFact("link", "0777", "root", "root")}, container=RUNS),
        applied(Directory(path=PATH)),
        "replace",
        "drift: replaced by a link",
        {"type": ("link", "directory")},
    ),
    "a link points elsewhere": Case(
        Link(path=PATH, target="a"),
        Facts(files={PATH: FileFact("link", "0777", "root", "root", target="b")}, container=RUNS),
        applied(Link(path=PATH, target="a")),
        "update",
        "drift: pointed elsewhere",
        {"target": ("b", "a")},
    ),
    "what nobody desired is there": Case(
        Absent(path=PATH), found(), NOTHING_APPLIED, "delete", "no longer configured"
    ),
    "a package is missing": Case(
        Package(package="curl"),
        NOTHING,
        applied(Package(package="curl")),
        "create",
        "drift: removed",
    ),
    "a user has a shell": Case(
        User(user="vikunja", home="/h"),
        Facts(users={"vikunja": "/h:/bin/bash"}, container=RUNS),
        applied(User(user="vikunja", home="/h")),
        "update",
        "drift: shell changed",
        {"shell": ("/bin/bash", "/usr/sbin/nologin")},
    ),
    "a secret is empty": Case(
        Secret(path=PATH, owner="root", group="root"),
        Facts(files={PATH: FileFact("file", "0600", "root", "root", size=0)}, container=RUNS),
        applied(Secret(path=PATH, owner="root", group="root")),
        "update",
        "drift: edited",
        {"content": ("(sensitive)", "(sensitive, changed)")},
    ),
    "a secret is a link": Case(
        Secret(path=PATH, owner="root", group="root"),
        Facts(files={PATH: FileFact("link", "0777", "root", "root", size=9)}, container=RUNS),
        applied(Secret(path=PATH, owner="root", group="root")),
        "replace",
        "drift: replaced by a link",
        {"type": ("link", "file")},
    ),
    "a unit was stopped": Case(
        NGINX,
        unit_facts("inactive"),
        applied(NGINX),
        "update",
        "drift: stopped",
        {"state": ("inactive", "active")},
    ),
    "a unit failed": Case(
        NGINX,
        unit_facts("failed"),
        applied(NGINX),
        "update",
        "drift: failed",
        {"state": ("failed", "active")},
    ),
    "a unit rests, and nothing is known of what it was last started with": Case(
        NGINX,
        replace(unit_facts("inactive"), texts={}),
        applied(NGINX),
        # Not only started: what runs by then takes up the files that it should run with.
        "create",
        "drift: stopped",
        {"state": ("inactive", "active")},
    ),
    "a unit was disabled": Case(
        NGINX,
        unit_facts(file="disabled"),
        applied(NGINX),
        "update",
        "drift: disabled",
        {"enabled": ("disabled", "enabled")},
    ),
    "a unit was masked": Case(
        NGINX,
        unit_facts("inactive", "masked", "masked"),
        applied(NGINX),
        "update",
        "drift: masked",
        {"state": ("masked", "active")},
    ),
    "a unit that must rest runs": Case(
        StoppedUnit(unit="nginx.service"),
        unit_facts(),
        NOTHING_APPLIED,
        "delete",
        "no longer configured",
        {"state": ("active", "stopped"), "enabled": ("enabled", "disabled")},
    ),
    "systemd has not read a unit file": Case(
        DaemonReload(),
        Facts(units={"a.service": UnitFact("loaded", "active", "enabled", True)}, container=RUNS),
        applied(DaemonReload()),
        "run",
        "drift: unit files newer than what systemd has loaded",
    ),
    "a scripted thing is otherwise": Case(
        Script(script="mysql-database", title="vikunja", arguments=("a",)),
        Facts(probes={("mysql-database", "a"): "other-password"}, container=RUNS),
        applied(Script(script="mysql-database", title="vikunja", arguments=("a",))),
        "update",
        "drift: other-password",
        {"state": ("other-password", "present")},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_an_entry_says_why(name: str) -> None:
    case = CASES[name]
    (entry,) = plan(Desired("a", {"system": (case.desired,)}), case.facts, case.applied)
    assert (entry.action, ", ".join(map(str, entry.reasons))) == (case.action, case.reasons)
    assert {c.name: (c.before, c.after) for c in entry.changes} == dict(case.changes)


def test_what_is_as_desired_has_no_entry() -> None:
    assert plan(Desired("a", {"system": (file(),)}), found(), applied(file())) == ()
    assert plan(Desired("a", {"system": (NGINX,)}), unit_facts(), applied(NGINX)) == ()


def test_a_change_reaches_what_depends_on_it_over_several_steps() -> None:
    backend = Unit(unit="b.service", revision="r1", triggers=("unit:nginx.service",))
    facts = Facts(
        files=found(b"mine").files,
        units={
            name: UnitFact("loaded", "active", "enabled", False)
            for name in (NGINX.unit, backend.unit)
        },
        texts={NGINX.stamp: "r1", backend.stamp: "r1"},
        container=RUNS,
    )
    desired = Desired("a", {"system": (file(), NGINX), "switch": (backend,)})
    entries = plan(desired, facts, applied(file(), NGINX, backend))
    assert [(entry.step, entry.address, entry.action, entry.fired) for entry in entries] == [
        ("system", f"file:{PATH}", "update", False),
        ("system", "unit:nginx.service", "run", True),
        ("switch", "unit:b.service", "run", True),
    ]


def test_what_is_desired_no_longer_goes_before_the_first_unit_services_first() -> None:
    old = applied(
        file(), Unit(unit="old.service"), Package(package="kept"), Directory(path="/kept")
    )
    facts = Facts(
        files=found().files,
        units={"old.service": UnitFact("loaded", "active", "enabled", False)},
        container=RUNS,
    )
    entries = plan(Desired("a", {"system": (Package(package="new"), NGINX)}), facts, old)
    assert [(entry.action, entry.address) for entry in entries] == [
        ("create", "package:new"),
        ("delete", "unit:old.service"),
        ("delete", f"file:{PATH}"),
        ("create", "unit:nginx.service"),
    ]


def test_a_path_that_is_desired_as_something_else_now_is_not_removed() -> None:
    secret = Secret(path=PATH, owner="root", group="root")
    before = applied(file(SecretValue(b"desired\n"), mode="0600"))
    facts = Facts(files={PATH: FileFact("file", "0600", "root", "root", size=9)}, container=RUNS)
    assert plan(Desired("a", {"system": (secret,)}), facts, before) == ()


@pytest.mark.parametrize("deployed", [True, False])
def test_another_place_for_data_loses_it_only_where_an_apply_has_put_some_there(
    deployed: bool,
) -> None:
    keys = ("database.type",)
    desired = file(origin=origin(database_type="new"), destructive_inputs=keys)
    before = applied(file(b"old", origin=origin(database_type="old")))
    # Without that time, what was finished is of a first apply that ended before its end.
    before = replace(before, created_at="2024-10-19T11:50:00Z" if deployed else "")
    (entry,) = plan(Desired("a", {"system": (desired,)}), found(b"old"), before)
    assert entry.destructive is deployed


def test_secrets_have_no_diff_and_texts_have() -> None:
    for secret, shown in ((True, False), (False, True)):
        desired = file(SecretValue(b"desired\n") if secret else b"desired\n")
        facts = found(b"old\n")
        fact = facts.files[PATH]
        facts = Facts(files={PATH: replace(fact, content=b"old\n")}, container=RUNS)
        (entry,) = plan(Desired("a", {"system": (desired,)}), facts, applied(desired))
        assert (entry.diff != "", entry.sensitive) == (shown, secret)
