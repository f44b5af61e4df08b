"""Many instances on one host, with drivers that answer from what was written down.

Each was deployed, in a model of a container; what it then answers to a plan and to a status is
kept.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.support.measure import Command, Series, Void, run
from bench.support.replayed import place
from tasks.commands.plan import look_at, plan_of
from tasks.config import load_instances
from tasks.model.instance import Instance
from tasks.paths import PREFIX_VARIABLE, ROOT, Paths
from tasks.status import facts

sys.path.append(str(ROOT / "tests/support"))

import model_scripts
from model_site import Site, model_site

REPLAYED = Path(__file__).with_name("replayed.py")
MEASURED = "\x1e".join(
    (
        "backend 200 0.005 ",
        'info_body {"version":""}',
        "page 200 0.004 ",
        "application yes",
        "database present 100000 - - 12",
        "writable yes",
        "meminfo 2000000 1500000",
        "disk 1000000 9000000",
        "suite trixie",
        "pending 0 0",
        "now 1",
        "",
    )
)
"""What a container that is well measures of itself."""


class Recorder:
    """A container that writes down what it answers."""

    def __init__(self, container: Any, answers: Path) -> None:
        self._container = container
        self._answers = answers

    def __getattr__(self, name: str) -> Any:
        return getattr(self._container, name)

    def observe(self) -> Any:
        found = self._container.observe()
        document = {"owner": found.owner, "attributes": dict(found.attributes)}
        (self._answers / f"{self.spec.name}.facts").write_text(json.dumps(document))
        return found

    def run(self, argv: Sequence[str], **more: Any) -> Any:
        done = self._container.run(argv, **more)
        place(self._answers, self.spec.name, list(argv)).write_bytes(done.stdout)
        return done


class Many:
    """So many instances, on a host of their own."""

    def __init__(self, site: Site, count: int) -> None:
        self.site = site
        self.count = count
        self.answers = site.folder / "answers"
        self.configs = site.folder / "configs"
        self.answers.mkdir()
        self.configs.mkdir()
        for number in range(count):
            name = f"vkd-bench-{number:03}"
            network = {
                "ip_address": f"10.79.{number // 200}.{10 + number % 200}/16",
                "gateway": "10.79.255.254",
                "domain": f"{name}.example.com",
            }
            document = {
                **site.document,
                "deployment": {"instance_id": name},
                "lxc": {"name": name},
                "network": {**site.document["network"], **network},
            }
            text = yaml.safe_dump(document, sort_keys=False)
            (self.configs / f"{name}.yaml").write_text(text)

    def deploy(self, patch: pytest.MonkeyPatch) -> None:
        """Deploy all of them, and write down what they answer from then on."""
        instances = load_instances(sorted(self.configs.iterdir()))
        paths, world = self.site.paths, self.site.world
        looks, failures = look_at(instances, paths)
        if not failures:
            failures = self.site.carry_out(looks, plan_of(looks, ()))
        for failure in failures.values():
            raise failure

        def recording(instance: Instance, paths: Paths) -> Recorder:
            return Recorder(world.container_for(instance, paths), self.answers)

        def probe(machine: Any, name: str, arguments: Sequence[str]) -> str:
            return MEASURED if name == "measure" else answered(machine, name, arguments)

        answered = model_scripts.probe
        patch.setattr(model_scripts, "probe", probe)
        for module in ("tasks.planning.inspection", "tasks.status.facts"):
            patch.setattr(f"{module}.container_for", recording)
        _, failures = look_at(instances, paths)
        for failure in failures.values():
            raise failure
        for instance in instances:
            for problem in facts.inspect_standing(instance, paths).problems:
                raise problem

    def command(self, *arguments: str) -> Command:
        """The tool, on all of them."""
        argv = (sys.executable, str(REPLAYED), str(self.answers), *arguments)
        named = {
            "VIKUNJA_DEPLOY_CONFIG": str(self.configs),
            PREFIX_VARIABLE: str(self.site.paths.prefix),
            "DOIT_FILE": str(ROOT / "dodo.py"),
            "NO_COLOR": "1",
        }

        def check(output: str) -> None:
            if arguments[0] != "status" and not output.startswith("Nothing to do"):
                raise Void(f"there is something to do:\n{output[-3000:]}")
            if arguments[0] == "status" and output.count("vkd-bench-") < self.count:
                raise Void(f"not all instances were seen:\n{output[-3000:]}")

        name = f"{arguments[0]} of {self.count}"
        return Command(name, argv, {**os.environ, **named}, self.site.folder, check)


COMMANDS = (("plan",), ("apply", "--yes"), ("status",))


@contextmanager
def deployed(count: int) -> Iterator[Many]:
    patch = pytest.MonkeyPatch()
    try:
        with model_site(patch) as site:
            many = Many(site, count)
            many.deploy(patch)
            yield many
    finally:
        patch.undo()


def measure(some: int, count: int, rounds: int, said: Callable[[str], None]) -> Series:
    """Plan, apply and status of some and of so many, side by side."""
    series = Series()
    with ExitStack() as stack:
        every = []
        for number in (some, count):
            said(f"deploying {number} instances in a model …")
            every.append(stack.enter_context(deployed(number)))
        commands = [many.command(*one) for one in COMMANDS for many in every]
        for command in commands:
            # What is kept from one plan to the next is there.
            run(command)
        for _ in range(rounds):
            series.measure(commands, said)
    return series
