"""The data moves to another database, and the way back from it.

It is a write freeze (tasks/databases/write_freeze.py) with database-move.sh in the middle. What was
there is never touched, so going back is to put the services' settings back; the new database is
emptied again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from tasks.databases import PASSWORD, Database, database_at
from tasks.databases.base import script
from tasks.databases.watchdog import post_watchdog
from tasks.databases.write_freeze import WriteFreeze, journal_of, recover
from tasks.errors import DatabaseError, DeployError, ResourceError
from tasks.execution.context import ApplyContext
from tasks.execution.database_migration import commit
from tasks.guest.runner import SCRIPT, UNIT_TIMEOUT, guarded, last_lines, script_text, while_stopped
from tasks.model import measured as measurements
from tasks.model.database_address import DatabaseAddress
from tasks.model.database_move import KeptDatabase, kept_text, read_kept
from tasks.model.layout import OUTBOUND_SETTINGS, SECRETS, UNITS
from tasks.model.operation_log import format_time, utc_now
from tasks.model.plan import PlanEntry
from tasks.resources.data_move import (
    ENVIRONMENT,
    KEPT,
    NEXT,
    DatabaseRemoved,
    DataCopied,
    Freeze,
    Thaw,
)
from tasks.resources.files import Absent, File
from tasks.resources.landing import landing
from tasks.resources.migration import DATABASE_FILE, HOME
from tasks.resources.release import released
from tasks.resources.system import STAMPS

WRAPPER = "/usr/local/lib/vikunja/backend"
PUT_BACK = (
    ENVIRONMENT,
    WRAPPER,
    f"{UNITS}/vikunja-backend@.service",
    f"{SECRETS}/{PASSWORD}",
    KEPT,
)
"""What is put back where it fails."""

MOST_SECONDS = 3600
"""What a dump, or bringing it in, may take at most."""

MIGRATIONS = "migration"
"""The application's own table of what it has been through: it makes that one itself."""


def stop_writes(batch: Sequence[PlanEntry], work: ApplyContext) -> None:
    """Make sure of the new database and of the way back, then let nobody write any more."""
    for entry in batch:
        assert isinstance(entry.resource, Freeze)
        desired = entry.resource
        old, new = database_at(desired.before, work.container), _new(desired.after, work)
        if not desired.ours and new.occupied():
            raise DatabaseError(
                f"{new.title} holds tables already, which are not this instance's",
                where=work.where,
                hint="Nothing was changed. Empty it, or name another one: database.name. If it is "
                "to be used as it is, plan again: it shows what then stays back.",
            )
        _script(work, "room", str(2 * old.size()), kind=ResourceError)
        _prepare(desired, new, work)
        _stop(desired, work)


def _new(after: DatabaseAddress, work: ApplyContext) -> Database:
    there = any(
        isinstance(one, File) and one.path == NEXT
        for one in work.inspection.desired.steps["system"]
    )
    desired = work.inspection.instance.database
    admin = (desired.host and desired.admin_password_file and desired.admin_user) or ""
    secret = NEXT.rpartition("/")[2] if there else PASSWORD
    return database_at(after, work.container, secret, admin)


def _prepare(desired: Freeze, new: Database, work: ApplyContext) -> None:
    rendered = work.inspection.sources.rendered
    contents = {
        "database-move": script_text("database-move").encode(),
        "filling": (json.dumps(desired.after.as_data()) + "\n").encode(),
        "next-environment": rendered[ENVIRONMENT].content,
        "next-backend": rendered[WRAPPER].content if WRAPPER in rendered else b"",
    }
    _land(
        work,
        *(File(path=f"{HOME}/{name}", content=contents[name], mode="0600") for name in contents),
    )
    instance, color = work.inspection.instance, desired.color
    line = released(work.inspection.facts, color)
    journal = journal_of(instance, color, color, line.version if line else None, moves=True)
    _script(work, "keep", *PUT_BACK, *(f"{STAMPS}/{unit}" for unit in journal.units(color)))
    work.frozen = WriteFreeze(
        work.container,
        journal,
        post_watchdog(work.container, new, script(new.engine)),
        instance.vikunja.start_timeout_seconds,
    )


def _land(work: ApplyContext, *files: File | Absent) -> None:
    argv = work.closed([SCRIPT, "-c", guarded("land"), "land"])
    work.container.run(argv, stdin=landing(files), timeout=UNIT_TIMEOUT)


def _stop(desired: Freeze, work: ApplyContext) -> None:
    assert work.frozen is not None
    work.progress.step("stopping writes")
    work.log(f"Writes stop: {desired.color} finishes what it has, then the data is copied")
    work.frozen.begin(work.inspection.instance.update.upload_wait_seconds)


def copy_over(batch: Sequence[PlanEntry], work: ApplyContext) -> None:
    """Dump, restore, and prove by the rows of every table that all of it arrived."""
    for entry in batch:
        assert isinstance(entry.resource, DataCopied)
        desired = entry.resource
        secrets = work.inspection.instance.vikunja.secrets
        limit = str(MOST_SECONDS)
        old, new = database_at(desired.before, work.container), _new(desired.after, work)
        work.progress.step(f"dumping {desired.before.label}")
        _script(work, "dump", desired.color, limit, secrets, stdin=_settings())
        if new.occupied():
            replace(new, within=while_stopped).wipe()
        # The old one is out of reach for what fills the new one.
        files = [f"{DATABASE_FILE}{suffix}" for suffix in ("", "-wal", "-shm")]
        hidden = files if desired.before.type == "sqlite" else []
        work.progress.step(f"filling {desired.after.label}")
        said = _script(work, "restore", desired.color, limit, secrets, *hidden)
        work.progress.step("comparing the two databases")
        before, after = old.counts(), new.counts()
        wrong = differences(before, after)
        if old.migrations()[-1:] != new.migrations()[-1:]:
            wrong.append(f"{MIGRATIONS}: the new one has not been through the same")
        if wrong:
            raise DatabaseError(
                f"the application did not carry everything over: {wrong[0]}",
                where=work.where,
                evidence=[*wrong[1:], *said],
                hint=f"The lines above are its own. ./doit logs {work.where} shows more.",
            )
        rows = sum(before.values())
        work.log(f"carried over: {len(before)} tables with {rows} rows, {desired.after.label}")
        gone = KeptDatabase(desired.before, format_time(utc_now()))
        _keep(work, *desired.kept, gone)


def differences(before: Mapping[str, int], after: Mapping[str, int]) -> list[str]:
    """In which tables rows are missing, or too many. A table without rows need not be there."""
    names = sorted((before.keys() | after.keys()) - {MIGRATIONS})
    return [
        f"{name}: {before.get(name, 0)} rows, {after.get(name, 0)} arrived"
        for name in names
        if before.get(name, 0) != after.get(name, 0)
    ]


def _settings() -> bytes:
    """What keeps the application from reaching anybody meanwhile."""
    wanted = {
        "KEYVALUE_TYPE": "memory",
        "FILES_TYPE": "local",
        **dict.fromkeys(OUTBOUND_SETTINGS, "false"),
    }
    return "".join(f'VIKUNJA_{key}="{value}"\n' for key, value in wanted.items()).encode()


def _keep(work: ApplyContext, *kept: KeptDatabase) -> None:
    desired = File(path=KEPT, content=kept_text(kept).encode(), mode="0600")
    _land(work, desired if kept else Absent(path=KEPT))


def let_writes_go_on(batch: Sequence[PlanEntry], work: ApplyContext) -> None:
    """The new database serves for good: requests are let in; the old one stays as it is."""
    for entry in batch:
        assert isinstance(entry.resource, Thaw)
        assert work.frozen is not None
        work.frozen.mark_saved()
        measurements.write_database_move(work.paths, work.where, commit(work))
        recover(work.container, work.where)


def forget(batch: Sequence[PlanEntry], work: ApplyContext) -> None:
    """Remove a database that was kept; one on a server outside stays there."""
    for entry in batch:
        assert isinstance(entry.resource, DatabaseRemoved)
        desired, found = entry.resource, entry.resource.item.database
        if found.inside:
            server = found.type != "sqlite"
            if server:
                _script(work, "wake", found.type)
            database_at(found, work.container).remove()
            if server and not desired.stays:
                _script(work, "rest", found.type)
        every = read_kept(work.container.run(["cat", KEPT]).stdout.decode())
        _keep(work, *(item for item in every if not item.database.same(found)))


def move_script() -> str:
    return guarded("database-move")


def _script(
    work: ApplyContext,
    *arguments: str,
    stdin: bytes | None = None,
    kind: type[DeployError] = DatabaseError,
) -> list[str]:
    """Run database-move.sh; the lines that it says beside. Raises `kind` where it fails."""
    completed = work.container.run(
        work.closed([SCRIPT, "-c", move_script(), "database-move", *arguments]),
        stdin=stdin,
        timeout=MOST_SECONDS + UNIT_TIMEOUT,
        check=False,
    )
    lines = last_lines(completed.stderr)
    if completed.returncode != 0:
        raise kind(
            lines[-1] if lines else f"moving the data failed ({arguments[0]})",
            where=work.where,
            evidence=lines[:-1],
            hint="Mend what the lines above name, then ./doit apply again.",
        )
    return lines
