"""An update that changes the database: a backup, a write freeze, and the way back from it."""

from __future__ import annotations

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
from tasks.model.instance import Color
from tasks.model.plan import PlanEntry
from tasks.resources.migration import REHEARSAL, InterruptedUpdate
from tasks.resources.release import listening_port, released

SLOWER = 3
"""A migration may take that many times as long as in its rehearsal."""


def back_up(context: ApplyContext) -> None:
    """Take a backup, while the old version serves, to go back to from a changed database."""
    from tasks.backup import take

    take.take(
        context.inspection.instance,
        context.container,
        context.paths,
        context.operation,
        trigger="update",
        progress=context.progress,
    )


def freeze_for(
    context: ApplyContext, new: Color, seconds: float, watchdog: Watchdog | None = None
) -> WriteFreeze:
    """The write freeze in which a color starts that may migrate. seconds: as its rehearsal took."""
    instance, old = context.inspection.instance, other(new)
    facts = context.inspection.facts
    line, port = released(facts, old), listening_port(facts, instance, old)
    if watchdog is None:
        database = database_for(instance, context.container)
        watchdog = post_watchdog(context.container, database, script(database.engine))
    return WriteFreeze(
        context.container,
        journal_of(instance, old, new, line.version if line else None, port=port),
        watchdog,
        instance.vikunja.start_timeout_seconds + round(SLOWER * seconds),
    )


def begin(context: ApplyContext, freeze: WriteFreeze, then: str) -> None:
    """Refuse requests, wait for those under way, stop what serves: from here on a failure puts back
    what was there."""
    context.progress.step("stopping writes")
    context.log(f"Writes stop: {freeze.journal.old} finishes what it has, then {then}")
    freeze.begin(context.inspection.instance.update.upload_wait_seconds)


def stop_writes(context: ApplyContext, freeze: WriteFreeze) -> None:
    """Begin the write freeze, and save the database."""
    begin(context, freeze, "the database is saved")
    context.progress.step("saving the database")
    database = database_for(context.inspection.instance, context.container)
    replace(database, within=while_stopped).save(SAVED)
    freeze.mark_saved()


def recover_interrupted(context: ApplyContext, _: InterruptedUpdate, __: PlanEntry) -> None:
    """Put in order what an update left that broke off."""
    if REHEARSAL in context.inspection.facts.texts:
        end(context.container, database_for(context.inspection.instance, context.container))
        context.log(f"ended a rehearsal that was not finished, and its copy {PLACE}")
    said = recover(context.container, context.where)
    if said:
        context.log(said)


def put_back(failure: DeployError, context: ApplyContext, freeze: WriteFreeze) -> DeployError:
    """What a failure within a write freeze becomes: see WriteFreeze.put_back."""
    name = f"{freeze.journal.old} ({freeze.journal.version})"
    context.progress.step(f"putting the database back, for {name} to serve")
    return freeze.put_back(failure, name, "serves on, with the database as it was")
