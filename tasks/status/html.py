"""The status as one page that needs nothing beside it: no script, no font, no picture. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

from tasks.backup.listing import size_text
from tasks.model.health import Check
from tasks.model.history import Performed
from tasks.model.operation_log import format_duration, format_time
from tasks.output.spans import span
from tasks.paths import TEMPLATES
from tasks.status.chart import HEIGHT, WIDTH, Chart, chart
from tasks.status.facts import Standing
from tasks.status.rules import Note
from tasks.status.view import (
    CONTAINER_STATES,
    NAMES,
    ago,
    backups_text,
    component_text,
    drill_text,
    resource_lines,
    state_text,
    version_of,
)

CHECKS = 120
"""As many of the last checks are drawn."""

WORST = ("unhealthy", "degraded", "unknown", "healthy")


class Shown(Struct, frozen=True):
    """One instance on the page. history: its checks, oldest first."""

    standing: Standing
    notes: tuple[Note, ...]
    health: Mapping[str, Any]
    history: tuple[Check, ...]


def render(shown: Sequence[Shown], now: datetime) -> str:
    """The page as HTML."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES / "status"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    statuses = {one.health["overall_status"] for one in shown}
    return environment.get_template("page.html.j2").render(
        instances=[_instance(one, now) for one in shown],
        overall=next((status for status in WORST if status in statuses), "unknown"),
        now=format_time(now),
        width=WIDTH,
        height=HEIGHT,
    )


def _instance(one: Shown, now: datetime) -> dict[str, Any]:
    standing = one.standing
    version, commit, color = version_of(standing)
    state = standing.state
    since = state.uptime_start if state else None
    up = span((now - datetime.fromisoformat(since)).total_seconds()) if since else "-"
    return {
        "name": standing.instance_id,
        "status": one.health["overall_status"],
        "url": standing.url,
        "findings": list(_findings(one)),
        "facts": [
            ("State", state_text(standing)),
            ("Version", version),
            ("Commit", commit),
            ("Color", color),
            ("Up for", up),
            ("Address", ", ".join(standing.addresses) or "-"),
            ("Container", CONTAINER_STATES[standing.container]),
        ],
        "components": list(_components(one)),
        "bars": list(_bars(one.health)),
        "resources": list(resource_lines(one.health)),
        "releases": list(_releases(standing)),
        "operations": [_operation(done, now) for done in reversed(standing.operations)],
        "backups": _backups(standing, one.health, now),
        "certificate": _certificate(standing, now),
    }


def _findings(one: Shown) -> Iterator[tuple[str, str, str]]:
    """Status, what, and what to type; the worst first."""
    for problem in one.standing.problems:
        yield "unhealthy", str(problem), problem.hint
    levels = {"unhealthy": "unhealthy", "warning": "degraded", "note": "unknown"}
    for note in one.notes:
        yield levels[note.level], note.what, note.hint


def _components(one: Shown) -> Iterator[dict[str, Any]]:
    for key, name in NAMES.items():
        found = one.health["components"].get(key)
        if found is not None:
            text = component_text(found).removeprefix(found["status"]).removeprefix(", ")
            yield {
                "name": name,
                "status": found["status"],
                "text": text,
                "chart": _chart(one.history, key) if "response_time_ms" in found else None,
            }


def _chart(history: Sequence[Check], key: str) -> Chart | None:
    return chart([check.milliseconds.get(key) for check in history[-CHECKS:]])


def _bars(health: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Shares of what there is, in percent."""
    found = health["resources"]
    if found["cpu_percent"] is not None:
        yield _bar("Processor", found["cpu_percent"], 101, 101)
    for name, key in (
        ("Memory", "memory"),
        ("Disk", "disk"),
        ("Attachments' disk", "attachments"),
    ):
        unit = "mb" if key == "memory" else "gb"
        used, available = (found.get(f"{key}_{what}_{unit}") for what in ("used", "available"))
        if used is not None and available is not None and used + available > 0:
            yield _bar(name, used * 100 / (used + available), 80, 90)


def _bar(name: str, percent: float, warn: float, bad: float) -> dict[str, Any]:
    level = "unhealthy" if percent > bad else "degraded" if percent > warn else "healthy"
    return {"name": name, "percent": round(percent, 1), "status": level}


def _releases(standing: Standing) -> Iterator[dict[str, Any]]:
    inside = standing.inside
    if inside is None:
        return
    for color, (version, commit) in inside.releases.items():
        serves = color == inside.serving
        yield {
            "color": color,
            "version": version,
            "commit": commit[:10],
            "what": "serves" if serves else "for a rollback",
        }


def _operation(done: Performed, now: datetime) -> dict[str, Any]:
    return {
        "name": done.operation,
        "when": ago(format_time(done.started), now),
        "time": format_time(done.started),
        "took": "-" if done.seconds is None else format_duration(done.seconds),
        "outcome": done.outcome,
        "reason": done.reason.partition("\n")[0],
    }


def _backups(standing: Standing, health: Mapping[str, Any], now: datetime) -> dict[str, Any] | None:
    found = health["backups"]
    if found is None:
        return None
    recent = standing.backups.recent if standing.backups else ()
    return {
        "text": backups_text(found, now),
        "drill": drill_text(found["last_drill"], now) if found["last_drill"] else "",
        "recent": [
            {"time": time, "when": ago(time, now), "size": "-" if size is None else size_text(size)}
            for time, size in reversed(recent)
        ],
    }


def _certificate(standing: Standing, now: datetime) -> str:
    until = standing.inside.certificate_until if standing.inside else None
    return f"{until:%Y-%m-%d}, in {(until - now).days} days" if until else ""
