"""The health document of data-model.md, from a standing and what is to be said of it. Pure.

A component is as its worst note says: an error makes it unhealthy, a warning degraded. The
instance is as its worst component. What nobody could look at is unknown, and so is an instance
that is not deployed or was stopped on purpose.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from msgspec.structs import asdict

from tasks.errors import DeployError
from tasks.model.operation_log import format_time
from tasks.status.facts import Standing
from tasks.status.guest_facts import Inside
from tasks.status.measured import Answer, Measured, Usage
from tasks.status.notes import serves
from tasks.status.rules import Component, Level, Note

Status = Literal["healthy", "degraded", "unhealthy", "unknown"]
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
    """schemas/health.schema.json describes it."""
    return {
        "instance_id": standing.instance_id,
        "timestamp": format_time(now),
        "overall_status": overall(standing, notes),
        "components": _components(standing, notes),
        "resources": _resources(standing),
        "backups": _backups(standing),
        "warnings": [
            *(_finding(note) for note in notes if note.level == "warning"),
            *(_problem(problem) for problem in standing.problems if standing.inside),
        ],
        "errors": [
            *(_finding(note) for note in notes if note.level == "unhealthy"),
            *(_problem(problem) for problem in standing.problems if not standing.inside),
        ],
    }


def notes_of(document: Mapping[str, Any]) -> tuple[Note, ...]:
    """What was said of the components when the document was made, the worst first."""
    levels: tuple[tuple[str, Level], ...] = (("errors", "unhealthy"), ("warnings", "warning"))
    return tuple(
        Note(level, found["what"], found["hint"], found["component"])
        for key, level in levels
        for found in document[key]
        if found["component"] in MEASURED
    )


def _problem(problem: DeployError) -> dict[str, str]:
    """What could not be looked at."""
    return {"component": "container", "what": str(problem), "hint": problem.hint}


def _finding(note: Note) -> dict[str, str]:
    return {"component": note.component, "what": note.what, "hint": note.hint}


def _components(standing: Standing, notes: Sequence[Note]) -> dict[str, Any]:
    inside = standing.inside
    place = component("container", notes, standing.container != "unknown")
    found: dict[str, Any] = {"container": {"status": place, "state": standing.container}}
    if inside is None or inside.measured is None:
        return found
    measured, stopped = inside.measured, not serves(standing)

    def status(name: Component) -> Status:
        return "unknown" if stopped else component(name, notes)

    found["backend"] = {
        "status": status("backend"),
        **_answer(measured.backend),
        "version": measured.backend.version or None,
        "uptime_seconds": measured.uptimes.get(f"vikunja-backend@{inside.serving}.service"),
        "checks": _checks(measured),
    }
    # No note says it of a page that only a dead backend keeps away, but healthy it is not.
    away = measured.page.code != 200 and found["backend"]["status"] == "unhealthy"
    found["frontend"] = {
        "status": "unhealthy" if away else status("frontend"),
        **_answer(measured.page),
        "nginx_status": inside.units.get("nginx.service", "unknown"),
        "certificate_until": _time(inside.certificate_until),
    }
    if measured.mcp is not None:
        found["mcp"] = {
            "status": status("mcp"),
            **_answer(measured.mcp.answer),
            "version": measured.mcp.answer.version or None,
            "uptime_seconds": measured.uptimes.get(f"vikunja-mcp@{inside.serving}.service"),
        }
    found["database"] = {"status": status("database"), **_database(standing, measured)}
    if measured.redis is not None:
        found["redis"] = {"status": status("redis"), **_uptime(inside, "redis-server")}
    return found


def _answer(answer: Answer) -> dict[str, Any]:
    """Null where no answer came."""
    return {
        "response_time_ms": answer.milliseconds or None,
        "http_code": answer.code or None,
    }


def _checks(measured: Measured) -> dict[str, str]:
    redis = "not used" if measured.redis is None else "disconnected"
    return {
        "database": "connected" if measured.database.state == "present" else "disconnected",
        "redis": "connected" if measured.redis == "PONG" else redis,
        "filesystem": "writable" if measured.writable else "not writable",
    }


def _database(standing: Standing, measured: Measured) -> dict[str, Any]:
    found = measured.database
    return {
        "type": standing.database_type,
        "size_mb": None if found.size_bytes is None else round(found.size_bytes / 1024**2, 2),
        "connections": found.connections,
        "version": found.version or None,
    }


def _uptime(inside: Inside, name: str) -> dict[str, Any]:
    uptimes = inside.measured.uptimes if inside.measured else {}
    return {"uptime_seconds": uptimes.get(f"{name}.service")}


def _resources(standing: Standing) -> dict[str, Any]:
    measured = standing.inside.measured if standing.inside else None
    usage = measured.usage if measured else Usage()
    used, total = usage.memory_used_mb, usage.memory_total_mb
    available = None if used is None or total is None else max(total - used, 0)
    return {
        "cpu_percent": usage.cpu_percent,
        "memory_used_mb": used,
        "memory_available_mb": available,
        "disk_used_gb": _gigabytes(usage.disk_used_bytes),
        "disk_available_gb": _gigabytes(usage.disk_available_bytes),
    }


def _gigabytes(size: int | None) -> float | None:
    return None if size is None else round(size / GIBIBYTE, 1)


def _backups(standing: Standing) -> dict[str, Any] | None:
    found = standing.backups
    if found is None:
        return None
    return {
        "count": found.count,
        "last_backup": found.newest,
        "last_size_bytes": found.size_bytes,
        "last_verified": found.verified,
        "last_drill": asdict(standing.drill) if standing.drill else None,
    }


def _time(moment: datetime | None) -> str | None:
    return format_time(moment) if moment else None
