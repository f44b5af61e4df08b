"""Records of a container that stands beside an instance's own: a drill's, a rebuild's."""

from __future__ import annotations

from pathlib import Path

from tasks.paths import Paths


class OwnRecords(Paths, frozen=True, kw_only=True):
    """Paths of a host whose records are those of one container alone: in no registry, under no
    instance's lock. Containers and caches are the host's.

    records: the folder of them.
    """

    records: Path

    @property
    def registry(self) -> Path:
        return self.records / "instances.json"

    @property
    def engine_database(self) -> Path:
        return self.records / "doit.db"

    @property
    def log_rotation(self) -> Path:
        return self.records / "log-rotation"

    def state(self, instance_id: str) -> Path:
        return self.records / "state"

    def health(self, instance_id: str) -> Path:
        return self.records / "health.json"

    def releases(self, instance_id: str) -> Path:
        return self.records / "releases.json"

    def applied(self, instance_id: str) -> Path:
        return self.records / "applied.json"

    def rendered(self, instance_id: str) -> Path:
        return self.records / "rendered"

    def last_backup(self, instance_id: str) -> Path:
        return self.records / "last-backup.json"

    def measured(self, instance_id: str) -> Path:
        return self.records / "measured.json"

    def lock(self, instance_id: str) -> Path:
        return self.records / "lock"

    def log(self, instance_id: str) -> Path:
        return self.records / "log"
