"""Whether the container's name is free or the container is the instance's own."""

from __future__ import annotations

from collections.abc import Iterator

from tasks.containers import container_for
from tasks.containers.base import ContainerFacts, refuse_foreign
from tasks.model.finding import Finding, World


def check(world: World) -> Iterator[Finding]:
    container = container_for(world.instance, world.paths)
    yield evaluate(world, container.spec.name, container.observe())


def evaluate(world: World, name: str, found: ContainerFacts) -> Finding:
    """Raises ResourceError where the container is not proven ours."""
    refuse_foreign(world.instance.id, name, found)
    if not found.exists:
        return world.ok("container", f"the name {name} is free")
    how = "running" if found.running else "stopped"
    return world.ok("container", f"{name} is this instance's own, {how}")
