"""Back over a migration: an archive of the old version's becomes live as that version starts.

It is an update's write freeze (database_migration.py) with a restore's data
(tasks/backup/cutover.py) in the middle, so that either both are back and healthy, or what was there
before serves.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from tasks.execution import database_migration
from tasks.execution.context import ApplyContext
from tasks.model.plan import PlanEntry
from tasks.planning.migrations import refuse_unfit
from tasks.resources.staged import ActivatedRestore, StagedRestore

if TYPE_CHECKING:
    from tasks.backup.cutover import Cutover
    from tasks.databases import Database
    from tasks.model.archive import Contents


class StagedUpdate(Struct, frozen=True):
    """What lies beside what is live. secret: see tasks.backup.staging.Staged. begun: monotonic."""

    exchange: Cutover
    secret: str
    begun: float


def lay_beside(batch: Sequence[PlanEntry], work: ApplyContext) -> None:
    """Back up what is live, and bring the archive beside it."""
    from tasks.backup.cutover import RESTORED, Cutover
    from tasks.backup.keys import keys_of
    from tasks.backup.running_instance import find
    from tasks.backup.staging import stage
    from tasks.databases import database_for
    from tasks.model.archive import read_metadata

    for entry in batch:
        assert isinstance(entry.resource, StagedRestore) and work.operation is not None
        desired, begun = entry.resource, time.monotonic()
        instance = work.inspection.instance
        found = find(instance, work.container, work.paths)
        expected = read_metadata(desired.archive)
        assert expected is not None
        database = database_for(found.instance, work.container)

        def evaluate(
            contents: Contents, database: Database, desired: StagedRestore = desired
        ) -> None:
            restored = database.migrations(RESTORED)
            refuse_unfit(desired.known, restored, desired.label, work.where)

        exchange = Cutover(
            found.instance, work.container, database, found.color, found.version, work.progress
        )
        laid = stage(
            desired.archive,
            expected,
            exchange,
            work.paths,
            work.operation,
            evaluate=evaluate,
            keys=keys_of(instance.backup.encrypt, desired.identity),
        )
        work.going_back = StagedUpdate(exchange, laid.secret, begun)


def forget(work: ApplyContext) -> None:
    """Where nothing of it came to be live, what was laid beside goes."""
    from tasks.backup.staging import discard

    assert work.going_back is not None and work.operation is not None
    discard(work.going_back.exchange, work.operation)


def swap_in(batch: Sequence[PlanEntry], work: ApplyContext) -> None:
    """Refuse requests, wait for those under way, stop the version that serves, swap."""
    for entry in batch:
        assert isinstance(entry.resource, ActivatedRestore) and work.going_back is not None
        exchange = work.going_back.exchange
        watchdog = exchange.post_watchdog()
        frozen = database_migration.begin(entry.resource.color, watchdog, work)
        # From here on, where there is a place `saved`, it is put back.
        frozen.mark_saved()
        work.progress.step("swapping in what was restored")
        exchange.swap_in(work.going_back.secret)
