"""Back over a migration: an archive of the old version's becomes live as that version starts.

It is an update's write-stop (migrating.py) with a restore's data (tasks/backup/exchange.py) in the
middle, so that either both are back and healthy, or what was there before serves.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.effects import migrating
from tasks.effects.work import Work
from tasks.migrations import refuse_unfit
from tasks.model.plan import Entry
from tasks.resources.going_back import Beside, SwappedIn

if TYPE_CHECKING:
    from tasks.backup.databases import Database
    from tasks.backup.exchange import Exchange
    from tasks.model.archive import Contents


@dataclass(frozen=True)
class GoingBack:
    """What lies beside what is live. secret: as of tasks.backup.beside.Laid. begun: monotonic."""

    exchange: Exchange
    secret: str
    begun: float


def lay_beside(batch: Sequence[Entry], work: Work) -> None:
    """Back up what is live, and bring the archive beside it."""
    from tasks.backup.beside import lay
    from tasks.backup.databases import database_for
    from tasks.backup.exchange import RESTORED, Exchange
    from tasks.backup.keys import keys_of
    from tasks.backup.subject import find
    from tasks.model.archive import read_metadata

    for entry in batch:
        assert isinstance(entry.resource, Beside) and work.operation is not None
        wish, begun = entry.resource, time.monotonic()
        wished = work.look.instance
        found = find(wished, work.container, work.paths)
        expected = read_metadata(wish.archive)
        assert expected is not None
        database = database_for(found.instance, work.container)

        def judge(contents: Contents, database: Database, wish: Beside = wish) -> None:
            restored = database.migrations(RESTORED)
            refuse_unfit(wish.known, restored, wish.label, work.where)

        exchange = Exchange(
            found.instance, work.container, database, found.color, found.version, work.progress
        )
        laid = lay(
            wish.archive,
            expected,
            exchange,
            work.paths,
            work.operation,
            judge=judge,
            keys=keys_of(wished.backup.encrypt, wish.identity),
        )
        work.going_back = GoingBack(exchange, laid.secret, begun)


def forget(work: Work) -> None:
    """Where nothing of it came to be live, what was laid beside goes."""
    from tasks.backup.beside import tidy

    assert work.going_back is not None and work.operation is not None
    tidy(work.going_back.exchange, work.operation)


def swap_in(batch: Sequence[Entry], work: Work) -> None:
    """Refuse requests, wait for those under way, stop the version that serves, swap."""
    for entry in batch:
        assert isinstance(entry.resource, SwappedIn) and work.going_back is not None
        exchange = work.going_back.exchange
        migrating.begin(entry.resource.color, exchange.post_guard(), work)
        # From here on, where there is a place `saved`, it is put back.
        migrating.step(work, "saved")
        work.progress.step("swapping in what was restored")
        exchange.swap_in(work.going_back.secret)
