"""A deployed site whose archives lie in a folder of a test's own."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from journey import Site, merged
from tables import Table, tables

from tasks.config import load_instances
from tasks.containers import container_for
from tasks.containers.base import Container
from tasks.databases import Database, database_for

LIST = 'cd "$1" && find . -printf "%P %y %u:%g %m " -exec sh -c \
    \'if [ -f "$1" ]; then sha256sum <"$1"; else echo; fi\' sh {} \\; | sort'
"""Without sizes: a folder's own says in which order its files came."""
Seen = tuple[dict[str, Table], str]


@dataclass
class Backed(Site):
    """A deployed site with a configuration file of these tests' own, for its archives' folder.

    origin: the site as it was deployed; what is applied is that.
    """

    origin: Site

    @property
    def file(self) -> Path:
        return self.paths.prefix / "restore-tests.yaml"

    @property
    def container(self) -> Container:
        (instance,) = load_instances([self.file])
        return container_for(instance, self.paths)

    @property
    def database(self) -> Database:
        (instance,) = load_instances([self.file])
        return database_for(instance, self.container)

    @property
    def folder(self) -> Path:
        return Path(self.document["backup"]["directory"]) / self.id

    @property
    def color(self) -> str:
        """The one that serves."""
        marker = "if [ -e /etc/vikunja/active/green ]; then echo green; else echo blue; fi"
        return self.shell(marker).strip()

    def shell(self, script: str, *arguments: str) -> str:
        argv = ["sh", "-c", script, "sh", *arguments]
        return self.container.run(argv, timeout=120).stdout.decode()

    def seen(self) -> Seen:
        """Every table by its digest, and every attachment with owner, mode and digest."""
        return dict(tables(self.database)), self.shell(LIST, "/var/lib/vikunja/files")

    def serves(self) -> bool:
        argv = ["curl", "-skf", "--max-time", "60", f"https://{self.address}/api/v1/tasks"]
        return subprocess.run(argv, stdout=subprocess.DEVNULL, check=False).returncode == 0

    def nothing_left(self) -> None:
        assert self.database.places() == ()
        folders = "/var/lib/vikunja-backup /var/lib/vikunja-deploy/migration"
        assert self.shell(f"find {folders} -mindepth 1 2>/dev/null || true") == ""
        assert "vikunja-deploy" not in self.shell("ls -A /var/lib/vikunja")


def backed(site: Site, folder: Path) -> Backed:
    changes = {
        "backup": {"directory": str(folder), "retention_count": 50},
        "vikunja": {"start_timeout_seconds": 15},
    }
    made = Backed(site.paths, merged(site.document, changes), site)
    made.edit({})
    return made
