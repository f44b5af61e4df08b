"""The data of an installation that was made otherwise, brought into an instance that stands for it.

    with operation(paths, instance.id, "import") as op:
        import_data(target, data, ImportRequest(ask), paths, op)

Rehearsed on a copy first; then the old one's writes stop, what came since is brought, compared, and
goes live as a restore does. The old one is never changed: what the tool has stopped of it is
started again where anything fails. Killed anywhere, the next import removes what is left.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import PurePosixPath

from msgspec import Struct
from msgspec.structs import replace

from tasks.backup.cutover import RESTORED, Cutover
from tasks.backup.staging import (
    ENGINES,
    MAKE_FOLDER,
    UNPACKED,
    clean,
    discarded_on_failure,
    require_room,
)
from tasks.backup.take import take
from tasks.errors import DatabaseError, DeployError, ResourceError
from tasks.execution.database_migration import SLOWER
from tasks.execution.rehearsal import PLACE, Rehearsed, Rehearsing, end, mark, run_on_copy
from tasks.imports.attachments import Copied, copy_attachments
from tasks.imports.data import SourceData
from tasks.imports.snapshot import DUMP, prove, snapshot
from tasks.imports.stopping import writes_stopped
from tasks.model.archive import Archive
from tasks.model.layout import attachments
from tasks.model.operations import Operation
from tasks.paths import Paths
from tasks.planning.migrations import shown
from tasks.progress import SILENT, Progress
from tasks.workflows.restore import (
    RestoreTarget,
    start_all,
    under_lock,
)


class ImportRequest(Struct, frozen=True):
    """stop: the tool may stop the old one's unit. ask: see writes_stopped."""

    ask: Callable[[str], None]
    stop: bool = False


class Imported(Struct, frozen=True):
    """What was brought. seconds: that the old one's writes were stopped until the new one served.
    ran: ids of the migrations. safety: the archive of what the instance held before."""

    tables: int
    rows: int
    files: int
    files_bytes: int
    seconds: float
    ran: tuple[str, ...]
    safety: Archive


class Expected(Struct, frozen=True):
    """What it will take, in bytes."""

    database_size_bytes: int
    files_size_bytes: int


def import_data(
    target: RestoreTarget,
    data: SourceData,
    request: ImportRequest,
    paths: Paths,
    operation: Operation,
    progress: Progress = SILENT,
) -> Imported:
    """Bring it in under an operation that has been entered.

    Raises RolledBackError where what was in the instance serves again; before the cutover, the
    failure itself, and nothing of the instance was touched. The old one serves then as before.
    """
    target, cutover = under_lock(target, paths, operation, progress)
    refuse_other_engine(data, target)
    refuse_other_bucket(data, target)
    cutover.database.require_rights()
    clean(cutover)
    with discarded_on_failure(cutover, operation):
        MAKE_FOLDER.run(cutover.container, UNPACKED)
        rehearsed = _rehearse(target, data, cutover, operation)
        safety = take(
            target.instance,
            target.container,
            paths,
            operation,
            trigger="restore",
            progress=progress,
        ).archive
        progress.step("copying attachments while it serves")
        copied = _first_attachments(data, cutover)
        operation.info(f"Copied {len(copied.files)} attachments, all of them compared")
        timeout = target.instance.vikunja.start_timeout_seconds + round(SLOWER * rehearsed.seconds)
        with writes_stopped(data, stop=request.stop, ask=request.ask) as begun:
            rows, tables, copied = _last(data, cutover, copied, operation)
            _patient(cutover, timeout).perform()
            seconds = time.monotonic() - begun
    operation.info(f"It is live; writes were stopped for {seconds:.1f} s")
    clean(cutover)
    start_all(target)
    return Imported(tables, rows, len(copied.files), copied.size, seconds, rehearsed.ran, safety)


def refuse_other_engine(data: SourceData, target: RestoreTarget) -> None:
    """Raise DatabaseError where the instance has a database of another kind."""
    there, wanted = data.database.type, target.instance.database.type
    if there != wanted:
        raise DatabaseError(
            f"{data.said} has a database of {ENGINES[there]}, and this instance uses "
            f"{ENGINES[wanted]}",
            where=target.instance.id,
            hint=f"Set database.type: {there}, apply it, and import; an apply with the other type"
            " then moves the data.",
        )


def refuse_other_bucket(data: SourceData, target: RestoreTarget) -> None:
    """Raise ResourceError where its attachments are in a bucket that the instance does not use, or
    in the very place that the instance uses."""
    if data.bucket is None:
        return
    ours, theirs = target.instance.vikunja.files, data.bucket
    same = (ours.s3.endpoint, ours.s3.bucket) == (theirs.endpoint, theirs.bucket)
    if not ours.in_bucket or not same or ours.s3.prefix == theirs.folder:
        raise ResourceError(
            f"the attachments of {data.said} are in {theirs.place}",
            where=target.instance.id,
            hint="Give the instance the same vikunja.files.s3.endpoint and bucket with another"
            " prefix, as ./doit import writes it, and apply that first.",
        )


def _rehearse(
    target: RestoreTarget, data: SourceData, cutover: Cutover, operation: Operation
) -> Rehearsed:
    """The old one's data through the new version's migrations, on a copy that goes."""
    database, container, version = cutover.database, target.container, target.running.version
    cutover.progress.step("copying the database for the rehearsal")
    snapshot(data, container, stopped=False)
    require_room(Expected(_size(target), 0), container, cutover.where, attachments(target.instance))
    mark(container, present=True)
    try:
        database.load(DUMP, PLACE)
        theirs = database.migrations(PLACE)
        known = database.migrations() if database.occupied() else theirs
        refuse_newer(data, theirs, known, version, cutover.where)
        pending = tuple(sorted(set(known) - set(theirs)))
        site = Rehearsing(
            target.instance,
            container,
            target.running.color,
            version,
            pending,
            version,
            cutover.progress,
        )
        cutover.progress.step("rehearsing on a copy")
        rehearsed = run_on_copy(site, database, theirs)
    except BaseException:
        # What cannot be cleared away now shows in the next plan; why it failed counts.
        with contextlib.suppress(DeployError):
            end(container, database)
        raise
    end(container, database)
    what = shown(rehearsed.ran) if rehearsed.ran else "no migration"
    operation.info(f"Rehearsed on a copy: {what} in {rehearsed.seconds:.1f} s")
    return rehearsed


def _size(target: RestoreTarget) -> int:
    said = target.container.run(["du", "-sb", DUMP], timeout=900).stdout.split()
    return int(said[0])


def refuse_newer(
    data: SourceData, theirs: tuple[str, ...], known: tuple[str, ...], version: str, where: str
) -> None:
    """Raise DatabaseError where its database knows migrations that the version does not."""
    unknown = set(theirs) - set(known)
    if unknown:
        raise DatabaseError(
            f"the database of {data.said} has been through {len(unknown)} migrations that {version}"
            " does not know",
            where=where,
            hint=f"Deploy {data.version or 'its version'} or a newer one first, then import again.",
        )


def _first_attachments(data: SourceData, cutover: Cutover) -> Copied:
    """Into the place beside the live ones."""
    if data.bucket:
        # The application's user brings them, and may write there only.
        return copy_attachments(data, cutover.container, _beside(cutover))
    folder = f"{UNPACKED}/files"
    copied = copy_attachments(data, cutover.container, folder)
    cutover.stage_attachments(folder)
    return copied


def _beside(cutover: Cutover) -> str:
    above = PurePosixPath(attachments(cutover.instance)).parent
    return f"{above}/vikunja-deploy-files-{RESTORED}"


def _last(
    data: SourceData, cutover: Cutover, copied: Copied, operation: Operation
) -> tuple[int, int, Copied]:
    """With writes stopped: all rows again, what of attachments came since, both compared."""
    cutover.progress.step("copying the database")
    rows = snapshot(data, cutover.container, stopped=True)
    left_out = cutover.database.load(DUMP, RESTORED)
    if left_out:
        operation.warn(
            "Left out, for only an administrator of the database's server may create it: "
            + ", ".join(left_out)
        )
    cutover.progress.step("comparing every row")
    tables = prove(data, cutover.database, RESTORED)
    cutover.progress.step("copying what came since")
    copied = copy_attachments(data, cutover.container, _beside(cutover), copied)
    operation.info(f"{rows} rows in {tables} tables arrived as they are")
    return rows, tables, copied


def _patient(cutover: Cutover, seconds: int) -> Cutover:
    """With as long for its start as migrations may take."""
    settings = replace(cutover.instance.vikunja, start_timeout_seconds=seconds)
    return replace(cutover, instance=replace(cutover.instance, vikunja=settings))
