"""Live progress: a bar an instance on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from tasks.model.plan import Plan, PlanEntry
from tasks.output import console
from tasks.output.bars import display
from tasks.output.plan_text import duration
from tasks.progress import Progress

WEIGHTS = {
    "container": 20,
    "running": 10,
    "package": 12,
    "artifact": 60,
    "release": 5,
    "unit": 5,
    "health": 2,
}
"""Of an entry, by its kind: about how long it takes against a file's 1."""


def weight(entry: PlanEntry) -> int:
    return WEIGHTS.get(entry.address.partition(":")[0], 1)


class Watcher(Protocol):
    """Who watches a run: gives each instance its progress, hears of each entry that is done."""

    def of(self, instance: str) -> Progress: ...

    def done(self, entry: PlanEntry) -> None: ...


class Lines:
    """One line when something begins: for logs, cron and pipes."""

    def __init__(self, plan: Plan) -> None:
        self._total = {i.instance: sum(map(weight, i.entries)) or 1 for i in plan.instances}
        self._done = dict.fromkeys(self._total, 0)
        self._begun = time.monotonic()

    def of(self, instance: str) -> Progress:
        return _InstanceLines(self, instance)

    def done(self, entry: PlanEntry) -> None:
        self._done[entry.instance] += weight(entry)

    def say(self, instance: str, text: str) -> None:
        percent = 100 * self._done[instance] // self._total[instance]
        took = duration(time.monotonic() - self._begun)
        console.note(f"{instance}  {percent:3d} %  {took:>8}  {text}")


class _InstanceLines:
    def __init__(self, lines: Lines, instance: str) -> None:
        self._lines = lines
        self._instance = instance
        self._last = ""

    def step(self, text: str, fraction: float | None = None) -> None:
        if text and text != self._last:
            self._last = text
            self._lines.say(self._instance, text)


class Bars:
    """A bar an instance, with the current step and the time."""

    def __init__(self, plan: Plan, display: Any) -> None:
        self._display = display
        self._shown: dict[str, dict[object, str]] = {i.instance: {} for i in plan.instances}
        self._bars = {
            i.instance: display.add_task(
                i.instance, total=sum(map(weight, i.entries)), step="waiting"
            )
            for i in plan.instances
            if i.entries
        }

    def of(self, instance: str) -> Progress:
        return _InstanceBar(self._display, self._bars[instance], self._shown[instance])

    def done(self, entry: PlanEntry) -> None:
        bar = self._bars[entry.instance]
        self._display.advance(bar, weight(entry))
        if next(task for task in self._display.tasks if task.id == bar).finished:
            # The others may take minutes more.
            self._display.update(bar, step="done")


class _InstanceBar:
    """One of those who say what is done to an instance. shown: what each says now."""

    def __init__(self, display: Any, bar: Any, shown: dict[object, str]) -> None:
        self._display = display
        self._bar = bar
        self._shown = shown

    def step(self, text: str, fraction: float | None = None) -> None:
        share = f" ({fraction:.0%})" if fraction is not None else ""
        self._shown[self] = text + share
        self._display.update(self._bar, step=" | ".join(filter(None, tuple(self._shown.values()))))


@contextmanager
def show_plan_progress(plan: Plan) -> Iterator[Watcher]:
    """Show progress on stderr while the block runs."""
    if not sys.stderr.isatty():
        yield Lines(plan)
        return
    with display() as shown:
        yield Bars(plan, shown)
