"""Whether anything forbids the plan that an apply would make now."""

from __future__ import annotations

from collections.abc import Iterator

from tasks.model.finding import Finding, World
from tasks.planning.inspection import inspect
from tasks.planning.refusals import refuse, refuse_loss


def check(world: World) -> Iterator[Finding]:
    """DeployError where an apply would be refused."""
    found = inspect(world.instance, world.paths)
    refuse(found, world.paths)
    refuse_loss([found.plan])
    count = len(found.plan.entries)
    yield world.ok("plan", f"nothing forbids it: {count} entries" if count else "nothing to do")
