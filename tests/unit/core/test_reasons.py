"""Why an entry is in a plan: what was desired, applied and found, and the words that follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from msgspec.structs import replace
from resource_samples import (
    NGINX,
    NOTHING,
    PATH,
    RUNS,
    applied,
    file,
    found,
    origin,
    unit_facts,
)

from tasks.containers.base import ContainerFacts
from tasks.model.applied import NOTHING_APPLIED, Applied
from tasks.model.digests import digest
from tasks.planning.planner import Desired, plan
from tasks.resources.base import Facts, FileFact, Resource, UnitFact
from tasks.resources.files import Absent, Directory, Link
from tasks.resources.overrides import Override
from tasks.resources.release import HealthCheck, Record
from tasks.resources.system import (
    APPLIED_REVISION,
    DaemonReload,
    Package,
    Script,
    Secret,
    StoppedUnit,
    User,
)

NOTED = Secret(path=PATH, owner="root", group="root", noted="what is there now")
ASKED_FOR = ("nginx.service", "backend", "3456")
ASKED = replace(NGINX, answers=ASKED_FOR[1:])
SITE = HealthCheck(site="https://a:443", timeout=60, answers=("nginx.service", "site", "a"))


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
    "a key that there was not before is nothing that changed": Case(
        file(origin=origin(backup_level="1")),
        found(b"old"),
        applied(file(b"old")),
        "update",
        "changed by this version of vikunja-deploy",
    ),
    "what comes with a key that this version brought, and nobody has set": Case(
        file(origin=origin(system_updates=digest("security"))),
        NOTHING,
        applied(backup_level="1"),
        "create",
        "changed by this version of vikunja-deploy",
    ),
    "what comes with a key of this version that was set at once": Case(
        file(origin=origin(system_updates=digest("all"))),
        NOTHING,
        applied(backup_level="1"),
        "create",
        "system.updates changed",
    ),
    "what comes with a section that was chosen now": Case(
        file(origin=origin(release_channel=digest("stable"))),
        NOTHING,
        applied(backup_level="1"),
        "create",
        "release.channel changed",
    ),
    "what comes of a section of which something was there": Case(
        file(origin=origin(system="2")),
        NOTHING,
        applied(system_updates="1"),
        "create",
        "system changed",
    ),
    "a key that it was not made of before changed": Case(
        file(origin=origin(backup_level="2")),
        found(b"old"),
        applied(file(b"old"), backup_level="1"),
        "update",
        "backup.level changed",
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
    "a link is gone": Case(
        Link(path=PATH, target="a"),
        NOTHING,
        applied(Link(path=PATH, target="a")),
        "create",
        "drift: removed",
    ),
    "a file is in the place of a link": Case(
        Link(path=PATH, target="a"),
        found(),
        applied(Link(path=PATH, target="a")),
        "replace",
        "drift: replaced by a file",
        {"type": ("file", "link")},
    ),
    "a folder is gone": Case(
        Directory(path=PATH), NOTHING, applied(Directory(path=PATH)), "create", "drift: removed"
    ),
    "a secret is gone": Case(
        Secret(path=PATH, owner="root", group="root"),
        NOTHING,
        applied(Secret(path=PATH, owner="root", group="root")),
        "create",
        "drift: removed",
    ),
    "a folder is another's": Case(
        Directory(path=PATH, mode="0750", owner="vikunja", group="vikunja"),
        Facts(files={PATH: FileFact("directory", "0755", "root", "vikunja")}, container=RUNS),
        applied(Directory(path=PATH, mode="0750", owner="vikunja", group="vikunja")),
        "update",
        "drift: mode, owner changed",
        {"mode": ("0755", "0750"), "owner": ("root", "vikunja")},
    ),
    "what must not be there is": Case(
        Absent(path=PATH), found(), NOTHING_APPLIED, "delete", "found put there"
    ),
    "what nobody desires any more is there": Case(
        Absent(path=PATH, was="file"), found(), NOTHING_APPLIED, "delete", "no longer configured"
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
    "a secret is another's": Case(
        Secret(path=PATH, owner="vikunja", group="root"),
        Facts(files={PATH: FileFact("file", "0644", "root", "root", size=9)}, container=RUNS),
        applied(Secret(path=PATH, owner="vikunja", group="root")),
        "update",
        "drift: mode, owner changed",
        {"mode": ("0644", "0600"), "owner": ("root", "vikunja")},
    ),
    "a secret is another one than was noted": Case(
        NOTED,
        Facts(
            files={PATH: FileFact("file", "0600", "root", "root", size=9)},
            probes={("noted-secret", PATH): "differs"},
            container=RUNS,
        ),
        applied(NOTED),
        "update",
        "drift: edited",
        {
            "from now on": (None, "what is there now"),
            "content": ("(sensitive)", "(sensitive, changed)"),
        },
    ),
    "a unit runs and does not answer": Case(
        ASKED,
        replace(unit_facts(), probes={("answers", *ASKED_FOR): "does not answer"}),
        applied(ASKED),
        "update",
        "drift: does not answer",
        {"health": ("does not answer", "well")},
    ),
    "a unit that passes on what others say does not answer": Case(
        replace(ASKED, passes=True),
        replace(unit_facts(), probes={("answers", *ASKED_FOR): "does not answer"}),
        applied(ASKED),
        "update",
        "drift: does not answer",
        {"health": ("does not answer", "well")},
    ),
    "the site answers with something else": Case(
        SITE,
        replace(unit_facts(), probes={("answers", *SITE.answers): "answers with 502"}),
        applied(SITE),
        "run",
        "drift: answers with 502",
        {"health": ("answers with 502", "well")},
    ),
    "somebody's drop-in changes a unit": Case(
        Override(path=PATH, units=("a.service", "b.service")),
        NOTHING,
        NOTHING_APPLIED,
        "delete",
        "drift: changes a.service and 1 more, and is not of the configuration",
        {"put aside as": (None, "thing.replaced-…")},
    ),
    "a unit is not there": Case(
        NGINX,
        unit_facts("inactive", "", "not-found"),
        applied(NGINX),
        "create",
        "drift: removed",
        {"state": (None, "active")},
    ),
    "a unit was disabled while it runs with other files": Case(
        NGINX,
        replace(unit_facts(file="disabled"), texts={NGINX.stamp: "r0"}),
        applied(NGINX),
        "update",
        "drift: disabled",
        {"enabled": ("disabled", "enabled"), APPLIED_REVISION: ("no", "yes")},
    ),
    "a unit runs with other files": Case(
        NGINX,
        replace(unit_facts(), texts={NGINX.stamp: "r0"}),
        applied(NGINX),
        "run",
        "drift: changed files not taken up yet",
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
    "a unit is masked until the next start": Case(
        NGINX,
        unit_facts("active", "masked-runtime"),
        applied(NGINX),
        "update",
        "drift: masked",
        {"state": ("masked", "active")},
    ),
    "a unit is loaded as masked": Case(
        NGINX,
        unit_facts("inactive", "", "masked"),
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
    "a scripted thing could not be asked": Case(
        Script(script="mysql-database", title="vikunja", arguments=("a",)),
        Facts(probes={("mysql-database", "a"): "unasked"}, container=RUNS),
        applied(Script(script="mysql-database", title="vikunja", arguments=("a",))),
        "update",
        "drift: could not be asked",
        {"state": ("unasked", "present")},
    ),
    "a scripted thing is not there": Case(
        Script(script="mysql-database", title="vikunja", arguments=("a",)),
        NOTHING,
        applied(Script(script="mysql-database", title="vikunja", arguments=("a",))),
        "create",
        "drift: absent",
        {"state": ("absent", "present")},
    ),
    "a record on the host says something else": Case(
        Record(record="state", expected="running blue"),
        Facts(host={"record:state": "stopped blue"}, container=RUNS),
        applied(Record(record="state", expected="running blue")),
        "update",
        "written when an apply is done",
        {"says": ("stopped blue", "running blue")},
    ),
    "a record of which only the apply will tell": Case(
        Record(record="state", expected=""),
        NOTHING,
        NOTHING_APPLIED,
        "create",
        "not there yet",
        {"says": (None, "(known after apply)")},
    ),
    "a record in the container was edited": Case(
        Record(record=PATH, expected="0 0640", path=PATH),
        found(),
        applied(Record(record=PATH, expected="0 0640", path=PATH)),
        "update",
        "drift: edited",
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


@pytest.mark.parametrize(
    ("name", "kind", "subject"),
    [
        ("nothing is there and nothing was applied", "missing", ""),
        ("the whole container is gone", "missing", ""),
        ("it was edited by hand", "drift", ""),
        ("something unknown is in its place", "drift", ""),
        ("a configuration key changed", "configuration", "network.domain"),
        ("a new desired value of a changed configuration", "configuration", "files"),
        ("a key matters no longer", "configuration", "redis.port"),
        ("the template changed", "template", ""),
        ("what it was made of is another, and no key", "source", ""),
        ("the tool itself desired something else", "tool", ""),
        ("the last apply has not finished it", "interrupted", ""),
        ("what must not be there is", "drift", ""),
        ("what nobody desires any more is there", "no_longer_configured", ""),
        ("a record on the host says something else", "tool", ""),
    ],
)
def test_a_reason_is_of_a_kind_and_about_a_key(name: str, kind: str, subject: str) -> None:
    case = CASES[name]
    (entry,) = plan(Desired("a", {"system": (case.desired,)}), case.facts, case.applied)
    assert [(reason.kind, reason.subject) for reason in entry.reasons] == [(kind, subject)]


@pytest.mark.parametrize(
    ("desired", "facts"),
    [
        (file(), found()),
        (Directory(path=PATH), Facts(files={PATH: FileFact("directory", "0755", "root", "root")})),
        (
            Link(path=PATH, target="a"),
            Facts(files={PATH: FileFact("link", "0777", "root", "root", target="a")}),
        ),
        (Absent(path=PATH), NOTHING),
        (Package(package="curl"), Facts(packages={"curl": "1"})),
        (
            User(user="vikunja", home="/h"),
            Facts(users={"vikunja": "/h:/usr/sbin/nologin"}),
        ),
        (NGINX, unit_facts()),
        (NGINX, unit_facts("reloading", "static")),
        (replace(NGINX, enabled=False), unit_facts(file="disabled")),
        (
            NOTED,
            Facts(
                files={PATH: FileFact("file", "0600", "root", "root", size=9)},
                probes={("noted-secret", PATH): "same"},
            ),
        ),
        (ASKED, replace(unit_facts(), probes={("answers", *ASKED_FOR): "well"})),
        (
            replace(ASKED, passes=True),
            replace(unit_facts(), probes={("answers", *ASKED_FOR): "answers with 502"}),
        ),
        (SITE, replace(unit_facts(), probes={("answers", *SITE.answers): "well"})),
        (StoppedUnit(unit="nginx.service"), NOTHING),
        (StoppedUnit(unit="nginx.service"), unit_facts("failed", "disabled")),
        (
            DaemonReload(),
            Facts(units={"a.service": UnitFact("masked", "inactive", "masked", True)}),
        ),
        (
            Script(script="s", title="t", arguments=("a",), wanted="up"),
            Facts(probes={("s", "a"): "up"}),
        ),
        (Record(record="state", expected="x"), Facts(host={"record:state": "x"})),
        (
            Record(record=PATH, expected="0 0640", path=PATH),
            Facts(files={PATH: FileFact("file", "0640", "root", "root", sha256="0")}),
        ),
    ],
)
def test_what_is_as_desired_has_no_entry(desired: Resource, facts: Facts) -> None:
    assert plan(Desired("a", {"system": (desired,)}), facts, applied(desired)) == ()
