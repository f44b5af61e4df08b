"""An update that changes the database: a backup, a write freeze, and the way back from it."""

from __future__ import annotations

import time
from collections.abc import Sequence

from msgspec.structs import replace

from tasks.databases import database_for
from tasks.databases.base import script
from tasks.databases.watchdog import Watchdog, post_watchdog
from tasks.databases.write_freeze import SAVED, WriteFreeze, journal_of, recover
from tasks.desired.release import other
from tasks.errors import DeployError
from tasks.execution.context import ApplyContext
from tasks.execution.rehearsal import PLACE, end
from tasks.guest.runner import while_stopped
from tasks.model import measured as measurements
from tasks.model.instance import Color
from tasks.model.measured import Measured
from tasks.model.plan import PlanEntry
from tasks.resources import migration as kinds
from tasks.resources.migration import REHEARSAL
from tasks.resources.release import released

SLOWER = 3
"""A migration may take that many times as long as in its rehearsal."""


def back_up(batch: Sequence[PlanEntry], work: ApplyContext) -> None:
    """Take a backup, while the old version serves, to go back to from a changed database."""
    from tasks.backup import take

    for entry in batch:
        assert isinstance(entry.resource, kinds.BackupBefore)
        if _nothing_ran(work):
            continue
        assert work.operation is not None
        begun = time.monotonic()
        take.take(
            work.inspection.instance,
            work.container,
            work.paths,
            work.operation,
            trigger="update",
            progress=work.progress,
        )
        work.backup_seconds = time.monotonic() - begun


def _nothing_ran(work: ApplyContext) -> bool:
    """Whether the rehearsal has shown that there is no migration after all."""
    return work.rehearsed is not None and not work.rehearsed.ran


def stop_writes(batch: Sequence[PlanEntry], work: ApplyContext) -> None:
    """Refuse requests, wait for those under way, stop the old version, save the database."""
    for entry in batch:
        assert isinstance(entry.resource, kinds.WriteFreeze)
        if _nothing_ran(work):
            work.log("no migration ran in the rehearsal: writes go on, both versions overlap")
            continue
        database = database_for(work.inspection.instance, work.container)
        watchdog = post_watchdog(work.container, database, script(database.engine))
        frozen = begin(entry.resource.color, watchdog, work)
        work.progress.step("saving the database")
        replace(database, within=while_stopped).save(SAVED)
        frozen.mark_saved()


def begin(new: Color, watchdog: Watchdog, work: ApplyContext) -> WriteFreeze:
    """Stop writes and the old version: from here on a failure puts back what was there."""
    instance, old = work.inspection.instance, other(new)
    line = released(work.inspection.facts, old)
    rehearsed = work.rehearsed.seconds if work.rehearsed else 0.0
    work.frozen = WriteFreeze(
        work.container,
        journal_of(instance, old, new, line.version if line else None),
        watchdog,
        instance.vikunja.start_timeout_seconds + round(SLOWER * rehearsed),
    )
    work.progress.step("stopping writes")
    work.log(f"Writes stop: {old} finishes what it has, then the database is saved")
    work.frozen.begin(instance.update.upload_wait_seconds)
    return work.frozen


def let_writes_go_on(batch: Sequence[PlanEntry], work: ApplyContext) -> None:
    """The new version serves for good: requests are let in, what was saved is dropped."""
    for entry in batch:
        assert isinstance(entry.resource, kinds.WriteThaw)
        if work.frozen is not None:
            seconds = commit(work)
            measurements.write(work.paths, work.where, _measured(seconds, work))
            recover(work.container, work.where)


def commit(work: ApplyContext) -> float:
    """What serves now does for good. Returns how many seconds writes were stopped."""
    assert work.frozen is not None
    seconds = work.frozen.commit()
    work.frozen = None
    work.log(f"Writes go on after {seconds:.1f} s")
    return seconds


def _measured(seconds: float, work: ApplyContext) -> Measured:
    """What is known now of how long such things take. seconds: that writes were stopped."""
    before = measurements.read(work.paths, work.where)
    if work.going_back is not None:
        return replace(before, way_back=time.monotonic() - work.going_back.begun)
    return replace(before, write_stop=seconds, way_back=work.backup_seconds + seconds)


def recover_interrupted(batch: Sequence[PlanEntry], work: ApplyContext) -> None:
    """Put in order what an update left that broke off."""
    for entry in batch:
        assert isinstance(entry.resource, kinds.InterruptedUpdate)
        if REHEARSAL in work.inspection.facts.texts:
            end(work, database_for(work.inspection.instance, work.container))
            work.log(f"ended a rehearsal that was not finished, and its copy {PLACE}")
        said = recover(work.container, work.where)
        if said:
            work.log(said)


def fall_back(failure: DeployError, work: ApplyContext) -> DeployError:
    """What a failure within a write freeze becomes: see WriteFreeze.put_back."""
    frozen, work.frozen = work.frozen, None
    assert frozen is not None
    name = f"{frozen.journal.old} ({frozen.journal.version})"
    work.progress.step(f"putting the database back, for {name} to serve")
    outcome = frozen.put_back(failure, name, "serves on, with the database as it was")
    # Where all of it was done already, the new version serves.
    work.switched = work.switched or outcome is failure
    return outcome
