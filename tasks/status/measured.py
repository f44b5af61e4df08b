"""What the probe `measure` tells: what each service answered, and what the container uses.

Parsing only; what it means is `rules`'. None, everywhere: it could not be measured.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from tasks.model import layout
from tasks.model.instance import COLORS, Instance
from tasks.resources.observe import Question

PART = "\x1e"
PROBE = "measure"
DATABASE_FILE = f"{layout.DATA}/vikunja.db"
MEBIBYTE = 1024 * 1024


class Answer(Struct, frozen=True):
    """What an HTTP request got.

    code: HTTP status, 0 where no answer came, then error says why. milliseconds: until the
    answer was whole, at least 1. version: as the service names it, empty where it names none.
    """

    code: int
    milliseconds: int = 0
    version: str = ""
    error: str = ""

    @property
    def healthy(self) -> bool:
        return self.code == 200


class McpAnswer(Struct, frozen=True):
    """status, redis: words of its health document, empty where it has none."""

    answer: Answer
    status: str = ""
    redis: str = ""


class DatabaseState(Struct, frozen=True):
    """state: a word of the database's own script, `present` where Vikunja can use it.

    connections: to this database; None for sqlite, which has none. version: of the server. tables:
    how many it has. charsets: character sets in which not every character can be, of MySQL's.
    """

    state: str
    size_bytes: int | None = None
    connections: int | None = None
    version: str = ""
    tables: int | None = None
    charsets: tuple[str, ...] = ()


class Usage(Struct, frozen=True):
    """What the container uses. Percent of the processors it may use; MiB; bytes.

    memory_used_mb: without what the kernel keeps of files and can drop. attachments_…: of the disk
    that attachments have of their own; None where they have none.
    """

    cpu_percent: float | None = None
    memory_used_mb: int | None = None
    memory_total_mb: int | None = None
    disk_used_bytes: int | None = None
    disk_available_bytes: int | None = None
    attachments_used_bytes: int | None = None
    attachments_available_bytes: int | None = None


class Measured(Struct, frozen=True):
    """application: the page that nginx serves holds one. mcp, redis: None where there is none.

    redis: its answer to a ping. writable: Vikunja can write attachments. uptimes: seconds, by
    unit that is active.
    """

    backend: Answer
    page: Answer
    application: bool
    mcp: McpAnswer | None
    redis: str | None
    database: DatabaseState
    writable: bool
    usage: Usage
    uptimes: Mapping[str, int] = msgspec.field(default_factory=dict)


def question(instance: Instance) -> Question:
    """The probe with its arguments."""
    mcp = instance.services.mcp.enabled
    redis = layout.needs_redis(instance)
    return (
        "probe",
        PROBE,
        *(str(instance.backend_port(color)) for color in COLORS),
        *(str(instance.mcp_port(color)) if mcp else "-" for color in COLORS),
        instance.site_origin,
        str(instance.redis.port) if redis else "-",
        *_database_arguments(instance),
    )


def needed_scripts(instance: Instance) -> tuple[str, ...]:
    """Names of the scripts whose functions the probe calls."""
    kind = _database_arguments(instance)[0]
    return () if kind == "sqlite" else (kind,)


def _database_arguments(instance: Instance) -> tuple[str, ...]:
    desired = instance.database
    if desired.type == "sqlite":
        return ("sqlite", DATABASE_FILE)
    user = layout.database_user(instance)
    if desired.host is None:
        return (f"{desired.type}-database", desired.name, user)
    return (f"external-{desired.type}", *layout.external_arguments(instance))


def parse(instance: Instance, text: str) -> Measured | None:
    """The probe's answer; None where it is none."""
    lines = [line for line in text.split(PART) if line]
    found = by_name(text)
    if "now" not in found:
        return None
    mcp = instance.services.mcp.enabled
    return Measured(
        backend=_backend(found),
        page=_answer(found.get("page", "")),
        application="application" in found,
        mcp=_mcp(found) if mcp else None,
        redis=found.get("redis", "").strip() if layout.needs_redis(instance) else None,
        database=_database(found.get("database", "")),
        writable="writable" in found,
        usage=_usage(instance, found),
        uptimes=_uptimes(lines, found["now"]),
    )


def by_name(text: str) -> dict[str, str]:
    """What the probe's lines say, by their names; of several with one name the last."""
    parts = (line.partition(" ") for line in text.split(PART) if line)
    return {name: rest for name, _, rest in parts}


def _answer(text: str, version: str = "") -> Answer:
    """`200 0.012 ` or `000 0.0 Failed to connect …`"""
    code, _, rest = text.partition(" ")
    seconds, _, error = rest.partition(" ")
    if not code.isdigit():
        return Answer(0, error="nothing could be asked: curl is missing in the container")
    if int(code) == 0:
        return Answer(0, error=error.strip() or "no answer")
    return Answer(int(code), max(1, round(_number(seconds) * 1000)), version)


def _backend(found: Mapping[str, str]) -> Answer:
    return _answer(found.get("backend", ""), _text(found.get("info_body", ""), "version"))


def _mcp(found: Mapping[str, str]) -> McpAnswer:
    body = found.get("mcp_body", "")
    answer = _answer(found.get("mcp", ""), _text(body, "version"))
    return McpAnswer(answer, _text(body, "status"), _text(body, "redis"))


def _database(text: str) -> DatabaseState:
    state, size, connections, version, tables, charsets, *_ = [*text.split(), *[""] * 6]
    return DatabaseState(
        state or "unknown",
        int(size) if size.isdigit() else None,
        int(connections) if connections.isdigit() else None,
        version.removesuffix("-") if version != "-" else "",
        int(tables) if tables.isdigit() else None,
        tuple(name for name in charsets.split(",") if name not in ("", "-")),
    )


def _usage(instance: Instance, found: Mapping[str, str]) -> Usage:
    disk = _disk(found.get("disk", ""))
    attachments = _disk(found.get("attachments_disk", ""))
    used, total = _memory(instance, found)
    return Usage(
        cpu_percent=_cpu(found.get("cpu", ""), instance.resources.cpu_cores),
        memory_used_mb=used,
        memory_total_mb=total,
        disk_used_bytes=disk[0],
        disk_available_bytes=disk[1],
        attachments_used_bytes=attachments[0],
        attachments_available_bytes=attachments[1],
    )


def _disk(text: str) -> tuple[int, int] | tuple[None, None]:
    """`KIBIBYTES KIBIBYTES`: used, and free."""
    found = [int(word) * 1024 for word in text.split() if word.isdigit()]
    return (found[0], found[1]) if len(found) == 2 else (None, None)


def _cpu(text: str, cores: int) -> float | None:
    """`NANOSECONDS MICROSECONDS NANOSECONDS MICROSECONDS`: when, how much was used, twice."""
    words = text.split()
    if len(words) != 4 or not all(word.isdigit() for word in words):
        return None
    begun, used_before, ended, used_after = map(int, words)
    if ended <= begun:
        return None
    share = (used_after - used_before) * 1000 / (ended - begun) / cores
    return round(min(max(share * 100, 0.0), 100.0), 1)


def _memory(instance: Instance, found: Mapping[str, str]) -> tuple[int | None, int | None]:
    """MiB used and in all.

    /proc/meminfo tells of the container where lxcfs makes it, and of the whole host elsewhere:
    then the control group counts what is used, against what the container may have.
    """
    allowed = instance.resources.memory_mb
    info = [int(word) // 1024 for word in found.get("meminfo", "").split() if word.isdigit()]
    if len(info) == 2 and info[0] <= allowed:
        return info[0] - info[1], info[0]
    group = [int(word) for word in found.get("memory", "").split() if word.isdigit()]
    if len(group) == 2:
        return max(group[0] - group[1], 0) // MEBIBYTE, allowed
    return None, None


def _uptimes(lines: list[str], now: str) -> dict[str, int]:
    found = {}
    for line in lines:
        name, *fields = line.split()
        if name == "since" and len(fields) == 2 and fields[1].isdigit() and now.isdigit():
            found[fields[0]] = max(0, int(now) - int(fields[1]))
    return found


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _text(body: str, key: str) -> str:
    """A text of a JSON object; empty where it has none."""
    try:
        document: Any = json.loads(body)
    except ValueError:
        return ""
    value = document.get(key) if isinstance(document, dict) else None
    return value if isinstance(value, str) else ""
