"""What follows from an entry of a plan, what goes, what is lost, and what a diff shows."""

from __future__ import annotations

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

from tasks.containers.base import ContainerFacts, ContainerSpec
from tasks.model.applied import NOTHING_APPLIED, Applied
from tasks.planning.planner import DIFF_LIMIT, Desired, plan, reachable
from tasks.resources.applied import mark_pending
from tasks.resources.base import Facts, FileFact, UnitFact
from tasks.resources.container import ContainerRunning, DesiredContainer
from tasks.resources.files import Directory, Link
from tasks.resources.system import Package, Script, Secret, Unit
from tasks.secret import Secret as SecretValue


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


def test_what_is_desired_no_longer_goes_last_services_first() -> None:
    old = applied(
        file(), Unit(unit="old.service"), Package(package="kept"), Directory(path="/kept")
    )
    facts = Facts(
        files=found().files,
        units={"old.service": UnitFact("loaded", "active", "enabled", False)},
        container=RUNS,
    )
    steps = {"system": (Package(package="new"),), "switch": (NGINX,)}
    entries = plan(Desired("a", steps), facts, old)
    assert [(entry.action, entry.address) for entry in entries] == [
        ("create", "package:new"),
        ("create", "unit:nginx.service"),
        ("delete", "unit:old.service"),
        ("delete", f"file:{PATH}"),
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


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        (b"a\n", b"b\n", f"--- {PATH} (found)\n+++ {PATH} (desired)\n@@ -1 +1 @@\n-a\n+b"),
        (b"PASSWORD=a\n", b"PASSWORD=b\n", "+PASSWORD=(sensitive, changed)"),
        (b"a" * DIFF_LIMIT, b"", "-" + "a" * DIFF_LIMIT),
        (b"a" * DIFF_LIMIT, b"b", ""),
        (b"\xff", b"b", ""),
        (b"a", b"\xff", ""),
        (None, b"b", ""),
    ],
)
def test_a_diff_is_of_texts_that_were_found_and_are_not_too_large(
    before: bytes | None, after: bytes, shown: str
) -> None:
    fact = FileFact("file", "0644", "root", "root", content=before)
    facts = Facts(files={PATH: fact}, container=RUNS)
    (entry,) = plan(Desired("a", {"system": (file(after),)}), facts, applied(file(after)))
    assert entry.action == "update"
    assert entry.diff.endswith(shown) and bool(entry.diff) == bool(shown)


def test_a_new_file_is_shown_whole() -> None:
    (entry,) = plan(Desired("a", {"system": (file(b"one\n"),)}), NOTHING, NOTHING_APPLIED)
    assert entry.diff.endswith("@@ -0,0 +1 @@\n+one")


def test_a_login_in_a_changed_value_is_masked() -> None:
    script = Script(script="s", title="t", wanted="https://me:canary@example.com/")
    facts = Facts(probes={("s",): "https://you:canary@example.com/"}, container=RUNS)
    (entry,) = plan(Desired("a", {"system": (script,)}), facts, applied(script))
    assert "canary" not in repr(entry.changes) and "example.com" in repr(entry.changes)


CURL, OTHERS = Package(package="curl"), [Package(package=f"p{n}") for n in range(6)]


@pytest.mark.parametrize(
    ("count", "reasons"),
    [
        (1, [("package:p0 changes", "package:p0")]),
        (2, [("package:p0 and 1 more change", "package:p0"), ("", "package:p1")]),
        (
            5,
            [
                ("package:p0 and 4 more change", "package:p0"),
                *(("", f"package:p{n}") for n in (1, 2, 3, 4)),
            ],
        ),
        (6, [("6 entries above", "")]),
    ],
)
def test_of_what_calls_for_an_entry_each_is_named_up_to_five(
    count: int, reasons: list[tuple[str, str]]
) -> None:
    triggers = tuple(one.address for one in OTHERS)
    unit = replace(NGINX, triggers=triggers, interrupts="the site")
    desired = Desired("a", {"system": (*OTHERS[:count], unit)})
    *_, entry = plan(desired, unit_facts(), applied(unit))
    assert [(reason.text, reason.subject) for reason in entry.reasons] == reasons
    assert {reason.kind for reason in entry.reasons} == {"trigger"}
    assert (entry.action, entry.interrupts, entry.diff) == ("run", "the site", "")


def test_what_differs_by_itself_too_says_both_but_for_what_the_tool_alone_is_the_reason_of() -> (
    None
):
    unit = replace(NGINX, triggers=(CURL.address,))
    stopped, other = unit_facts("inactive"), replace(unit, revision="r0")
    for before, expected in (
        (applied(unit), ["drift: stopped", "package:curl changes"]),
        (applied(other), ["package:curl changes"]),
        (applied(unit, pending=True), ["package:curl changes"]),
    ):
        *_, entry = plan(Desired("a", {"system": (CURL, unit)}), stopped, before)
        assert list(map(str, entry.reasons)) == expected


@pytest.mark.parametrize(("attribute", "reason"), [("bridge", "container:tasks changes"), ("", "")])
def test_a_container_is_restarted_for_what_changes_of_it(attribute: str, reason: str) -> None:
    spec = ContainerSpec("tasks", "a", "trixie", "tasks", 1, 512, 8, "br0", "192.0.2.2/24", "")
    container = DesiredContainer(spec=spec, restarting=frozenset({"bridge"}))
    attributes = {"bridge": "br1"} if attribute else {}
    facts = Facts(container=ContainerFacts(True, True, "a", attributes))
    steps = {"provision": (container, ContainerRunning(container=container))}
    *_, entry = (None, *plan(Desired("a", steps), facts, NOTHING_APPLIED))
    if not reason:
        assert entry is None
        return
    assert entry is not None and entry.address == "running:tasks"
    assert [(one.kind, one.text, one.subject) for one in entry.reasons] == [
        ("trigger", reason, "container:tasks")
    ]


def test_what_follows_something_else_has_that_as_its_only_reason() -> None:
    unit = replace(NGINX, follows=(CURL.address,))
    facts = unit_facts("inactive")
    *_, entry = plan(Desired("a", {"system": (CURL, unit)}), facts, applied(unit))
    assert list(map(str, entry.reasons)) == ["package:curl changes"]
    assert plan(Desired("a", {"system": (CURL, unit)}), unit_facts(), applied(unit))[1:] == ()


@pytest.mark.parametrize(("state", "again"), [("absent", True), ("other", False)])
def test_what_has_a_database_open_is_started_again_only_where_that_is_made_anew(
    state: str, again: bool
) -> None:
    database = Script(script="mysql-database", title="vikunja")
    unit = replace(NGINX, opened=(database.address,))
    facts = replace(unit_facts(), probes={("mysql-database",): state})
    entries = plan(Desired("a", {"system": (database, unit)}), facts, applied(database, unit))
    assert (unit.address in [entry.address for entry in entries]) == again


DATABASE = Script(script="sqlite-database", title="vikunja.db", holds_data=True)
OUTSIDE = replace(DATABASE, script="external-postgresql")
GONE = ContainerFacts(False, False, None, {})


@pytest.mark.parametrize(
    ("database", "deployed", "container", "before", "lost"),
    [
        (DATABASE, True, RUNS, applied(DATABASE), True),
        (DATABASE, True, RUNS, NOTHING_APPLIED, True),
        (DATABASE, False, RUNS, applied(DATABASE), False),
        (DATABASE, True, GONE, applied(DATABASE), False),
        (DATABASE, True, None, applied(DATABASE), False),
        (replace(DATABASE, holds_data=False), True, RUNS, applied(DATABASE), False),
        # A server outside outlives the container.
        (OUTSIDE, False, RUNS, applied(OUTSIDE), True),
        (OUTSIDE, False, RUNS, NOTHING_APPLIED, False),
        (OUTSIDE, False, RUNS, mark_pending(NOTHING_APPLIED, [OUTSIDE]), False),
        (OUTSIDE, False, RUNS, mark_pending(applied(OUTSIDE), [OUTSIDE]), True),
    ],
)
def test_data_is_lost_where_it_was_deployed_and_its_container_is_there(
    database: Script, deployed: bool, container: ContainerFacts, before: Applied, lost: bool
) -> None:
    desired = Desired("a", {"system": (database,)}, deployed=deployed)
    (entry,) = plan(desired, Facts(container=container), before)
    assert (entry.action, entry.lost, entry.destructive) == ("create", lost, lost)


@pytest.mark.parametrize("before", [True, False])
def test_a_folder_of_data_is_lost_where_it_was_that_one_before(before: bool) -> None:
    folder = Directory(path="/srv/vikunja/files", holds_data=True)
    desired = Desired("a", {"system": (CURL, folder)}, deployed=True)
    known = applied(CURL, folder) if before else applied(CURL)
    known = replace(known, created_at="2026-01-02T03:04:05Z")
    (entry,) = plan(desired, replace(found(), container=RUNS, packages={"curl"}), known)
    assert (entry.action, entry.lost) == ("create", before)


def test_data_that_is_only_otherwise_is_not_lost() -> None:
    facts = Facts(probes={("sqlite-database",): "other-owner"}, container=RUNS)
    desired = Desired("a", {"system": (DATABASE,)}, deployed=True)
    (entry,) = plan(desired, facts, applied(DATABASE))
    assert (entry.action, entry.lost, entry.destructive) == ("update", False, False)


def test_of_a_database_without_tables_the_data_is_lost_and_of_nothing_else() -> None:
    other = Script(script="log-files", title="logs")
    facts = Facts(
        probes={("sqlite-database",): "present", ("log-files",): "present"}, container=RUNS
    )
    desired = Desired("a", {"system": (DATABASE, other)}, deployed=True, emptied=True)
    (entry,) = plan(desired, facts, applied(DATABASE, other))
    assert (entry.address, entry.action, entry.lost) == (DATABASE.address, "create", True)
    (change,) = entry.changes
    assert (change.name, change.before, change.after) == ("state", "empty", "present")
    assert list(map(str, entry.reasons)) == ["drift: emptied"]


def test_what_served_before_may_need_goes_at_the_end_of_the_switch() -> None:
    old, late = file(), Unit(unit="postgresql.service")
    proxied, own = replace(old, path="/etc/nginx/conf.d/own.conf"), replace(old, path="/etc/blue")
    nginx = Unit(unit="nginx.service")
    there = FileFact("file", "0644", "root", "root")
    facts = replace(
        found(),
        files=dict.fromkeys((old.path, proxied.path, own.path), there),
        units={"postgresql.service": UnitFact("loaded", "active", "enabled", False)},
    )
    steps = {"system": (CURL,), "switch": (nginx, Package(package="last")), "record": ()}
    desired = Desired("a", steps, colors=frozenset({own.address}))
    entries = plan(desired, facts, applied(old, proxied, late, own))
    assert [(entry.step, entry.action, entry.address) for entry in entries] == [
        ("system", "create", "package:curl"),
        ("switch", "delete", proxied.address),
        ("switch", "create", nginx.address),
        ("switch", "create", "package:last"),
        ("switch", "delete", late.address),
        ("switch", "delete", old.address),
    ]


def test_what_was_only_announced_goes_where_exactly_that_is_there() -> None:
    ours, link = file(b"ours"), Link(path="/etc/link", target="ours")
    before = mark_pending(NOTHING_APPLIED, [ours, link])
    nothing = Desired("a", {"system": (), "switch": ()})

    def there(content: bytes, target: str) -> Facts:
        fact = FileFact("link", "0777", "root", "root", target=target)
        return replace(found(content), files={**found(content).files, link.path: fact})

    entries = plan(nothing, there(b"ours", "ours"), before)
    assert [(entry.action, entry.address) for entry in entries] == [
        ("delete", ours.address),
        ("delete", link.address),
    ]
    assert plan(nothing, there(b"theirs", "theirs"), before) == ()
    # What was finished before is ours, whatever is there by now.
    finished = mark_pending(applied(ours, link), [ours, link])
    assert len(plan(nothing, there(b"theirs", "theirs"), finished)) == 2


def test_below_a_link_in_the_place_of_a_folder_nothing_was_found() -> None:
    data, beside = "/var/lib/data", "/var/lib/data-beside"
    fact = FileFact("file", "0644", "root", "root")
    facts = Facts(
        files={
            data: FileFact("link", "0777", "root", "root", target="/elsewhere"),
            f"{data}/one": fact,
            f"{beside}/one": fact,
        },
        texts={f"{data}/text": "a", f"{beside}/text": "b"},
        probes={
            ("sqlite", "vikunja", f"{data}/db"): "present",
            ("folder", data): "present",
            ("sqlite", "vikunja", f"{beside}/db"): "present",
        },
        packages={"curl": "1"},
    )
    seen = reachable(facts, [Directory(path=data), Directory(path=beside)])
    assert set(seen.files) == {data, f"{beside}/one"}
    assert set(seen.texts) == {f"{beside}/text"}
    assert set(seen.probes) == {("sqlite", "vikunja", f"{beside}/db")}
    assert seen.packages == facts.packages
    assert reachable(facts, [Directory(path=beside), file()]) is facts
    folder = replace(facts, files={**facts.files, data: FileFact("directory", "0755", "a", "a")})
    assert reachable(folder, [Directory(path=data)]) is folder
