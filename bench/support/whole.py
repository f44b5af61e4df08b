"""What bench/backup --whole measures: a site with much in it, backed up, checked and restored by
the commands that a user types."""

from __future__ import annotations

import io
import json
import random
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from bench.support.lab import Lab, environment, said
from bench.support.measure import Command, Series, Target, Void
from tasks.paths import ROOT

NAME = "vkd-bench-whole"
TASKS, BYTES = 10_000, 1_000_000_000
EACH = 2_500_000
"""Bytes of an attachment: a picture's, which does not shrink."""

BACKUP, VERIFY, RESTORE = "./doit backup", "./doit verify", "./doit restore --no-backup"
TARGETS = (Target("backup_seconds", "backup, seconds", "≤", 20),)

FILL = """
begin;
with recursive n (i) as (select 1 union all select i + 1 from n where i < {tasks})
insert into tasks (id, title, done, created, updated)
select i, 'task ' || i || ' ' || hex(randomblob(40)), i % 3 = 0, datetime(), datetime() from n;
commit;
"""


class Whole:
    """One run of it. tasks, size: how many tasks, and bytes of attachments."""

    def __init__(self, lab: Lab, tasks: int, size: int) -> None:
        self.lab = lab
        self.tasks = tasks
        self.files = size // EACH
        self.series = Series()

    def measure(self, rounds: int) -> None:
        from tasks.planning.inputs import gather
        from tasks.resources.system import Package

        config = self.lab.choose([NAME]) / f"{NAME}.yaml"
        document: dict[str, Any] = yaml.safe_load(config.read_text())
        document["backup"] = {"directory": str(self.lab.work / "backups"), "retention_count": 1}
        config.write_text(yaml.safe_dump(document))
        desired = gather(self.lab.instance(NAME), self.lab.paths).inside
        self.lab.deploy([one.package for one in desired if isinstance(one, Package)])
        self._fill()
        commands = [self._command(name) for name in (BACKUP, VERIFY, RESTORE)]
        for number in range(rounds):
            said(f"round {number + 1}")
            self.series.measure(commands, said)

    def _command(self, name: str) -> Command:
        words = name.removeprefix("./doit ").split()
        more = ["--from", "latest", "--yes"] if words[0] == "restore" else []
        argv = (str(ROOT / "doit"), *words, *more, "--config", str(self.lab.configs))
        return Command(name, argv, environment(self.lab.paths.prefix), self.lab.work)

    def _fill(self) -> None:
        said(f"filling it with {self.tasks} tasks and {self.files * EACH / 1e6:.0f} MB …")
        container = self.lab.container(NAME)
        database = "/var/lib/vikunja/vikunja.db"
        text = FILL.format(tasks=self.tasks).encode()
        container.run(["sqlite3", "-bail", "-cmd", ".timeout 60000", database], stdin=text)
        with _pictures(self.lab.work / "pictures.tar", self.files) as stream:
            argv = ["tar", "--extract", "--file=-", "--directory=/var/lib/vikunja/files"]
            container.run(argv, stdin=stream, timeout=900)
        container.run(["chown", "-R", "vikunja:vikunja", "/var/lib/vikunja/files"])

    def measured(self) -> dict[str, Any]:
        # The one before, which was verified, stays as well.
        newest = max((self.lab.work / "backups" / NAME).glob("*.json"))
        contents = json.loads(newest.read_text())
        if contents["files_count"] < self.files:
            raise Void(f"the archive has {contents['files_count']} of {self.files} attachments")
        return {
            "backup_seconds": self.series.wall(BACKUP),
            "verify_seconds": self.series.wall(VERIFY),
            "restore_seconds": self.series.wall(RESTORE),
            "backup_cpu_seconds": self.series.cpu(BACKUP),
            "tasks": self.tasks,
            "attachments_mb": contents["files_size_bytes"] / 1e6,
            "archive_mb": contents["total_size_bytes"] / 1e6,
        }


@contextmanager
def _pictures(path: Path, count: int) -> Iterator[Any]:
    """A tar stream of so many attachments, the same every time."""
    numbers = random.Random(count)
    with path.open("w+b") as file:
        with tarfile.open(fileobj=file, mode="w") as tar:
            for number in range(1, count + 1):
                info = tarfile.TarInfo(str(number))
                info.size = EACH
                tar.addfile(info, io.BytesIO(numbers.randbytes(EACH)))
        file.seek(0)
        yield file
    path.unlink()
