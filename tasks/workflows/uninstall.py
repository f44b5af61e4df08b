"""Removing an instance: a last backup, then its containers, its registry entry, its records.

Each step is done already where a killed run has done it, so the next uninstall goes on. The
archives on the host stay, and so do the log and a database outside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from msgspec import Struct

from tasks.backup.take import take
from tasks.containers.base import Container
from tasks.errors import DeployError, ResourceError
from tasks.model.archive import Archive
from tasks.model.instance import Instance
from tasks.model.operations import Operation, operation
from tasks.paths import Paths
from tasks.progress import SILENT, Progress
from tasks.workflows.remains import Remains, inspect_remains, remove_records
from tasks.workflows.service_scripts import enable, retire

STOPPABLE = ("running", "failed")
"""Statuses that the state machine leads from to `stopped`, and on to null."""


class UninstallRequest(Struct, frozen=True):
    """How to remove. backup: a last one is taken. keep_data: the container stays, stopped, and
    nothing starts it or what served in it by itself. force: go on where backup or stop fail."""

    backup: bool = True
    keep_data: bool = False
    force: bool = False


class Removal(Struct, frozen=True):
    """What every step of it needs. remains: what there was when it began."""

    instance: Instance
    request: UninstallRequest
    remains: Remains
    operation: Operation
    progress: Progress


def uninstall(
    instance: Instance,
    paths: Paths,
    request: UninstallRequest,
    progress: Progress = SILENT,
    warn: Callable[[str], None] = lambda _: None,
) -> Archive | None:
    """Remove the instance. Returns the last backup, where one was taken.

    Raises DeployError where the backup fails and request.force is not set: nothing was removed.
    What refuses a removal does so before anything else; where one fails, what ran runs again.
    """
    with operation(paths, instance.id, "uninstall", warn=warn) as op:
        # Under the lock: what was shown before may have changed.
        remains = inspect_remains(instance, paths)
        removal = Removal(instance, request, remains, op, progress)
        for container in remains.containers:
            container.require_removable(kept=request.keep_data)
        archive = _back_up(removal, paths)
        for container in remains.containers:
            if request.keep_data:
                _retire(removal, container)
            else:
                _remove(removal, container)
        if op.state is not None and op.state.status in STOPPABLE:
            op.become("stopped")
        progress.step("records removed")
        remove_records(instance.id, paths)
        op.info("Removed its registry entry and records")
        return archive


def _back_up(removal: Removal, paths: Paths) -> Archive | None:
    """The last backup; None where none is wanted or there is nothing to back up. Where it fails, no
    more is done, and a container that was started for it rests again; where that is forced, None.
    """
    container = next((one for one in removal.remains.containers if _own(removal, one)), None)
    if container is None or not removal.request.backup:
        return None
    instance, op, progress = removal.instance, removal.operation, removal.progress
    rested = not container.observe().running
    try:
        if rested:
            container.start(progress)
        return take(instance, container, paths, op, trigger="uninstall", progress=progress).archive
    except DeployError as failure:
        if removal.request.force:
            op.warn(f"The final backup failed: {failure}")
            return None
        if rested:
            container.stop(progress)
        raise ResourceError(
            f"the final backup failed, and nothing was removed: {failure.what}",
            where=instance.id,
            evidence=failure.evidence,
            hint=f"{failure.hint} ./doit uninstall {instance.id} --no-backup removes it without "
            "one, and what is in it is lost.".strip(),
        ) from failure


def _own(removal: Removal, container: Container) -> bool:
    """Whether it is the instance's container, not what a drill has left."""
    return container.spec.instance_id == removal.instance.id


def _retire(removal: Removal, container: Container) -> None:
    """Nothing starts the container or what serves in it any more, and it is stopped. Where that
    fails, all of it is as it was."""
    op, progress = removal.operation, removal.progress
    enabled: tuple[str, ...] = ()
    try:
        if _own(removal, container) and _runs(removal, container):
            progress.step("services disabled")
            enabled = retire(removal.instance, container)
        container.retire(progress)
    except BaseException:
        _put_back(removal, container, enabled)
        raise
    op.info(f"Stopped container {container.spec.name}, which nothing starts by itself now")


def _runs(removal: Removal, container: Container) -> bool:
    """Whether a container runs, started where it does not, for what is in it to be disabled."""
    if container.observe().running:
        return True
    removal.progress.step("started, for its services to be disabled")
    try:
        container.start(removal.progress)
    except DeployError as failure:
        removal.operation.warn(
            f"Container {container.spec.name} is stopped and could not be started, so what served "
            f"in it is still enabled ({failure.what}). Whoever starts it lets it serve again: "
            "disable nginx and vikunja-backend@… in it then."
        )
        return container.observe().running
    return True


def _put_back(removal: Removal, container: Container, enabled: tuple[str, ...]) -> None:
    """After a failure: what ran runs, and what was enabled is. What comes of it is only said."""
    instance, op, progress = removal.instance, removal.operation, removal.progress
    name = container.spec.name
    ran = name in removal.remains.running
    try:
        if (ran or enabled) and not container.observe().running:
            container.start(progress)
        if enabled:
            enable(instance, container, enabled, now=ran)
        if not ran:
            container.stop(progress)
        op.info(f"Container {name} is as it was")
    except DeployError as failure:
        op.warn(
            f"Container {name} is not as it was: {failure.what}. "
            f"./doit apply {instance.id} brings it back."
        )


def _remove(removal: Removal, container: Container) -> None:
    """Let everything in the container end cleanly, then remove it."""
    ran = container.observe().running
    if ran:
        _stop(removal, container)
    with _started_again_on_failure(removal, container, ran):
        container.destroy(removal.progress)
    removal.operation.info(f"Removed container {container.spec.name}")


def _stop(removal: Removal, container: Container) -> None:
    try:
        container.stop(removal.progress)
        removal.operation.info(f"Stopped container {container.spec.name}")
    except DeployError as failure:
        if not removal.request.force:
            raise
        removal.operation.warn(f"It could not be stopped cleanly: {failure}")


@contextmanager
def _started_again_on_failure(removal: Removal, container: Container, ran: bool) -> Iterator[None]:
    """Where it cannot be removed, what ran runs. What comes of it is only said."""
    op, name = removal.operation, container.spec.name
    try:
        yield
    except DeployError:
        if ran and container.observe().exists:
            try:
                container.start(removal.progress)
                op.info(f"Started container {name} again, which could not be removed")
            except DeployError as failure:
                op.warn(f"Container {name} could not be started again: {failure.what}")
        raise
