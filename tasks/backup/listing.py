"""An instance's archives as a user sees them. Reads sidecars; the archives stay closed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from msgspec import Struct
from msgspec.structs import asdict

from tasks.errors import DeployError
from tasks.host.files import named
from tasks.model import archive as model
from tasks.model.archive import Archive, Metadata
from tasks.output.columns import columns
from tasks.output.spans import span

HEADERS = (
    "TIME",
    "AGE",
    "SIZE",
    "VERSION",
    "ENGINE",
    "FILES",
    "TRIGGER",
    "VERIFIED",
    "ENCRYPTED",
    "ARCHIVE",
)
LESS = ("ENCRYPTED", "ENGINE", "FILES", "TRIGGER", "AGE", "VERSION")
"""What goes first on a narrow terminal."""


class Listed(Struct, frozen=True):
    """metadata: None where there is no sidecar, or `problem` says what is wrong with it.

    size: bytes on disk. verified: whether it is the last that was found whole.
    """

    archive: Archive
    size: int
    verified: bool
    metadata: Metadata | None
    problem: DeployError | None = None


def listing(folder: Path) -> tuple[Listed, ...]:
    """All archives of an instance, newest first."""
    verified = model.linked(folder, "verified")
    return tuple(_listed(archive, verified) for archive in reversed(model.archives(folder)))


def _listed(archive: Archive, verified: Archive | None) -> Listed:
    with named(archive.path, "cannot be looked at"):
        size = archive.path.stat().st_size
    try:
        metadata = model.read_metadata(archive)
    except DeployError as problem:
        return Listed(archive, size, archive == verified, None, problem)
    return Listed(archive, size, archive == verified, metadata)


def table(listed: Sequence[Listed], now: datetime, width: int | None = None) -> str:
    """width: of the terminal, None for any."""
    return columns([_row(one, now) for one in listed], HEADERS, width=width, less=LESS)


def _row(one: Listed, now: datetime) -> tuple[str, ...]:
    metadata = one.metadata
    return (
        one.archive.created_at,
        age_text(one.archive.epoch, now),
        size_text(one.size),
        metadata.vikunja_version if metadata else "?",
        metadata.database_type if metadata else "?",
        str(metadata.files_count) if metadata else "?",
        metadata.backup_trigger if metadata else "?",
        "yes" if one.verified else "-",
        "yes" if one.archive.encrypted else "-",
        one.archive.name,
    )


def document(one: Listed) -> dict[str, object]:
    """As JSON. `metadata` is null where there is no sidecar that can be read."""
    return {
        "archive": str(one.archive.path),
        "created_at": one.archive.created_at,
        "size_bytes": one.size,
        "verified": one.verified,
        "encrypted": one.archive.encrypted,
        "metadata": asdict(one.metadata) if one.metadata else None,
        "problem": str(one.problem) if one.problem else None,
    }


def age_text(epoch: int, now: datetime) -> str:
    """`40 s`, `5 min`, `3 h`, `2 days`."""
    return span(max(0, now.timestamp() - epoch))


def size_text(count: int) -> str:
    """`812 B`, `3.4 MB`."""
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
