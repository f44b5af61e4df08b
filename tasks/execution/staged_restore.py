"""Back over a migration: an archive of the old version's becomes live as that version starts.

It is an update's write freeze (database_migration.py) with a restore's data
(tasks/backup/cutover.py) in the middle, so that either both are back and healthy, or what was there
before serves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from tasks.databases.write_freeze import WriteFreeze
from tasks.execution import database_migration
from tasks.execution.context import ApplyContext
from tasks.model.instance import Color
from tasks.planning.migrations import refuse_unfit
from tasks.resources.staged import StagedRestore

if TYPE_CHECKING:
    from tasks.backup.cutover import Cutover
    from tasks.databases import Database
    from tasks.model.archive import Contents


class StagedUpdate(Struct, frozen=True):
    """What lies beside what is live. secret: see tasks.backup.staging.Staged."""

    cutover: Cutover
    secret: str


def stage(context: ApplyContext, restore: StagedRestore) -> StagedUpdate:
    """Back up what is live, and bring the archive beside it."""
    from tasks.backup import staging
    from tasks.backup.cutover import RESTORED, Cutover
    from tasks.backup.keys import keys_of
    from tasks.backup.running_instance import find
    from tasks.databases import database_for
    from tasks.model.archive import read_metadata

    instance = context.inspection.instance
    found = find(instance, context.container, context.paths)
    expected = read_metadata(restore.archive)
    assert expected is not None
    database = database_for(found.instance, context.container, found.color)

    def evaluate(_: Contents, database: Database) -> None:
        restored = database.migrations(RESTORED)
        refuse_unfit(restore.known, restored, restore.label, context.where)

    cutover = Cutover(
        found.instance, context.container, database, found.color, found.version, context.progress
    )
    staged = staging.stage(
        restore.archive,
        expected,
        cutover,
        context.paths,
        context.operation,
        evaluate=evaluate,
        keys=keys_of(instance.backup.encrypt, restore.identity),
    )
    return StagedUpdate(cutover, staged.secret)


def discard(context: ApplyContext, staged: StagedUpdate) -> None:
    """Where nothing of it came to be live, what was staged goes."""
    from tasks.backup import staging

    staging.discard(staged.cutover, context.operation)


def freeze_for(context: ApplyContext, new: Color, staged: StagedUpdate) -> WriteFreeze:
    watchdog = staged.cutover.post_watchdog()
    return database_migration.freeze_for(context, new, 0.0, watchdog)


def activate(context: ApplyContext, freeze: WriteFreeze, staged: StagedUpdate) -> None:
    """Refuse requests, wait for those under way, stop the version that serves, swap."""
    database_migration.begin(context, freeze, "the archive's data takes the place of its own")
    # From here on, where there is a place `saved`, it is put back.
    freeze.mark_saved()
    context.progress.step("swapping in what was restored")
    staged.cutover.activate(staged.secret)
