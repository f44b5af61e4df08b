"""An archive's data staged beside what is live: checked on the way, what serves never touched.

What a restore and a rollback over a migration have in common, up to the moment when writes stop
(cutover.py). Killed anywhere, the next of either removes what is left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import IO, Protocol

from msgspec import Struct

from tasks.age import Key
from tasks.backup.cutover import RESTORED, Cutover
from tasks.backup.listing import size_text
from tasks.backup.running_instance import inside_run
from tasks.backup.source import STAGING
from tasks.backup.space import SPARE
from tasks.backup.take import ELSEWHERE, STREAM_TIMEOUT, take
from tasks.backup.unpack import extract_argv, unpack
from tasks.backup.verify import Checked
from tasks.containers.base import Container
from tasks.databases import Database
from tasks.errors import DatabaseError, DeployError, ResourceError
from tasks.guest.runner import GuestScript, run
from tasks.model.archive import Archive, Contents, Metadata
from tasks.model.instance import DatabaseType, Instance
from tasks.model.layout import DATA, attachments
from tasks.model.operations import Operation
from tasks.paths import Paths
from tasks.progress import Progress

UNPACKED = f"{STAGING}/restore"
"""In the container, while an archive is brought back."""

MAKE_FOLDER = GuestScript("make-folder", call='umask 077 && mkdir -p "$1"', guard=False)
"""Root's alone."""

SECRET = "secrets/service-secret"
"""In encrypted archives: what signs sessions."""

ENGINES: dict[DatabaseType, str] = {
    "sqlite": "SQLite",
    "postgresql": "PostgreSQL",
    "mysql": "MySQL",
}

Evaluate = Callable[[Contents, Database], None]
"""Looks at what lies in the place RESTORED, and raises where it must not become live."""


class Staged(Struct, frozen=True):
    """What lies beside what is live. safety: the archive of what was there; None without one, also
    where no database was there. kept: how many live attachments lie with the archive's then.

    secret: file in the container with the secret that signs sessions; empty where none comes back.
    """

    contents: Contents
    safety: Archive | None
    secret: str
    kept: int = 0


def stage(
    archive: Archive,
    expected: Contents | Metadata,
    cutover: Cutover,
    paths: Paths,
    operation: Operation,
    *,
    evaluate: Evaluate,
    keys: Sequence[Key] = (),
    safety: bool = True,
) -> Staged:
    """Bring an archive beside what is live, for `cutover` to activate.

    expected: what is known of it; how large it is counts. keys: what opens an encrypted one.
    safety: take a backup of what is there first; where its database is gone, which no backup can
    hold, attachments that are there stay with those of the archive. Where this raises, nothing was
    touched and nothing is left.
    """
    container, progress = cutover.container, cutover.progress
    cutover.database.require_rights()
    clean(cutover)
    require_room(expected, container, cutover.where, attachments(cutover.instance))
    emptied = False
    saved = None
    if safety:
        with _nothing_changed():
            emptied = not cutover.database.occupied()
            saved = None if emptied else _back_up(archive, cutover, paths, operation)
    with discarded_on_failure(cutover, operation):
        contents = _unpack(archive, container, keys, progress).contents
        refuse_other_engine(contents, cutover.instance)
        operation.info(f"Unpacked {archive.name}: {contents.files_count} files")
        progress.step("Loading the database")
        left_out = cutover.database.load(f"{UNPACKED}/database", RESTORED)
        if left_out:
            operation.warn(
                "Left out, for only an administrator of the database's server may create it: "
                + ", ".join(left_out)
            )
        operation.info("Loaded the database beside the live one")
        if contents.files_elsewhere:
            operation.warn(f"{ELSEWHERE} {contents.files_elsewhere}")
        evaluate(contents, cutover.database)
        kept = cutover.stage_attachments(f"{UNPACKED}/files", keep=emptied)
    own_secret = archive.encrypted and contents.instance_id == cutover.where
    return Staged(contents, saved, f"{UNPACKED}/{SECRET}" if own_secret else "", kept)


def refuse_other_engine(contents: Contents, instance: Instance) -> None:
    """Raise DatabaseError where the archive's database is another engine's."""
    there, wanted = contents.database_type, instance.database.type
    if there != wanted:
        raise DatabaseError(
            f"the archive holds a database of {ENGINES[there]}, and this instance uses "
            f"{ENGINES[wanted]}",
            where=instance.id,
            hint=f"Restore it into an instance with database.type {there}.",
        )


class Sizes(Protocol):
    """What is to be brought, in bytes."""

    @property
    def database_size_bytes(self) -> int: ...

    @property
    def files_size_bytes(self) -> int: ...


def require_room(
    expected: Sizes, container: Container, where: str, folder: str = f"{DATA}/files"
) -> None:
    """Raise ResourceError where the container has not enough free for what is unpacked and loaded
    beside what serves. folder: of the attachments, beside which they come to lie."""
    above = str(PurePosixPath(folder).parent)
    wanted = 2 * expected.database_size_bytes + expected.files_size_bytes + SPARE
    rooms = {DATA: wanted, above: wanted if above == DATA else expected.files_size_bytes + SPARE}
    for place, wanted in rooms.items():
        said = container.run(["df", "--output=avail", "-B", "1", place]).stdout.split()
        free = int(said[-1])
        if free >= wanted:
            continue
        raise ResourceError(
            f"the container may need {size_text(wanted)} for a restore beside what serves, and "
            f"{size_text(free)} are free",
            where=where,
            hint="Raise resources.disk_size_gb, or make room; nothing was changed."
            if place == DATA
            else f"Enlarge the disk of {place}, or make room on it; nothing was changed.",
        )


def _back_up(archive: Archive, cutover: Cutover, paths: Paths, operation: Operation) -> Archive:
    """What is live, as an archive; the one that is restored is spared."""
    return take(
        cutover.instance,
        cutover.container,
        paths,
        operation,
        trigger="restore",
        progress=cutover.progress,
        spare=(archive,),
    ).archive


@contextmanager
def _nothing_changed() -> Iterator[None]:
    """Say of a failure what can be done about it, and what that loses."""
    try:
        yield
    except DeployError as failure:
        first = failure.hint.removeprefix("Nothing was changed. ")
        failure.hint = (
            f"{first} Nothing was changed. ./doit restore --no-backup restores without a "
            "backup of what is there, which is lost then: database and attachments."
        ).strip()
        raise


def _unpack(
    archive: Archive, container: Container, keys: Sequence[Key], progress: Progress
) -> Checked:
    MAKE_FOLDER.run(container, UNPACKED)

    def consume(stream: IO[bytes]) -> None:
        run(
            container,
            extract_argv(UNPACKED),
            stdin=stream,
            timeout=STREAM_TIMEOUT,
            failure=lambda _, lines: DeployError(
                f"{archive.name} could not be unpacked in the container; nothing was changed",
                where=container.spec.instance_id,
                evidence=lines,
                hint="Is the container's disk full or read-only? Mend that, then run it again.",
            ),
        )

    return unpack(archive, consume, progress, keys)


def clean(cutover: Cutover) -> None:
    """Nothing is left of what is staged, now or by one that was killed."""
    inside_run(cutover.container, "end", STAGING)
    cutover.container.run(["rm", "-rf", UNPACKED], timeout=900)
    cutover.drop()


@contextmanager
def discarded_on_failure(cutover: Cutover, operation: Operation) -> Iterator[None]:
    """Nothing that is staged stays where this does not come to its end."""
    try:
        yield
    except BaseException:
        discard(cutover, operation)
        raise


def discard(cutover: Cutover, operation: Operation) -> None:
    """After a failure, whose cause is what matters; the next restore removes the rest."""
    try:
        clean(cutover)
    except DeployError as left:
        operation.warn(f"What was unpacked could not be removed: {left}")
