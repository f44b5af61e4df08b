"""The write-stop of an update that changes the database, and the way back from it.

From the first refused write on somebody in the container waits who goes back by himself
(guarding.py).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from tasks.backup.watchdog import (
    COMMITTED,
    RECOVERY_SECONDS,
    SAVED,
    Watchdog,
    post_watchdog,
    recovery,
)
from tasks.databases import database_for
from tasks.databases.base import script
from tasks.desired.release import other
from tasks.errors import DeployError, RollbackFailedError, RolledBackError
from tasks.execution.context import ApplyContext
from tasks.execution.rehearsal import PLACE, end
from tasks.guest.runner import SCRIPT, UNIT_TIMEOUT, guarded, last_lines, while_stopped
from tasks.model import measured as measurements
from tasks.model.instance import Color
from tasks.model.measured import Measured
from tasks.model.plan import PlanEntry
from tasks.resources.migration import (
    REHEARSAL,
    BackupBefore,
    InterruptedUpdate,
    WriteFreeze,
    WriteThaw,
)
from tasks.resources.release import released

SLOWER = 3
"""A migration may take that many times as long as in its rehearsal."""


@dataclass
class Migration:
    """A write-stop that is under way. start_seconds: how long the new version may take to come up,
    migrations included."""

    old: Color
    version: str
    guard: Watchdog
    start_seconds: int
    begun: float = field(default_factory=time.monotonic)


def back_up(batch: Sequence[PlanEntry], work: ApplyContext) -> None:
    """Take a backup, while the old version serves, to go back to from a changed database."""
    from tasks.backup import take

    for entry in batch:
        assert isinstance(entry.resource, BackupBefore)
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
        assert isinstance(entry.resource, WriteFreeze)
        if _nothing_ran(work):
            work.log("no migration ran in the rehearsal: writes go on, both versions overlap")
            continue
        database = database_for(work.inspection.instance, work.container)
        guard = post_watchdog(work.container, database, script(database.engine))
        begin(entry.resource.color, guard, work)
        work.progress.step("saving the database")
        replace(database, within=while_stopped).save(SAVED)
        step(work, "saved")


def begin(new: Color, guard: Watchdog, work: ApplyContext) -> None:
    """Stop writes and the old version: from here on a failure puts back what was there."""
    instance = work.inspection.instance
    line = released(work.inspection.facts, other(new))
    rehearsed = work.rehearsed.seconds if work.rehearsed else 0.0
    work.migration = Migration(
        old=other(new),
        version=line.version if line else "-",
        guard=guard,
        start_seconds=instance.vikunja.start_timeout_seconds + round(SLOWER * rehearsed),
    )
    _stop(work)


def _stop(work: ApplyContext) -> None:
    instance, migration = work.inspection.instance, work.migration
    assert migration is not None
    old, mcp = migration.old, instance.services.mcp.enabled
    port, timeout = instance.backend_port(old), instance.vikunja.start_timeout_seconds
    words = (old, other(old), port, migration.version, timeout, "yes" if mcp else "no")
    work.progress.step("stopping writes")
    work.log(f"Writes stop: {old} finishes what it has, then the database is saved")
    migration.begun = time.monotonic()
    wait = instance.update.upload_wait_seconds
    journal = " ".join(str(word) for word in words)
    step(work, "stop", journal, old, str(wait), *units(old, work), timeout=wait + UNIT_TIMEOUT)


def units(color: Color, work: ApplyContext) -> tuple[str, ...]:
    """In the order in which they stop."""
    backend = f"vikunja-backend@{color}.service"
    mcp = work.inspection.instance.services.mcp.enabled
    return (f"vikunja-mcp@{color}.service", backend) if mcp else (backend,)


def let_writes_go_on(batch: Sequence[PlanEntry], work: ApplyContext) -> None:
    """The new version serves for good: requests are let in, what was saved is dropped."""
    for entry in batch:
        assert isinstance(entry.resource, WriteThaw)
        migration = work.migration
        if migration is None:
            continue
        step(work, "commit", *units(other(migration.old), work))
        seconds = time.monotonic() - migration.begun
        migration.guard.well()
        work.migration = None
        work.log(f"Writes go on after {seconds:.1f} s")
        measurements.write(work.paths, work.where, _measured(seconds, work))
        recover(work)


def _measured(seconds: float, work: ApplyContext) -> Measured:
    """What is known now of how long such things take. seconds: that writes were stopped."""
    before = measurements.read(work.paths, work.where)
    if work.going_back is not None:
        return replace(before, way_back=time.monotonic() - work.going_back.begun)
    return replace(before, write_stop=seconds, way_back=work.backup_seconds + seconds)


def recover_interrupted(batch: Sequence[PlanEntry], work: ApplyContext) -> None:
    """Put in order what an update left that broke off."""
    for entry in batch:
        assert isinstance(entry.resource, InterruptedUpdate)
        if REHEARSAL in work.inspection.facts.texts:
            end(work, database_for(work.inspection.instance, work.container))
            work.log(f"ended a rehearsal that was not finished, and its copy {PLACE}")
        said = recover(work)
        if said:
            work.log(said)


def fall_back(failure: DeployError, work: ApplyContext) -> DeployError:
    """What a failure within a write-stop becomes: RolledBackError once the database is as it was
    and the old version serves, RollbackFailedError where that did not succeed."""
    migration = work.migration
    assert migration is not None
    work.migration = None
    name = f"{migration.old} ({migration.version})"
    work.progress.step(f"putting the database back, for {name} to serve")
    try:
        migration.guard.go()
        answer = migration.guard.answer
        said = answer.stdout.decode().strip() if answer and answer.returncode == 0 else ""
        said = said or recover(work)
    except DeployError as second:
        return RollbackFailedError(
            f"{failure.what}; and {name} does not serve: {second.what}",
            where=work.where,
            evidence=[*failure.evidence, *second.evidence],
            hint="The database as it was is kept, and no request is taken. Mend the cause, then "
            "run ./doit apply again: it goes on with putting it back.",
        )
    if said == COMMITTED:
        work.switched = True
        return failure
    return RolledBackError(
        f"{failure.what}; {name} serves on, with the database as it was",
        where=work.where,
        evidence=failure.evidence,
        hint=failure.hint,
    )


def recover(work: ApplyContext) -> str:
    """Run recover.sh; what it says that it did, nothing where there was nothing to do."""
    completed = work.container.run(
        ["bash", "-c", recovery(), "recover"], timeout=RECOVERY_SECONDS, check=False
    )
    if completed.returncode != 0:
        lines = last_lines(completed.stderr)
        raise RollbackFailedError(
            f"the database is not back as it was: {lines[-1] if lines else 'no word of why'}",
            where=work.where,
            evidence=lines[:-1],
            hint="No request is taken until it is. Mend the cause, then run ./doit apply again.",
        )
    return completed.stdout.decode().strip()


def step_script() -> str:
    return guarded("migrate")


def step(work: ApplyContext, *arguments: str, timeout: float = UNIT_TIMEOUT) -> None:
    completed = work.container.run(
        [SCRIPT, "-c", step_script(), "migrate", *arguments], timeout=timeout, check=False
    )
    if completed.returncode != 0:
        lines = last_lines(completed.stderr)
        raise DeployError(
            lines[-1] if lines else f"the write-stop failed ({arguments[0]})",
            where=work.where,
            evidence=lines[:-1],
        )
