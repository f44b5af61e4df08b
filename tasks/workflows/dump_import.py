"""What `vikunja dump` wrote, brought into an instance of the same version.

    with operation(paths, instance.id, "import") as op:
        import_dump(target, DumpSource("dump:vikunja.zip", path), paths, op)

The application's own `restore` is not asked (docs/decisions/0063): its rows go into a copy of the
instance's database, which then becomes live as a restored one does. Killed anywhere, the next
import removes what is left.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from pathlib import Path, PurePosixPath
from tempfile import TemporaryFile
from typing import IO

from msgspec import Struct

from tasks.backup.cutover import RESTORED, Cutover
from tasks.backup.staging import (
    ENGINES,
    MAKE_FOLDER,
    UNPACKED,
    clean,
    discarded_on_failure,
    require_room,
)
from tasks.backup.stream import produced
from tasks.backup.take import take
from tasks.errors import DatabaseError, DeployError
from tasks.imports.attachments import RECEIVE, digests_of
from tasks.imports.data import DATA, LONG
from tasks.imports.dump import FILES, VERSION, opened
from tasks.imports.dump_rows import Filled, filled, migrations_of
from tasks.imports.snapshot import DUMP
from tasks.model.layout import attachments
from tasks.model.operations import Operation
from tasks.paths import Paths
from tasks.progress import SILENT, Progress
from tasks.workflows.data_import import Expected, Imported
from tasks.workflows.restore import (
    RestoreTarget,
    start_all,
    under_lock,
)


class DumpSource(Struct, frozen=True):
    """said: as the user named it."""

    said: str
    path: Path


def import_dump(
    target: RestoreTarget,
    source: DumpSource,
    paths: Paths,
    operation: Operation,
    progress: Progress = SILENT,
) -> Imported:
    """Bring it in under an operation that has been entered. Raises as import_data does."""
    target, cutover = under_lock(target, paths, operation, progress)
    clean(cutover)
    with opened(source.said, source.path) as dump, discarded_on_failure(cutover, operation):
        refuse_other(dump, source, target, cutover)
        require_room(
            _expected(dump), cutover.container, cutover.where, attachments(target.instance)
        )
        safety = take(
            target.instance,
            target.container,
            paths,
            operation,
            trigger="restore",
            progress=progress,
        ).archive
        MAKE_FOLDER.run(cutover.container, UNPACKED)
        progress.step("filling a copy of the database")
        brought = _database(dump, source, cutover)
        for what in brought.left_out:
            operation.warn(f"{target.running.version} has no place for {what}")
        progress.step("unpacking attachments")
        files, size = _attachments(dump, source, cutover)
        operation.info(f"{sum(brought.rows.values())} rows and {files} attachments are as listed")
        cutover.perform()
    clean(cutover)
    start_all(target)
    rows = sum(brought.rows.values())
    return Imported(len(brought.rows), rows, files, size, 0.0, (), safety)


def refuse_other(
    dump: zipfile.ZipFile, source: DumpSource, target: RestoreTarget, cutover: Cutover
) -> None:
    """Raise DatabaseError where the instance's database is of another kind, or has been through
    other migrations than the dump's."""
    where, wanted = target.instance.id, target.instance.database.type
    if wanted != "sqlite":
        raise DatabaseError(
            f"a dump is brought into a database of SQLite, and this instance uses "
            f"{ENGINES[wanted]}",
            where=where,
            hint="Set database.type: sqlite, apply it, and import; an apply with the other type"
            " then moves the data.",
        )
    if migrations_of(dump) != frozenset(cutover.database.migrations()):
        version = dump.read(VERSION).decode(errors="replace").strip()
        raise DatabaseError(
            f"{source.said} is of {version}, whose tables are not those of "
            f"{target.running.version}",
            where=where,
            hint=f"Set release.version: {version}, apply it, and import; then take a newer one.",
        )


def _expected(dump: zipfile.ZipFile) -> Expected:
    sizes = {info.filename: info.file_size for info in dump.infolist()}
    files = sum(size for name, size in sizes.items() if name.startswith(FILES))
    return Expected(sum(sizes.values()) - files, files)


def _database(dump: zipfile.ZipFile, source: DumpSource, cutover: Cutover) -> Filled:
    """Into the place RESTORED, where every row is counted."""
    container = cutover.container
    cutover.database.dump(DUMP)
    with TemporaryFile() as taken:
        container.run(["cat", f"{DUMP}/vikunja.db"], stdout=taken, timeout=LONG)
        taken.seek(0)
        brought = filled(taken.read(), dump, source.said)
    DATA.run(container, "write", f"{DUMP}/vikunja.db", stdin=brought.content, timeout=LONG)
    listed = "".join(f"{table}\t{rows}\n" for table, rows in sorted(brought.rows.items()))
    DATA.run(container, "write", f"{DUMP}/tables.tsv", stdin=listed.encode())
    cutover.database.load(DUMP, RESTORED)
    return brought


def _attachments(dump: zipfile.ZipFile, source: DumpSource, cutover: Cutover) -> tuple[int, int]:
    """Into the place beside the live ones, each compared; how many, and their bytes."""
    folder = f"{UNPACKED}/files"
    infos = [one for one in dump.infolist() if one.filename.startswith(FILES) and not one.is_dir()]
    digests: dict[str, str] = {}

    def produce(output: IO[bytes]) -> None:
        with tarfile.open(fileobj=output, mode="w|") as archive:
            for info in infos:
                name = PurePosixPath(info.filename).name
                content = dump.read(info)
                digests[name] = hashlib.sha256(content).hexdigest()
                member = tarfile.TarInfo(name)
                member.size, member.mode = len(content), 0o640
                archive.addfile(member, io.BytesIO(content))

    with produced(produce) as stream:
        cutover.container.run(RECEIVE.argv(folder), stdin=stream, timeout=LONG)
    if digests and digests_of(cutover.container, folder, digests) != digests:
        raise DeployError("not every attachment arrived as it is", where=source.said)
    cutover.stage_attachments(folder)
    return len(infos), sum(info.file_size for info in infos)
