"""The rehearsal of an update's migrations: on a copy of the database, reaching nobody."""

from __future__ import annotations

import contextlib
import time
from functools import partial

from msgspec import Struct

from tasks.databases import LIVE, Database, database_for
from tasks.errors import DatabaseError, DeployError, UnhealthyError
from tasks.execution.context import ApplyContext
from tasks.guest.runner import GuestScript, last_lines
from tasks.model.instance import Instance
from tasks.model.layout import OUTBOUND_SETTINGS, attachments
from tasks.planning.migrations import shown
from tasks.resources.files import Absent, File
from tasks.resources.landing import put_files
from tasks.resources.migration import DATABASE_FILE, REHEARSAL, Rehearsal

REHEARSE = GuestScript("rehearse", ("health", "rehearse"))
LOOK = GuestScript("rehearse", ("health", "rehearse"), guard=False)

PLACE = "rehearsal"
"""Where the copy is, beside the live database."""

MOST_SECONDS = 3600
"""No rehearsal takes longer: the container itself ends it then."""

EVERY_SECONDS = 0.3


class Rehearsed(Struct, frozen=True):
    """ran: ids of the migrations, oldest first. seconds: from the start to the first healthy answer
    after all of them."""

    ran: tuple[str, ...]
    seconds: float


def rehearse(context: ApplyContext, rehearsal: Rehearsal) -> Rehearsed:
    """Run the new version on a copy of the database until it is healthy."""
    database = database_for(context.inspection.instance, context.container)
    mark(context, present=True)
    try:
        context.progress.step("copying the database for the rehearsal")
        database.copy(PLACE)
        rehearsed = _run(context, rehearsal, database)
    except BaseException:
        # What cannot be cleared away now shows in the next plan; why it failed counts.
        with contextlib.suppress(DeployError):
            end(context, database)
        raise
    end(context, database)
    what = shown(rehearsed.ran) if rehearsed.ran else "no migration"
    context.log(f"rehearsed on a copy: {what} in {rehearsed.seconds:.1f} s")
    return rehearsed


def end(context: ApplyContext, database: Database) -> None:
    """Leave nothing of a rehearsal, whatever became of it."""
    _act(context, "end")
    database.drop(PLACE)
    mark(context, present=False)


def mark(context: ApplyContext, *, present: bool) -> None:
    """Note in the container that there may be something of a rehearsal."""
    noted = File(path=REHEARSAL, content=b"begun\n", mode="0600")
    put_files(context.container, noted if present else Absent(path=REHEARSAL))


def _run(context: ApplyContext, rehearsal: Rehearsal, database: Database) -> Rehearsed:
    instance = context.inspection.instance
    before = database.migrations(LIVE)
    hidden = [attachments(instance)]
    if instance.database.type == "sqlite":
        hidden += [f"{DATABASE_FILE}{suffix}" for suffix in ("", "-wal", "-shm")]
    begun = time.monotonic()
    port = _act(
        context,
        "begin",
        rehearsal.color,
        str(MOST_SECONDS),
        *hidden,
        stdin=settings(instance, database.name(PLACE)),
    )
    migrated = 0.0
    # It answers once it has migrated, however long that takes, and then soon.
    while (said := _look(context, port)) != "healthy":
        ids = database.migrations(PLACE) if migrated == 0.0 else ()
        if migrated == 0.0 and not set(rehearsal.pending or ()) - set(ids):
            migrated = time.monotonic()
        if migrated and time.monotonic() - migrated > instance.vikunja.start_timeout_seconds:
            raise UnhealthyError(
                f"the rehearsal of {rehearsal.label} ran its migrations, but is not healthy: "
                f"{said}",
                where=context.where,
                hint="Nothing was changed. Mend the new version, or wait for a better one.",
            )
        context.progress.step("rehearsing the migrations on a copy")
        time.sleep(EVERY_SECONDS)
    seconds = time.monotonic() - begun
    return Rehearsed(tuple(sorted(set(database.migrations(PLACE)) - set(before))), seconds)


def settings(instance: Instance, name: str) -> bytes:
    """What a rehearsal's environment changes, in systemd's form. name: of the copy."""
    variable = "DATABASE_PATH" if instance.database.type == "sqlite" else "DATABASE_DATABASE"
    wanted = {variable: name, "KEYVALUE_TYPE": "memory", "FILES_TYPE": "local"}
    wanted |= dict.fromkeys(OUTBOUND_SETTINGS, "false")
    return "".join(f"VIKUNJA_{key}={quoted(value)}\n" for key, value in wanted.items()).encode()


def quoted(value: str) -> str:
    """As systemd's EnvironmentFile= reads it."""
    for character in '\\"$`':
        value = value.replace(character, f"\\{character}")
    return f'"{value}"'


def _act(context: ApplyContext, *arguments: str, stdin: bytes | None = None) -> str:
    done = REHEARSE.run(
        context.container, *arguments, stdin=stdin, failure=partial(_failed, context)
    )
    return done.stdout.decode().strip()


def _look(context: ApplyContext, port: str) -> str:
    """`healthy`, or how it is."""
    failure = partial(_failed, context)
    done = LOOK.run(context.container, "look", port, context.version, failure=failure)
    said = done.stdout.decode().strip()
    if said == "ended":
        raise failure(0, last_lines(done.stderr))
    return said


def _failed(context: ApplyContext, _: int, lines: list[str]) -> DatabaseError:
    return DatabaseError(
        f"the rehearsal of the migrations failed: {lines[-1] if lines else 'no word of why'}",
        where=context.where,
        evidence=lines[:-1],
        hint="Nothing was changed. The new version does not get on with this database: see the "
        "lines above, and the version's own notes.",
    )
