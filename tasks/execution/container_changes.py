"""Effects on the container itself."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.execution.context import ApplyContext
from tasks.model.plan import PlanEntry


def converge_container(batch: Sequence[PlanEntry], work: ApplyContext) -> None:
    for entry in batch:
        if entry.action == "replace":
            work.container.require_removable()
            work.container.stop(work.progress)
            work.container.destroy(work.progress)
        if entry.action in ("create", "replace"):
            work.container.create(work.progress)
        else:
            work.container.configure(work.progress)


def run_container(batch: Sequence[PlanEntry], work: ApplyContext) -> None:
    if any(entry.action == "run" for entry in batch):
        work.container.stop(work.progress)
    work.container.start(work.progress)
