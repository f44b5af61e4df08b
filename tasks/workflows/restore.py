"""An archive brought back into an instance: checked, staged beside what serves, live at once.

    with operation(paths, instance.id, "restore") as op:
        restore(target, RestoreRequest(archive, verify(archive).contents), paths, op)

Until the cutover nothing that serves is touched; from then on the container itself knows how to
put back what was there (tasks/databases/write_freeze.py). Killed anywhere, the next restore removes
what is left.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from tasks.age import Key
from tasks.backup import running_instance
from tasks.backup.cutover import Cutover
from tasks.backup.running_instance import RunningInstance
from tasks.backup.schema_check import refuse_migrating
from tasks.backup.staging import Staged, clean, discarded_on_failure, stage
from tasks.containers.base import Container, refuse_foreign
from tasks.databases import Database, database_for
from tasks.databases.write_freeze import recover
from tasks.errors import DeployError, ResourceError, UnhealthyError
from tasks.guest.runner import wait_for_leftovers
from tasks.model.archive import Archive, Contents
from tasks.model.instance import Instance
from tasks.model.operations import Operation
from tasks.paths import Paths
from tasks.progress import SILENT, Progress
from tasks.status.guest_facts import look_inside
from tasks.workflows.service_scripts import Services, start

Prove = Callable[[Contents], None]
"""Called when everything is staged beside what is live, in UNPACKED and the place RESTORED; raises
where that must not become live."""


class RestoreTarget(Struct, frozen=True):
    """Where an archive is brought back. running: what serves there."""

    instance: Instance
    container: Container
    running: RunningInstance


class RestoreRequest(Struct, frozen=True):
    """What is brought back, and how.

    expected: what a check of the archive has found in it. keys: what opens an encrypted one.
    allow_version: also where the application would migrate the database, or does not know it.
    safety: take a backup of what is there first.
    """

    archive: Archive
    expected: Contents
    keys: Sequence[Key] = ()
    allow_version: bool = False
    safety: bool = True


class Restored(Struct, frozen=True):
    """contents: what is live now. safety: the archive of what was there; None without one. kept:
    how many attachments stayed that the archive lacks, where no database was there."""

    contents: Contents
    safety: Archive | None
    kept: int = 0


def restore(
    target: RestoreTarget,
    request: RestoreRequest,
    paths: Paths,
    operation: Operation,
    progress: Progress = SILENT,
    prove: Prove = lambda _: None,
) -> Restored:
    """Bring an archive back under an operation that has been entered.

    Raises RolledBackError where what was there serves again; before the cutover, the failure
    itself, and nothing was touched.
    """
    target, cutover = under_lock(target, paths, operation, progress)
    staged = _stage(target, request, cutover, paths, operation, prove)
    with discarded_on_failure(cutover, operation):
        operation.info("Swapping in what was restored")
        cutover.perform(staged.secret)
    clean(cutover)
    operation.info(f"{request.archive.name} is live")
    start_all(target)
    return Restored(staged.contents, staged.safety, staged.kept)


def find_target(instance: Instance, container: Container, paths: Paths) -> RestoreTarget:
    """Inspect the instance: three round trips, no change. Raises ResourceError where it does not
    run, or where no release is in it that could serve what is brought back."""
    found = container.observe()
    refuse_foreign(instance.id, container.spec.name, found)
    if not found.running:
        raise ResourceError(
            "there is no running container to restore into",
            where=instance.id,
            hint=f"Make it first: ./doit apply {instance.id}; then restore again.",
        )
    running = running_instance.find(instance, container, paths)
    if running.version == "unknown":
        raise ResourceError(
            "no application is in its container that could serve what is restored",
            where=instance.id,
            hint=f"Finish it first: ./doit apply {instance.id}; then restore again.",
        )
    return RestoreTarget(running.instance, container, running)


def under_lock(
    target: RestoreTarget, paths: Paths, operation: Operation, progress: Progress
) -> tuple[RestoreTarget, Cutover]:
    """The target as it is now, with nothing left of a run that was killed, and its cutover."""
    _recover_interrupted(target, operation)
    # It was found before the lock was taken: another color may serve now.
    target = find_target(target.instance, target.container, paths)
    return target, _cutover(target, progress)


def _recover_interrupted(target: RestoreTarget, operation: Operation) -> None:
    """What a killed run has left working ends, and what it has left undone is put in order."""
    wait_for_leftovers(target.container)
    done = recover(target.container, target.instance.id)
    if done:
        operation.warn(done)


def _cutover(target: RestoreTarget, progress: Progress) -> Cutover:
    instance, container, running = target.instance, target.container, target.running
    database = database_for(instance, container, running.color)
    return Cutover(instance, container, database, running.color, running.version, progress)


def _stage(
    target: RestoreTarget,
    request: RestoreRequest,
    cutover: Cutover,
    paths: Paths,
    operation: Operation,
    prove: Prove,
) -> Staged:
    """The archive beside what is live, where that may become live."""

    def evaluate(contents: Contents, database: Database) -> None:
        if not request.allow_version:
            refuse_migrating(contents, target.running, database)
        prove(contents)

    return stage(
        request.archive,
        request.expected,
        cutover,
        paths,
        operation,
        evaluate=evaluate,
        keys=request.keys,
        safety=request.safety,
    )


def start_all(target: RestoreTarget) -> None:
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
