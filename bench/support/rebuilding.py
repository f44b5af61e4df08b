"""What bench/rebuild does: a container with many tasks and attachments is replaced by a new one,
with each kind of database."""

from __future__ import annotations

import time

from bench.support.lab import Lab, said
from bench.support.measure import Void
from bench.support.moving import fill
from tasks.model import rebuild as records
from tasks.model.instance import DatabaseType
from tasks.model.layout import DATA, USER

NAME = "vkd-bench-rebuild"
TASKS, MEGABYTES = 10_000, 1000
ENGINES: tuple[DatabaseType, ...] = ("sqlite", "postgresql", "mysql")

ATTACHMENTS = """
cd "$1"
for number in $(seq 1 "$2"); do
    head -c 1000000 /dev/urandom >"bench-$number"
done
chown "$3:$3" bench-*
"""


class Bench:
    """One run of it. tasks, megabytes: how much there is."""

    def __init__(self, lab: Lab, tasks: int, megabytes: int) -> None:
        self.lab, self.tasks, self.megabytes = lab, tasks, megabytes
        self.stops: dict[str, float] = {}
        self.restarts: dict[str, float] = {}

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
        self.lab.edit(
            NAME,
            database={"type": engine},
            redis={"enabled": False},
            resources={"memory_mb": 2048, "disk_size_gb": 20},
            rebuild={"keep_days": 0},
        )

    def _restart(self) -> float:
        """Seconds that the container takes to stop and to be up again."""
        container, begun = self.lab.container(NAME), time.perf_counter()
        container.stop()
        container.start()
        return time.perf_counter() - begun

    def measured(self) -> dict[str, float | None]:
        ratios = {name: self.stops[name] / self.restarts[name] for name in ENGINES}
        return {
            "write_stop_seconds": max(self.stops.values()),
            **{f"{name}_seconds": seconds for name, seconds in self.stops.items()},
            **{f"{name}_vs_restart": ratio for name, ratio in ratios.items()},
        }
