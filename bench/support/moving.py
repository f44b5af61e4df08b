"""What bench/move does: a database of many tasks goes to PostgreSQL and back, by the tool and by
pgloader."""

from __future__ import annotations

import time
from statistics import median

from bench.support.lab import Lab, said
from bench.support.measure import Void
from tasks.containers.base import Container
from tasks.databases import SQLITE, Database, database_at
from tasks.databases.copier import copy_rows
from tasks.model import measured as measurements
from tasks.model.database_address import DatabaseAddress
from tasks.model.instance import DatabaseType

NAME = "vkd-bench-move"
TASKS = 100_000
ROUNDS = 3
DATABASE = "vikunja"

FILL = """
with recursive n (i) as (select 1 union all select i + 1 from n where i < {tasks})
insert into tasks (title, done, created, updated, description, done_at, percent_done)
select 'Task ' || i || ', with a title that says what it is about', i % 3 = 0,
    datetime('2026-01-01', i || ' seconds'), datetime('2026-06-01', i || ' seconds'),
    '<p>What is to be done: ' || hex(randomblob(60)) || char(13, 10) || 'and more</p>',
    case when i % 3 = 0 then datetime('2026-06-01', i || ' seconds') end, (i % 10) / 10.0 from n;
pragma wal_checkpoint(truncate);
"""

INSTALL = "DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install pgloader"

PGLOADER = f"""
set -e
cd /tmp
cp {SQLITE} pgloader.db
cat >pgloader.load <<'LOAD'
load database from sqlite:///tmp/pgloader.db
    into pgsql://postgres@unix:/var/run/postgresql:5432/{DATABASE}
    with data only, truncate, reset sequences, quote identifiers;
LOAD
chmod 0644 pgloader.db pgloader.load
"""
"""The same file into the same tables, which the application has made."""

RUN = "cd /tmp && runuser -u postgres -- pgloader pgloader.load"


def fill(container: Container, tasks: int) -> None:
    """Give its SQLite database so many tasks."""
    said(f"filling {tasks} tasks …")
    container.run(["sqlite3", "-cmd", ".timeout 60000", SQLITE, FILL.format(tasks=tasks)])


class Steps:
    """When each step of a piece of work began, in seconds of the clock that `begun` is of."""

    def __init__(self, begun: float) -> None:
        self.begun = begun
        self.steps: list[float] = []

    def step(self, text: str, fraction: float | None = None, since: float | None = None) -> None:
        self.steps.append(time.perf_counter())


class Bench:
    """One run of it. tasks: how many."""

    def __init__(self, lab: Lab, tasks: int) -> None:
        self.lab, self.tasks = lab, tasks
        self.freezes: list[float] = []
        self.seconds: dict[str, list[float]] = {"there": [], "back": [], "pgloader": []}
        self.copying: dict[str, list[float]] = {"there": [], "back": []}
        self.rows = 0

    def deploy(self) -> None:
        self._configure("sqlite")
        self.lab.deploy(["sqlite3", "postgresql", "redis-server"])
        self.container = self.lab.container(NAME)
        fill(self.container, self.tasks)

    def measure(self) -> None:
        self._move("postgresql")
        self._move("sqlite")
        said("pgloader …")
        self.container.run(["sh", "-c", INSTALL], timeout=600)
        self.container.run(["systemctl", "start", "postgresql.service"])
        self.container.run(["sh", "-c", PGLOADER])
        self.lab.run_doit("stop", NAME)
        sqlite, postgresql = self._database("sqlite"), self._database("postgresql")
        for _ in range(ROUNDS):
            self._timed("there", sqlite, postgresql)
            self._pgloader(postgresql)
            self._timed("back", postgresql, sqlite)

    def _configure(self, engine: DatabaseType) -> None:
        self.lab.edit(NAME, database={"type": engine}, redis={"enabled": False})

    def _move(self, engine: DatabaseType) -> None:
        """As a user does it; how long nobody could write is what the tool measured itself."""
        said(f"moving to {engine} …")
        self._configure(engine)
        self.lab.run_doit("apply", "--yes")
        freeze = measurements.read(self.lab.paths, NAME).database_move
        if freeze is None:
            raise Void(f"nothing moved to {engine}")
        self.freezes.append(freeze)

    def _database(self, engine: DatabaseType) -> Database:
        server = DatabaseAddress(engine, None, 0, DATABASE, "vikunja")
        address = DatabaseAddress("sqlite") if engine == "sqlite" else server
        return database_at(address, self.container)

    def _timed(self, name: str, old: Database, new: Database) -> None:
        """All of it, and what of it was over before the comparison began."""
        clock = Steps(time.perf_counter())
        self.rows = copy_rows(old, new, clock).rows
        self.seconds[name].append(time.perf_counter() - clock.begun)
        self.copying[name].append(clock.steps[-1] - clock.begun)

    def _pgloader(self, database: Database) -> None:
        begun = time.perf_counter()
        self.container.run(["sh", "-c", RUN], timeout=1800)
        self.seconds["pgloader"].append(time.perf_counter() - begun)
        if database.counts()["tasks"] < self.tasks:
            raise Void("pgloader has not brought every task")

    def measured(self) -> dict[str, float | None]:
        pgloader = self.seconds["pgloader"]
        pairs = list(zip(pgloader, self.copying["there"], strict=True))
        compared = list(zip(pgloader, self.seconds["there"], strict=True))
        there, back = self.freezes
        return {
            "rows": self.rows,
            "rows_per_second": self.rows / median(self.copying["there"]),
            "rows_per_second_back": self.rows / median(self.copying["back"]),
            "pgloader_rows_per_second": self.rows / median(self.seconds["pgloader"]),
            "vs_pgloader": median(loaded / copied for loaded, copied in pairs),
            "vs_pgloader_compared": median(loaded / all_ for loaded, all_ in compared),
            "freeze_seconds": there,
            "freeze_seconds_back": back,
            "freeze_vs_pgloader": median(self.seconds["pgloader"]) / there,
        }
