"""One instance in a session: what it was found to be, its operation, how far that is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tasks.errors import DeployError
from tasks.model.instance import Instance
from tasks.model.plan import STEPS, PlanEntry
from tasks.paths import Paths

if TYPE_CHECKING:
    from tasks.execution import ApplyContext
    from tasks.model.applied import Applied
    from tasks.model.operation_log import OperationName
    from tasks.model.operations import Operation
    from tasks.planning.inspection import Inspection


@dataclass
class InstanceRun:
    """One instance in a session. whole: nothing was left out by --target.

    look: as it was shown to somebody; None for the session to inspect the instance itself, and to
    plan anew where that is called for. inspect: how, where not as an apply does.
    """

    instance: Instance
    whole: bool = True
    inspection: Inspection | None = None
    inspect: Callable[[Instance, Paths], Inspection] | None = None
    plans: bool = field(init=False)
    """Whether the session makes its plans."""
    operation: Operation | None = None
    work: ApplyContext | None = None
    applied: Applied | None = None
    before: Applied | None = None
    """What was applied when it began."""
    failure: DeployError | None = None
    begun: float = field(default_factory=time.monotonic)
    ended: float | None = None
    """When its operation ended, by the monotonic clock."""
    touched: bool = False
    """Whether anything of the plan was begun."""
    busy: threading.Lock = field(default_factory=threading.Lock)
    """Held while a step of it is performed."""
    step: str = ""
    """The one that is, or that has failed."""
    done: list[PlanEntry] = field(default_factory=list)
    performed: set[str] = field(default_factory=set)
    """Steps whose entries are done."""
    anew: bool = False
    """Whether it has been planned anew, when earlier steps had been up to date already."""

    def __post_init__(self) -> None:
        self.plans = self.inspection is None

    def left(self, step: str) -> list[str]:
        """What performing this step is to do now: itself, and what it may find before it."""
        steps = STEPS[: STEPS.index(step) + 1]
        return self._undone(steps if self.anew else steps[-1:])

    def later(self, step: str) -> list[str]:
        """Steps after this one that are not done."""
        return self._undone(STEPS[STEPS.index(step) + 1 :])

    def _undone(self, steps: Sequence[str]) -> list[str]:
        assert self.inspection is not None
        wanted = {entry.step for entry in self.inspection.plan.entries} - self.performed
        return [step for step in steps if step in wanted]


def defect(error: Exception, where: str) -> DeployError:
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


def operation_name(inspection: Inspection) -> OperationName:
    """What an apply is called in lock, state and log."""
    facts = inspection.facts
    if facts.host.get("record:state") is None or "record:registry" not in facts.host:
        return "deploy"
    serves_another = inspection.plan.update is not None or any(
        entry.address.startswith("release:") for entry in inspection.plan.entries
    )
    return "update" if serves_another else "reconfigure"
