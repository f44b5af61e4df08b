"""How an instance's last drill went, as the host notes it.

    {"drilled_at": "2025-10-19T10:30:00Z", "archive": "1729338000.tar.gz", "version": "v1.0.0",
     "rows": 1200, "files": 48, "restore_seconds": 4.2, "total_seconds": 31.0}

Only drills that went well are noted; of the others the operation log tells.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

from tasks.host.files import Check, check_record, damaged, read_json, write_json
from tasks.paths import Paths

SUFFIX = "-drill"
"""Of the id and the name of a drill's container."""


@dataclass(frozen=True)
class LastDrill:
    """drilled_at: when it ended, ISO 8601, UTC. archive: its name. rows, files: that were proven.

    restore_seconds: from the archive to the application's healthy answer, in a container that
    was ready. total_seconds: from nothing, with the container and all that is installed in it.
    """

    drilled_at: str
    archive: str
    version: str
    rows: int
    files: int
    restore_seconds: float
    total_seconds: float


def _text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _count(value: object) -> bool:
    return type(value) is int and value >= 0


def _seconds(value: object) -> bool:
    return type(value) in (int, float) and value >= 0  # type: ignore[operator]


_CHECKS: dict[str, Check] = {
    "drilled_at": _text,
    "archive": _text,
    "version": _text,
    "rows": _count,
    "files": _count,
    "restore_seconds": _seconds,
    "total_seconds": _seconds,
}


def read(paths: Paths, instance_id: str) -> LastDrill | None:
    """None before the first. Raises DeployError where the note is damaged."""
    path = paths.last_drill(instance_id)
    hint = f"Remove {path}: the next drill writes it anew."
    record = read_json(path, hint)
    if record is None:
        return None
    if problem := check_record(record, _CHECKS):
        raise damaged(path, problem, hint)
    return LastDrill(**{field.name: record[field.name] for field in fields(LastDrill)})


def write(paths: Paths, instance_id: str, drill: LastDrill) -> None:
    write_json(paths.last_drill(instance_id), asdict(drill))
