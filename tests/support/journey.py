"""A site under test: its configuration file, its prefix, and the tool as a user runs it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tasks.builds.sample import make_repository
from tasks.paths import PREFIX_VARIABLE, Paths

BEGUN = re.compile(r" s  (create|update|replace|delete|run) ")
"""A line of progress that says that a piece of the plan begins, not what it is made of."""

DOIT = Path(sys.executable).with_name("doit")

SAMPLE_BUILD = {
    "packages": ["golang-go", "gcc", "libc6-dev", "nodejs", "git", "ca-certificates"],
    "toolchains": "packaged",
    # Without optimisation SQLite compiles in a third of the time.
    "environment": {"CGO_CFLAGS": "-O0 -g0"},
    "frontend": [["node", "build.mjs"]],
    "mcp": [["node", "build.mjs"]],
}


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The document with these changes, section by section; None removes a key."""
    result = dict(base)
    for key, value in changes.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(result.get(key), Mapping):
            result[key] = merged(result[key], value)
        else:
            result[key] = value
    return result


@dataclass
class Site:
    """One instance and everything that is its own. document: what its file says."""

    paths: Paths
    document: dict[str, Any]

    @property
    def id(self) -> str:
        name: str = self.document["deployment"]["instance_id"]
        return name

    @property
    def file(self) -> Path:
        return self.paths.prefix / f"{self.id}.yaml"

    @property
    def address(self) -> str:
        return str(self.document["network"]["ip_address"]).partition("/")[0]

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, PREFIX_VARIABLE: str(self.paths.prefix), "NO_COLOR": "1"}

    def edit(self, changes: Mapping[str, Any]) -> None:
        """Change the configuration file."""
        self.document = merged(self.document, changes)
        self.file.write_text(yaml.safe_dump(self.document, sort_keys=False))

    def run(self, *arguments: str, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Run the tool; its exit code must be `code` unless that is None."""
        argv = [str(DOIT), *arguments, "--config", str(self.file)]
        completed = subprocess.run(
            argv, env=self.environment, capture_output=True, text=True, check=False, timeout=1500
        )
        shown = f"{' '.join(arguments)}: {completed.stdout}\n{completed.stderr}"
        assert "Traceback" not in completed.stderr, shown
        assert code is None or completed.returncode == code, shown
        return completed

    def plan(self) -> list[dict[str, Any]]:
        """The entries of a plan."""
        (instance,) = json.loads(self.run("plan", "--json").stdout)["instances"]
        entries: list[dict[str, Any]] = instance["entries"]
        return entries

    def addresses(self) -> list[str]:
        """The addresses of a plan's entries, without the instance."""
        return [entry["address"].partition("/")[2] for entry in self.plan()]

    def apply_killed_at(self, line: int) -> list[str]:
        """Apply, and `kill -9` it when it has begun its line-th piece of work.

        Returns what it had said; it may have finished before.
        """
        argv = [str(DOIT), "apply", "--yes", "--config", str(self.file)]
        process = subprocess.Popen(
            argv,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        said: list[str] = []
        for text in process.stderr:
            said.append(text.rstrip())
            if sum(bool(BEGUN.search(one)) for one in said) >= line:
                process.send_signal(signal.SIGKILL)
                break
        process.stderr.close()
        process.wait(timeout=60)
        return said

    def done(self) -> list[str]:
        """What the operation log says was done, oldest first: `create file:/…`."""
        messages = [line.split("] ", 3)[3] for line in self.log().splitlines()]
        return [message.split(": ")[0] for message in messages if _is_entry(message)]

    def log(self) -> str:
        return self.paths.log(self.id).read_text()


def _is_entry(message: str) -> bool:
    return message.split(" ")[0] in ("create", "update", "replace", "delete", "run")


def sample_document(
    instance_id: str, bridge: str, address: str, gateway: str, repository: Path
) -> dict[str, Any]:
    """A configuration that deploys the sample application."""
    return {
        "deployment": {"instance_id": instance_id},
        "lxc": {"template": "trixie"},
        "resources": {"cpu_cores": 2, "memory_mb": 2048, "disk_size_gb": 20},
        "network": {
            "bridge": bridge,
            "ip_address": address,
            "gateway": gateway,
            "domain": f"{instance_id}.example.com",
        },
        "database": {"type": "sqlite"},
        "git": {"repository": str(repository), "branch": "main"},
        "build": SAMPLE_BUILD,
        "update": {"observe_seconds": 1, "edit_observe_seconds": 1},
        "admin": {"email": "admin@example.com"},
        # The package takes ten seconds of every deployment; test_updates_of_packages.py has it.
        "system": {"updates": "none"},
    }


def new_site(paths: Paths, network: Any, suffix: str, **changes: Any) -> Site:
    """A site of this test run, not deployed yet; its repository is the sample's."""
    repository = paths.prefix / "sample.git"
    make_repository(repository)
    name = f"vkd-lab-{suffix}-{os.getpid()}"
    document = sample_document(
        name, network.bridge, network.free_address(), network.gateway, repository
    )
    document["backup"] = {"directory": str(paths.prefix / "backups")}
    site = Site(paths, document)
    site.edit(changes)
    return site
