"""The plan's entries of one step, done one after the other."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from tasks.errors import DeployError
from tasks.execution.context import ApplyContext
from tasks.model.plan import PlanEntry

R = TypeVar("R")


class EntryQueue:
    """Each entry is shown before it is done, and recorded after, in the plan's order.

    Nothing is begun once the user has cancelled; but where that is so `for_good`, because another
    color serves already, what is left is done all the same: it is little, and each of it can be
    done again. Cancelled a second time, it is left.
    """

    def __init__(
        self, entries: Sequence[PlanEntry], context: ApplyContext, *, for_good: bool = False
    ) -> None:
        self.context = context
        self.for_good = for_good
        self._left = deque(entries)
        self._late = False

    def each(self, kind: type[R], effect: Callable[[R, PlanEntry], None]) -> None:
        """Do the entries of this kind that are next."""
        while self._left and isinstance(resource := self._left[0].resource, kind):
            entry = self._left[0]
            self._do([entry], partial(effect, resource, entry))

    def together(
        self, kinds: tuple[type, ...], effect: Callable[[Sequence[PlanEntry]], None]
    ) -> None:
        """Do the entries of these kinds that are next, in one go."""
        batch: list[PlanEntry] = []
        for entry in self._left:
            if not isinstance(entry.resource, kinds):
                break
            batch.append(entry)
        if batch:
            self._do(batch, lambda: effect(batch))

    def while_any(self, effects: Callable[[], None]) -> None:
        """Have these effects called again for as long as there is something for them."""
        before = -1
        while self._left and len(self._left) != before:
            before = len(self._left)
            effects()

    def end(self) -> None:
        """Raise DeployError where something was left that nobody asked for."""
        if self._left:
            raise DeployError(f"nothing applies {self._left[0].resource!r}")

    def finish_late(self) -> None:
        """It was cancelled when the new version served for good: what is left is done."""
        self._late = True
        self.context.progress.step(
            "cancelled too late: the new version serves, what is left is being done"
        )

    def _do(self, batch: Sequence[PlanEntry], effect: Callable[[], None]) -> None:
        if self.context.stop.is_set() and not self.for_good:
            raise KeyboardInterrupt
        self.context.progress.step(title(batch))
        try:
            effect()
        except KeyboardInterrupt:
            if self._late or not self.for_good:
                raise
            self.finish_late()
            effect()
        for entry in batch:
            self._left.popleft()
            self.context.log(f"{entry.title}: {reasons_text(entry)}")
            self.context.done(entry)


def reasons_text(entry: PlanEntry) -> str:
    return ", ".join(reason.text for reason in entry.reasons if reason.text)


def title(batch: Sequence[PlanEntry]) -> str:
    """What a batch does, in few words."""
    first = batch[0]
    if len(batch) == 1:
        return first.title
    kinds = {entry.address.partition(":")[0] for entry in batch}
    name = kinds.pop() if len(kinds) == 1 else "thing"
    return f"{first.action} {len(batch)} {name}s"
