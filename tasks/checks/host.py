"""What this machine must have before any container lives on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tasks.checks.finding import MACHINE, Finding
from tasks.containers.lxc import preflight
from tasks.errors import ResourceError
from tasks.model.instance import Instance
from tasks.paths import Paths

LXC_FINE = "plain LXC has its programs, user ids, kernel features and control groups"


def check(instances: Sequence[Instance], paths: Paths) -> Iterator[Finding]:
    if needs_lxc(instances):
        yield from evaluate(preflight.preflight(paths))


def needs_lxc(instances: Sequence[Instance]) -> bool:
    """Whether a container of any of them, or the builder of one, is plain LXC's."""
    return any(i.lxc or (i.git and i.build.where == "container") for i in instances)


def evaluate(missing: Sequence[preflight.Finding]) -> list[Finding]:
    """What the preflight found missing, as findings."""
    if not missing:
        return [Finding(MACHINE, "host", "ok", LXC_FINE)]
    return [
        Finding(MACHINE, "host", "warning", item.what, item.hint)
        if item.mended or not item.needed
        else Finding(MACHINE, "host", "problem", item.what, item.hint, ResourceError.exit_code)
        for item in missing
    ]
