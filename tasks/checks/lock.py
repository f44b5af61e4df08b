"""Whether an apply could begin now."""

from __future__ import annotations

from collections.abc import Iterator

from tasks.model.finding import Finding, World
from tasks.model.holder import LockInfo, inspect
from tasks.model.lock import locked


def check(world: World) -> Iterator[Finding]:
    yield evaluate(world, inspect(world.paths, world.instance.id))


def evaluate(world: World, held: LockInfo | None) -> Finding:
    if held is None:
        return world.ok("lock", "no operation is under way")
    if held.holder == "dead":
        what = f"an operation ended without releasing its lock: {held.describe()}"
        return world.warning("lock", what, "The next apply frees it and finishes what is left")
    return world.failed("lock", locked(held))
