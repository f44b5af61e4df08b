"""What bench/rebuild does: a container with many tasks and attachments is replaced by a new one,
with each kind of database."""

from __future__ import annotations

import time

from bench.support.lab import said
from bench.support.measure import Void
from bench.support.moving import fill
from bench.support.write_stops import ATTACHMENTS, ENGINES, WriteStops
from tasks.model import rebuild as records
from tasks.model.instance import DatabaseType
from tasks.model.layout import DATA, USER

NAME = "vkd-bench-rebuild"


class Bench(WriteStops):
    name = NAME

    def deploy(self) -> None:
        self._configure("sqlite")
        self.lab.deploy(["sqlite3", "postgresql", "mariadb-server"])
        container = self.lab.container(NAME)
        fill(container, self.tasks)
        said(f"filling {self.megabytes} MB of attachments …")
        words = (f"{DATA}/files", str(self.megabytes), USER)
        container.run(["sh", "-c", ATTACHMENTS, "sh", *words], timeout=600)

    def measure(self) -> None:
        for engine in ENGINES:
            self._configure(engine)
            self.lab.run_doit("apply", "--yes")
            said(f"rebuilding with {engine} …")
            self.lab.run_doit("rebuild", "--yes", NAME)
            self.stops[engine] = records.kept(self.lab.paths, NAME)[-1].write_stop
            self.restarts[engine] = self._restart()
            if not self.stops[engine]:
                raise Void("nobody says for how long writes were stopped")

    def _configure(self, engine: DatabaseType) -> None:
        self.configure(engine, rebuild={"keep_days": 0})

    def _restart(self) -> float:
        """Seconds that the container takes to stop and to be up again."""
        container, begun = self.lab.container(NAME), time.perf_counter()
        container.stop()
        container.start()
        return time.perf_counter() - begun
