"""Where things are on the host: the paths of data-model.md, in one place."""

from __future__ import annotations

import os
from pathlib import Path

from msgspec import Struct

PREFIX_VARIABLE = "VIKUNJA_DEPLOY_PREFIX"

ROOT = Path(__file__).resolve().parent.parent
TEMPLATES = ROOT / "templates"
SCHEMAS = ROOT / "schemas"
CONFIG_SCHEMA = SCHEMAS / "config.schema.json"


class Paths(Struct, frozen=True):
    """Host paths below `prefix` (`/` unless the prefix variable says otherwise)."""

    prefix: Path = Path("/")

    @property
    def library(self) -> Path:
        return self.prefix / "var/lib/vikunja-deploy"

    @property
    def registry(self) -> Path:
        return self.library / "instances.json"

    def state(self, instance_id: str) -> Path:
        return self.library / "state" / f"{instance_id}.state"

    def health(self, instance_id: str) -> Path:
        return self.library / "health" / f"{instance_id}.json"

    def health_history(self, instance_id: str) -> Path:
        """The last checks of the instance, a line each."""
        return self.library / "health" / f"{instance_id}.history"

    def releases(self, instance_id: str) -> Path:
        """Which releases of the instance have served."""
        return self.library / "releases" / f"{instance_id}.json"

    @property
    def pins(self) -> Path:
        """Which published archives this machine has taken, with their checksums."""
        return self.library / "published.json"

    def applied(self, instance_id: str) -> Path:
        """What the last apply left: digests and inputs of every resource."""
        return self.library / "applied" / f"{instance_id}.json"

    def rendered(self, instance_id: str) -> Path:
        """Folder (0700) of the instance's rendered files."""
        return self.library / "rendered" / instance_id

    def last_backup(self, instance_id: str) -> Path:
        """When the instance's last backup was taken."""
        return self.library / "last-backup" / f"{instance_id}.json"

    def holdings(self, instance_id: str) -> Path:
        """How much the instance's archives hold."""
        return self.library / "holdings" / f"{instance_id}.json"

    def last_drill(self, instance_id: str) -> Path:
        """How the instance's last drill went."""
        return self.library / "last-drill" / f"{instance_id}.json"

    def drill(self, instance_id: str) -> Path:
        """Folder of the records of a drill's throw-away instance; gone after it."""
        return self.library / "drill" / instance_id

    def rebuild(self, instance_id: str) -> Path:
        """Folder of the records of a container that a rebuild makes; gone after it."""
        return self.library / "rebuild" / instance_id

    def rebuilding(self, instance_id: str) -> Path:
        """How far a rebuild of the instance is; gone after it."""
        return self.library / "rebuilding" / f"{instance_id}.json"

    def replaced(self, instance_id: str) -> Path:
        """Old containers of the instance that are kept, stopped."""
        return self.library / "replaced" / f"{instance_id}.json"

    def notified(self, instance_id: str) -> Path:
        """Of which failures of the instance somebody was notified."""
        return self.library / "told" / f"{instance_id}.json"

    def measured(self, instance_id: str) -> Path:
        """How long the instance's last update with migrations took."""
        return self.library / "measured" / f"{instance_id}.json"

    @property
    def engine_database(self) -> Path:
        return self.library / "doit.db"

    def lock(self, instance_id: str) -> Path:
        return self.prefix / "var/lock/vikunja-deploy" / f"{instance_id}.lock"

    def log(self, instance_id: str) -> Path:
        return self.prefix / "var/log/vikunja-deploy" / f"{instance_id}.log"

    @property
    def log_rotation(self) -> Path:
        """What the host's logrotate does with the logs."""
        return self.prefix / "etc/logrotate.d/vikunja-deploy"

    @property
    def cache(self) -> Path:
        """What can be made again: root file systems, git mirrors, artifacts, toolchain caches."""
        return self.prefix / "var/cache/vikunja-deploy"

    @property
    def readings(self) -> Path:
        """What was read from configuration files."""
        return self.cache / "readings"

    @property
    def documents(self) -> Path:
        """Texts of full configuration documents."""
        return self.cache / "documents"

    @property
    def run(self) -> Path:
        """What does not outlive the next boot: sockets, guards."""
        return self.prefix / "run/vikunja-deploy"

    @property
    def cluster(self) -> Path:
        """The cluster file system of Proxmox VE, on its nodes."""
        return self.prefix / "etc/pve"

    @property
    def lxc(self) -> Path:
        """Plain LXC's own container folder."""
        return self.prefix / "var/lib/lxc"


def host_paths() -> Paths:
    """The paths of this process: below $VIKUNJA_DEPLOY_PREFIX where it is set."""
    return Paths(Path(os.environ.get(PREFIX_VARIABLE) or "/"))
