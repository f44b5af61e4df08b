"""How long nobody could write, with each kind of database, beside a restart."""

from __future__ import annotations

from bench.support.lab import Lab
from tasks.model.instance import DatabaseType

TASKS, MEGABYTES = 10_000, 1000
ENGINES: tuple[DatabaseType, ...] = ("sqlite", "postgresql", "mysql")

ATTACHMENTS = """
cd "$1"
for number in $(seq 1 "$2"); do
    head -c 1000000 /dev/urandom >"bench-$number"
done
chown "$3:$3" bench-*
"""


class WriteStops:
    """One run of a bench. tasks, megabytes: how much there is. stops, restarts: seconds by the kind
    of database."""

    name: str
    """Of the instance."""

    def __init__(self, lab: Lab, tasks: int, megabytes: int) -> None:
        self.lab, self.tasks, self.megabytes = lab, tasks, megabytes
        self.stops: dict[str, float] = {}
        self.restarts: dict[str, float] = {}

    def configure(self, engine: DatabaseType, **sections: object) -> None:
        self.lab.edit(
            self.name,
            database={"type": engine},
            redis={"enabled": False},
            resources={"memory_mb": 2048, "disk_size_gb": 20},
            **sections,
        )

    def measured(self) -> dict[str, float | None]:
        ratios = {name: self.stops[name] / self.restarts[name] for name in ENGINES}
        return {
            "write_stop_seconds": max(self.stops.values()),
            **{f"{name}_seconds": seconds for name, seconds in self.stops.items()},
            **{f"{name}_vs_restart": ratio for name, ratio in ratios.items()},
        }
