"""Effects on the container itself."""

from __future__ import annotations

from tasks.execution.context import ApplyContext
from tasks.model.plan import PlanEntry
from tasks.resources.container import ContainerRunning, DesiredContainer


def converge_container(context: ApplyContext, _: DesiredContainer, entry: PlanEntry) -> None:
    container, progress = context.container, context.progress
    if entry.action == "replace":
        container.require_removable()
        container.stop(progress)
        container.destroy(progress)
    if entry.action in ("create", "replace"):
        container.create(progress)
    else:
        container.configure(progress)


def run_container(context: ApplyContext, _: ContainerRunning, entry: PlanEntry) -> None:
    if entry.action == "run":
        context.container.stop(context.progress)
    context.container.start(context.progress)
