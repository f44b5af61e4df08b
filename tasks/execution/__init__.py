"""Plan entries become effects: batch by batch, in the plan's order. The only place that does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tasks.errors import DeployError
from tasks.execution import (
    container_changes,
    database_copy,
    database_migration,
    guest_changes,
    rehearsal,
    release_changes,
    staged_restore,
    switchover,
)
from tasks.execution.context import ApplyContext, Effect
from tasks.model.plan import PlanEntry
from tasks.resources.base import Resource
from tasks.resources.container import ContainerRunning, DesiredContainer
from tasks.resources.data_move import DatabaseRemoved, DataCopied, Freeze, Thaw
from tasks.resources.files import Absent, Directory, File, Link
from tasks.resources.migration import (
    BackupBefore,
    InterruptedUpdate,
    Rehearsal,
    WriteFreeze,
    WriteThaw,
)
from tasks.resources.release import (
    ActiveColor,
    DesiredArtifact,
    DesiredRelease,
    HealthCheck,
    Record,
)
from tasks.resources.staged import ActivatedRestore, StagedRestore
from tasks.resources.system import (
    DaemonReload,
    Package,
    Script,
    Secret,
    StoppedUnit,
    Unit,
    User,
)

__all__ = ["ApplyContext", "Effect", "apply", "batches", "effect_of", "title"]

LANDED = (File, Directory, Link, Absent, Secret, User)


def batches(entries: Sequence[PlanEntry]) -> Iterator[tuple[Effect, list[PlanEntry]]]:
    """Consecutive entries that one effect can take together, in order."""
    batch: list[PlanEntry] = []
    current: Effect | None = None
    for entry in entries:
        effect = effect_of(entry.resource)
        together = effect in (guest_changes.land, guest_changes.install) and effect is current
        if batch and current is not None and not together:
            yield current, batch
            batch = []
        batch.append(entry)
        current = effect
    if batch and current is not None:
        yield current, batch


def effect_of(resource: object) -> Effect:
    """What brings a resource about."""
    for kind, effect in _EFFECTS:
        if isinstance(resource, kind):
            return effect
    raise DeployError(f"nothing applies {resource!r}")


def apply(entries: Sequence[PlanEntry], work: ApplyContext) -> None:
    """Do these entries of one step, in order; each is announced to `work.done` when it is."""
    for effect, batch in batches(entries):
        if work.stop.is_set() and not _for_good(work):
            raise KeyboardInterrupt
        work.progress.step(title(batch))
        _do(effect, batch, work)
        for entry in batch:
            work.log(f"{entry.action} {entry.address}: {reasons_text(entry)}")
            work.done(entry)


def _do(effect: Effect, batch: Sequence[PlanEntry], work: ApplyContext) -> None:
    """Cancelled once another version serves for good, what is left is done all the same: it is
    little, and each of it can be done again. Cancelled a second time, it is left."""
    try:
        effect(batch, work)
    except KeyboardInterrupt:
        if work.late or not _for_good(work):
            raise
        work.finish_late()
        effect(batch, work)


def _for_good(work: ApplyContext) -> bool:
    return work.switched and work.frozen is None


def reasons_text(entry: PlanEntry) -> str:
    return ", ".join(reason.text for reason in entry.reasons if reason.text)


def title(batch: Sequence[PlanEntry]) -> str:
    """What a batch does, in few words."""
    first = batch[0]
    if len(batch) == 1:
        return f"{first.action} {first.address}"
    kinds = {entry.address.partition(":")[0] for entry in batch}
    name = kinds.pop() if len(kinds) == 1 else "thing"
    return f"{first.action} {len(batch)} {name}s"


_EFFECTS: tuple[tuple[type[Resource] | tuple[type[Resource], ...], Effect], ...] = (
    (LANDED, guest_changes.land),
    (Package, guest_changes.install),
    (Script, guest_changes.run_script),
    (Unit, guest_changes.converge_unit),
    (StoppedUnit, switchover.stop_unit),
    (DaemonReload, guest_changes.reload_daemon),
    (DesiredContainer, container_changes.converge_container),
    (ContainerRunning, container_changes.run_container),
    (DesiredArtifact, release_changes.make_artifact),
    (DesiredRelease, release_changes.put_release),
    (ActiveColor, switchover.switch_color),
    (HealthCheck, release_changes.check_site),
    (Record, release_changes.write_records),
    (Rehearsal, rehearsal.rehearse),
    (BackupBefore, database_migration.back_up),
    (WriteFreeze, database_migration.stop_writes),
    (StagedRestore, staged_restore.lay_beside),
    (ActivatedRestore, staged_restore.swap_in),
    (WriteThaw, database_migration.let_writes_go_on),
    (InterruptedUpdate, database_migration.recover_interrupted),
    (Freeze, database_copy.stop_writes),
    (DataCopied, database_copy.copy_over),
    (Thaw, database_copy.let_writes_go_on),
    (DatabaseRemoved, database_copy.forget),
)
