"""The data moves to another database, and the way back from it.

It is a write freeze (tasks/databases/write_freeze.py) with database-move.sh in the middle. What was
there is never touched, so going back is to start what served before; the new database is emptied
again.
"""

from __future__ import annotations

import json

from msgspec.structs import replace

from tasks.databases import PASSWORD, Database, database_at
from tasks.databases.base import script
from tasks.databases.copier import copy_rows
from tasks.databases.watchdog import post_watchdog
from tasks.databases.write_freeze import MOVE, WriteFreeze, journal_of
from tasks.desired.release import other
from tasks.errors import DatabaseError, DeployError, ResourceError
from tasks.execution.context import ApplyContext
from tasks.guest.runner import (
    UNIT_TIMEOUT,
    GuestScript,
    last_line_says,
    last_lines,
    script_text,
    while_stopped,
)
from tasks.model.database_address import DatabaseAddress
from tasks.model.database_move import KeptDatabase, kept_text, read_kept
from tasks.model.layout import OUTBOUND_SETTINGS, SECRETS, TLS_FILES
from tasks.model.operation_log import format_time, utc_now
from tasks.model.plan import PlanEntry
from tasks.planning.migrations import ID
from tasks.resources.data_move import (
    KEPT,
    NEXT,
    DatabaseRemoved,
    DataCopied,
    Freeze,
)
from tasks.resources.files import Absent, File
from tasks.resources.landing import put_files
from tasks.resources.migration import HOME
from tasks.resources.release import listening_port, released

PUT_BACK = (*(f"{SECRETS}/{name}" for name in (PASSWORD, *TLS_FILES)), KEPT)
"""What is put back where it fails: what the old database's server is reached with."""

MOST_SECONDS = 3600
"""What making the tables may take at most."""

SCRIPT = GuestScript(MOVE, (MOVE,))


def freeze_for(context: ApplyContext, desired: Freeze) -> WriteFreeze:
    """Make sure of the new database and of the way back; the write freeze that may begin then."""
    old = database_at(desired.before, context.container)
    new = _new(context, desired.after)
    if not desired.ours and new.occupied():
        raise DatabaseError(
            f"{new.title} holds tables already, which are not this instance's",
            where=context.where,
            hint="Nothing was changed. Empty it, or name another one: database.name. If it is "
            "to be used as it is, plan again: it shows what then stays back.",
        )
    # The new one, and what is sorted for comparison.
    _script(context, "room", str(4 * old.size()), kind=ResourceError)
    _prepare(context, desired)
    instance, serving = context.inspection.instance, other(desired.color)
    line = released(context.inspection.facts, serving)
    version = line.version if line else None
    port = listening_port(context.inspection.facts, instance, serving)
    _script(context, "keep", *PUT_BACK)
    return WriteFreeze(
        context.container,
        journal_of(instance, serving, desired.color, version, port=port, moves=True),
        post_watchdog(context.container, new, script(new.engine)),
        instance.vikunja.start_timeout_seconds,
    )


def _new(context: ApplyContext, after: DatabaseAddress) -> Database:
    there = any(
        isinstance(one, File) and one.path == NEXT
        for one in context.inspection.desired.steps["system"]
    )
    desired = context.inspection.instance.database
    admin = (desired.host and desired.admin_password_file and desired.admin_user) or ""
    secret = NEXT.rpartition("/")[2] if there else PASSWORD
    return database_at(after, context.container, secret, admin)


def _prepare(context: ApplyContext, desired: Freeze) -> None:
    contents = {
        MOVE: script_text(MOVE).encode(),
        "filling": (json.dumps(desired.after.as_data()) + "\n").encode(),
    }
    put_files(
        context.container,
        *(File(path=f"{HOME}/{name}", content=contents[name], mode="0600") for name in contents),
    )


def copy(context: ApplyContext, desired: DataCopied, _: PlanEntry) -> None:
    """Let the application make its tables in the new database, fill them with the rows of the old
    one, and prove by the rows of every table that all of it arrived."""
    old, new = database_at(desired.before, context.container), _new(context, desired.after)
    if new.occupied():
        replace(new, within=while_stopped).wipe()
    context.progress.step(f"filling {desired.after.label}")
    words = (desired.color, str(MOST_SECONDS))
    _script(context, "schema", *words, stdin=_settings(), frozen=True)
    _require_one_version(context, old, new)
    copied = copy_rows(old, new, context.progress, frozen=True)
    context.log(f"copied: {copied.tables} tables with {copied.rows} rows, {desired.after.label}")
    if copied.left_out:
        context.operation.warn(
            f"{context.where}: not copied, for the application has no such thing: "
            f"{', '.join(copied.left_out)}; {desired.before.label} keeps it"
        )
    gone = KeptDatabase(desired.before, format_time(utc_now()), copied.left_out)
    _keep(context, *desired.kept, gone, frozen=True)


def _require_one_version(context: ApplyContext, old: Database, new: Database) -> None:
    before, after = _newest(old), _newest(new)
    if before != after:
        raise DatabaseError(
            f"the old database has been through migration {before}, the new one through {after}",
            where=context.where,
            hint="The application's tables differ by version. Deploy the one that made the old "
            "database's, then move it.",
        )


def _newest(database: Database) -> str | None:
    return max(filter(ID.fullmatch, database.migrations()), default=None)


def _settings() -> bytes:
    """What keeps the application from reaching anybody meanwhile."""
    wanted = {
        "KEYVALUE_TYPE": "memory",
        **dict.fromkeys(OUTBOUND_SETTINGS, "false"),
    }
    return "".join(f'VIKUNJA_{key}="{value}"\n' for key, value in wanted.items()).encode()


def _keep(context: ApplyContext, *kept: KeptDatabase, frozen: bool = False) -> None:
    desired = File(path=KEPT, content=kept_text(kept).encode(), mode="0600")
    put_files(context.container, desired if kept else Absent(path=KEPT), frozen=frozen)


def forget(context: ApplyContext, desired: DatabaseRemoved, _: PlanEntry) -> None:
    """Remove a database that was kept; one on a server outside stays there."""
    found = desired.item.database
    if found.inside:
        server = found.type != "sqlite"
        if server:
            _script(context, "wake", found.type)
        database_at(found, context.container).remove()
        if server and not desired.stays:
            _script(context, "rest", found.type)
    every = read_kept(context.container.run(["cat", KEPT]).stdout.decode())
    _keep(context, *(item for item in every if not item.database.same(found)))


def _script(
    context: ApplyContext,
    *arguments: str,
    stdin: bytes | None = None,
    kind: type[DeployError] = DatabaseError,
    frozen: bool = False,
) -> list[str]:
    """Run database-move.sh; the lines that it says beside. Raises `kind` where it fails."""
    done = SCRIPT.run(
        context.container,
        *arguments,
        stdin=stdin,
        timeout=MOST_SECONDS + UNIT_TIMEOUT,
        frozen=frozen,
        failure=last_line_says(
            kind,
            f"moving the data failed ({arguments[0]})",
            where=context.where,
            hint="Mend what the lines above name, then ./doit apply again.",
        ),
    )
    return last_lines(done.stderr)
