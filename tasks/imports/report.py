"""What was found and what could not be placed, in lines; pure."""

from __future__ import annotations

from collections.abc import Iterator

from tasks.backup.listing import size_text
from tasks.imports.found import Found
from tasks.imports.settings import Placed

_ENGINES = {"sqlite": "SQLite", "postgresql": "PostgreSQL", "mysql": "MySQL"}


def found_lines(found: Found) -> Iterator[str]:
    """The installation, a line for each part of it."""
    what = " ".join(filter(None, ("Vikunja", found.version or "of an unknown version")))
    parts = [part for part in (found.unit, found.program) if part]
    yield f"program:      {what}: {', '.join([found.title, *parts])}"
    origins = sorted({setting.origin for setting in found.settings.values()})
    yield f"settings:     {len(found.settings)}: {', '.join(origins) or 'none'}"
    yield f"database:     {_database(found)}"
    yield f"attachments:  {_files(found)}"
    if found.front:
        names = ", ".join(found.front.names) or "any name"
        sealed = "TLS" if found.front.encrypts else "plain HTTP"
        yield f"in front:     {found.front.program}, {names}, {sealed}: {found.front.file}"
    else:
        yield "in front:     nothing was found"


def _database(found: Found) -> str:
    database = found.database
    if database.type == "sqlite":
        size = "is not there" if database.size is None else size_text(database.size)
        return f"SQLite, {database.path}, {size}"
    where = database.socket or f"{database.host} port {database.port}"
    return f"{_ENGINES[database.type]}, {database.name} at {where}"


def _files(found: Found) -> str:
    files = found.files
    if files.bucket:
        return files.place
    if files.there is None:
        return f"{files.folder}, which is not there"
    return f"{files.folder}, files: {files.there.count}, {size_text(files.there.size)}"


def unplaced_lines(placed: Placed) -> Iterator[str]:
    if not placed.unplaced:
        yield "Everything has its place."
        return
    yield "What could not be placed, and why:"
    for one in placed.unplaced:
        yield f"  {one}"
