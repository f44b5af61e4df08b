"""Whether an archive will fit, before it is begun."""

from __future__ import annotations

import shutil
from pathlib import Path

from tasks.errors import ResourceError
from tasks.host.files import named

DUMP_SHRINKS_TO = 0.5
"""A dump's part in an archive, at most: SQL and SQLite pages shrink to less than that."""

SPARE = 64 * 1024 * 1024
"""Bytes that stay free for everybody else."""


def needed(database_bytes: int, files_bytes: int) -> int:
    """Bytes that an archive may need. Attachments count whole: most are compressed already."""
    return int(database_bytes * DUMP_SHRINKS_TO) + files_bytes + SPARE


def require_space(folder: Path, database_bytes: int, files_bytes: int) -> None:
    """Raises ResourceError where the file system of `folder`, or of where it will be made, has
    less free than an archive of a dump and attachments of these sizes may need."""
    place = folder
    while not place.exists():
        place = place.parent
    with named(place, "cannot be looked at"):
        free = shutil.disk_usage(place).free
    want = needed(database_bytes, files_bytes)
    if free < want:
        raise ResourceError(
            f"the backup may need {_shown(want)}, and {_shown(free)} are free",
            where=str(folder),
            hint="Make room, lower backup.retention_count, or set backup.directory elsewhere.",
        )


def _shown(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
