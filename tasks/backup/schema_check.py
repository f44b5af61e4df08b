"""Whether what serves takes a restored database as it is, by the migrations that it and the live
one have been through."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.backup.cutover import RESTORED
from tasks.backup.running_instance import RunningInstance
from tasks.databases import Database
from tasks.errors import DatabaseError
from tasks.model.archive import Contents


def refuse_migrating(contents: Contents, running: RunningInstance, database: Database) -> None:
    """Raise DatabaseError where what serves would migrate what lies in the place RESTORED, or does
    not know it."""
    live = _live_migrations(database)
    if live is None:
        refuse_other_version(contents, running)
    else:
        refuse_other_schema(contents, running, database.migrations(RESTORED), live)


def refuse_other_schema(
    contents: Contents, running: RunningInstance, restored: Sequence[str], live: Sequence[str]
) -> None:
    """Raise DatabaseError where what serves would find another schema than its own.

    restored, live: the migrations that the archive's database and the live one have been through.
    The versions may differ as long as these are the same. Of what serves itself was an archive that
    has been through more: the live database has lost them.
    """
    version = running.version
    unknown, missing = set(restored) - set(live), set(live) - set(restored)
    if unknown and (missing or not _same_version(contents, running)):
        raise DatabaseError(
            f"the archive is of {contents.vikunja_version}, whose database has been through "
            f"{len(unknown)} migrations that {version} does not know",
            where=running.instance.id,
            hint=f"Deploy {contents.vikunja_version} first, or insist: --allow-version",
        )
    if missing:
        raise DatabaseError(
            f"the archive is of {contents.vikunja_version}: {version} would run {len(missing)} "
            "migrations on it, which cannot be undone",
            where=running.instance.id,
            hint="Let it, with --allow-version: if they fail, what is there now comes back. Or "
            f"deploy {contents.vikunja_version} first.",
        )


def refuse_other_version(contents: Contents, running: RunningInstance) -> None:
    """Raise DatabaseError where the archive is of another version than the one that serves, and no
    database is there that would tell whether theirs differ."""
    if _same_version(contents, running):
        return
    raise DatabaseError(
        f"the archive is of {contents.vikunja_version}, {running.version} serves, and there is no "
        "database that would tell whether it can take that one over",
        where=running.instance.id,
        hint=f"Deploy {contents.vikunja_version} first. Or let {running.version} migrate it, with "
        "--allow-version.",
    )


def _same_version(contents: Contents, running: RunningInstance) -> bool:
    archived = (contents.vikunja_version, contents.vikunja_commit)
    return archived == (running.version, running.commit)


def _live_migrations(database: Database) -> Sequence[str] | None:
    """What the live database has been through; None where there is none."""
    try:
        return database.migrations() if database.occupied() else None
    except DatabaseError as failure:
        failure.hint = (
            "Versions cannot be compared with a database that cannot be read. --no-backup "
            "--allow-version restores without looking at it; what is there now, database and "
            "attachments, is lost then."
        )
        raise
