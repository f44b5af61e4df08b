"""The rehearsal of an update's migrations: on a copy of the database, reaching nobody."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from functools import partial

from msgspec import Struct

from tasks.containers.base import Container
from tasks.databases import LIVE, Database, database_for
from tasks.errors import DatabaseError, DeployError, UnhealthyError
from tasks.execution.context import ApplyContext
from tasks.guest.runner import GuestScript, last_lines
from tasks.model.instance import Color, Instance
from tasks.model.layout import OUTBOUND_SETTINGS, attachments
from tasks.planning.migrations import shown
from tasks.progress import Progress
from tasks.resources.files import Absent, File
from tasks.resources.landing import put_files
from tasks.resources.migration import DATABASE_FILE, REHEARSAL, Rehearsal

PARTS = ("health", "spare-port", "rehearse")
REHEARSE = GuestScript("rehearse", PARTS)
LOOK = GuestScript("rehearse", PARTS, guard=False)

PLACE = "rehearsal"
"""Where the copy is, beside the live database."""

MOST_SECONDS = 3600
"""No rehearsal takes longer: the container itself ends it then."""

EVERY_SECONDS = 0.3


class Rehearsing(Struct, frozen=True):
    """What is rehearsed where. color: whose release and settings; version: that it answers with.
    pending: ids of migrations, None where only the rehearsal shows them. label: of the version."""

    instance: Instance
    container: Container
    color: Color
    version: str
    pending: tuple[str, ...] | None
    label: str
    progress: Progress

    @property
    def where(self) -> str:
        return self.instance.id


class Rehearsed(Struct, frozen=True):
    """ran: ids of the migrations, oldest first. seconds: from the start to the first healthy answer
    after all of them."""

    ran: tuple[str, ...]
    seconds: float


def rehearse(context: ApplyContext, rehearsal: Rehearsal) -> Rehearsed:
    """Run the new version on a copy of the database until it is healthy."""
    instance = context.inspection.instance
    database = database_for(instance, context.container)
    site = Rehearsing(
        instance,
        context.container,
        rehearsal.color,
        context.version,
        rehearsal.pending,
        rehearsal.label,
        context.progress,
    )
    mark(context.container, present=True)
    try:
        context.progress.step("copying the database for the rehearsal")
        database.copy(PLACE)
        rehearsed = run_on_copy(site, database, database.migrations(LIVE))
    except BaseException:
        # What cannot be cleared away now shows in the next plan; why it failed counts.
        with contextlib.suppress(DeployError):
            end(context.container, database)
        raise
    end(context.container, database)
    what = shown(rehearsed.ran) if rehearsed.ran else "no migration"
    context.log(f"rehearsed on a copy: {what} in {rehearsed.seconds:.1f} s")
    return rehearsed


def end(container: Container, database: Database) -> None:
    """Leave nothing of a rehearsal, whatever became of it."""
    failure = partial(_failed, container.spec.instance_id)
    REHEARSE.run(container, "end", failure=failure)
    database.drop(PLACE)
    mark(container, present=False)


def mark(container: Container, *, present: bool) -> None:
    """Note in the container that there may be something of a rehearsal."""
    noted = File(path=REHEARSAL, content=b"begun\n", mode="0600")
    put_files(container, noted if present else Absent(path=REHEARSAL))


def run_on_copy(site: Rehearsing, database: Database, before: Sequence[str]) -> Rehearsed:
    """Run the version on what lies in the place PLACE until it is healthy. before: the migrations
    that this has been through."""
    instance = site.instance
    hidden = [attachments(instance)]
    if instance.database.type == "sqlite":
        hidden += [f"{DATABASE_FILE}{suffix}" for suffix in ("", "-wal", "-shm")]
    begun = time.monotonic()
    port = _act(
        site,
        "begin",
        site.color,
        str(MOST_SECONDS),
        *hidden,
        stdin=settings(instance, database.name(PLACE)),
    )
    migrated = 0.0
    # It answers once it has migrated, however long that takes, and then soon.
    while (looked := _look(site, port)).said != "healthy":
        ids = database.migrations(PLACE) if migrated == 0.0 else ()
        if migrated == 0.0 and not set(site.pending or ()) - set(ids):
            migrated = time.monotonic()
        if migrated and time.monotonic() - migrated > instance.vikunja.start_timeout_seconds:
            raise UnhealthyError(
                f"the rehearsal of {site.label} ran its migrations, but is not healthy: "
                f"{looked.said}",
                where=site.where,
                evidence=looked.last_words,
                hint="Nothing was changed. Mend the new version, or wait for a better one.",
            )
        site.progress.step("rehearsing the migrations on a copy")
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


def _act(site: Rehearsing, *arguments: str, stdin: bytes | None = None) -> str:
    failure = partial(_failed, site.where)
    done = REHEARSE.run(site.container, *arguments, stdin=stdin, failure=failure)
    return done.stdout.decode().strip()


class _Looked(Struct, frozen=True):
    """said: `healthy`, or how it is. last_words: of the program, where it is not healthy."""

    said: str
    last_words: list[str]


def _look(site: Rehearsing, port: str) -> _Looked:
    failure = partial(_failed, site.where)
    done = LOOK.run(site.container, "look", port, site.version, failure=failure)
    looked = _Looked(done.stdout.decode().strip(), last_lines(done.stderr))
    if looked.said == "ended":
        raise failure(0, looked.last_words)
    return looked


def _failed(where: str, _: int, lines: list[str]) -> DatabaseError:
    return DatabaseError(
        f"the rehearsal of the migrations failed: {lines[-1] if lines else 'no word of why'}",
        where=where,
        evidence=lines[:-1],
        hint="Nothing was changed. The new version does not get on with this database: see the "
        "lines above, and the version's own notes.",
    )
