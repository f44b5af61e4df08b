"""What is to serve comes to serve: another release, another database, or what there is anew.

The one story of an update, a rollback and a move of the database. Which of its parts there are, the
plan says: writes stop only where the database is changed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from msgspec.structs import replace

from tasks.databases.write_freeze import WriteFreeze, recover
from tasks.errors import DeployError
from tasks.execution import (
    database_copy,
    database_migration,
    guest_changes,
    release_changes,
    staged_restore,
    switchover,
)
from tasks.execution.entry_queue import EntryQueue
from tasks.execution.guest_changes import LANDED
from tasks.execution.rehearsal import Rehearsed, rehearse
from tasks.execution.staged_restore import StagedUpdate
from tasks.model import measured as measurements
from tasks.model.instance import Color
from tasks.model.measured import Measured
from tasks.model.plan import PlanEntry
from tasks.resources import data_move, migration
from tasks.resources.data_move import DatabaseRemoved, DataCopied
from tasks.resources.migration import BackupBefore, InterruptedUpdate, Rehearsal, WriteThaw
from tasks.resources.release import ActiveColor, HealthCheck, Record
from tasks.resources.staged import ActivatedRestore, StagedRestore
from tasks.resources.system import DaemonReload, Script, StoppedUnit, Unit


def change(queue: EntryQueue) -> None:
    """Do the switch of a plan. Whatever fails before it is for good, what served before serves on.

    Raises what became of a failure: RolledBackError where that is so, RollbackFailedError where it
    could not be, CancelledError and CancelledBackError likewise, the failure itself where nothing
    served before.
    """
    context = queue.context
    change = Change(queue)
    with change.way_back():
        queue.each(InterruptedUpdate, partial(database_migration.recover_interrupted, context))
        queue.together(LANDED, change.land)
        queue.each(Script, partial(guest_changes.run_script, context))
        queue.each(DaemonReload, partial(guest_changes.reload_daemon, context))
        queue.each(Rehearsal, change.rehearse)
        queue.each(BackupBefore, change.back_up)
        queue.each(StagedRestore, change.stage)
        queue.each(migration.WriteFreeze, change.stop_writes)
        queue.each(ActivatedRestore, change.activate)
        queue.each(data_move.Freeze, change.stop_writes_to_move)
        queue.each(DataCopied, partial(database_copy.copy, context))
        queue.while_any(change.start_services)
        queue.each(ActiveColor, change.switch)
        queue.each(HealthCheck, partial(release_changes.check_site, context))
        queue.each(WriteThaw, change.let_writes_go_on)
        queue.while_any(change.retire)
        queue.each(DatabaseRemoved, partial(database_copy.forget, context))
        queue.while_any(change.retire)
        queue.each(Record, partial(release_changes.write_record, context))
        change.note_length()


@dataclass
class Change:
    """How far a change is: what its way back depends on.

    freeze: the write freeze that is under way. rehearsed: what a rehearsal of the migrations
    showed. begun: when its backup was, or what a rollback brings back was staged (monotonic).
    staged: what a rollback over a migration brings back. stopped: for how long writes were, in
    seconds. drained: colors whose requests have been waited for.
    """

    queue: EntryQueue
    freeze: WriteFreeze | None = None
    rehearsed: Rehearsed | None = None
    begun: float | None = None
    stopped: float | None = None
    staged: StagedUpdate | None = None
    drained: set[Color] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.context = self.queue.context

    def rehearse(self, rehearsal: Rehearsal, _: PlanEntry) -> None:
        self.rehearsed = rehearse(self.context, rehearsal)

    def back_up(self, *_: object) -> None:
        if not self._nothing_ran:
            self.begun = time.monotonic()
            database_migration.back_up(self.context)

    def stage(self, restore: StagedRestore, _: PlanEntry) -> None:
        self.begun = time.monotonic()
        self.staged = staged_restore.stage(self.context, restore)

    def stop_writes(self, freeze: migration.WriteFreeze, _: PlanEntry) -> None:
        if self._nothing_ran:
            self.context.log(
                "no migration ran in the rehearsal: writes go on, both versions overlap"
            )
            return
        seconds = self.rehearsed.seconds if self.rehearsed else 0.0
        self.freeze = database_migration.freeze_for(self.context, freeze.color, seconds)
        database_migration.stop_writes(self.context, self.freeze)

    def activate(self, restore: ActivatedRestore, _: PlanEntry) -> None:
        assert self.staged is not None
        self.freeze = staged_restore.freeze_for(self.context, restore.color, self.staged)
        staged_restore.activate(self.context, self.freeze, self.staged)

    def stop_writes_to_move(self, freeze: data_move.Freeze, _: PlanEntry) -> None:
        self.freeze = database_copy.freeze_for(self.context, freeze)
        database_migration.begin(self.context, self.freeze, "the data is copied")

    def land(self, batch: Sequence[PlanEntry]) -> None:
        guest_changes.land(self.context, batch, frozen=self.freeze is not None)

    def start_services(self) -> None:
        """The color's, and nginx with the files that it takes up."""
        self.queue.together(LANDED, self.land)
        self.queue.each(DaemonReload, partial(guest_changes.reload_daemon, self.context))
        self.queue.each(Script, partial(guest_changes.run_script, self.context))
        self.queue.each(Unit, self.start)

    def retire(self) -> None:
        """What served before, and what is no longer configured."""
        self.queue.together(LANDED, self.land)
        self.queue.each(DaemonReload, partial(guest_changes.reload_daemon, self.context))
        self.queue.each(StoppedUnit, self.stop)
        self.queue.each(Script, partial(guest_changes.run_script, self.context))
        self.queue.each(Unit, self.start)

    def start(self, unit: Unit, entry: PlanEntry) -> None:
        guest_changes.converge_unit(self.context, unit, entry, self.freeze)

    def switch(self, active: ActiveColor, _: PlanEntry) -> None:
        color = active.color
        if switchover.flip(self.context, color, frozen=self.freeze is not None):
            try:
                switchover.confirm(self.context, color)
            except KeyboardInterrupt:
                # It may have been confirmed, and all is well.
                self.queue.finish_late()
                switchover.confirm(self.context, color)
        self.queue.for_good = self.freeze is None

    def let_writes_go_on(self, *_: object) -> None:
        """What serves now does for good, whatever comes: requests are let in."""
        if self.freeze is None:
            return
        freeze, context = self.freeze, self.context
        moves = freeze.journal.moves
        if moves:
            # What was there before is as it was.
            freeze.mark_saved()
        seconds = freeze.commit()
        self.freeze, self.queue.for_good, self.stopped = None, True, seconds
        context.log(f"Writes go on after {seconds:.1f} s")
        before = measurements.read(context.paths, context.where)
        measurements.write(context.paths, context.where, self._measured(before, seconds, moves))
        recover(context.container, context.where)

    def _measured(self, before: Measured, seconds: float, moves: bool) -> Measured:
        """What is known now of how long such things take. seconds: that writes were stopped."""
        if moves:
            return replace(before, database_move=seconds)
        if self.staged is not None:
            return replace(before, rollback_stop=seconds)
        return replace(before, write_stop=seconds, rollback_stop=seconds)

    def note_length(self) -> None:
        """Write down how long all of it took, which is what a rollback over it takes."""
        if self.begun is None or self.stopped is None:
            return
        paths, where = self.context.paths, self.context.where
        seconds = time.monotonic() - self.begun
        measurements.write(paths, where, replace(measurements.read(paths, where), rollback=seconds))

    def stop(self, unit: StoppedUnit, entry: PlanEntry) -> None:
        guest_changes.stop_unit(self.context, self.drained, unit, entry)

    @property
    def _nothing_ran(self) -> bool:
        """Whether the rehearsal has shown that there is no migration after all."""
        return self.rehearsed is not None and not self.rehearsed.ran

    @contextmanager
    def way_back(self) -> Iterator[None]:
        """What served before serves on where anything in it fails, or it is cancelled."""
        try:
            yield
        except KeyboardInterrupt as interrupt:
            outcome = self._fall_back(switchover.cancellation(self.context))
            raise switchover.cancelled(outcome, self.context) from interrupt
        except DeployError as failure:
            outcome = self._fall_back(failure)
            if outcome is failure:
                raise
            raise outcome from failure

    def _fall_back(self, failure: DeployError) -> DeployError:
        freeze, self.freeze = self.freeze, None
        if freeze is not None:
            return database_migration.put_back(failure, self.context, freeze)
        if self.queue.for_good:
            return failure
        if self.staged is not None:
            staged_restore.discard(self.context, self.staged)
        return switchover.fall_back(failure, self.context)
