"""How a standing reads: a table of several, a page of one, JSON. Pure.

What was measured comes from the health document, whether it was made now or is the last check's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec.structs import asdict

from tasks.backup.listing import size_text
from tasks.errors import DeployError
from tasks.model.operation_log import format_duration, format_time
from tasks.model.state import State
from tasks.output.columns import columns
from tasks.output.plan_text import duration
from tasks.output.spans import span
from tasks.status.facts import Standing
from tasks.status.guest_facts import Inside
from tasks.status.rules import WANTED, Note, short, shown_units

HEADERS = (
    "INSTANCE",
    "HEALTH",
    "STATE",
    "VERSION",
    "COMMIT",
    "COLOR",
    "ADDRESS",
    "CONTAINER",
    "SERVICES",
    "LAST OPERATION",
    "URL",
)
LESS = ("COMMIT", "SERVICES", "COLOR", "CONTAINER", "URL", "ADDRESS", "VERSION")
"""What goes first on a narrow terminal; what is wrong is said below the table anyway."""
CONTAINER_STATES = {
    "running": "running",
    "stopped": "stopped",
    "absent": "none",
    "foreign": "not ours",
    "unknown": "-",
}
NAMES = {
    "frontend": "Frontend",
    "backend": "Backend",
    "mcp": "MCP server",
    "database": "Database",
    "redis": "Redis",
}

Health = Mapping[str, Any]


def state_text(standing: Standing) -> str:
    state = standing.state
    if state is None:
        if standing.locked:
            return "deploying"
        return "unreadable" if standing.problems else "never deployed"
    return f"{state.status} (interrupted)" if standing.interrupted else state.status


def version_of(standing: Standing) -> tuple[str, str, str]:
    """Version, commit and color: of what serves, else as recorded; `-` where there is none."""
    inside, state = standing.inside, standing.state
    if inside is not None and inside.version:
        return inside.version, inside.commit[:10] or "-", inside.serving
    if state is not None and state.active_color is not None:
        commit = (state.deployed_commit or "-")[:10]
        return state.deployed_version or "-", commit, state.active_color
    return "-", "-", "-"


def services_text(standing: Standing) -> str:
    """`2 active`, or what is not: `nginx failed, 1 active`"""
    if standing.inside is None:
        return "-"
    units = shown_units(standing.inside)
    odd = [f"{short(unit)} {active}" for unit, active in units if active not in WANTED]
    return ", ".join([*odd, f"{len(units) - len(odd)} active"])


def outcome(standing: Standing, state: State) -> str:
    word = "interrupted" if standing.interrupted else state.last_operation_status
    return {"in_progress": "under way"}.get(word, word)


def last_text(standing: Standing, now: datetime) -> str:
    """`deploy success 5 min ago`"""
    state = standing.state
    if state is None:
        return "-"
    ended = ago(state.last_operation_time, now)
    return f"{state.last_operation} {outcome(standing, state)} {ended}"


def ago(time: str, now: datetime) -> str:
    """How long ago an ISO 8601 moment is: `just now`, `5 min ago`, `3 h ago`, `2 days ago`."""
    seconds = (now - datetime.fromisoformat(time)).total_seconds()
    return "just now" if seconds < 60 else f"{span(seconds)} ago"


def certificate_text(inside: Inside, now: datetime) -> str:
    """Until when it holds, and when another one was asked for last where that is done by itself."""
    text = f"until {inside.certificate_until:%Y-%m-%d}"
    if inside.renewal is None:
        return text
    tried = inside.renewal.tried
    when = f"tried {ago(format_time(tried), now)}" if tried else "never tried"
    failed = ", failed" if inside.renewal.failure else ""
    return f"{text}, renewal {when}{failed}"


def table(
    standings: Sequence[Standing],
    healths: Sequence[Health],
    now: datetime,
    width: int | None = None,
) -> str:
    """One line an instance, of what there is room for. width: of the terminal, None for any."""
    rows = [
        (
            standing.instance_id,
            health["overall_status"],
            state_text(standing),
            *version_of(standing),
            ", ".join(standing.addresses) or "-",
            CONTAINER_STATES[standing.container],
            services_text(standing),
            last_text(standing, now),
            standing.url or "-",
        )
        for standing, health in zip(standings, healths, strict=True)
    ]
    return columns(rows, HEADERS, width=width, less=LESS)


def page(standing: Standing, health: Health, now: datetime) -> str:
    """One instance, one line a fact."""
    version, commit, color = version_of(standing)
    state, inside = standing.state, standing.inside
    up = state.uptime_start if state else None
    since = f", up since {up} ({ago(up, now).removesuffix(' ago')})" if up else ""
    when = f" ({state.last_operation_time})" if state else ""
    container = CONTAINER_STATES[standing.container]
    rows = [
        ("Health", health["overall_status"]),
        ("State", state_text(standing) + since),
        ("Version", version),
        ("Commit", commit),
        ("Color", color),
        ("URL", standing.url or "-"),
        ("Address", ", ".join(standing.addresses) or "-"),
        ("Container", f"{standing.container_label} {container}".strip()),
    ]
    if inside is not None:
        units = ", ".join(f"{short(unit)} {active}" for unit, active in shown_units(inside))
        rows.append(("Services", units))
    rows += component_lines(health)
    rows += resource_lines(health)
    if health.get("packages"):
        rows.append(("Debian", packages_text(health["packages"], now)))
    if inside is not None and inside.certificate_until is not None:
        rows.append(("Certificate", certificate_text(inside, now)))
    if health["backups"] is not None:
        rows.append(("Backups", backups_text(health["backups"], now)))
        if health["backups"]["last_drill"]:
            rows.append(("Last drill", drill_text(health["backups"]["last_drill"], now)))
    rows.append(("Last operation", last_text(standing, now) + when))
    lines = columns(rows).splitlines()
    return "\n".join([standing.instance_id, *(f"  {line}" for line in lines)])


def component_lines(health: Health) -> Iterator[tuple[str, str]]:
    """`Backend: healthy, 200 in 5 ms, v1.2.0, up 3 h`, of each that there is."""
    for key, name in NAMES.items():
        if key in health["components"]:
            yield name, component_text(health["components"][key])


def component_text(found: Mapping[str, Any]) -> str:
    parts = [found["status"]]
    if found.get("http_code"):
        parts.append(f"{found['http_code']} in {found['response_time_ms']} ms")
    if found.get("type"):
        parts.append(" ".join(filter(None, (found["type"], found["version"]))))
    elif found.get("version"):
        parts.append(found["version"])
    if found.get("size_mb") is not None:
        parts.append(f"{found['size_mb']} MB")
    if found.get("connections") is not None:
        number = found["connections"]
        parts.append(f"{number} connection{'' if number == 1 else 's'}")
    if found.get("uptime_seconds") is not None:
        parts.append(f"up {span(found['uptime_seconds'])}")
    return ", ".join(parts)


def resource_lines(health: Health) -> Iterator[tuple[str, str]]:
    found = health["resources"]
    if found["cpu_percent"] is not None:
        yield "Processor", f"{found['cpu_percent']} % used"
    used, available = found["memory_used_mb"], found["memory_available_mb"]
    if used is not None and available is not None:
        yield "Memory", f"{used} of {used + available} MB used"
    used, available = found["disk_used_gb"], found["disk_available_gb"]
    if used is not None and available is not None:
        yield "Disk", f"{available} GB free of {used + available:.1f} GB"
    used, available = found.get("attachments_used_gb"), found.get("attachments_available_gb")
    if used is not None and available is not None:
        yield "Attachments' disk", f"{available} GB free of {used + available:.1f} GB"


def packages_text(found: Mapping[str, Any], now: datetime) -> str:
    """`bookworm until 2028-06-30, 3 updates pending (1 for security), updated 5 h ago`"""
    until = f" until {found['supported_until']}" if found["supported_until"] else ""
    parts = [f"{found['release'] or 'unknown'}{until}"]
    if found["pending"] is not None:
        security = f" ({found['pending_security']} for security)" if found["pending"] else ""
        parts.append(f"{found['pending'] or 'no'} updates pending{security}")
    if found["updated_at"]:
        failed = ", failed" if found["update_failure"] else ""
        parts.append(f"updated {ago(found['updated_at'], now)}{failed}")
    return ", ".join(parts)


def backups_text(found: Mapping[str, Any], now: datetime) -> str:
    """`3, newest 2 h ago (12.3 MB), verified: the one of 26 h ago`"""
    if not found["last_backup"]:
        return "none"
    parts = [f"{found['count']}, newest {ago(found['last_backup'], now)}"]
    if found["last_size_bytes"] is not None:
        parts[0] += f" ({size_text(found['last_size_bytes'])})"
    if found["last_verified"] == found["last_backup"]:
        parts.append("verified")
    elif found["last_verified"]:
        parts.append(f"verified: the one of {ago(found['last_verified'], now)}")
    return ", ".join(parts)


def drill_text(found: Mapping[str, Any], now: datetime) -> str:
    """`3 h ago, v1.2.0 restored in 4.2 s: 1200 rows, 48 files`"""
    took = duration(found["restore_seconds"])
    return (
        f"{ago(found['drilled_at'], now)}, {found['version']} restored in {took}:"
        f" {found['rows']} rows, {found['files']} files"
    )


def problem_document(problem: DeployError) -> dict[str, object]:
    return {"what": str(problem), "hint": problem.hint, "exit_code": problem.exit_code}


def document(standing: Standing, notes: Sequence[Note], health: Health) -> dict[str, object]:
    """As JSON: docs/commands.md describes it."""
    version, commit, color = (text if text != "-" else None for text in version_of(standing))
    inside, lock = standing.inside, standing.lock
    commit = (inside.commit if inside and inside.commit else None) or (
        standing.state.deployed_commit if standing.state else commit
    )
    answer = inside.measured.backend if inside and inside.measured else None
    return {
        "instance_id": standing.instance_id,
        "configured": standing.configured,
        "config": standing.config or None,
        "state": asdict(standing.state) if standing.state else None,
        "interrupted": standing.interrupted,
        "version": version,
        "commit": commit,
        "active_color": color,
        "address": standing.addresses[0] if standing.addresses else None,
        "further_addresses": list(standing.addresses[1:]),
        "url": standing.url or None,
        "container": {"name": standing.container_name or None, "status": standing.container},
        "services": dict(inside.units) if inside else None,
        "backend": (
            {"code": answer.code, "version": answer.version, "error": answer.error}
            if answer
            else None
        ),
        "colors": {
            "nginx": inside.serving if inside else None,
            "container": inside.recorded if inside else None,
            "state": standing.state.active_color if standing.state else None,
        },
        "certificate_until": (
            format_time(inside.certificate_until) if inside and inside.certificate_until else None
        ),
        "certificate_renewal": (
            {
                "tried": format_time(inside.renewal.tried) if inside.renewal.tried else None,
                "failure": inside.renewal.failure or None,
                "waiting": inside.renewal.waiting,
            }
            if inside and inside.renewal
            else None
        ),
        "lock": (
            {
                "operation": lock.operation,
                "owner": lock.owner,
                "pid": lock.pid,
                "since": lock.since,
                "holder": lock.holder,
            }
            if lock
            else None
        ),
        "health": dict(health),
        "operations": [
            {
                "operation": one.operation,
                "started": format_time(one.started),
                "duration": None if one.seconds is None else format_duration(one.seconds),
                "outcome": one.outcome,
            }
            for one in standing.operations
        ],
        "notes": [asdict(note) for note in notes],
        "problems": [problem_document(problem) for problem in standing.problems],
    }
