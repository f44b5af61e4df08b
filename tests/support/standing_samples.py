"""A made-up instance that is well, and what makes it otherwise."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from instance_samples import SOURCE
from msgspec.structs import replace

from tasks.model.holder import LockInfo
from tasks.model.last_drill import LastDrill
from tasks.model.state import State
from tasks.status.backups import Backups
from tasks.status.facts import Standing
from tasks.status.guest_facts import Inside
from tasks.status.measured import Answer, DatabaseState, McpAnswer, Measured, Usage

GIBIBYTE = 1024**3
NOW = datetime(2025, 10, 19, 12, 0, 0, tzinfo=UTC)
COMMIT = "0123456789abcdef0123456789abcdef01234567"
STATE = State(
    instance_id="vikunja-main",
    container_id=None,
    status="running",
    active_color="blue",
    last_operation="update",
    last_operation_time="2025-10-19T11:55:00Z",
    last_operation_status="success",
    deployed_version="v1.2.0",
    deployed_commit=COMMIT,
    uptime_start="2025-10-19T09:00:00Z",
)
MEASURED = Measured(
    backend=Answer(200, 45, "v1.2.0"),
    page=Answer(200, 12),
    application=True,
    mcp=McpAnswer(Answer(200, 34, "v1.0.0"), "ok", "connected"),
    redis="PONG",
    database=DatabaseState("present", 50 * 1024**2, 5, "15.3"),
    writable=True,
    usage=Usage(15.2, 512, 4096, 5 * GIBIBYTE, 15 * GIBIBYTE),
    uptimes={"vikunja-backend@blue.service": 3600, "redis-server.service": 7200},
)
INSIDE = Inside(
    units={
        "nginx.service": "active",
        "vikunja-backend@blue.service": "active",
        "vikunja-backend@green.service": "inactive",
    },
    serving="blue",
    recorded="blue",
    version="v1.2.0",
    commit=COMMIT,
    measured=MEASURED,
    certificate_until=datetime(2026, 10, 19, tzinfo=UTC),
    releases={"blue": ("v1.2.0", COMMIT), "green": ("v1.1.0", "fedcba9876" * 4)},
)
RUNNING = Standing(
    "vikunja-main",
    configured=True,
    container_name="vikunja-main",
    container="running",
    addresses=("10.98.0.10",),
    url="https://vikunja.example.com",
    state=STATE,
    inside=INSIDE,
    config=str(SOURCE),
    created_at="2025-10-19T09:00:00Z",
    database_type="postgresql",
    drill=LastDrill("2025-10-19T09:00:00Z", "1.tar.gz", "v1.2.0", 1200, 48, 4.2, 31.0),
    backups=Backups(
        3,
        "2025-10-19T10:00:00Z",
        12_900_000,
        "2025-10-18T10:00:00Z",
        (("2025-10-18T10:00:00Z", 12_000_000), ("2025-10-19T10:00:00Z", 12_900_000)),
    ),
)
NEW = replace(
    RUNNING,
    instance_id="new",
    container="absent",
    state=None,
    inside=None,
    backups=Backups(0),
    drill=None,
)
LOCK = LockInfo(
    instance_id="vikunja-main",
    pid=4711,
    timestamp=1760874900,
    owner="root@pve",
    operation="update",
    started=None,
    holder="alive",
    stale=False,
)
UNDER_WAY = replace(
    STATE,
    status="updating",
    last_operation_time="2025-10-19T11:59:30Z",
    last_operation_status="in_progress",
)


def with_inside(**changes: Any) -> Standing:
    return replace(RUNNING, inside=replace(INSIDE, **changes))


def with_measured(**changes: Any) -> Standing:
    return with_inside(measured=replace(MEASURED, **changes))


def with_usage(**changes: Any) -> Standing:
    return with_measured(usage=replace(MEASURED.usage, **changes))
