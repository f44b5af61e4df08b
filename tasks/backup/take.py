"""One backup of an instance, from its container to a finished archive.

    with operation(paths, instance.id, "backup") as op:
        taken = take(instance, container_for(instance, paths), paths, op)

Whoever holds the instance's lock may take one: restore and uninstall do before they begin.
Killed at any moment, nothing half done has an archive's name, the service has not noticed, and
the next backup removes what is left.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from msgspec import Struct

from tasks.age import Lock
from tasks.backup import configuration, container_record, running_instance
from tasks.backup.configuration import DOCUMENT
from tasks.backup.keys import lock_of
from tasks.backup.manifest import Counted
from tasks.backup.mount import require_mounted
from tasks.backup.retention import prune, remove_partial, retention_of
from tasks.backup.running_instance import RunningInstance, inside_run
from tasks.backup.source import STAGING, container_stream, create_argv
from tasks.backup.space import require_space
from tasks.backup.stream import write_archive
from tasks.containers.base import Container
from tasks.databases import Apart, counts_in, database_for, read_apart
from tasks.errors import DatabaseError, DeployError
from tasks.guest.runner import GuestScript, wait_for_leftovers
from tasks.model import archive as model
from tasks.model import holdings, last_backup
from tasks.model.archive import BACKUP_VERSION, Archive, Contents, Metadata, Trigger
from tasks.model.instance import Instance
from tasks.model.layout import USER, attachments, copies_bucket
from tasks.model.operations import Operation
from tasks.paths import Paths
from tasks.progress import SILENT, Progress

SHOW = GuestScript("show", call='if [ -e "$1" ]; then cat "$1"; fi', guard=False)
"""A file's content; nothing where there is none."""

STREAM_TIMEOUT = 24 * 3600.0

COPY = GuestScript("copy", ("bucket",), call='bucket_copied "$1"', guard=False)
"""What is in a bucket. Argument: the folder that is to hold it."""

ELSEWHERE = "Attachments are not in the archive, but in"
"""Before the place in words."""

LEFT_OUT = "Only an administrator of the database's server may create, a restore may leave out"
"""Before what of a database is meant."""


class Taken(Struct, frozen=True):
    """A finished backup. removed: archives that retention deleted after it. left_out: what only an
    administrator of the database's server may create, so that a restore may leave it out. shrunk:
    what is to be said where it holds less than half of the backup before it. elsewhere: where
    attachments are that it does not hold."""

    archive: Archive
    metadata: Metadata
    removed: tuple[Archive, ...]
    left_out: tuple[str, ...] = ()
    shrunk: str = ""
    elsewhere: str = ""


def folder_of(instance: Instance) -> Path:
    """Where an instance's archives are. Raises ResourceError where it has to be mounted, and is
    not."""
    require_mounted(instance.backup)
    return instance.backup.directory / instance.id


def take(
    instance: Instance,
    container: Container,
    paths: Paths,
    operation: Operation,
    *,
    trigger: Trigger = "manual",
    progress: Progress = SILENT,
    spare: Collection[Archive] = (),
) -> Taken:
    """Take a backup under an operation that has been entered, whatever it is called.

    spare: archives that retention must not delete, such as one that is being restored. Raises
    DeployError; no archive is left then, and those that were there stay.
    """
    lock = lock_of(instance.backup.encrypt)
    folder = folder_of(instance)
    for left in remove_partial(folder):
        operation.info(f"Removed {left.name}, which a killed backup left")
    progress.step("Looking at what is to be backed up")
    running_instance.require_running(container, instance)
    wait_for_leftovers(container)
    found = running_instance.find(instance, container, paths)
    archive = Archive(model.next_epoch(folder, time.time()), folder, lock is not None)
    operation.info(f"Backing up {found.version} to {archive.path}")
    metadata, rows, left_out = _write(found, container, archive, lock, trigger, operation, progress)
    operation.info(f"Archive {archive.name} is complete: {metadata.total_size_bytes} bytes")
    _note(found, container, paths, operation, archive)
    known = holdings.note(paths, instance.id, archive, rows)
    removed = prune(folder, retention_of(instance.backup), (archive, *spare), known)
    for gone in removed:
        operation.info(f"Removed {gone.name}, which is older than what is kept")
    for fuller in holdings.fuller(folder, known):
        then, now = holdings.held(fuller, known), holdings.held(archive, known)
        operation.info(f"{fuller.name} stays: it holds {then}, {archive.name} {now}")
    elsewhere = _elsewhere(found.instance)
    if shrunk := holdings.shrunk(archive, known, elsewhere=bool(elsewhere)):
        operation.warn(shrunk)
    return Taken(archive, metadata, removed, left_out, shrunk, elsewhere)


def _write(
    found: RunningInstance,
    container: Container,
    archive: Archive,
    lock: Lock | None,
    trigger: Trigger,
    operation: Operation,
    progress: Progress,
) -> tuple[Metadata, int, tuple[str, ...]]:
    """Dump, stream, archive; what is known of it, how many rows are in it, and what a restore of it
    may leave out."""
    instance = found.instance
    database = database_for(instance, container, found.color)
    require_space(archive.folder, database.size(), found.files_bytes)
    with _staging(container, f"backup-{archive.epoch}") as staging:
        progress.step("Copying the database")
        operation.info("Copying the database")
        dump_bytes = database.dump(f"{staging}/database")
        listed = container.run(["cat", f"{staging}/database/tables.tsv"]).stdout
        tables = counts_in(listed.decode())
        if not tables:
            # An archive of it would be the one that is brought back next.
            raise DatabaseError(
                "the database has no tables: what was in it is gone, and nothing is backed up",
                where=instance.id,
                hint=f"Bring back what the newest archive holds: ./doit restore {instance.id} "
                "--from latest",
            )
        left_out = tuple(one.what for one in _apart(container, f"{staging}/database"))
        if left_out:
            operation.info(f"{LEFT_OUT}: {', '.join(left_out)}")

        elsewhere = _elsewhere(instance)
        if elsewhere:
            operation.info(f"{ELSEWHERE} {elsewhere}")

        def describe(counted: Counted) -> Contents:
            return Contents(
                backup_version=BACKUP_VERSION,
                instance_id=instance.id,
                created_at=archive.created_at,
                vikunja_version=found.version,
                vikunja_commit=found.commit,
                database_type=instance.database.type,
                database_size_bytes=counted.database_size_bytes,
                files_count=counted.files_count,
                files_size_bytes=counted.files_size_bytes,
                hostname=instance.network.domain,
                backup_trigger=trigger,
                tables=tables,
                left_out=left_out,
                files_elsewhere=elsewhere,
            )

        if copies_bucket(instance):
            progress.step("Copying attachments from the bucket")
            operation.info(f"Copying attachments from {instance.vikunja.files.s3.place}")
            _copy_bucket(instance, container)
        operation.info("Writing the archive")
        argv = create_argv(
            archive.root, staging, _attachments_in(found, container, staging, trigger)
        )
        metadata = write_archive(
            archive,
            container_stream(container, argv, STREAM_TIMEOUT),
            describe,
            own=(
                configuration.open_files(instance, found.gathered)
                if lock is None
                else configuration.sealed_files(found.gathered)
            ),
            level=instance.backup.level,
            expected=dump_bytes + found.files_bytes,
            lock=lock,
            progress=progress,
        )
    return metadata, sum(tables.values()), left_out


def _attachments_in(
    found: RunningInstance, container: Container, staging: str, trigger: Trigger
) -> str:
    """The folder in which `files` is. Raises DeployError where that is gone; a restore brings it
    back, and first saves the database that is there."""
    folder = attachments(found.instance)
    elsewhere = bool(_elsewhere(found.instance))
    if not elsewhere and container.run(["test", "-d", folder], check=False).returncode == 0:
        return str(PurePosixPath(folder).parent)
    if trigger == "restore" or elsewhere:
        # Where it is restored, it is the application's.
        argv = ["install", "-d", "-o", USER, "-g", USER, "-m", "0750", f"{staging}/files"]
        container.run(argv)
        return staging
    raise DeployError(
        f"the folder of its attachments, {folder}, is gone",
        where=found.instance.id,
        hint=f"./doit plan {found.instance.id} says what brings it back.",
    )


def _elsewhere(instance: Instance) -> str:
    """Where attachments are that a backup does not hold; empty where it holds them."""
    files = instance.vikunja.files
    return files.s3.place if files.in_bucket and not copies_bucket(instance) else ""


def _copy_bucket(instance: Instance, container: Container) -> None:
    COPY.run(
        container,
        attachments(instance),
        timeout=STREAM_TIMEOUT,
        failure=lambda _, lines: DeployError(
            f"the attachments in {instance.vikunja.files.s3.place} could not be copied",
            where=instance.id,
            evidence=lines,
            hint=f"./doit check {instance.id} asks the server. backup.s3: skip takes backups "
            "without them, which say so.",
        ),
    )


def _apart(container: Container, folder: str) -> tuple[Apart, ...]:
    return read_apart(SHOW.run(container, f"{folder}/apart.tsv").stdout.decode())


@contextmanager
def _staging(container: Container, name: str) -> Iterator[str]:
    """A folder of this backup alone in the container; its absolute path."""
    inside_run(container, "begin", STAGING, name)
    try:
        yield f"{STAGING}/{name}"
    except BaseException as error:
        try:
            inside_run(container, "end", STAGING)
        except DeployError as left:
            # Why the backup failed is what matters; the next one removes the folder.
            error.add_note(str(left))
        raise
    inside_run(container, "end", STAGING)


def _note(
    found: RunningInstance,
    container: Container,
    paths: Paths,
    operation: Operation,
    archive: Archive,
) -> None:
    """Note it on the host and in the container. The archive stands, whatever comes of this."""
    try:
        last_backup.write(paths, found.instance.id, archive.created_at)
        document = found.gathered.files.get(DOCUMENT)
        if document is not None:
            container_record.note_inside(container, document, archive.created_at)
    except DeployError as error:
        operation.warn(f"The time of the backup could not be noted: {error}")
