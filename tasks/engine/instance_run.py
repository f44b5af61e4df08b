"""One instance in a session: what it was found to be, its operation, how far that is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from tasks.errors import CancelledError, DeployError
from tasks.model.instance import Instance
from tasks.model.plan import STEPS, PlanEntry
from tasks.paths import Paths

if TYPE_CHECKING:
    from tasks.execution import ApplyContext
    from tasks.model.applied import Applied
    from tasks.model.operation_log import OperationName
    from tasks.model.operations import Operation
    from tasks.planning.inspection import Inspection


NEEDS: dict[str, tuple[str, ...]] = {
    "provision": (),
    "system": ("provision",),
    "build": (),
    "release": ("system", "build"),
    "switch": ("release",),
    "record": ("switch",),
}
"""The steps that a step stands on. A build needs nothing of the container."""


def before(step: str) -> list[str]:
    """The steps that a step stands on, and those that these do, in the order of a plan."""
    found = set(NEEDS[step])
    for one in NEEDS[step]:
        found.update(before(one))
    return [one for one in STEPS if one in found]


def chosen_steps(tasks: Iterable[str], *, alone: bool) -> frozenset[str]:
    """The steps that doit does where it is asked for these tasks, by name or pattern. alone:
    without those that they stand on."""
    names = [task.partition(":")[0] for task in tasks]
    chosen = [step for step in STEPS if any(fnmatchcase(step, name) for name in names)]
    under = [] if alone else [one for step in chosen for one in before(step)]
    return frozenset([*chosen, *under])


@dataclass
class InstanceRun:
    """One instance in a session. whole: nothing was left out by --target.

    inspection: as it was shown to somebody; None for the session to inspect the instance itself,
    and to plan anew where that is called for. inspect: how, where not as an apply does.
    """

    instance: Instance
    whole: bool = True
    inspection: Inspection | None = None
    inspect: Callable[[Instance, Paths], Inspection] | None = None
    uninspected: DeployError | None = None
    """Why it could not be inspected."""
    plans: bool = field(init=False)
    """Whether the session makes its plans."""
    operation: Operation | None = None
    context: ApplyContext | None = None
    applied: Applied | None = None
    failure: DeployError | None = None
    begun: float = field(default_factory=time.monotonic)
    ended: float | None = None
    """When its operation ended, by the monotonic clock."""
    touched: bool = False
    """Whether anything of the plan was begun."""
    turn: threading.Condition = field(
        default_factory=lambda: threading.Condition(threading.RLock())
    )
    """Held by the thread that changes any of this; told when one has left off."""
    threads: list[int] = field(default_factory=list)
    """Who performs steps of it: one, or two while it is built beside what its container needs."""
    failed: BaseException | None = None
    """What went wrong first: what is done about it waits until nobody performs anything."""
    building: bool = False
    """Whether it is being built before its operation begins."""
    done: list[PlanEntry] = field(default_factory=list)
    performed: set[str] = field(default_factory=set)
    """Steps whose entries are done."""
    anew: bool = False
    """Whether it has been planned anew, when earlier steps had been up to date already."""

    def __post_init__(self) -> None:
        self.plans = self.inspection is None

    def entries(self, step: str) -> list[PlanEntry]:
        """What the plan has of a step."""
        assert self.inspection is not None
        return [entry for entry in self.inspection.plan.entries if entry.step == step]

    def left(self, step: str) -> list[str]:
        """What performing this step is to do now: itself, and what it may find before it."""
        return self._undone([*before(step), step] if self.anew else [step])

    def later(self, step: str) -> list[str]:
        """Steps that are not done, but for those that this one stands on."""
        return self._undone([one for one in STEPS if one not in before(step)])

    @property
    def builds_first(self) -> bool:
        """Whether it has a build that comes before its operation, and so before its lock. An
        instance that has no container yet has nothing that anybody could want it for."""
        assert self.inspection is not None
        there = self.inspection.facts.container
        unbegun = self.operation is None and there is not None and there.exists
        return unbegun and bool(self._undone(["build"]))

    @property
    def builds_beside(self) -> bool:
        """Whether it has a build, and something to do meanwhile."""
        meanwhile = self._undone([*before("system"), "system"])
        return bool(self._undone(["build"]) and meanwhile) and not self.builds_first

    @property
    def continues(self) -> bool:
        """Whether it went well, and there is more to do that could not be seen before."""
        return self.failure is None and self.inspection is not None and self.inspection.plan.unseen

    def works_alone(self) -> bool:
        """Whether nobody performs anything of it but the thread that asks."""
        return all(thread == threading.get_ident() for thread in self.threads)

    def _undone(self, steps: Sequence[str]) -> list[str]:
        assert self.inspection is not None
        wanted = {entry.step for entry in self.inspection.plan.entries} - self.performed
        return [step for step in steps if step in wanted]


def as_failure(error: BaseException, instance: Instance) -> DeployError:
    """What whatever went wrong is to the user."""
    if isinstance(error, DeployError):
        return error
    if isinstance(error, KeyboardInterrupt):
        return CancelledError("cancelled", where=instance.id)
    return _defect(error, instance.id)


def _defect(error: BaseException, where: str) -> DeployError:
    """What to say of an error that nobody foresaw: with where it comes from."""
    import traceback

    lines = "".join(traceback.format_exception(error)).splitlines()
    return DeployError(
        f"{type(error).__name__}: {error}",
        where=where,
        evidence=lines[-8:],
        hint="This is a defect of vikunja-deploy: report it. ./doit plan shows what is left to do.",
    )


def serve_on(operation: Operation) -> None:
    """An update that ended before it began leaves a running instance running."""
    if operation.state is not None and operation.state.status == "updating":
        operation.become("running")


def rest_unserved(run: InstanceRun, operation: Operation) -> None:
    """A new instance is stopped where only steps before its switch were done: nothing serves."""
    from tasks.desired.release import serving_release

    inspection = run.inspection
    new = operation.state is not None and operation.state.status == "deploying"
    unserved = inspection is not None and serving_release(inspection.facts) is None
    if new and unserved and "switch" not in run.performed:
        operation.become("stopped")


def operation_name(inspection: Inspection) -> OperationName:
    """What an apply is called in lock, state and log."""
    from tasks.desired.release import serving_release

    facts = inspection.facts
    if facts.host.get("record:state") is None or "record:registry" not in facts.host:
        return "deploy"
    serving = serving_release(facts)
    same = serving is not None and serving.key == inspection.target.key
    return "reconfigure" if same else "update"
