"""The edits that bench/edits makes, each applied as cron does, while clients ask all the time."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import yaml

from bench.support.clients import Clients
from bench.support.lab import Lab, environment, said
from bench.support.measure import Void
from tasks.model.instance import Color
from tasks.model.layout import ACTIVE, SECRETS
from tasks.paths import ROOT

ENGINES = {
    "vkd-bench-edits-pg": "postgresql",
    "vkd-bench-edits-my": "mysql",
    "vkd-bench-edits-sq": "sqlite",
}
NAMES = tuple(ENGINES)
Document = dict[str, Any]


def merged(document: Document, more: Document) -> Document:
    """The document with the keys of more in it."""
    made = dict(document)
    for key, value in more.items():
        nested = isinstance(value, dict) and isinstance(made.get(key), dict)
        made[key] = merged(made[key], value) if nested else value
    return made


EDITS: dict[str, Document] = {
    "settings": {"vikunja": {"environment": {"VIKUNJA_SERVICE_MOTD": "edited"}}},
    "time zone": {"vikunja": {"timezone": "Europe/Berlin"}},
    "upload limit": {"vikunja": {"max_upload_mb": 40}},
    "redis on": {"redis": {"enabled": True}},
    "MCP on": {"services": {"mcp": {"enabled": True}}},
    "MCP off": {"services": {"mcp": {"enabled": False}}},
    "redis off": {"redis": {"enabled": False}},
    "redis on again": {"redis": {"enabled": True}},
    "port of blue": {"services": {"backend": {"port_blue": 4456}}},
    "port of green": {"services": {"backend": {"port_green": 4457}}},
    "memory": {"resources": {"memory_mb": 2560}},
    "cores": {"resources": {"cpu_cores": 1}},
}
ROTATED = ("service-secret", "redis-password", "db-password")


class Bench:
    """One run of it: every edit on every engine in turn."""

    def __init__(self, lab: Lab, names: tuple[str, ...]) -> None:
        self.lab, self.names = lab, names
        self.failures: list[str] = []
        self.edits: dict[str, dict[str, float]] = {}
        self.startup: list[float] = []
        self.ratios: list[float] = []
        self.over: list[float] = []
        self.requests = self.lost = 0
        self.seconds = 0.0

    def deploy(self) -> None:
        from tasks.planning.inputs import gather
        from tasks.resources.system import Package

        packages: dict[str, None] = {}
        for name in self.names:
            change = {
                "database": {"type": ENGINES[name]},
                "redis": {"enabled": False},
                "services": {"mcp": {"enabled": False}},
                "update": {"drain_seconds": 8},
                "build": {"mcp": [["node", "build.mjs"]]},
            }
            self.edit(name, change)
            desired = gather(self.lab.instance(name), self.lab.paths).inside
            packages |= {one.package: None for one in desired if isinstance(one, Package)}
        self.lab.deploy(list(packages))

    def measure(self) -> None:
        for name in self.names:
            _Site(self, name).measure()

    def edit(self, name: str, change: Document) -> Path:
        """The instance's configuration with a change in it."""
        config = self.lab.choose([name]) / f"{name}.yaml"
        document = merged(yaml.safe_load(config.read_text()), change)
        config.write_text(yaml.safe_dump(document))
        return config

    def measured(self) -> dict[str, float | None]:
        return {
            "failed": len(self.failures),
            "edits": len(self.edits),
            "requests": self.requests,
            "requests_per_second": self.requests / self.seconds,
            "lost_writes": self.lost,
            "startup_seconds": median(self.startup),
            "edit_vs_startup": median(self.ratios),
            "over_startup": median(self.over),
        }


class _Site:
    """One instance of it."""

    def __init__(self, bench: Bench, name: str) -> None:
        self.bench, self.name = bench, name
        self.engine = ENGINES[name]
        self.instance = bench.lab.instance(name)
        self.container = bench.lab.container(name)
        self.address = self.instance.network.ip_address.partition("/")[0]

    def measure(self) -> None:
        self.start_up()
        load = Clients(self.address, self.instance.network.domain)
        load.keep_alive(6, 0.02).new_connections(2, 0.05).slow(1, 1).writing(1, 0.05)
        begun = time.monotonic()
        with load:
            time.sleep(1)
            for what, apply in self.applied():
                self.one(what, apply, load)
        tally = load.tally
        self.bench.seconds += time.monotonic() - begun
        self.bench.failures += tally.failures
        self.bench.requests += tally.requests
        there = {task["id"] for task in self.ask("/api/v1/tasks")}
        self.bench.lost += len(set(tally.acknowledged) - there)

    def start_up(self) -> None:
        """What the application takes from its start to its first answer."""
        unit = f"vikunja-backend@{self.serving()}.service"
        port = str(self.instance.backend_port(self.serving()))
        script = (
            'systemctl stop "$1"; begun=$(date +%s%N); systemctl start "$1"\n'
            'until curl -sf -o /dev/null "http://127.0.0.1:$2/health"; do sleep 0.02; done\n'
            "echo $(($(date +%s%N) - begun))"
        )
        for _ in range(3):
            took = self.container.run(["sh", "-c", script, "sh", unit, port], timeout=60).stdout
            self.bench.startup.append(int(took) / 1e9)

    def applied(self) -> Iterator[tuple[str, Callable[[], None]]]:
        """Each edit, and what makes it count."""
        for what, change in EDITS.items():
            yield what, lambda change=change: self.doit("apply", change)  # type: ignore[misc]
        for secret in ROTATED:
            if self.there(f"{SECRETS}/{secret}"):
                yield f"another {secret}", lambda secret=secret: self.rotate(secret)  # type: ignore[misc]
        yield "other templates", self.other_templates
        yield "restart", lambda: self.doit("restart")

    def one(self, what: str, apply: Callable[[], None], load: Clients) -> None:
        failed, before, begun = len(load.tally.failures), self.serving(), time.time()
        apply()
        took = time.time() - begun
        load.one_more()
        switched = self.switched_at() - begun if self.serving() != before else None
        figures = {
            "failed": len(load.tally.failures) - failed,
            "switched": switched or 0.0,
            "took": took,
        }
        startup = median(self.bench.startup)
        if switched is not None:
            self.bench.ratios.append(switched / startup)
            self.bench.over.append(took - startup)
        self.bench.edits[f"{what}, {self.engine}"] = figures
        said(f"{self.engine}: {what}: {figures['failed']} failed, {took:.1f} s")

    def rotate(self, secret: str) -> None:
        """Another value, made by the container as the first one was."""
        self.container.run(["rm", f"{SECRETS}/{secret}"])
        self.doit("apply")

    def other_templates(self) -> None:
        """By a vikunja-deploy that brings another sandbox."""
        other = self.bench.lab.work / f"{self.name}-other"
        shutil.copytree(ROOT, other, ignore=shutil.ignore_patterns(".*", "tests", "docs"))
        (other / ".venv").symlink_to(ROOT / ".venv")
        sandbox = other / "templates/shared/sandbox.j2"
        sandbox.write_text(f"{sandbox.read_text().rstrip()}\nLimitCORE=0\n")
        self.doit("apply", root=other)

    def doit(self, command: str, change: Document | None = None, root: Path = ROOT) -> None:
        config = self.bench.edit(self.name, change or {})
        more = ["--yes"] if command == "apply" else [self.name]
        done = subprocess.run(
            [str(root / "doit"), command, *more, "--config", str(config)],
            # Before what the environment of the tool's own tree brings.
            env=environment(self.bench.lab.paths.prefix) | {"PYTHONPATH": str(root)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise Void(f"{command} ended with {done.returncode}:\n{done.stderr[-2000:]}")

    def serving(self) -> Color:
        return "green" if self.there(f"{ACTIVE}/green") else "blue"

    def switched_at(self) -> float:
        """Epoch seconds."""
        return float(self.container.run(["stat", "-c", "%.Y", ACTIVE]).stdout)

    def there(self, path: str) -> bool:
        return self.container.run(["test", "-e", path], check=False).returncode == 0

    def ask(self, path: str) -> Any:
        argv = ["curl", "-skf", "--max-time", "20", f"https://{self.address}{path}"]
        return json.loads(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)
