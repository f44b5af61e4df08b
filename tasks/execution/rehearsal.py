"""The rehearsal of an update's migrations: on a copy of the database, reaching nobody."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence

from msgspec import Struct

from tasks.databases import LIVE, Database, database_for
from tasks.errors import DatabaseError, DeployError, UnhealthyError
from tasks.execution.context import ApplyContext
from tasks.guest.runner import SCRIPT, UNIT_TIMEOUT, guarded, last_lines, script_text
from tasks.model.instance import Instance
from tasks.model.layout import DATA, OUTBOUND_SETTINGS
from tasks.model.plan import PlanEntry
from tasks.planning.migrations import shown
from tasks.resources.files import Absent, File
from tasks.resources.landing import landing
from tasks.resources.migration import DATABASE_FILE, REHEARSAL, Rehearsal

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


def rehearse(batch: Sequence[PlanEntry], work: ApplyContext) -> None:
    """Run the new version on a copy until it is healthy; what it did and how long is kept."""
    for entry in batch:
        assert isinstance(entry.resource, Rehearsal)
        database = database_for(work.inspection.instance, work.container)
        mark(work, present=True)
        try:
            work.progress.step("copying the database for the rehearsal")
            database.copy(PLACE)
            work.rehearsed = _run(entry.resource, database, work)
        except BaseException:
            # What cannot be cleared away now shows in the next plan; why it failed counts.
            with contextlib.suppress(DeployError):
                end(work, database)
            raise
        end(work, database)
        ran = work.rehearsed
        what = shown(ran.ran) if ran.ran else "no migration"
        work.log(f"rehearsed on a copy: {what} in {ran.seconds:.1f} s")


def end(work: ApplyContext, database: Database) -> None:
    """Leave nothing of a rehearsal, whatever became of it."""
    _script(work, "end", guard=True)
    database.drop(PLACE)
    mark(work, present=False)


def mark(work: ApplyContext, *, present: bool) -> None:
    """Note in the container that there may be something of a rehearsal."""
    noted = File(path=REHEARSAL, content=b"begun\n", mode="0600")
    work.container.run(
        [SCRIPT, "-c", guarded("land"), "land"],
        stdin=landing([noted if present else Absent(path=REHEARSAL)]),
        timeout=UNIT_TIMEOUT,
    )


def _run(desired: Rehearsal, database: Database, work: ApplyContext) -> Rehearsed:
    instance = work.inspection.instance
    before = database.migrations(LIVE)
    hidden = [f"{DATA}/files"]
    if instance.database.type == "sqlite":
        hidden += [f"{DATABASE_FILE}{suffix}" for suffix in ("", "-wal", "-shm")]
    begun = time.monotonic()
    port = (
        _script(
            work,
            "begin",
            desired.color,
            str(MOST_SECONDS),
            instance.vikunja.secrets,
            *hidden,
            stdin=settings(instance, database.name(PLACE)),
            guard=True,
        )
        .decode()
        .strip()
    )
    version = work.target.version or "-"
    migrated = 0.0
    # It answers once it has migrated, however long that takes, and then soon.
    while (said := _script(work, "look", port, version).decode().strip()) != "healthy":
        ids = database.migrations(PLACE) if migrated == 0.0 else ()
        if migrated == 0.0 and not set(desired.pending or ()) - set(ids):
            migrated = time.monotonic()
        if migrated and time.monotonic() - migrated > instance.vikunja.start_timeout_seconds:
            raise UnhealthyError(
                f"the rehearsal of {desired.label} ran its migrations, but is not healthy: {said}",
                where=work.where,
                hint="Nothing was changed. Mend the new version, or wait for a better one.",
            )
        work.progress.step("rehearsing the migrations on a copy")
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


def rehearsal_script(*, guard: bool) -> str:
    """guard: for what changes something."""
    text = (script_text("health"), script_text("rehearse"))
    return "\n".join((guarded(), *text) if guard else text)


def _script(
    work: ApplyContext, *arguments: str, stdin: bytes | None = None, guard: bool = False
) -> bytes:
    completed = work.container.run(
        [SCRIPT, "-c", rehearsal_script(guard=guard), "rehearse", *arguments],
        stdin=stdin,
        timeout=UNIT_TIMEOUT,
        check=False,
    )
    if completed.returncode != 0 or completed.stdout == b"ended\n":
        lines = last_lines(completed.stderr)
        raise DatabaseError(
            f"the rehearsal of the migrations failed: {lines[-1] if lines else 'no word of why'}",
            where=work.where,
            evidence=lines[:-1],
            hint="Nothing was changed. The new version does not get on with this database: see the "
            "lines above, and the version's own notes.",
        )
    return completed.stdout
