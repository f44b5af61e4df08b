"""Removing an instance: its containers, its registry entry, its records, its state.

    begin → refusals → final backup → containers stopped → removed → records → state

Each step is done already where a killed run has done it, so the next uninstall goes on. The
archives on the host stay, and so do the log and a database outside.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from tasks.containers import container_for
from tasks.containers.base import Container, refuse_foreign
from tasks.containers.drivers import driver_of
from tasks.errors import DeployError, ResourceError
from tasks.host.files import named
from tasks.model import health, registry
from tasks.model import state as states
from tasks.model.instance import Instance
from tasks.model.operations import Operation, operation
from tasks.model.state import State
from tasks.paths import Paths
from tasks.progress import SILENT, Progress
from tasks.workflows.service_scripts import enable, retire

if TYPE_CHECKING:
    from tasks.model.archive import Archive

WALKED = ("running", "failed")
"""Statuses that the state machine leads from to `stopped`, and on to null."""


class Remains(Struct, frozen=True):
    """What there is of an instance. containers: that exist and are proven its own. copies: names
    of others that say so of themselves, and stay."""

    containers: tuple[Container, ...]
    registered: bool
    state: State | None
    records: tuple[Path, ...]
    copies: tuple[str, ...] = ()

    @property
    def nothing(self) -> bool:
        return not (self.containers or self.registered or self.state or self.records)


class UninstallRequest(Struct, frozen=True):
    """How to remove. backup: a final one is taken. keep_data: the container stays, stopped, and
    nothing starts it or what served in it by itself. force: go on where backup or stop fail."""

    backup: bool = True
    keep_data: bool = False
    force: bool = False


def inspect_remains(instance: Instance, paths: Paths) -> Remains:
    """What there is to remove. Raises ResourceError where the container's name is taken by one
    that is not proven this instance's, or which is its container is in doubt: nothing at all is
    removed then."""
    containers = []
    desired = container_for(instance, paths)
    for container in (desired, *_drilled(instance, paths)):
        found = container.observe()
        refuse_foreign(container.spec.instance_id, container.spec.name, found)
        if found.exists:
            containers.append(container)
    return Remains(
        tuple(containers),
        registry.find(paths, instance.id) is not None,
        states.read(paths, instance.id),
        tuple(path for path in record_files(instance.id, paths) if path.exists()),
        desired.copies(),
    )


def _drilled(instance: Instance, paths: Paths) -> list[Container]:
    """What a killed drill has left on this machine, unless that is another instance."""
    from tasks.model.last_drill import SUFFIX

    driver = driver_of(instance)
    name, owner = f"{instance.container_name}{SUFFIX}", f"{instance.id}{SUFFIX}"
    if (name, owner) not in driver.list_owned(paths) or registry.find(paths, owner):
        return []
    left = driver.named(name, owner, paths)
    return [left] if left else []


def record_files(instance_id: str, paths: Paths) -> tuple[Path, ...]:
    """What the host knows of an instance beside state, registry, log and archives, with what these
    hold: a later instance of the same name must not let the last that holds its data go."""
    return (
        paths.rendered(instance_id),
        paths.applied(instance_id),
        paths.releases(instance_id),
        paths.measured(instance_id),
        paths.last_backup(instance_id),
        paths.last_drill(instance_id),
        paths.drill(instance_id),
        paths.told(instance_id),
        paths.health(instance_id),
        paths.health_history(instance_id),
    )


def uninstall(
    instance: Instance,
    paths: Paths,
    desired: UninstallRequest,
    progress: Progress = SILENT,
    warn: Callable[[str], None] = lambda _: None,
) -> Archive | None:
    """Remove the instance. Returns the final backup, where one was taken.

    Raises DeployError where the backup fails and desired.force is not set: nothing was removed.
    What refuses a removal does so before anything else; where one fails, what ran runs again.
    """
    with operation(paths, instance.id, "uninstall", warn=warn) as op:
        # Under the lock: what was shown before may have changed.
        remains = inspect_remains(instance, paths)
        for container in remains.containers:
            container.require_removable(kept=desired.keep_data)
        ran = {one.spec.name for one in remains.containers if one.observe().running}
        archive = None
        own = [one for one in remains.containers if one.spec.instance_id == instance.id]
        if desired.backup and own:
            archive = _final_backup(instance, own[0], paths, op, desired, progress)
        for container in remains.containers:
            if desired.keep_data:
                _retire(instance, container, container.spec.name in ran, op, progress)
            else:
                _remove(container, op, desired, progress)
        if op.state is not None and op.state.status in WALKED:
            op.become("stopped")
        progress.step("records removed")
        registry.remove(paths, instance.id)
        _remove_records(instance.id, paths)
        op.info("Removed its registry entry and records")
        return archive


def _final_backup(
    instance: Instance,
    container: Container,
    paths: Paths,
    op: Operation,
    desired: UninstallRequest,
    progress: Progress,
) -> Archive | None:
    from tasks.backup.take import take

    rested = not container.observe().running
    try:
        if rested:
            container.start(progress)
        return take(instance, container, paths, op, trigger="uninstall", progress=progress).archive
    except DeployError as failure:
        if desired.force:
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


def _retire(
    instance: Instance, container: Container, ran: bool, op: Operation, progress: Progress
) -> None:
    """Nothing starts the container or what serves in it any more, and it is stopped. Where that
    fails, all of it is as it was. ran: before this operation."""
    enabled: tuple[str, ...] = ()
    try:
        own = container.spec.instance_id == instance.id
        if own and (container.observe().running or _started(container, op, progress)):
            progress.step("services disabled")
            enabled = retire(instance, container)
        container.retire(progress)
    except BaseException:
        _put_back(instance, container, enabled, ran, op, progress)
        raise
    op.info(f"Stopped container {container.spec.name}, which nothing starts by itself now")


def _started(container: Container, op: Operation, progress: Progress) -> bool:
    """Whether a container that is stopped runs now, for what is in it to be disabled."""
    progress.step("started, for its services to be disabled")
    try:
        container.start(progress)
    except DeployError as failure:
        op.warn(
            f"Container {container.spec.name} is stopped and could not be started, so what served "
            f"in it is still enabled ({failure.what}). Whoever starts it lets it serve again: "
            "disable nginx and vikunja-backend@… in it then."
        )
        return container.observe().running
    return True


def _put_back(
    instance: Instance,
    container: Container,
    enabled: tuple[str, ...],
    ran: bool,
    op: Operation,
    progress: Progress,
) -> None:
    """After a failure: what ran runs, and what was enabled is. What comes of it is only said."""
    name = container.spec.name
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


def _remove(
    container: Container, op: Operation, desired: UninstallRequest, progress: Progress
) -> None:
    """Let everything in the container end cleanly, then remove it."""
    ran = container.observe().running
    if ran:
        try:
            container.stop(progress)
            op.info(f"Stopped container {container.spec.name}")
        except DeployError as failure:
            if not desired.force:
                raise
            op.warn(f"It could not be stopped cleanly: {failure}")
    try:
        container.destroy(progress)
    except DeployError:
        if ran and container.observe().exists:
            _start_again(container, op, progress)
        raise
    op.info(f"Removed container {container.spec.name}")


def _start_again(container: Container, op: Operation, progress: Progress) -> None:
    name = container.spec.name
    try:
        container.start(progress)
        op.info(f"Started container {name} again, which could not be removed")
    except DeployError as failure:
        op.warn(f"Container {name} could not be started again: {failure.what}")


def _remove_records(instance_id: str, paths: Paths) -> None:
    health.remove(paths, instance_id)
    for path in record_files(instance_id, paths):
        with named(path, "cannot be removed"):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
