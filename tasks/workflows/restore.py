"""An archive brought back into an instance: checked, unpacked aside, swapped in at once.

    with operation(paths, instance.id, "restore") as op:
        restore(archive, verify(archive).contents, target, paths, op)

Until the swap nothing that serves is touched; from then on the container itself knows how to put
back what was there (tasks/databases/write_freeze.py). Killed anywhere, the next restore removes
what is left.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from tasks.age import Key
from tasks.backup import running_instance
from tasks.backup.cutover import RESTORED, Cutover
from tasks.backup.running_instance import RunningInstance
from tasks.backup.staging import clean, discarded_on_failure, stage
from tasks.containers.base import Container, refuse_foreign
from tasks.databases import Database, database_for
from tasks.databases.write_freeze import recover
from tasks.errors import DatabaseError, DeployError, ResourceError, UnhealthyError
from tasks.guest.runner import wait_for_leftovers
from tasks.model.archive import Archive, Contents
from tasks.model.instance import Instance
from tasks.model.operations import Operation
from tasks.paths import Paths
from tasks.progress import SILENT, Progress
from tasks.status.guest_facts import look_inside
from tasks.workflows.service_scripts import Services, start


class RestoreTarget(Struct, frozen=True):
    """Where an archive is brought back. found: what serves there."""

    instance: Instance
    container: Container
    found: RunningInstance


class Restored(Struct, frozen=True):
    """contents: what is live now. safety: the archive of what was there; None without one. kept:
    how many attachments stayed that the archive lacks, where no database was there."""

    contents: Contents
    safety: Archive | None
    kept: int = 0


def find_target(instance: Instance, container: Container, paths: Paths) -> RestoreTarget:
    """Look at the instance: three round trips, no change. Raises ResourceError where it does not
    run, or where no release is in it that could serve what is brought back."""
    there = container.observe()
    refuse_foreign(instance.id, container.spec.name, there)
    if not there.running:
        raise ResourceError(
            "there is no running container to restore into",
            where=instance.id,
            hint=f"Make it first: ./doit apply {instance.id}; then restore again.",
        )
    found = running_instance.find(instance, container, paths)
    if found.version == "unknown":
        raise ResourceError(
            "no application is in its container that could serve what is restored",
            where=instance.id,
            hint=f"Finish it first: ./doit apply {instance.id}; then restore again.",
        )
    return RestoreTarget(found.instance, container, found)


def refuse_other_schema(
    contents: Contents, target: RestoreTarget, restored: Sequence[str], live: Sequence[str]
) -> None:
    """Raise DatabaseError where what serves would find another schema than its own.

    restored, live: the migrations that the archive's database and the live one have been through.
    The versions may differ as long as these are the same. Of what serves itself was an archive that
    has been through more: the live database has lost them.
    """
    version = target.found.version
    unknown, missing = set(restored) - set(live), set(live) - set(restored)
    if unknown and (missing or not _same_version(contents, target)):
        raise DatabaseError(
            f"the archive is of {contents.vikunja_version}, whose database has been through "
            f"{len(unknown)} migrations that {version} does not know",
            where=target.instance.id,
            hint=f"Deploy {contents.vikunja_version} first, or insist: --allow-version",
        )
    if missing:
        raise DatabaseError(
            f"the archive is of {contents.vikunja_version}: {version} would run {len(missing)} "
            "migrations on it, which cannot be undone",
            where=target.instance.id,
            hint="Let it, with --allow-version: if they fail, what is there now comes back. Or "
            f"deploy {contents.vikunja_version} first.",
        )


def refuse_other_version(contents: Contents, target: RestoreTarget) -> None:
    """Raise DatabaseError where the archive is of another version than the one that serves, and no
    database is there that would tell whether theirs differ."""
    found = target.found
    if _same_version(contents, target):
        return
    raise DatabaseError(
        f"the archive is of {contents.vikunja_version}, {found.version} serves, and there is no "
        "database that would tell whether it can take that one over",
        where=target.instance.id,
        hint=f"Deploy {contents.vikunja_version} first. Or let {found.version} migrate it, with "
        "--allow-version.",
    )


def _same_version(contents: Contents, target: RestoreTarget) -> bool:
    found = target.found
    return (contents.vikunja_version, contents.vikunja_commit) == (found.version, found.commit)


def restore(
    archive: Archive,
    expected: Contents,
    target: RestoreTarget,
    paths: Paths,
    operation: Operation,
    *,
    keys: Sequence[Key] = (),
    allow_version: bool = False,
    safety: bool = True,
    prove: Callable[[Contents], None] = lambda _: None,
    progress: Progress = SILENT,
) -> Restored:
    """Bring an archive back under an operation that has been entered.

    expected: what a check of the archive has found in it. keys: what opens an encrypted one.
    allow_version: also where the application would migrate the database, or does not know it.
    safety: take a backup of what is there first. prove: called when everything lies beside what is
    live, in UNPACKED and the place RESTORED; may raise. Raises RolledBackError where what was there
    serves again; before the swap, the failure itself, and nothing was touched.
    """
    instance, container = target.instance, target.container
    wait_for_leftovers(container)
    said = recover(container, instance.id)
    if said:
        operation.warn(said)
    # Found before the lock was: another color may serve now.
    target = find_target(instance, container, paths)
    database = database_for(instance, container)
    cutover = Cutover(
        instance, container, database, target.found.color, target.found.version, progress
    )

    def evaluate(contents: Contents, database: Database) -> None:
        if not allow_version:
            live = _live(database)
            if live is None:
                refuse_other_version(contents, target)
            else:
                refuse_other_schema(contents, target, database.migrations(RESTORED), live)
        prove(contents)

    staged = stage(
        archive, expected, cutover, paths, operation, evaluate=evaluate, keys=keys, safety=safety
    )
    with discarded_on_failure(cutover, operation):
        operation.info("Swapping in what was restored")
        cutover.perform(staged.secret)
    clean(cutover)
    operation.info(f"{archive.name} is live")
    _start(target)
    return Restored(staged.contents, staged.safety, staged.kept)


def _live(database: Database) -> Sequence[str] | None:
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


def _start(target: RestoreTarget) -> None:
    """All that the instance needs runs, also where it was stopped, and its page answers."""
    instance, container = target.instance, target.container

    def failure(_: int, lines: list[str]) -> DeployError:
        return UnhealthyError(
            "what was restored is live, and its page does not answer",
            where=instance.id,
            evidence=lines,
            hint=f"./doit status {instance.id} says what is down.",
        )

    start(Services(instance, container, look_inside(instance, container)), failure)
