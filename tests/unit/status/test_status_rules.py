"""What needs a hand, and what it makes of components and instance: a case a rule."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from instance_samples import SOURCE
from msgspec.structs import replace
from standing_samples import (
    INSIDE,
    LOCK,
    MEASURED,
    NEW,
    NOW,
    RUNNING,
    STATE,
    UNDER_WAY,
    with_inside,
    with_measured,
    with_usage,
)

from tasks.containers.base import Refusal
from tasks.errors import NetworkError
from tasks.model.history import Performed
from tasks.status import health
from tasks.status.backups import Backups
from tasks.status.facts import Standing
from tasks.status.guest_facts import Renewal
from tasks.status.measured import Answer, DatabaseState, McpAnswer
from tasks.status.notes import notes
from tasks.status.rules import Note, code_level


def by_acme(
    days: int,
    failure: str = "",
    waiting: bool = False,
    tried: datetime | None = datetime(2025, 10, 19, 9, tzinfo=UTC),
) -> Standing:
    """Its certificate is one of an authority, and has so many days left."""
    until = NOW + timedelta(days=days, hours=1)
    return with_inside(certificate_until=until, renewal=Renewal(tried, failure, waiting))


BEGUN = datetime(2025, 10, 19, 10, tzinfo=UTC)

GIBIBYTE = 1024**3
LEFT = "./doit plan vikunja-main shows what is left to do, ./doit apply vikunja-main does it"
MAIN = "vikunja-main"
AGREE = f"nginx counts: ./doit plan {MAIN} shows the difference, ./doit apply {MAIN} mends it"
BACKEND_LOG = "./doit logs vikunja-main --component backend says why"
MCP_LOG = "./doit logs vikunja-main --component mcp says why"
NGINX_LOG = "./doit logs vikunja-main --component nginx says why"
PLAN = "./doit plan vikunja-main shows it, ./doit apply vikunja-main mends it"
START = "./doit start vikunja-main starts it"


def database(state: str, tables: int | None = None) -> Standing:
    return with_measured(database=DatabaseState(state, tables=tables))


def units(**states: str) -> Standing:
    """`vikunja_backend__blue` for vikunja-backend@blue."""
    named = {
        f"{name.replace('__', '@').replace('_', '-')}.service": active
        for name, active in states.items()
    }
    return with_inside(units={**INSIDE.units, **named})


CASES = [
    pytest.param(RUNNING, [], "healthy", id="nothing where all is well"),
    pytest.param(
        replace(RUNNING, forwarding=False),
        [
            Note(
                "warning",
                "container vikunja-main reaches nothing outside this machine: NAT or forwarding"
                " has been removed",
                f"./doit plan {MAIN} shows it, ./doit apply {MAIN} brings it back",
                "container",
            )
        ],
        "degraded",
        id="no way out",
    ),
    pytest.param(
        replace(RUNNING, forwarding=False, state=replace(STATE, status="stopped")),
        [
            Note(
                "warning",
                "container vikunja-main reaches nothing outside this machine: NAT or forwarding"
                " has been removed",
                f"./doit plan {MAIN} shows it, ./doit apply {MAIN} brings it back",
                "container",
            ),
            Note(
                "note",
                "its services were stopped",
                f"./doit start {MAIN} starts them",
                "container",
            ),
        ],
        "unknown",
        id="no way out, and stopped",
    ),
    pytest.param(
        with_measured(backend=Answer(0, error="Connection refused")),
        [
            Note(
                "unhealthy",
                "the backend (blue) does not answer: Connection refused",
                f"./doit restart vikunja-main starts it anew, {BACKEND_LOG}",
                "backend",
            )
        ],
        "unhealthy",
        id="no answer of the backend, and its page not mentioned",
    ),
    pytest.param(
        with_inside(closed=True),
        [
            Note(
                "unhealthy",
                "everybody gets a 503 while /etc/vikunja/active/maintenance is there",
                "Unless an update is under way: ./doit apply vikunja-main takes it away",
                "frontend",
            )
        ],
        "unhealthy",
        id="closed",
    ),
    pytest.param(
        with_measured(backend=Answer(500, 9), page=Answer(500, 9)),
        [
            Note(
                "unhealthy",
                "the backend (blue) answers /health with 500",
                BACKEND_LOG,
                "backend",
            )
        ],
        "unhealthy",
        id="a failing health check",
    ),
    pytest.param(
        with_measured(backend=Answer(429, 9)),
        [Note("warning", "the backend (blue) answers /health with 429", BACKEND_LOG, "backend")],
        "degraded",
        id="a 4xx of the backend itself",
    ),
    pytest.param(
        with_measured(backend=Answer(200, 9, "v1.1.0")),
        [
            Note(
                "warning",
                "the backend (blue) answers as v1.1.0, its release is v1.2.0",
                "./doit restart vikunja-main runs what is there",
                "backend",
            )
        ],
        "degraded",
        id="another version answers",
    ),
    pytest.param(
        with_measured(writable=False),
        [
            Note(
                "unhealthy",
                "Vikunja cannot write to the folder of its attachments",
                "./doit plan vikunja-main shows why: ./doit apply vikunja-main mends its owner, "
                "and where it is gone ./doit restore vikunja-main --from latest brings back what "
                "the newest backup holds",
                "backend",
            )
        ],
        "unhealthy",
        id="attachments cannot be written",
    ),
    pytest.param(
        units(nginx="inactive"),
        [
            Note(
                "unhealthy",
                "nginx is inactive",
                f"{START}, ./doit logs vikunja-main --component nginx says why it is not",
                "frontend",
            )
        ],
        "unhealthy",
        id="nginx stopped",
    ),
    pytest.param(
        units(redis_server="failed"),
        [Note("unhealthy", "redis-server is failed", START, "redis")],
        "unhealthy",
        id="redis failed",
    ),
    pytest.param(
        units(postgresql="inactive"),
        [Note("unhealthy", "postgresql is inactive", START, "database")],
        "unhealthy",
        id="the database's service stopped",
    ),
    pytest.param(
        units(vikunja_mcp__blue="activating"),
        [
            Note(
                "unhealthy",
                "vikunja-mcp@blue is activating",
                f"{START}, {MCP_LOG} it is not",
                "mcp",
            )
        ],
        "unhealthy",
        id="an MCP server that starts again and again",
    ),
    pytest.param(
        units(vikunja_backend__green="failed"),
        [],
        "healthy",
        id="what the idle color does makes nobody unhealthy",
    ),
    pytest.param(
        with_inside(standin=True),
        [
            Note(
                "warning",
                "the stand-in of a restart still runs beside what serves",
                "./doit start vikunja-main ends it",
                "backend",
            )
        ],
        "degraded",
        id="a stand-in that outlived its restart",
    ),
    pytest.param(
        with_inside(standin=True, units={**INSIDE.units, "vikunja-backend@blue.service": "failed"}),
        [
            Note(
                "warning",
                "only the stand-in of a restart serves, until the container restarts",
                "./doit apply vikunja-main brings the release itself back",
                "backend",
            )
        ],
        "degraded",
        id="nothing but a stand-in serves",
    ),
    pytest.param(
        replace(with_inside(standin=True), lock=replace(LOCK, operation="restart")),
        [
            Note(
                "note",
                "under way: restart by root@pve (pid 4711) since 2025-10-19T11:55:00Z",
                "Wait until it has finished",
                "operation",
            )
        ],
        "healthy",
        id="the stand-in of a restart under way",
    ),
    pytest.param(
        with_measured(page=Answer(0, error="Connection refused")),
        [
            Note(
                "unhealthy",
                "nginx does not answer: Connection refused",
                f"./doit apply vikunja-main starts it anew, {NGINX_LOG}",
                "frontend",
            )
        ],
        "unhealthy",
        id="nginx does not answer",
    ),
    pytest.param(
        with_measured(page=Answer(421, 9), application=False),
        [
            Note(
                "unhealthy",
                "the page answers with 421 through nginx",
                NGINX_LOG,
                "frontend",
            )
        ],
        "unhealthy",
        id="nginx answers something else",
    ),
    pytest.param(
        with_measured(application=False),
        [
            Note(
                "unhealthy",
                "the page holds no application",
                "./doit apply vikunja-main brings the release, "
                "./doit rollback vikunja-main the one before",
                "frontend",
            )
        ],
        "unhealthy",
        id="an empty page",
    ),
    pytest.param(with_measured(mcp=None), [], "healthy", id="no MCP server where none is wanted"),
    pytest.param(
        with_measured(mcp=McpAnswer(Answer(0, error="Connection refused"))),
        [
            Note(
                "unhealthy",
                "the MCP server (blue) does not answer: Connection refused",
                f"{START}, {MCP_LOG}",
                "mcp",
            )
        ],
        "unhealthy",
        id="no answer of the MCP server",
    ),
    pytest.param(
        with_measured(mcp=McpAnswer(Answer(503, 9), "degraded", "disconnected")),
        [
            Note(
                "unhealthy",
                "the MCP server (blue) answers /health with 503, redis is disconnected",
                MCP_LOG,
                "mcp",
            )
        ],
        "unhealthy",
        id="the MCP server without redis",
    ),
    pytest.param(
        with_measured(mcp=McpAnswer(Answer(404, 9))),
        [Note("unhealthy", "the MCP server (blue) answers /health with 404", MCP_LOG, "mcp")],
        "unhealthy",
        id="something else on the MCP server's port",
    ),
    pytest.param(
        with_measured(mcp=McpAnswer(Answer(200, 9), "degraded")),
        [Note("warning", "the MCP server (blue) says it is degraded", MCP_LOG, "mcp")],
        "degraded",
        id="an MCP server that calls itself degraded",
    ),
    pytest.param(
        database("stopped"),
        [Note("unhealthy", "the database does not answer", START, "database")],
        "unhealthy",
        id="database stopped",
    ),
    pytest.param(
        database("unreachable"),
        [
            Note(
                "unhealthy",
                "the database server does not answer from the container",
                "Look at that server; ./doit check vikunja-main says whether it is reached",
                "database",
            )
        ],
        "unhealthy",
        id="database server unreachable",
    ),
    pytest.param(
        database("denied"),
        [
            Note(
                "unhealthy",
                "the database refuses the user",
                "Was its password changed? Correct database.password_file, "
                "then: ./doit apply vikunja-main",
                "database",
            )
        ],
        "unhealthy",
        id="database refuses",
    ),
    pytest.param(
        database("other-password"),
        [
            Note(
                "unhealthy",
                "the database is there, and lets Vikunja's user not in",
                PLAN,
                "database",
            )
        ],
        "unhealthy",
        id="database with another password",
    ),
    pytest.param(
        database("absent"),
        [
            Note(
                "unhealthy",
                "the database is gone",
                "./doit restore vikunja-main --from latest brings back the newest backup",
                "database",
            )
        ],
        "unhealthy",
        id="database gone",
    ),
    pytest.param(
        database("present", tables=0),
        [
            Note(
                "unhealthy",
                "the database has no tables: what was in it is gone",
                "./doit restore vikunja-main --from latest brings back the newest backup",
                "database",
            )
        ],
        "unhealthy",
        id="database emptied",
    ),
    pytest.param(
        database("damaged"),
        [
            Note(
                "unhealthy",
                "the database's file is no database any more",
                "Look at /var/lib/vikunja/vikunja.db in the container, and keep a copy of it; "
                "./doit restore vikunja-main --from latest --no-backup --allow-version puts the "
                "newest backup in its place",
                "database",
            )
        ],
        "unhealthy",
        id="database damaged",
    ),
    pytest.param(
        database("unasked"),
        [
            Note(
                "warning",
                "the database could not be asked, and may well be there",
                PLAN,
                "database",
            )
        ],
        "degraded",
        id="database not asked",
    ),
    pytest.param(
        database("other-charset"),
        [Note("warning", "the database has another character set", PLAN, "database")],
        "degraded",
        id="database with another character set",
    ),
    pytest.param(
        database("insecure"),
        [
            Note(
                "unhealthy",
                "the database server is not reached as database.tls says",
                "./doit check vikunja-main says why",
                "database",
            )
        ],
        "unhealthy",
        id="database server that is not trusted",
    ),
    pytest.param(
        with_measured(database=DatabaseState("present", tables=3, charsets=("latin1", "utf8mb3"))),
        [
            Note(
                "warning",
                "tables of the database, or new ones, are of the character set latin1, utf8mb3: "
                "what people write with emoji ends in an error",
                "./doit check vikunja-main says what to do",
                "database",
            )
        ],
        "degraded",
        id="database that cannot hold emoji",
    ),
    pytest.param(
        database("unknown"),
        [Note("warning", "the database could not be looked at", PLAN, "database")],
        "degraded",
        id="database not looked at",
    ),
    pytest.param(
        with_measured(redis="Could not connect"),
        [Note("unhealthy", "redis does not answer: Could not connect", START, "redis")],
        "unhealthy",
        id="redis does not answer",
    ),
    pytest.param(with_measured(redis=None), [], "healthy", id="no redis where none is wanted"),
    pytest.param(
        with_inside(measured=None),
        [
            Note(
                "unhealthy",
                "nothing could be measured in the container",
                "Is its memory or disk full? ./doit logs vikunja-main, ./doit plan vikunja-main",
                "container",
            )
        ],
        "unhealthy",
        id="nothing measured",
    ),
    pytest.param(
        with_usage(disk_used_bytes=80 * GIBIBYTE, disk_available_bytes=20 * GIBIBYTE),
        [],
        "healthy",
        id="20 % of the disk free",
    ),
    pytest.param(
        with_usage(disk_used_bytes=81 * GIBIBYTE, disk_available_bytes=19 * GIBIBYTE),
        [
            Note(
                "warning",
                "19 % of the disk are free (19.0 GB)",
                "Raise resources.disk_size_gb, then: ./doit apply vikunja-main",
                "resources",
            )
        ],
        "degraded",
        id="less than 20 % of the disk free",
    ),
    pytest.param(
        replace(
            with_usage(disk_used_bytes=91 * GIBIBYTE, disk_available_bytes=9 * GIBIBYTE),
            own_disk=False,
        ),
        [
            Note(
                "unhealthy",
                "9 % of the disk are free (9.0 GB)",
                "Make room on this machine: the container's disk is part of its",
                "resources",
            )
        ],
        "unhealthy",
        id="less than 10 % of the disk free",
    ),
    pytest.param(
        with_usage(attachments_used_bytes=80 * GIBIBYTE, attachments_available_bytes=20 * GIBIBYTE),
        [],
        "healthy",
        id="20 % of the attachments' disk free",
    ),
    pytest.param(
        with_usage(attachments_used_bytes=91 * GIBIBYTE, attachments_available_bytes=9 * GIBIBYTE),
        [
            Note(
                "unhealthy",
                "9 % of the attachments' disk are free (9.0 GB)",
                "Enlarge it (size_gb of proxmox.mounts, then ./doit apply vikunja-main), or make "
                "room on it",
                "resources",
            )
        ],
        "unhealthy",
        id="less than 10 % of the attachments' disk free",
    ),
    pytest.param(
        with_usage(memory_used_mb=800, memory_total_mb=1000), [], "healthy", id="80 % memory used"
    ),
    pytest.param(
        with_usage(memory_used_mb=850, memory_total_mb=1000),
        [
            Note(
                "warning",
                "85 % of the memory are used (850 of 1000 MB)",
                "Raise resources.memory_mb, then: ./doit apply vikunja-main",
                "resources",
            )
        ],
        "degraded",
        id="more than 80 % memory used",
    ),
    pytest.param(
        with_usage(memory_used_mb=950, memory_total_mb=1000),
        [
            Note(
                "unhealthy",
                "95 % of the memory are used (950 of 1000 MB)",
                "Raise resources.memory_mb, then: ./doit apply vikunja-main",
                "resources",
            )
        ],
        "unhealthy",
        id="more than 90 % memory used",
    ),
    pytest.param(
        with_usage(memory_used_mb=None, disk_used_bytes=None),
        [],
        "healthy",
        id="what could not be measured alarms nobody",
    ),
    pytest.param(
        with_inside(recorded=None),
        [
            Note(
                "warning",
                "nginx passes requests to blue, the record in the container says nothing",
                AGREE,
                "records",
            )
        ],
        "degraded",
        id="no record in the container",
    ),
    pytest.param(
        replace(RUNNING, state=replace(STATE, active_color="green")),
        [
            Note(
                "warning",
                "nginx passes requests to blue, the state file says green",
                AGREE,
                "records",
            )
        ],
        "degraded",
        id="colors disagree",
    ),
    pytest.param(
        replace(RUNNING, container="stopped", inside=None),
        [Note("unhealthy", "container vikunja-main is stopped", START, "container")],
        "unhealthy",
        id="a stopped container",
    ),
    pytest.param(
        replace(RUNNING, container="stopped", inside=None, state=replace(STATE, status="stopped")),
        [
            Note(
                "note",
                "its services were stopped",
                "./doit start vikunja-main starts them",
                "container",
            )
        ],
        "unknown",
        id="a stopped container that is meant to be",
    ),
    pytest.param(
        replace(units(nginx="inactive"), state=replace(STATE, status="stopped")),
        [
            Note(
                "note",
                "its services were stopped",
                "./doit start vikunja-main starts them",
                "container",
            )
        ],
        "unknown",
        id="services that were stopped on purpose",
    ),
    pytest.param(
        replace(RUNNING, container="absent", container_id=110, inside=None),
        [
            Note(
                "unhealthy",
                "container 110 is gone",
                "./doit apply vikunja-main makes a new one, empty; its data is in the backups",
                "container",
            )
        ],
        "unhealthy",
        id="container of Proxmox VE gone",
    ),
    pytest.param(
        replace(RUNNING, container="absent", inside=None),
        [
            Note(
                "unhealthy",
                "container vikunja-main is gone",
                "./doit apply vikunja-main makes a new one, empty; its data is in the backups",
                "container",
            )
        ],
        "unhealthy",
        id="a container that is gone",
    ),
    pytest.param(
        replace(RUNNING, container="foreign", inside=None, state=None),
        [
            Note(
                "warning",
                "container vikunja-main exists and is not proven to be this instance's",
                "Choose another container for this instance; that one is left as it is",
                "container",
            )
        ],
        "unknown",
        id="somebody else's container",
    ),
    pytest.param(
        replace(
            RUNNING,
            container="foreign",
            inside=None,
            state=None,
            unproven=Refusal("its notes are missing", "./doit apply --adopt vikunja-main"),
        ),
        [
            Note(
                "warning",
                "its notes are missing",
                "./doit apply --adopt vikunja-main",
                "container",
            )
        ],
        "unknown",
        id="a container of which something is missing of the proof",
    ),
    pytest.param(
        NEW,
        [Note("note", "never deployed", "./doit apply new", "container")],
        "unknown",
        id="never deployed",
    ),
    pytest.param(
        replace(
            RUNNING,
            container="unknown",
            inside=None,
            problems=(NetworkError("node pve does not answer"),),
        ),
        [],
        "unknown",
        id="a node that cannot be reached",
    ),
    pytest.param(
        replace(RUNNING, state=UNDER_WAY, lock=LOCK),
        [
            Note(
                "note",
                "under way: update by root@pve (pid 4711) since 2025-10-19T11:55:00Z",
                "Wait until it has finished",
                "operation",
            )
        ],
        "healthy",
        id="an operation under way",
    ),
    pytest.param(
        replace(units(nginx="deactivating"), lock=replace(LOCK, operation="stop")),
        [
            Note(
                "note",
                "under way: stop by root@pve (pid 4711) since 2025-10-19T11:55:00Z",
                "Wait until it has finished",
                "operation",
            ),
            Note(
                "note",
                "nginx is deactivating",
                f"{START}, ./doit logs vikunja-main --component nginx says why it is not",
                "frontend",
            ),
        ],
        "healthy",
        id="what a stop under way stops is no failure",
    ),
    pytest.param(
        replace(RUNNING, lock=replace(LOCK, holder="unknown", stale=True)),
        [
            Note(
                "warning",
                "locked: update by root@pve (pid 4711) since 2025-10-19T11:55:00Z",
                "Its process cannot be judged from here; if it is gone: ./doit unlock vikunja-main",
                "operation",
            )
        ],
        "degraded",
        id="a lock of another host",
    ),
    pytest.param(
        replace(RUNNING, state=UNDER_WAY, lock=replace(LOCK, holder="dead")),
        [Note("warning", "the last update was cut short", LEFT, "operation")],
        "degraded",
        id="killed",
    ),
    pytest.param(
        replace(RUNNING, state=replace(STATE, last_operation_status="failure")),
        [
            Note(
                "warning",
                "the last update failed",
                f"./doit history vikunja-main says why; {LEFT}",
                "operation",
            )
        ],
        "degraded",
        id="failed",
    ),
    pytest.param(
        replace(
            RUNNING,
            state=replace(STATE, last_operation="backup", last_operation_status="failure"),
        ),
        [
            Note(
                "warning",
                "the last backup failed",
                "./doit history vikunja-main says why; ./doit backup vikunja-main does it again",
                "operation",
            )
        ],
        "degraded",
        id="a backup that failed is taken again",
    ),
    pytest.param(
        replace(
            RUNNING,
            state=replace(STATE, last_operation="backup", last_operation_status="failure"),
            operations=(
                Performed("backup", BEGUN, "failure", 1, 7, "database vikunja could not be copied"),
            ),
        ),
        [
            Note(
                "warning",
                "the last backup failed: database vikunja could not be copied",
                "./doit check vikunja-main says what stands against backups; "
                "./doit backup vikunja-main does it again",
                "operation",
            )
        ],
        "degraded",
        id="a backup that the database stands against",
    ),
    pytest.param(
        with_inside(certificate_until=datetime(2025, 11, 2, tzinfo=UTC)),
        [
            Note(
                "warning",
                "the certificate expires on 2025-11-02, in 13 days",
                "Renew it, then: ./doit apply vikunja-main",
                "frontend",
            )
        ],
        "degraded",
        id="a certificate near its end",
    ),
    pytest.param(
        with_inside(certificate_until=datetime(2025, 10, 1, tzinfo=UTC)),
        [
            Note(
                "warning",
                "the certificate expired on 2025-10-01",
                "Renew it, then: ./doit apply vikunja-main",
                "frontend",
            )
        ],
        "degraded",
        id="an expired certificate",
    ),
    pytest.param(
        by_acme(days=22, failure="connection refused"), [], "healthy", id="a try that failed once"
    ),
    pytest.param(
        by_acme(days=20, failure="connection refused"),
        [
            Note(
                "warning",
                "the certificate expires in 20 days, its renewal was tried last 2025-10-19 09:00 "
                "UTC: connection refused",
                "./doit apply vikunja-main tries again, and says more",
                "frontend",
            )
        ],
        "degraded",
        id="a renewal that should have been there",
    ),
    pytest.param(
        by_acme(days=6, tried=None),
        [
            Note(
                "unhealthy",
                "the certificate expires in 6 days, its renewal was never tried",
                "./doit apply vikunja-main tries again, and says more",
                "frontend",
            )
        ],
        "unhealthy",
        id="a certificate that is renewed and near its end",
    ),
    pytest.param(
        by_acme(days=-1, failure="no"),
        [
            Note(
                "unhealthy",
                "the certificate has expired, its renewal was tried last 2025-10-19 09:00 UTC: no",
                "./doit apply vikunja-main tries again, and says more",
                "frontend",
            )
        ],
        "unhealthy",
        id="a certificate that was not renewed",
    ),
    pytest.param(
        by_acme(days=800, failure="no", waiting=True),
        [
            Note(
                "warning",
                "no authority has given a certificate yet, the site has its own (tried last "
                "2025-10-19 09:00 UTC: no)",
                "./doit apply vikunja-main tries again, and says more",
                "frontend",
            )
        ],
        "degraded",
        id="no certificate of an authority yet",
    ),
    pytest.param(
        replace(RUNNING, backups=Backups(0)), [], "healthy", id="no backup on the first day"
    ),
    pytest.param(
        replace(RUNNING, backups=Backups(0), created_at="2025-10-17T12:00:00Z"),
        [
            Note(
                "warning",
                "there is no backup",
                "./doit backup vikunja-main takes one; "
                "./doit timers install takes one every night, and proves one every month",
                "backups",
            )
        ],
        "degraded",
        id="no backup after the first day",
    ),
    pytest.param(
        replace(RUNNING, backups=Backups(0), created_at="2025-10-17T12:00:00Z", timed=True),
        [
            Note(
                "warning",
                "there is no backup",
                "./doit backup vikunja-main takes one",
                "backups",
            )
        ],
        "degraded",
        id="no backup after the first day, of a timer",
    ),
    pytest.param(
        replace(RUNNING, backups=Backups(3, "2025-10-18T09:00:00Z")),
        [
            Note(
                "warning",
                "no timer takes backups, and the newest is more than a day old",
                "./doit timers install takes one every night, and proves one every month",
                "backups",
            )
        ],
        "degraded",
        id="a backup of the day before yesterday and no timer",
    ),
    pytest.param(
        replace(RUNNING, backups=Backups(3, "2025-10-18T09:00:00Z"), timed=True),
        [],
        "healthy",
        id="a backup of the day before yesterday, of a timer",
    ),
    pytest.param(
        replace(RUNNING, backups=Backups(3, "2025-10-18T11:00:00Z")),
        [],
        "healthy",
        id="a backup of last night, by cron",
    ),
    pytest.param(
        replace(RUNNING, backups=Backups(3, "2025-10-10T12:00:00Z")),
        [
            Note(
                "warning",
                "the newest backup is 9 days old",
                "./doit backup vikunja-main takes one; "
                "./doit history vikunja-main shows what became of the others",
                "backups",
            )
        ],
        "degraded",
        id="an old backup",
    ),
    pytest.param(
        replace(
            RUNNING,
            backups=Backups(
                3,
                RUNNING.backups.newest if RUNNING.backups else None,
                fuller=("1729338000.tar.gz", "900 rows and 3 attachments", "9 rows and 3 files"),
            ),
        ),
        [
            Note(
                "warning",
                "the newest backup holds 9 rows and 3 files, 1729338000.tar.gz 900 rows and 3 "
                "attachments: was something lost?",
                "1729338000.tar.gz stays until a backup holds as much; ./doit restore vikunja-main "
                "--from 1729338000.tar.gz replaces what is there with it",
                "backups",
            )
        ],
        "degraded",
        id="a backup that holds much less",
    ),
    pytest.param(
        replace(RUNNING, configured=False, inside=None, backups=None),
        [
            Note(
                "note",
                f"not configured here: it was applied from {SOURCE}",
                f"./doit status --config {SOURCE}",
                "container",
            )
        ],
        "unknown",
        id="not configured here",
    ),
]


@pytest.mark.parametrize(("standing", "expected", "overall"), CASES)
def test_what_needs_a_hand_is_said_with_what_to_type(
    standing: Standing, expected: list[Note], overall: str
) -> None:
    found = notes(standing, NOW)
    assert list(found) == expected
    assert health.overall(standing, found) == overall


def test_the_worst_comes_first() -> None:
    found = notes(with_inside(recorded="green", measured=replace(MEASURED, redis="")), NOW)
    assert [note.level for note in found] == ["unhealthy", "warning"]


@pytest.mark.parametrize(
    ("code", "level"),
    [
        (200, None),
        (204, "unhealthy"),
        (301, "unhealthy"),
        (400, "warning"),
        (404, "unhealthy"),
        (429, "warning"),
        (500, "unhealthy"),
        (503, "unhealthy"),
    ],
)
def test_what_a_code_of_a_health_path_means(code: int, level: str | None) -> None:
    assert code_level(code) == level


@pytest.mark.parametrize(
    ("standing", "expected"),
    [
        (RUNNING, {}),
        (with_measured(backend=Answer(500, 9)), {"backend": "unhealthy"}),
        (
            with_measured(backend=Answer(0), page=Answer(502, 9)),
            {"backend": "unhealthy", "frontend": "unhealthy"},
        ),
        (with_measured(backend=Answer(429, 9)), {"backend": "degraded"}),
        (with_measured(redis=""), {"redis": "unhealthy"}),
        (
            replace(RUNNING, state=replace(STATE, status="stopped")),
            dict.fromkeys(("backend", "frontend", "mcp", "database", "redis"), "unknown"),
        ),
    ],
)
def test_a_component_is_as_its_worst_note(standing: Standing, expected: dict[str, Any]) -> None:
    document = health.document(standing, notes(standing, NOW), NOW)
    found = {name: part["status"] for name, part in document["components"].items()}
    assert found == {**dict.fromkeys(found, "healthy"), **expected}
