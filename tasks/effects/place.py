"""Effects on the container itself."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.effects.work import Work
from tasks.model.plan import Entry


def settle_container(batch: Sequence[Entry], work: Work) -> None:
    for entry in batch:
        if entry.action == "replace":
            work.container.require_removable()
            work.container.stop(work.progress)
            work.container.destroy(work.progress)
        if entry.action in ("create", "replace"):
            work.container.create(work.progress)
        else:
            work.container.configure(work.progress)


def run_container(batch: Sequence[Entry], work: Work) -> None:
    if any(entry.action == "run" for entry in batch):
        work.container.stop(work.progress)
    work.container.start(work.progress)
