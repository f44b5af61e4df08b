"""When a service, and what it uses, is well: one rule each. Pure.

Levels: `unhealthy` is an error, it is meant to serve and does not, or soon will not; `warning`
needs a hand; `note` is good to know. A component is as its worst note says, the instance as its
worst component.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

from tasks.model.layout import MAINTENANCE
from tasks.status.guest_facts import Inside
from tasks.status.measured import Answer, DatabaseState, Measured, Usage

Level = Literal["unhealthy", "warning", "note"]
LEVELS: tuple[Level, ...] = ("unhealthy", "warning", "note")
Component = Literal[
    "container",
    "backend",
    "frontend",
    "mcp",
    "database",
    "redis",
    "resources",
    "backups",
    "records",
    "operation",
]

DISK_WARNING, DISK_ERROR = 20, 10
"""Percent of the disk that are free: fewer are a warning, an error."""
MEMORY_WARNING, MEMORY_ERROR = 80, 90
"""Percent of the memory that are used: more are a warning, an error."""

WANTED = ("active", "reloading")

UNIT_COMPONENTS: dict[str, Component] = {
    "nginx": "frontend",
    "postgresql": "database",
    "mariadb": "database",
    "redis-server": "redis",
    "vikunja-backend": "backend",
    "vikunja-mcp": "mcp",
}


class Note(Struct, frozen=True):
    """Something to know of an instance. hint: what to type."""

    level: Level
    what: str
    hint: str
    component: Component


def service_notes(name: str, inside: Inside) -> list[Note]:
    """Of everything that has to run and to answer for the instance to serve."""
    return [*_unit_notes(name, inside), *closed_notes(name, inside), *_answer_notes(name, inside)]


def closed_notes(name: str, inside: Inside) -> list[Note]:
    """Of a site that answers nobody but the tool, which is let through."""
    if not inside.closed:
        return []
    what = f"everybody gets a 503 while {MAINTENANCE} is there"
    hint = f"Unless an update is under way: ./doit apply {name} takes it away"
    return [Note("unhealthy", what, hint, "frontend")]


def _unit_notes(name: str, inside: Inside) -> Iterator[Note]:
    for unit, active in shown_units(inside):
        if only_standin(inside) and unit.endswith(f"@{inside.serving}.service"):
            continue
        if active in WANTED or unit.endswith(f"@{other(inside)}.service"):
            continue
        program = unit.removesuffix(".service").partition("@")[0]
        component = UNIT_COMPONENTS[program]
        logs = {"frontend": "nginx", "backend": "backend", "mcp": "mcp"}.get(component)
        why = f"./doit logs {name} --component {logs} says why it is not" if logs else ""
        hint = f"./doit start {name} starts it" + (f", {why}" if why else "")
        yield Note("unhealthy", f"{short(unit)} is {active}", hint, component)


def only_standin(inside: Inside) -> bool:
    """Whether what serves is the stand-in of a restart that could not start the color anew."""
    own = inside.units.get(f"vikunja-backend@{inside.serving}.service")
    return inside.standin and own not in WANTED


def standin_notes(name: str, inside: Inside) -> list[Note]:
    """Of a stand-in that outlived its restart. Not while one is under way."""
    if not inside.standin:
        return []
    if only_standin(inside):
        what = "only the stand-in of a restart serves, until the container restarts"
        hint = f"./doit apply {name} brings the release itself back"
    else:
        what = "the stand-in of a restart still runs beside what serves"
        hint = f"./doit start {name} ends it"
    return [Note("warning", what, hint, "backend")]


def _answer_notes(name: str, inside: Inside) -> Iterator[Note]:
    found = inside.measured
    if found is None:
        hint = f"Is its memory or disk full? ./doit logs {name}, ./doit plan {name}"
        yield Note("unhealthy", "nothing could be measured in the container", hint, "container")
        return
    backend = list(_backend_notes(name, inside, found.backend))
    yield from backend
    # A page that comes from a backend that is down tells nothing new.
    if not any(note.level == "unhealthy" for note in backend):
        yield from _page_notes(name, inside, found)
    yield from _mcp_notes(name, inside, found)
    yield from _database_notes(name, found.database)
    yield from _redis_notes(name, inside, found.redis)
    if not found.writable:
        hint = (
            f"./doit plan {name} shows why: ./doit apply {name} mends its owner, and where it is "
            f"gone ./doit restore {name} --from latest brings back what the newest backup holds"
        )
        what = "Vikunja cannot write to the folder of its attachments"
        yield Note("unhealthy", what, hint, "backend")


def code_level(code: int) -> Level | None:
    """What an answer of a health path means: 4xx is degraded, but a 404 is something else that
    listens there. None: well."""
    if code == 200:
        return None
    return "warning" if 400 <= code < 500 and code != 404 else "unhealthy"


def _backend_notes(name: str, inside: Inside, answer: Answer) -> Iterator[Note]:
    backend = f"the backend ({inside.serving})"
    log = f"./doit logs {name} --component backend"
    if answer.code == 0:
        reason = f": {answer.error}" if answer.error else ""
        hint = (
            f"{_again(name, inside, f'vikunja-backend@{inside.serving}.service')}, {log} says why"
        )
        yield Note("unhealthy", f"{backend} does not answer{reason}", hint, "backend")
    elif level := code_level(answer.code):
        hint = f"{log} says why"
        yield Note(level, f"{backend} answers /health with {answer.code}", hint, "backend")
    elif inside.version and answer.version and answer.version != inside.version:
        what = f"{backend} answers as {answer.version}, its release is {inside.version}"
        yield Note("warning", what, f"./doit restart {name} runs what is there", "backend")


def _again(name: str, inside: Inside, unit: str) -> str:
    """What brings a unit back: one that runs and hangs is started by nothing that leaves alone what
    runs, and of those a restart is only of what has a color."""
    if inside.units.get(unit) not in WANTED:
        return f"./doit start {name} starts it"
    return f"./doit {'restart' if '@' in unit else 'apply'} {name} starts it anew"


def _page_notes(name: str, inside: Inside, found: Measured) -> Iterator[Note]:
    log = f"./doit logs {name} --component nginx says why"
    if found.page.code == 0:
        what = f"nginx does not answer: {found.page.error}"
        hint = f"{_again(name, inside, 'nginx.service')}, {log}"
        yield Note("unhealthy", what, hint, "frontend")
    elif found.page.code != 200:
        what = f"the page answers with {found.page.code} through nginx"
        yield Note("unhealthy", what, log, "frontend")
    elif not found.application:
        what = "the page holds no application"
        hint = f"./doit apply {name} brings the release, ./doit rollback {name} the one before"
        yield Note("unhealthy", what, hint, "frontend")


def _mcp_notes(name: str, inside: Inside, found: Measured) -> Iterator[Note]:
    if found.mcp is None:
        return
    answer, server = found.mcp.answer, f"the MCP server ({inside.serving})"
    log = f"./doit logs {name} --component mcp says why"
    if answer.code == 0:
        unit = f"vikunja-mcp@{inside.serving}.service"
        hint = f"{_again(name, inside, unit)}, {log}"
        yield Note("unhealthy", f"{server} does not answer: {answer.error}", hint, "mcp")
    elif level := code_level(answer.code):
        what = f"{server} answers /health with {answer.code}"
        if found.mcp.redis == "disconnected":
            what += ", redis is disconnected"
        yield Note(level, what, log, "mcp")
    elif found.mcp.status not in ("ok", "healthy"):
        what = f"{server} says it is {found.mcp.status or 'nothing'}"
        yield Note("warning", what, log, "mcp")


def _database_notes(name: str, found: DatabaseState) -> Iterator[Note]:
    mend = f"./doit plan {name} shows it, ./doit apply {name} mends it"
    said: dict[str, tuple[str, str]] = {
        "stopped": ("the database does not answer", f"./doit start {name} starts it"),
        "unreachable": (
            "the database server does not answer from the container",
            f"Look at that server; ./doit check {name} says whether it is reached",
        ),
        "closed": (
            "the socket of the database's server is closed to Vikunja's user",
            f"Look at the rights of that socket and its folder; ./doit check {name} asks again",
        ),
        "denied": (
            "the database refuses the user",
            f"Was its password changed? Correct database.password_file, then: ./doit apply {name}",
        ),
        "insecure": (
            "the database server is not reached as database.tls says",
            f"./doit check {name} says why",
        ),
        "other-password": ("the database is there, and lets Vikunja's user not in", mend),
        "other-owner": ("the database belongs to another user", mend),
        "other-charset": ("the database has another character set", mend),
        "exposed": ("the database's server is reached from outside of the container", mend),
        "absent": (
            "the database is gone",
            f"./doit restore {name} --from latest brings back the newest backup",
        ),
        "damaged": (
            "the database's file is no database any more",
            "Look at /var/lib/vikunja/vikunja.db in the container, and keep a copy of it; "
            f"./doit restore {name} --from latest --no-backup --allow-version puts the newest "
            "backup in its place",
        ),
        "unasked": ("the database could not be asked, and may well be there", mend),
        "unknown": ("the database could not be looked at", mend),
    }
    if found.state != "present":
        what, hint = said.get(found.state, (f"the database is {found.state}", mend))
        level: Level = (
            "warning"
            if found.state in ("other-charset", "unknown", "unasked", "exposed")
            else "unhealthy"
        )
        yield Note(level, what, hint, "database")
    elif found.tables == 0:
        # Vikunja would make its tables anew, empty, with its next start.
        what = "the database has no tables: what was in it is gone"
        hint = f"./doit restore {name} --from latest brings back the newest backup"
        yield Note("unhealthy", what, hint, "database")
    if found.charsets:
        what = (
            f"tables of the database, or new ones, are of the character set "
            f"{', '.join(found.charsets)}: what people write with emoji ends in an error"
        )
        yield Note("warning", what, f"./doit check {name} says what to do", "database")


def _redis_notes(name: str, inside: Inside, answer: str | None) -> Iterator[Note]:
    if answer is not None and answer != "PONG":
        what = f"redis does not answer: {answer}" if answer else "redis does not answer"
        yield Note("unhealthy", what, _again(name, inside, "redis-server.service"), "redis")


def usage_notes(name: str, found: Measured, own_disk: bool = True) -> list[Note]:
    """Of disk and memory that run out. own_disk: the container has one, and not the host's."""
    return [*_disk_notes(name, found.usage, own_disk), *_memory_notes(name, found.usage)]


def _disk_notes(name: str, usage: Usage, own_disk: bool) -> Iterator[Note]:
    hint = "Make room on this machine: the container's disk is part of its"
    if own_disk:
        hint = f"Raise resources.disk_size_gb, then: ./doit apply {name}"
    yield from _room("the disk", hint, usage.disk_used_bytes, usage.disk_available_bytes)
    yield from _room(
        "the attachments' disk",
        f"Enlarge it (size_gb of proxmox.mounts, then ./doit apply {name}), or make room on it",
        usage.attachments_used_bytes,
        usage.attachments_available_bytes,
    )


def _room(disk: str, hint: str, used: int | None, free: int | None) -> Iterator[Note]:
    if used is None or free is None or used + free == 0:
        return
    percent = free * 100 / (used + free)
    if percent < DISK_WARNING:
        level: Level = "unhealthy" if percent < DISK_ERROR else "warning"
        what = f"{percent:.0f} % of {disk} are free ({free / 1024**3:.1f} GB)"
        yield Note(level, what, hint, "resources")


def _memory_notes(name: str, usage: Usage) -> Iterator[Note]:
    used, total = usage.memory_used_mb, usage.memory_total_mb
    if used is None or not total:
        return
    percent = used * 100 / total
    if percent > MEMORY_WARNING:
        level: Level = "unhealthy" if percent > MEMORY_ERROR else "warning"
        what = f"{percent:.0f} % of the memory are used ({used} of {total} MB)"
        hint = f"Raise resources.memory_mb, then: ./doit apply {name}"
        yield Note(level, what, hint, "resources")


def other(inside: Inside) -> str:
    return "blue" if inside.serving == "green" else "green"


def shown_units(inside: Inside) -> list[tuple[str, str]]:
    """Units with their state: the idle color's only where they are not at rest."""
    idle = f"@{other(inside)}.service"
    return [
        (unit, active)
        for unit, active in inside.units.items()
        if not unit.endswith(idle) or active != "inactive"
    ]


def short(unit: str) -> str:
    return unit.removesuffix(".service")
