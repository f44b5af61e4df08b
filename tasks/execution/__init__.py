"""Plan entries become effects, step by step, in the plan's order. The only place that does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from tasks.execution import (
    container_changes,
    guest_changes,
    release_changes,
)
from tasks.execution.change import change
from tasks.execution.context import ApplyContext
from tasks.execution.entry_queue import EntryQueue
from tasks.model.instance import Color
from tasks.model.plan import PlanEntry
from tasks.resources.container import ContainerRunning, DesiredContainer, ReplacedContainer
from tasks.resources.release import ActiveColor, DesiredArtifact, DesiredRelease, Record
from tasks.resources.system import DaemonReload, Package, Script, StoppedUnit, Unit

__all__ = ["ApplyContext", "apply"]


def apply(step: str, entries: Sequence[PlanEntry], context: ApplyContext) -> None:
    """Do these entries of a step, in order; each is told to `context.done` when it is.

    Raises what went wrong. Of a failed switch things are in order again then; of any other step
    it takes `switchover.fall_back` or `switchover.cancelled`.
    """
    for_good = step == "record" and _switches(context)
    queue = EntryQueue(entries, context, for_good=for_good)
    _PERFORMERS[step](queue)
    queue.end()


def _switches(context: ApplyContext) -> bool:
    entries = context.inspection.plan.entries
    return any(isinstance(entry.resource, ActiveColor) for entry in entries)


def _provision(queue: EntryQueue) -> None:
    queue.each(DesiredContainer, partial(container_changes.converge_container, queue.context))
    queue.each(ContainerRunning, partial(container_changes.run_container, queue.context))


def _system(queue: EntryQueue) -> None:
    context = queue.context
    drained: set[Color] = set()

    def in_turn() -> None:
        queue.together(guest_changes.LANDED, partial(guest_changes.land, context))
        queue.together((Package,), partial(guest_changes.install, context))
        queue.each(Script, partial(guest_changes.run_script, context))
        queue.each(Unit, partial(guest_changes.converge_unit, context))
        queue.each(StoppedUnit, partial(guest_changes.stop_unit, context, drained))
        queue.each(DaemonReload, partial(guest_changes.reload_daemon, context))

    queue.while_any(in_turn)


def _build(queue: EntryQueue) -> None:
    queue.each(DesiredArtifact, partial(release_changes.make_artifact, queue.context))


def _release(queue: EntryQueue) -> None:
    queue.each(DesiredRelease, partial(release_changes.put_release, queue.context))


def _record(queue: EntryQueue) -> None:
    queue.each(Record, partial(release_changes.write_record, queue.context))
    queue.each(Script, partial(guest_changes.get_certificate, queue.context))
    queue.each(ReplacedContainer, partial(container_changes.remove_replaced, queue.context))


_PERFORMERS: Mapping[str, Callable[[EntryQueue], None]] = {
    "provision": _provision,
    "system": _system,
    "build": _build,
    "release": _release,
    "switch": change,
    "record": _record,
}
