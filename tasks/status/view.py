"""How a standing reads: a table of several, a page of one, JSON. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from tasks.errors import DeployError
from tasks.model.state import State
from tasks.status.facts import Standing
from tasks.status.notes import WANTED, notes, short, shown_units

HEADERS = (
    "INSTANCE",
    "STATE",
    "VERSION",
    "COMMIT",
    "COLOUR",
    "ADDRESS",
    "CONTAINER",
    "SERVICES",
    "LAST OPERATION",
    "URL",
)
PLACES = {
    "running": "running",
    "stopped": "stopped",
    "absent": "none",
    "foreign": "not ours",
    "unknown": "-",
}


def state_text(standing: Standing) -> str:
    state = standing.state
    if state is None:
        if standing.locked:
            return "deploying"
        return "unreadable" if standing.problems else "never deployed"
    return f"{state.status} (interrupted)" if standing.interrupted else state.status


def version_of(standing: Standing) -> tuple[str, str, str]:
    """Version, commit and colour: of what serves, else as recorded; `-` where there is none."""
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
    if seconds < 60:
        return "just now"
    if seconds < 3600:
        return f"{seconds // 60:.0f} min ago"
    if seconds < 48 * 3600:
        return f"{seconds // 3600:.0f} h ago"
    return f"{seconds // 86400:.0f} days ago"


def table(standings: Sequence[Standing], now: datetime) -> str:
    """One line an instance."""
    rows = [
        (
            standing.instance_id,
            state_text(standing),
            *version_of(standing),
            standing.address or "-",
            PLACES[standing.container],
            services_text(standing),
            last_text(standing, now),
            standing.url or "-",
        )
        for standing in standings
    ]
    return _tabulated(rows, HEADERS)


def page(standing: Standing, now: datetime) -> str:
    """One instance, one line a fact."""
    version, commit, color = version_of(standing)
    state, inside = standing.state, standing.inside
    up = state.uptime_start if state else None
    since = f", up since {up} ({ago(up, now).removesuffix(' ago')})" if up else ""
    when = f" ({state.last_operation_time})" if state else ""
    place = PLACES[standing.container]
    rows = [
        ("State", state_text(standing) + since),
        ("Version", version),
        ("Commit", commit),
        ("Colour", color),
        ("URL", standing.url or "-"),
        ("Address", standing.address or "-"),
        ("Container", f"{standing.container_name} {place}" if standing.container_name else place),
    ]
    if inside is not None:
        units = ", ".join(f"{short(unit)} {active}" for unit, active in shown_units(inside))
        rows.append(("Services", units))
        if inside.certificate_until is not None:
            rows.append(("Certificate", f"until {inside.certificate_until:%Y-%m-%d}"))
    rows.append(("Last operation", last_text(standing, now) + when))
    lines = _tabulated(rows, ()).splitlines()
    return "\n".join([standing.instance_id, *(f"  {line}" for line in lines)])


def _tabulated(rows: Sequence[Sequence[str]], headers: Sequence[str]) -> str:
    from tabulate import tabulate

    text = tabulate(rows, headers, tablefmt="plain", disable_numparse=True)
    return "\n".join(line.rstrip() for line in text.splitlines())


def problem_document(problem: DeployError) -> dict[str, object]:
    return {"what": str(problem), "hint": problem.hint, "exit_code": problem.exit_code}


def document(standing: Standing, now: datetime) -> dict[str, object]:
    """As JSON: docs/commands.md describes it."""
    version, commit, color = (text if text != "-" else None for text in version_of(standing))
    inside, lock = standing.inside, standing.lock
    commit = (inside.commit if inside and inside.commit else None) or (
        standing.state.deployed_commit if standing.state else commit
    )
    return {
        "instance_id": standing.instance_id,
        "configured": standing.configured,
        "config": standing.config or None,
        "state": asdict(standing.state) if standing.state else None,
        "interrupted": standing.interrupted,
        "version": version,
        "commit": commit,
        "active_color": color,
        "address": standing.address or None,
        "url": standing.url or None,
        "container": {"name": standing.container_name or None, "status": standing.container},
        "services": dict(inside.units) if inside else None,
        "backend": asdict(inside.answer) if inside else None,
        "colors": {
            "nginx": inside.serving if inside else None,
            "container": inside.recorded if inside else None,
            "state": standing.state.active_color if standing.state else None,
        },
        "certificate_until": (
            inside.certificate_until.strftime("%Y-%m-%dT%H:%M:%SZ")
            if inside and inside.certificate_until
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
        "notes": [asdict(note) for note in notes(standing, now)],
        "problems": [problem_document(problem) for problem in standing.problems],
    }
