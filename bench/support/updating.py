"""The updates that bench/updates makes: each a commit of its own, applied as cron does."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from statistics import median
from typing import Any

import yaml

from bench.support.clients import Clients
from bench.support.lab import Lab, environment, said
from bench.support.measure import Void
from tasks.builds.sample import IDENTITY, make_repository
from tasks.paths import ROOT

NAME = "vkd-bench-updates"
SETTLED = 3
"""From this update on both colors are in use and as many builds are kept as ever will be."""


class Bench:
    """One run of it."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.failures: list[str] = []
        self.requests = 0
        self.rate = 0.0
        self.lost = 0
        self.seconds: list[float] = []
        self.disk: list[int] = []
        self.processes: list[int] = []
        self.before: set[Path] = set()

    def deploy(self) -> None:
        from tasks.planning.inputs import gather
        from tasks.resources.system import Package

        self.before = set(self._builds())
        self.repository = self.lab.work / "updates.git"
        self.tree = self.lab.work / "updates"
        make_repository(self.repository)
        self._git("clone", "-q", str(self.repository), str(self.tree))
        self.config = self.lab.choose([NAME]) / f"{NAME}.yaml"
        document: dict[str, Any] = yaml.safe_load(self.config.read_text())
        document["git"] = {"repository": str(self.repository), "branch": "main"}
        document["update"] = {"observe_seconds": 1, "drain_seconds": 8}
        self.config.write_text(yaml.safe_dump(document))
        self.instance = self.lab.instance(NAME)
        desired = gather(self.instance, self.lab.paths).inside
        self.lab.deploy([one.package for one in desired if isinstance(one, Package)])
        self.address = self.instance.network.ip_address.partition("/")[0]
        self.container = self.lab.container(NAME)

    def update(self, count: int) -> None:
        """So many updates in a row, under load all the time."""
        self._look()
        load = Clients(self.address, self.instance.network.domain)
        load.keep_alive(4, 0.02).new_connections(1, 0.05).slow(2, 5).writing(1, 0.05)
        begun = time.monotonic()
        with load:
            for number in range(1, count + 1):
                self._one(number)
        tally = load.tally
        self.failures, self.requests = tally.failures, tally.requests
        self.rate = tally.requests / (time.monotonic() - begun)
        there = {task["id"] for task in self._ask("/api/v1/tasks")}
        self.lost = len(set(tally.acknowledged) - there)

    def _one(self, number: int) -> None:
        version = f"v1.{number}.0"
        page = self.tree / "frontend/src/index.html"
        page.write_text(f"{page.read_text()}<!-- {version} -->\n")
        tree = ("-C", str(self.tree))
        self._git(*tree, "commit", "-q", "--all", "--no-gpg-sign", "-m", version)
        self._git(*tree, "tag", "--no-sign", version)
        self._git(*tree, "push", "-q", "--tags", "origin", "HEAD:main")
        begun = time.monotonic()
        done = subprocess.run(
            [str(ROOT / "doit"), "apply", "--yes", "--config", str(self.config)],
            env=environment(self.lab.paths.prefix),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise Void(f"update {number} ended with {done.returncode}:\n{done.stderr[-2000:]}")
        self.seconds.append(time.monotonic() - begun)
        serving = self._ask("/api/v1/info")["version"]
        if serving != version:
            raise Void(f"after the update to {version}, {serving} serves")
        self._look()
        said(f"{version} serves after {self.seconds[-1]:.1f} s")

    def _look(self) -> None:
        script = "du -sm /opt/vikunja | cut -f 1; ps -e --no-headers | wc -l"
        disk, processes = self.container.run(["sh", "-c", script]).stdout.split()
        self.disk.append(int(disk))
        self.processes.append(int(processes))

    def _ask(self, path: str) -> Any:
        argv = ["curl", "-skf", "--max-time", "20", f"https://{self.address}{path}"]
        return json.loads(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)

    def _git(self, *arguments: str) -> None:
        subprocess.run(["git", *arguments], env={**os.environ, **IDENTITY}, check=True)

    def _builds(self) -> list[Path]:
        return list((self.lab.paths.cache / "artifacts").glob("*.json"))

    def measured(self) -> dict[str, float | None]:
        settled = self.disk[min(SETTLED, len(self.disk) - 1)]
        return {
            "updates": len(self.seconds),
            "requests": self.requests,
            "requests_per_second": self.rate,
            "failed": len(self.failures),
            "lost_writes": self.lost,
            "disk_growth_mib": self.disk[-1] - settled,
            "process_growth": self.processes[-1] - self.processes[0],
            "builds_kept": len(set(self._builds()) - self.before),
            "seconds_per_update": median(self.seconds),
        }
