"""The health document of data-model.md, from a standing and what is to be said of it. Pure.

A component is as its worst note says: an error makes it unhealthy, a warning degraded. The
instance is as its worst component. What nobody could look at is unknown, and so is an instance
that is not deployed or was stopped on purpose.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from tasks.errors import DeployError
from tasks.model.health_document import (
    BackendHealth,
    BackupsHealth,
    Checks,
    Components,
    ContainerHealth,
    DatabaseHealth,
    FrontendHealth,
    HealthDocument,
    HealthFinding,
    McpHealth,
    PackagesHealth,
    RedisHealth,
    ResourcesUsed,
    Status,
)
from tasks.model.operation_log import format_time
from tasks.status.facts import Standing
from tasks.status.measured import Measured, Usage
from tasks.status.notes import serves
from tasks.status.rules import Component, Level, Note

MEASURED: tuple[Component, ...] = (
    "backend",
    "frontend",
    "mcp",
    "database",
    "redis",
    "resources",
)
"""Components that are judged by what is measured in the container."""
GIBIBYTE = 1024**3


def overall(standing: Standing, notes: Sequence[Note]) -> Status:
    """unhealthy: an error; degraded: a warning; unknown: nothing serves, or was looked at."""
    if any(note.level == "unhealthy" for note in notes):
        return "unhealthy"
    if standing.inside is None or not serves(standing):
        return "unknown"
    warned = standing.problems or any(note.level == "warning" for note in notes)
    return "degraded" if warned else "healthy"


def component(name: Component, notes: Sequence[Note], looked_at: bool = True) -> Status:
    """How a component is, by its worst note."""
    levels = {note.level for note in notes if note.component == name}
    if "unhealthy" in levels:
        return "unhealthy"
    if not looked_at:
        return "unknown"
    return "degraded" if "warning" in levels else "healthy"


def document(standing: Standing, notes: Sequence[Note], now: datetime) -> dict[str, Any]:
    """As it is written: see HealthDocument."""
    warnings = [_finding(note) for note in notes if note.level == "warning"]
    errors = [_finding(note) for note in notes if note.level == "unhealthy"]
    (warnings if standing.inside else errors).extend(map(_problem, standing.problems))
    made = HealthDocument(
        instance_id=standing.instance_id,
        timestamp=format_time(now),
        overall_status=overall(standing, notes),
        components=_components(standing, notes),
        resources=_resources(standing),
        backups=_backups(standing),
        packages=_packages(standing),
        restart_pending=standing.restart_pending,
        warnings=warnings,
        errors=errors,
    )
    plain: dict[str, Any] = msgspec.to_builtins(made)
    return plain


def notes_of(document: Mapping[str, Any]) -> tuple[Note, ...]:
    """What was said of the components when the document was made, the worst first."""
    levels: tuple[tuple[str, Level], ...] = (("errors", "unhealthy"), ("warnings", "warning"))
    return tuple(
        Note(level, found["what"], found["hint"], found["component"])
        for key, level in levels
        for found in document[key]
        if found["component"] in MEASURED
    )


def _problem(problem: DeployError) -> HealthFinding:
    """What could not be looked at."""
    return HealthFinding(component="container", what=str(problem), hint=problem.hint)


def _finding(note: Note) -> HealthFinding:
    return HealthFinding(component=note.component, what=note.what, hint=note.hint)


def _components(standing: Standing, notes: Sequence[Note]) -> Components:
    inside = standing.inside
    container = ContainerHealth(
        status=component("container", notes, standing.container != "unknown"),
        state=standing.container,
    )
    if inside is None or inside.measured is None:
        return Components(container=container)
    measured, stopped = inside.measured, not serves(standing)

    def status(name: Component) -> Status:
        return "unknown" if stopped else component(name, notes)

    backend = BackendHealth(
        status=status("backend"),
        response_time_ms=measured.backend.milliseconds or None,
        http_code=measured.backend.code or None,
        version=measured.backend.version or None,
        uptime_seconds=_uptime(measured, f"vikunja-backend@{inside.serving}"),
        checks=_checks(measured),
    )
    # No note says it of a page that only a dead backend keeps away, but healthy it is not.
    away = measured.page.code != 200 and backend.status == "unhealthy"
    return Components(
        container=container,
        backend=backend,
        frontend=FrontendHealth(
            status="unhealthy" if away else status("frontend"),
            response_time_ms=measured.page.milliseconds or None,
            http_code=measured.page.code or None,
            nginx_status=inside.units.get("nginx.service", "unknown"),
            certificate_until=_time(inside.certificate_until),
        ),
        mcp=UNSET
        if measured.mcp is None
        else McpHealth(
            status=status("mcp"),
            response_time_ms=measured.mcp.answer.milliseconds or None,
            http_code=measured.mcp.answer.code or None,
            version=measured.mcp.answer.version or None,
            uptime_seconds=_uptime(measured, f"vikunja-mcp@{inside.serving}"),
        ),
        database=_database(standing, measured, status("database")),
        redis=UNSET
        if measured.redis is None
        else RedisHealth(status=status("redis"), uptime_seconds=_uptime(measured, "redis-server")),
    )


def _checks(measured: Measured) -> Checks:
    redis: Literal["connected", "disconnected", "not used"] = "not used"
    if measured.redis is not None:
        redis = "connected" if measured.redis == "PONG" else "disconnected"
    return Checks(
        database="connected" if measured.database.state == "present" else "disconnected",
        redis=redis,
        filesystem="writable" if measured.writable else "not writable",
    )


def _database(standing: Standing, measured: Measured, status: Status) -> DatabaseHealth:
    found = measured.database
    assert standing.database_type is not None, "of an instance that was looked into"
    return DatabaseHealth(
        status=status,
        type=standing.database_type,
        size_mb=None if found.size_bytes is None else round(found.size_bytes / 1024**2, 2),
        connections=found.connections,
        version=found.version or None,
    )


def _uptime(measured: Measured, unit: str) -> int | None:
    return measured.uptimes.get(f"{unit}.service")


def _resources(standing: Standing) -> ResourcesUsed:
    measured = standing.inside.measured if standing.inside else None
    usage = measured.usage if measured else Usage()
    used, total = usage.memory_used_mb, usage.memory_total_mb
    return ResourcesUsed(
        cpu_percent=usage.cpu_percent,
        memory_used_mb=used,
        memory_available_mb=None if used is None or total is None else max(total - used, 0),
        disk_used_gb=_gigabytes(usage.disk_used_bytes),
        disk_available_gb=_gigabytes(usage.disk_available_bytes),
        attachments_used_gb=_set(_gigabytes(usage.attachments_used_bytes)),
        attachments_available_gb=_set(_gigabytes(usage.attachments_available_bytes)),
    )


def _set(size: float | None) -> float | UnsetType:
    return UNSET if size is None else size


def _gigabytes(size: int | None) -> float | None:
    return None if size is None else round(size / GIBIBYTE, 1)


def _backups(standing: Standing) -> BackupsHealth | None:
    found = standing.backups
    if found is None:
        return None
    return BackupsHealth(
        count=found.count,
        last_backup=found.newest,
        last_size_bytes=found.size_bytes,
        last_verified=found.verified,
        last_drill=standing.drill,
    )


def _packages(standing: Standing) -> PackagesHealth | None:
    found = standing.inside.packages if standing.inside else None
    if found is None:
        return None
    return PackagesHealth(
        release=found.release or None,
        supported_until=str(found.supported_until) if found.supported_until else None,
        pending=found.pending,
        pending_security=found.security,
        held=list(found.held),
        outdated=list(found.outdated),
        updated_at=_time(found.tried),
        update_failure=found.failure or None,
    )


def _time(moment: datetime | None) -> str | None:
    return format_time(moment) if moment else None
