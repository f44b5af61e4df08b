"""Effects on the container itself."""

from __future__ import annotations

from tasks.desired.places import container_at
from tasks.execution.context import ApplyContext
from tasks.model import rebuild as rebuilds
from tasks.model.plan import PlanEntry
from tasks.resources.container import ContainerRunning, DesiredContainer, ReplacedContainer


def converge_container(context: ApplyContext, _: DesiredContainer, entry: PlanEntry) -> None:
    container, progress = context.container, context.progress
    if entry.action == "create":
        container.create(progress)
    else:
        container.configure(progress)


def run_container(context: ApplyContext, _: ContainerRunning, entry: PlanEntry) -> None:
    if entry.action == "run":
        context.container.stop(context.progress)
    context.container.start(context.progress)


def remove_replaced(context: ApplyContext, replaced: ReplacedContainer, _: PlanEntry) -> None:
    """Remove an old container that a rebuild has kept; gone already is success."""
    instance, paths = context.inspection.instance, context.paths
    for one in rebuilds.kept(paths, instance.id):
        if one.place.name == replaced.container:
            container_at(instance, one.place, paths).destroy(context.progress)
            rebuilds.forget(paths, instance.id, replaced.container)
