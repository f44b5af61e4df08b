"""What each kind of resource is called, asks of the container, and leaves in the applies' record.

The desired value is what digests are made of that earlier applies recorded: another shape would
make each deployed instance say that this version of the tool changed it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tasks.containers.base import ContainerSpec
from tasks.model.applied import NOTHING_APPLIED
from tasks.model.archive import Archive
from tasks.model.database_address import DatabaseAddress
from tasks.model.database_move import KeptDatabase
from tasks.resources.applied import applied_resource, mark_applied, mark_pending
from tasks.resources.base import Difference, Facts, FileFact, Origin, Resource, UnitFact
from tasks.resources.container import ContainerRunning, DesiredContainer, ReplacedContainer
from tasks.resources.data_move import DatabaseRemoved, DataCopied, Freeze
from tasks.resources.files import Absent, Directory, File, Link
from tasks.resources.migration import (
    JOURNAL,
    REHEARSAL,
    BackupBefore,
    InterruptedUpdate,
    Rehearsal,
    WriteFreeze,
    WriteThaw,
)
from tasks.resources.overrides import Override
from tasks.resources.release import (
    ActiveColor,
    DesiredArtifact,
    DesiredRelease,
    HealthCheck,
    Record,
)
from tasks.resources.staged import ActivatedRestore, StagedRestore
from tasks.resources.system import (
    DaemonReload,
    Package,
    Script,
    Secret,
    StoppedUnit,
    Unit,
    User,
)
from tasks.secret import Secret as SecretValue

EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
OWNED = {"mode": "0644", "owner": "root", "group": "root"}
SQLITE = DatabaseAddress("sqlite")
OUTSIDE = DatabaseAddress("postgresql", "db.example.com", 5432, "vikunja", "tasks")
MOVE = {"before": SQLITE.as_data(), "after": OUTSIDE.as_data()}
ARCHIVE = Archive(1729338600, Path("/backups"))
CONTAINER = DesiredContainer(
    spec=ContainerSpec(
        name="tasks",
        instance_id="vikunja-main",
        template="bookworm",
        hostname="tasks",
        cpu_cores=2,
        memory_mb=2048,
        disk_size_gb=20,
        bridge="br0",
        ip_address="192.0.2.10/24",
        gateway="192.0.2.1",
        nameservers=("192.0.2.53",),
        more={"node": "pve"},
    )
)
IDS = ("20250101000000", "20250201000000")

KINDS: dict[str, tuple[Resource, str, tuple[tuple[str, ...], ...], dict[str, Any]]] = {
    "file": (
        File(path="/a", content=b""),
        "file:/a",
        (("file", EMPTY, "/a"),),
        {"path": "/a", "sha256": EMPTY, **OWNED},
    ),
    # Of a secret only the digest is asked for, and its content never comes along.
    "secret file": (
        File(path="/a", content=SecretValue(b""), mode="0600", owner="vikunja"),
        "file:/a",
        (("file", "=", "/a"),),
        {"path": "/a", "sha256": EMPTY, "mode": "0600", "owner": "vikunja", "group": "root"},
    ),
    "directory": (
        Directory(path="/a", group="adm"),
        "directory:/a",
        (("file", "-", "/a"),),
        {"path": "/a", "mode": "0755", "owner": "root", "group": "adm"},
    ),
    "link": (
        Link(path="/a", target="b"),
        "link:/a",
        (("file", "-", "/a"),),
        {"path": "/a", "target": "b"},
    ),
    "absent": (Absent(path="/a"), "absent:/a", (("file", "-", "/a"),), {"path": "/a"}),
    "absent, announced": (
        Absent(path="/a", was="link", announced="0"),
        "link:/a",
        (("file", "=", "/a"),),
        {"path": "/a"},
    ),
    "package": (
        Package(package="curl"),
        "package:curl",
        (("package", "curl"),),
        {"package": "curl"},
    ),
    "user": (
        User(user="vikunja", home="/h"),
        "user:vikunja",
        (("user", "vikunja"),),
        {"user": "vikunja", "home": "/h", "shell": "/usr/sbin/nologin"},
    ),
    "secret": (
        Secret(path="/a", owner="vikunja", group="adm"),
        "secret:/a",
        (("file", "-", "/a"),),
        {
            "path": "/a",
            "owner": "vikunja",
            "group": "adm",
            "mode": "0600",
        },
    ),
    "secret that is noted": (
        Secret(path="/a", owner="vikunja", group="vikunja", noted="everybody signs in anew"),
        "secret:/a",
        (("file", "-", "/a"), ("probe", "noted-secret", "/a")),
        {
            "path": "/a",
            "owner": "vikunja",
            "group": "vikunja",
            "mode": "0600",
        },
    ),
    "unit": (
        Unit(unit="a.service", revision="r"),
        "unit:a.service",
        (("unit", "a.service"), ("text", "/var/lib/vikunja-deploy/stamps/a.service")),
        {"unit": "a.service", "revision": "r", "enabled": True},
    ),
    "stopped unit": (
        StoppedUnit(unit="a.service"),
        "unit:a.service",
        (("unit", "a.service"),),
        {"unit": "a.service", "active": False},
    ),
    "daemon reload": (DaemonReload(), "systemd:unit-files", (), {}),
    "unit that is asked": (
        Unit(unit="a.service", answers=("backend", "3456")),
        "unit:a.service",
        (
            ("unit", "a.service"),
            ("text", "/var/lib/vikunja-deploy/stamps/a.service"),
            ("probe", "answers", "a.service", "backend", "3456"),
        ),
        {"unit": "a.service", "revision": "", "enabled": True},
    ),
    "override": (
        Override(path="/etc/systemd/system/a.service.d/x.conf", units=("a.service",)),
        "override:/etc/systemd/system/a.service.d/x.conf",
        (),
        {"path": "/etc/systemd/system/a.service.d/x.conf"},
    ),
    "script": (
        Script(script="log-files", title="logs", arguments=("/a", "/b")),
        "log-files:logs",
        (("probe", "log-files", "/a", "/b"),),
        {"script": "log-files", "arguments": ["/a", "/b"], "wanted": "present"},
    ),
    "container": (
        CONTAINER,
        "container:tasks",
        (),
        {
            "name": "tasks",
            "instance_id": "vikunja-main",
            "template": "bookworm",
            "hostname": "tasks",
            "cpu_cores": 2,
            "memory_mb": 2048,
            "disk_size_gb": 20,
            "bridge": "br0",
            "ip_address": "192.0.2.10/24",
            "gateway": "192.0.2.1",
            "nameservers": ["192.0.2.53"],
            "node": "pve",
        },
    ),
    "running": (
        ContainerRunning(container=CONTAINER),
        "running:tasks",
        (),
        {"running": True},
    ),
    "artifact": (
        DesiredArtifact(key="k", label="v1.0.0"),
        "artifact:v1.0.0",
        (),
        {"key": "k"},
    ),
    "release": (
        DesiredRelease(color="green", key="k", label="v1.0.0"),
        "release:green",
        (
            ("text", "/opt/vikunja/backend/green/.release"),
            ("text", "/opt/vikunja/mcp-server/green/.release"),
            ("file", "-", "/opt/vikunja/backend/green/vikunja"),
            ("probe", "release-files", "green"),
        ),
        {"color": "green", "key": "k"},
    ),
    "active color": (
        ActiveColor(color="green"),
        "color:active",
        (
            ("text", "/var/lib/vikunja-deploy/switching"),
            ("file", "-", "/etc/vikunja/active/green"),
        ),
        {"color": "green"},
    ),
    "health": (
        HealthCheck(site="https://example.com:443", timeout=60),
        "health:site",
        (),
        {"site": "https://example.com:443"},
    ),
    "record": (Record(record="state", expected="x"), "record:state", (), {"record": "state"}),
    "rehearsal": (
        Rehearsal(color="green", pending=IDS, label="v2"),
        "migrations:rehearsal",
        (),
        {"color": "green", "pending": list(IDS)},
    ),
    "backup before": (
        BackupBefore(pending=None),
        "backup:before-update",
        (),
        {"pending": None},
    ),
    "write freeze": (
        WriteFreeze(color="green", pending=IDS),
        "writes:stop",
        (),
        {"color": "green", "pending": list(IDS)},
    ),
    "write thaw": (WriteThaw(color="green"), "writes:go-on", (), {"color": "green"}),
    "interrupted update": (
        InterruptedUpdate(),
        "migrations:unfinished",
        (
            ("text", "/var/lib/vikunja-deploy/migration/journal"),
            ("text", "/var/lib/vikunja-deploy/migration/rehearsal"),
        ),
        {},
    ),
    "freeze": (
        Freeze(color="blue", before=SQLITE, after=OUTSIDE, ours=False, seconds=None),
        "writes:stop",
        (),
        MOVE,
    ),
    "data copied": (
        DataCopied(color="blue", before=SQLITE, after=OUTSIDE, kept=()),
        "database:carried-over",
        (),
        MOVE,
    ),
    "database removed": (
        DatabaseRemoved(item=KeptDatabase(OUTSIDE, "2025-01-01T00:00:00Z"), stays=False),
        "kept-database:postgresql vikunja at db.example.com:5432",
        (),
        {"database": OUTSIDE.as_data()},
    ),
    "replaced container": (
        ReplacedContainer(container="vikunja-main-old"),
        "replaced-container:vikunja-main-old",
        (),
        {"container": "vikunja-main-old", "kept": False},
    ),
    "staged restore": (
        StagedRestore(archive=ARCHIVE, label="v1", known=None, beyond="1 migration"),
        "archive:1729338600.tar.gz",
        (),
        {"archive": "/backups/1729338600.tar.gz"},
    ),
    "activated restore": (
        ActivatedRestore(color="blue", since="2024-10-19T11:50:00Z"),
        "writes:stop",
        (),
        {"color": "blue", "since": "2024-10-19T11:50:00Z"},
    ),
}


@pytest.mark.parametrize("name", KINDS)
def test_a_resource_is_addressed_asked_after_and_recorded(name: str) -> None:
    resource, address, questions, desired = KINDS[name]
    assert resource.address == address
    assert resource.questions() == questions
    assert resource.desired() == desired


def test_every_kind_of_resource_is_in_the_table() -> None:
    ours, below = set(), Resource.__subclasses__()
    while below:
        kind = below.pop()
        below += kind.__subclasses__()
        if kind.__module__.startswith("tasks."):
            ours.add(kind)
    assert {type(resource) for resource, *_ in KINDS.values()} == ours


PENDING = "2 migrations pending"
UNKNOWN = "migrations may be pending"
MOVES = "the data moves to postgresql vikunja at db.example.com:5432"
LOST = "the database has been through 1 migration, which v1 does not know"
AT_ONCE = "every request, until the new version has migrated and is healthy"


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        (
            Rehearsal(color="green", pending=IDS, label="v2"),
            Difference("run", "", because=PENDING),
        ),
        (
            Rehearsal(color="green", pending=IDS[:1], label="v2"),
            Difference("run", "", because="1 migration pending"),
        ),
        (BackupBefore(pending=None), Difference("run", "", because=UNKNOWN)),
        (
            WriteFreeze(color="green", pending=IDS),
            Difference("run", "", interrupts=AT_ONCE, because=PENDING),
        ),
        (WriteThaw(color="green"), Difference("run", "", because="writes:stop above")),
        (
            Freeze(color="blue", before=SQLITE, after=OUTSIDE, ours=True, seconds=7.6),
            Difference(
                "run",
                "",
                interrupts="every request, for about 8 s until the data is carried over",
                because=MOVES,
            ),
        ),
        (
            Freeze(color="blue", before=SQLITE, after=OUTSIDE, ours=True, seconds=None),
            Difference(
                "run",
                "",
                interrupts="every request, until the data is carried over",
                because=MOVES,
            ),
        ),
        (
            DatabaseRemoved(item=KeptDatabase(SQLITE, "2025-01-01T00:00:00Z"), stays=False),
            Difference(
                "delete",
                "",
                destructive=True,
                because="not in use since 2025-01-01T00:00:00Z",
            ),
        ),
        (
            DatabaseRemoved(item=KeptDatabase(OUTSIDE, "2025-01-01T00:00:00Z"), stays=True),
            Difference(
                "delete",
                "",
                because="not in use since 2025-01-01T00:00:00Z; only forgotten, it stays on its "
                "server",
            ),
        ),
        (
            StagedRestore(archive=ARCHIVE, label="v1", known=None, beyond="1 migration"),
            Difference("run", "", because=LOST),
        ),
        (
            ActivatedRestore(color="blue", since="2024-10-19T11:50:00Z"),
            Difference(
                "run",
                "",
                destructive=True,
                interrupts="every request, until the old version is healthy with the old data",
                because="what was written since 2024-10-19T11:50:00Z is lost",
            ),
        ),
    ],
)
def test_a_step_that_is_only_planned_where_it_is_to_be_done_says_why_and_what_it_stops(
    resource: Resource, expected: Difference
) -> None:
    assert resource.difference(Facts()) == expected


def test_the_data_that_moves_is_shown_from_where_to_where() -> None:
    copied = DataCopied(color="blue", before=SQLITE, after=OUTSIDE, kept=())
    difference = copied.difference(Facts())
    assert difference is not None
    (change,) = difference.changes
    assert (change.name, change.before, change.after) == (
        "database",
        "sqlite",
        "postgresql vikunja at db.example.com:5432",
    )
    assert (difference.action, difference.drift, difference.because) == ("run", "", MOVES)


@pytest.mark.parametrize(
    ("texts", "because"),
    [
        ({}, None),
        ({REHEARSAL: "1"}, "a rehearsal is not finished"),
        ({JOURNAL: "saved"}, "an update is not finished: the database waits"),
        ({REHEARSAL: "1", JOURNAL: "saved"}, "an update is not finished: the database waits"),
    ],
)
def test_what_broke_off_is_put_in_order_the_database_before_a_copy_of_it(
    texts: dict[str, str], because: str | None
) -> None:
    difference = InterruptedUpdate().difference(Facts(texts=texts))
    assert difference == (because and Difference("run", "", because=because))


def test_what_only_a_trigger_calls_for_is_run_and_a_record_is_brought_up_to_date() -> None:
    assert Package(package="curl").fired() == Difference("run", "")
    assert Record(record="state", expected="x").fired() == Difference("update", "")


def test_origins_add_up_under_the_first_one_s_template() -> None:
    first, second = Origin({"a": "1", "b": "1"}, "t"), Origin({"b": "2", "c": "2"}, "other")
    assert first.merged([second]) == Origin({"a": "1", "b": "2", "c": "2"}, "t")
    assert first.inputs == {"a": "1", "b": "1"}


def test_what_is_begun_keeps_what_it_was_when_it_was_last_finished() -> None:
    first, again = (
        File(path="/a", content=content, origin=Origin({"key": digest}, "t"))
        for content, digest in ((b"1", "one"), (b"2", "two"))
    )
    other = Package(package="curl")
    begun = mark_pending(NOTHING_APPLIED, [first])
    assert begun.resources["file:/a"].pending and begun.resources["file:/a"].done is None
    finished = mark_applied(begun, [first, other])
    assert finished.resources["file:/a"] == applied_resource(first)
    assert finished.resources["file:/a"].done == {"key": "one"}
    # Twice, as where an apply is killed and the next one too.
    edited = mark_pending(mark_pending(finished, [again]), [again])
    assert edited.resources["file:/a"].digest == applied_resource(again).digest
    assert edited.resources["file:/a"].pending
    assert edited.resources["file:/a"].done == {"key": "one"}
    assert edited.resources["package:curl"] == finished.resources["package:curl"]
    gone = mark_applied(edited, [other], ["file:/a", "file:/never"])
    assert set(gone.resources) == {"package:curl"}


def test_facts_are_told_apart_by_everything_but_how_often_a_failing_service_was_tried() -> None:
    link = FileFact("link", "0777", "root", "adm", target="b")
    facts = Facts(
        files={"/f": FileFact("file", "0644", "a", "b", size=3, sha256="0"), "/l": link},
        texts={"/t": "one"},
        packages={"curl": "1.2"},
        users={"vikunja": "/h:/sh"},
        units={
            "a.service": UnitFact("loaded", "active", "enabled", False, ("/u/a", "/u/b")),
            "b.service": UnitFact("loaded", "activating", "enabled", True),
            "c.service": UnitFact("loaded", "failed", "enabled", False),
        },
        probes={("log-files", "/a"): "present"},
        host={"record:state": "running"},
    )
    assert facts.index() == {
        "file:/f": "file 0644 a b 0 ",
        "file:/l": "link 0777 root adm  b",
        "text:/t": "one",
        "package:curl": "installed",
        "user:vikunja": "/h:/sh",
        "unit:a.service": "loaded up enabled /u/a /u/b",
        "unit:b.service": "loaded down enabled",
        "unit:c.service": "loaded down enabled",
        "log-files:/a": "present",
        "record:state": "running",
    }


@pytest.mark.parametrize(
    ("script", "arguments", "interrupted"),
    [
        ("external-mysql", ("db.example.com", "3306", "vikunja", "tasks", "root"), True),
        ("external-mysql", ("db.example.com", "3306", "vikunja", "tasks"), False),
        ("mysql-database", ("vikunja", "tasks"), False),
    ],
)
def test_another_password_on_a_server_outside_is_told_to_shut_what_serves_out(
    script: str, arguments: tuple[str, ...], interrupted: bool
) -> None:
    found = Script(script=script, title="a", arguments=arguments).fired()
    assert (found.action, bool(found.interrupts)) == ("run", interrupted)
