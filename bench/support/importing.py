"""What bench/import does: an installation with many tasks and attachments, as Vikunja's package
lays it out, moves in, with each kind of database."""

from __future__ import annotations

import re
import sys
import time

from bench.support.lab import said
from bench.support.measure import Void
from bench.support.write_stops import ATTACHMENTS, ENGINES, WriteStops
from tasks.containers.base import ContainerSpec
from tasks.containers.lxc.container import LxcContainer
from tasks.model.instance import DatabaseType
from tasks.paths import ROOT

sys.path.append(str(ROOT / "tests/support"))

from old_installation import PACKAGE, OldInstallation, on_server

NAME, OLD = "vkd-bench-import", "vkd-bench-old"

FILL = {
    "sqlite": """
        with recursive n (i) as (select 1 union all select i + 1 from n where i < {tasks})
        insert into tasks (title, done, created, updated, description, percent_done)
        select 'Task ' || i || ', with a title that says what it is about', i % 3 = 0,
            datetime('2026-01-01', i || ' seconds'), datetime('2026-06-01', i || ' seconds'),
            '<p>What is to be done: ' || hex(randomblob(60)), (i % 10) / 10.0 from n""",
    "postgresql": """
        insert into tasks (title, done, created, updated, description, percent_done)
        select 'Task ' || i || ', with a title that says what it is about', i % 3 = 0,
            timestamp '2026-01-01' + i * interval '1 second',
            timestamp '2026-06-01' + i * interval '1 second',
            '<p>What is to be done: ' || repeat(md5(i::text), 4), (i % 10) / 10.0
        from generate_series(1, {tasks}) as i""",
    "mysql": """
        insert into tasks (title, done, created, updated, description, percent_done)
        select concat('Task ', seq, ', with a title that says what it is about'), seq % 3 = 0,
            date_add('2026-01-01', interval seq second),
            date_add('2026-06-01', interval seq second),
            concat('<p>What is to be done: ', repeat(md5(seq), 4)), (seq % 10) / 10.0
        from seq_1_to_{tasks}""",
}


class Bench(WriteStops):
    name = NAME

    def deploy(self) -> None:
        self._configure("sqlite")
        self.lab.deploy(["sqlite3", "postgresql", "mariadb-server"])
        spec = self.lab.container(NAME).spec
        address, length = spec.ip_address.split("/")
        there, last = address.rsplit(".", 1)
        address = f"{there}.{int(last) + 1}"
        said("making the container of an installation …")
        old = ContainerSpec(
            name=OLD,
            instance_id=OLD,
            template=spec.template,
            hostname=OLD,
            cpu_cores=2,
            memory_mb=2048,
            disk_size_gb=20,
            bridge=spec.bridge,
            ip_address=f"{address}/{length}",
            gateway=spec.gateway,
        )
        self.old = OldInstallation(LxcContainer(old, self.lab.paths), address)
        self.old.make()

    def measure(self) -> None:
        try:
            for engine in ENGINES:
                self._measure(engine)
        finally:
            self.old.mark()

    def _measure(self, engine: DatabaseType) -> None:
        self._configure(engine)
        self.lab.run_doit("apply", "--yes")
        said(f"filling {self.tasks} tasks and {self.megabytes} MB of attachments in {engine} …")
        self.old.lay(PACKAGE if engine == "sqlite" else on_server(engine), self._program())
        self.old.fill("anna")
        self.old.query(FILL[engine].format(tasks=self.tasks))
        self.old.shell(ATTACHMENTS, self.old.attached, str(self.megabytes), "root")
        self.restarts[engine] = self._restart()
        said(f"moving in with {engine} …")
        words = ("import", "--data", "--yes", "--from", self.old.said, "--stop-source", NAME)
        found = re.search(r"Writes were stopped for ([0-9.]+) s", self.lab.run_doit(*words))
        if found is None:
            raise Void("nobody says for how long writes were stopped")
        self.stops[engine] = float(found[1])

    def _program(self) -> bytes:
        argv = ["cat", "/opt/vikunja/backend/blue/vikunja"]
        return self.lab.container(NAME).run(argv, timeout=120).stdout

    def _configure(self, engine: DatabaseType) -> None:
        # Each import takes a backup.
        self.configure(engine, backup={"retention_count": 1})

    def _restart(self) -> float:
        """Seconds that the old one takes to stop and to answer again."""
        begun = time.perf_counter()
        self.old.stop()
        self.old.start()
        return time.perf_counter() - begun
