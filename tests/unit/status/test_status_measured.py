"""What the probe in the container says, as facts."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from instance_samples import sample_instance
from msgspec.structs import replace

from tasks.desired.record import DOCUMENT
from tasks.model.instance import Instance
from tasks.resources.base import Facts, FileFact, UnitFact
from tasks.status import guest_facts
from tasks.status.guest_facts import Inside, Renewal, build_plan
from tasks.status.measured import (
    Answer,
    DatabaseState,
    McpAnswer,
    Measured,
    Usage,
    needed_scripts,
    parse,
    question,
)
from tasks.status.packages import Packages

COMMIT = "0123456789abcdef0123456789abcdef01234567"
KIBIBYTE = 1024
TRIED = datetime(2025, 10, 19, 9, tzinfo=UTC)
MCP = '{"status":"degraded","version":"1.0.0","redis":"disconnected","uptime":3}'


def full() -> Instance:
    return sample_instance(
        database={"type": "postgresql"},
        redis={"enabled": True},
        services={"mcp": {"enabled": True}},
        resources={"cpu_cores": 2, "memory_mb": 4096},
    )


def answer(*lines: str) -> str:
    return "\x1e".join([*lines, "now 1700000100", ""])


def test_every_part_is_read() -> None:
    found = parse(
        full(),
        answer(
            "cpu 1000000000 500000 1250000000 600000",
            "backend 200 0.0453 ",
            'info_body {"version":"v1.2.0"}',
            "page 200 0.0004 ",
            "application yes",
            "mcp 503 0.034 ",
            f"mcp_body {MCP}",
            "redis PONG",
            "database present 52428800 5 15.3",
            "writable yes",
            "meminfo 99999999 5000",
            f"memory {612 * 1024**2} {100 * 1024**2}",
            "disk 5000 15000",
            "attachments_disk 700 300",
            "since nginx.service 1700000000",
            "since vikunja-backend@blue.service 1700000090",
        ),
    )
    assert found == Measured(
        backend=Answer(200, 45, "v1.2.0"),
        page=Answer(200, 1),
        application=True,
        mcp=McpAnswer(Answer(503, 34, "1.0.0"), "degraded", "disconnected"),
        redis="PONG",
        database=DatabaseState("present", 52428800, 5, "15.3"),
        writable=True,
        usage=Usage(
            20.0, 512, 4096, 5000 * KIBIBYTE, 15000 * KIBIBYTE, 700 * KIBIBYTE, 300 * KIBIBYTE
        ),
        uptimes={"nginx.service": 100, "vikunja-backend@blue.service": 10},
    )


def test_what_is_missing_is_not_known_and_does_not_answer() -> None:
    found = parse(full(), answer())
    assert found is not None
    assert found.backend.error == "nothing could be asked: curl is missing in the container"
    assert (found.mcp, found.redis) == (McpAnswer(found.backend), "")
    assert found.database == DatabaseState("unknown")
    assert found.usage == Usage()
    assert not (found.application or found.writable or found.uptimes)


def test_an_answer_that_was_cut_short_is_none() -> None:
    assert parse(full(), "") is None
    assert parse(full(), "backend 200 0.1 \x1e") is None


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("backend 200 0.1 ", Answer(200, 100)),
        ("backend 200 0.0001 ", Answer(200, 1)),
        ("backend 404 x ", Answer(404, 1)),
        ("backend 000 0.0 Failed to connect", Answer(0, error="Failed to connect")),
        ("backend 000 0.0 ", Answer(0, error="no answer")),
    ],
)
def test_an_http_answer_is_read_whatever_answers(line: str, expected: Answer) -> None:
    found = parse(full(), answer(line))
    assert found is not None
    assert found.backend == expected


@pytest.mark.parametrize(
    ("body", "version"),
    [('{"version":"v1"}', "v1"), ("<html>", ""), ("[]", ""), ('{"version":1}', ""), ("", "")],
)
def test_a_version_is_a_text_of_an_object(body: str, version: str) -> None:
    found = parse(full(), answer("backend 200 0.1 ", f"info_body {body}"))
    assert found is not None
    assert found.backend.version == version


@pytest.mark.parametrize(
    ("lines", "used", "total"),
    [
        (["meminfo 4194304 1048576"], 3072, 4096),
        (["meminfo 2097152 1048576", "memory 1 0"], 1024, 2048),
        (["meminfo 8388608 1", f"memory {8 * 1024**2} {9 * 1024**2}"], 0, 4096),
        (["meminfo 8388608 1"], None, None),
    ],
)
def test_memory_is_the_container_s_not_the_host_s(
    lines: list[str], used: int | None, total: int | None
) -> None:
    found = parse(full(), answer(*lines))
    assert found is not None
    assert (found.usage.memory_used_mb, found.usage.memory_total_mb) == (used, total)


@pytest.mark.parametrize(
    ("line", "percent"),
    [
        ("cpu 0 0 1000000000 2000000", 100.0),
        ("cpu 0 0 1000000000 9000000", 100.0),
        ("cpu 0 500 1000000000 0", 0.0),
        ("cpu 5 0 5 0", None),
        ("cpu 0 0 1000", None),
    ],
)
def test_the_processor_s_use_is_a_share_of_what_the_container_may_use(
    line: str, percent: float | None
) -> None:
    found = parse(full(), answer(line))
    assert found is not None
    assert found.usage.cpu_percent == percent


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ("present 5 1 11.8.3-MariaDB 9 -", DatabaseState("present", 5, 1, "11.8.3-MariaDB", 9)),
        (
            "present 5 1 8.4.0 9 latin1,utf8mb3",
            DatabaseState("present", 5, 1, "8.4.0", 9, ("latin1", "utf8mb3")),
        ),
    ],
)
def test_character_sets_that_cannot_hold_every_character_are_told(
    said: str, state: DatabaseState
) -> None:
    found = parse(full(), answer(f"database {said}"))
    assert found is not None
    assert found.database == state


@pytest.mark.parametrize(
    ("database", "arguments", "scripts"),
    [
        (
            {
                "type": "mysql",
                "host": "db",
                "password_file": "/p",
                "user": "me",
                "tls": {"mode": "verify-full", "ca_file": "/c"},
            },
            ("external-mysql", "db", "3306", "vikunja", "me", "-", "verify-full,ca"),
            ("external-mysql",),
        ),
        ({"type": "sqlite"}, ("sqlite", "/var/lib/vikunja/vikunja.db"), ()),
        (
            {"type": "mysql", "name": "tasks"},
            ("mysql-database", "tasks", "vikunja"),
            ("mysql-database",),
        ),
        (
            {"type": "postgresql", "host": "db", "password_file": "/p", "user": "me"},
            ("external-postgresql", "db", "5432", "vikunja", "me"),
            ("external-postgresql",),
        ),
    ],
)
def test_the_database_is_asked_the_way_vikunja_reaches_it(
    database: dict[str, object], arguments: tuple[str, ...], scripts: tuple[str, ...]
) -> None:
    instance = sample_instance(database=database)
    asked = question(instance)
    assert asked[:2] == ("probe", "measure")
    assert asked[2:8] == ("3456", "3457", "-", "-", "https://vikunja.example.com:443", "-")
    assert asked[8:] == arguments
    assert needed_scripts(instance) == scripts


def test_facts_of_one_round_trip_become_what_they_mean() -> None:
    instance = sample_instance()
    file = FileFact("file", "0640", "root", "root", size=7)
    record = b"services:\n  backend:\n    port_blue: 1\n    active_color: green\n"
    found = build_plan(
        instance,
        Facts(
            files={
                "/etc/vikunja/active/green": file,
                "/opt/vikunja/backend/green/vikunja": file,
                DOCUMENT: replace(file, content=record),
            },
            texts={"/opt/vikunja/backend/green/.release": f"key v2.0.0 {COMMIT} 7"},
            units={"nginx.service": UnitFact("loaded", "active", "enabled", False)},
            probes={question(instance)[1:]: answer("backend 200 0.1 ")},
        ),
    )
    assert found == Inside(
        units={"nginx.service": "active"},
        serving="green",
        recorded="green",
        version="v2.0.0",
        commit=COMMIT,
        measured=parse(instance, answer("backend 200 0.1 ")),
        releases={"green": ("v2.0.0", COMMIT)},
        packages=Packages("", None, None),
    )


def test_every_unit_that_may_serve_is_asked_after() -> None:
    units = [question[1] for question in guest_facts.questions(full()) if question[0] == "unit"]
    assert units == [
        "nginx.service",
        "postgresql.service",
        "redis-server.service",
        "vikunja-backend@blue.service",
        "vikunja-mcp@blue.service",
        "vikunja-backend@green.service",
        "vikunja-mcp@green.service",
        guest_facts.STANDIN,
    ]


RENEWED = sample_instance(services={"frontend": {"tls": "acme"}})
PAIR = FileFact("link", "0777", "root", "root", size=7, target="0123abcd")


@pytest.mark.parametrize(
    ("tried", "unit", "pair", "expected"),
    [
        ("1760864400 got", "inactive", PAIR, Renewal(TRIED, "", False)),
        ("1760864400 no such name", "failed", PAIR, Renewal(TRIED, "no such name", False)),
        (
            "1760864400 got",
            "failed",
            PAIR,
            Renewal(TRIED, "what came could not be put in place", False),
        ),
        ("", "inactive", None, Renewal(None, "", True)),
        (
            "",
            "inactive",
            replace(PAIR, target="/etc/vikunja/tls/self-signed"),
            Renewal(None, "", True),
        ),
    ],
)
def test_how_the_last_try_of_a_renewal_went(
    tried: str, unit: str, pair: FileFact | None, expected: Renewal
) -> None:
    facts = Facts(
        files={"/etc/vikunja/tls/acme/current": pair} if pair else {},
        texts={"/var/lib/vikunja-acme/tried": tried} if tried else {},
        units={"vikunja-acme.service": UnitFact("loaded", unit, "static", False)},
    )
    found = build_plan(RENEWED, facts)
    assert found.renewal == expected
    assert "vikunja-acme.service" not in found.units
    assert expected.well is (expected == Renewal(TRIED, "", False))


def test_only_who_asks_an_authority_is_asked_how_that_went() -> None:
    assert build_plan(sample_instance(), Facts()).renewal is None
    assert set(guest_facts.RENEWAL) <= set(guest_facts.questions(RENEWED))
    assert not set(guest_facts.RENEWAL) & set(guest_facts.questions(sample_instance()))
