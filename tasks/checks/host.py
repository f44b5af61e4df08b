"""What this machine must have before any container lives on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tasks.containers.base import Driver
from tasks.containers.drivers import by_driver, local_driver
from tasks.model.finding import Finding
from tasks.model.instance import Instance
from tasks.paths import Paths


def check(instances: Sequence[Instance], paths: Paths) -> Iterator[Finding]:
    for driver in needed_drivers(instances):
        yield from driver.check_machine(paths)


def needed_drivers(instances: Sequence[Instance]) -> list[Driver]:
    """Those of the instances' containers, and of the builder where one of them needs it."""
    found = [driver for driver, _ in by_driver(instances)]
    local = local_driver()
    if local not in found and any(i.git and i.build.where == "container" for i in instances):
        found.append(local)
    return found
