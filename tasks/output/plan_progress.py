"""Live progress: a bar an instance on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from tasks.model.plan import Plan, PlanEntry
from tasks.output import console
from tasks.output.bars import display, pulse
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


class Course:
    """How far an instance's plan is: what is done of it, and what is known of what is under way."""

    def __init__(self, entries: Sequence[PlanEntry]) -> None:
        self.total = sum(map(weight, entries)) or 1
        self._weights = {entry.title: weight(entry) for entry in entries}
        self._done = 0
        self._under_way: dict[object, tuple[str, float]] = {}
        """By who does it: an entry's title, and how far it is, 0 to 1."""

    def said(self, who: object, text: str, fraction: float | None) -> None:
        """Somebody says what is done, as Progress has it; an entry's title where one begins."""
        if text in self._weights:
            self._under_way[who] = (text, 0.0)
        elif fraction is not None and who in self._under_way:
            title, reached = self._under_way[who]
            self._under_way[who] = (title, max(reached, min(fraction, 1.0)))

    def done(self, entry: PlanEntry) -> None:
        self._done += weight(entry)
        left = self._under_way.items()
        self._under_way = {who: (title, far) for who, (title, far) in left if title != entry.title}

    @property
    def finished(self) -> bool:
        return self._done >= self.total

    @property
    def completed(self) -> float:
        """Of the total."""
        part = sum(self._weights[title] * far for title, far in tuple(self._under_way.values()))
        return self._done + part


class Lines:
    """One line when something begins: for logs, cron and pipes."""

    def __init__(self, plan: Plan) -> None:
        self._courses = {i.instance: Course(i.entries) for i in plan.instances}
        self._begun = time.monotonic()

    def of(self, instance: str) -> Progress:
        return _InstanceLines(self, instance, self._courses[instance])

    def done(self, entry: PlanEntry) -> None:
        self._courses[entry.instance].done(entry)

    def say(self, instance: str, text: str) -> None:
        course = self._courses[instance]
        percent = int(100 * course.completed / course.total)
        took = duration(time.monotonic() - self._begun)
        console.note(f"{instance}  {percent:3d} %  {took:>8}  {text}")


class _InstanceLines:
    def __init__(self, lines: Lines, instance: str, course: Course) -> None:
        self._lines = lines
        self._instance = instance
        self._course = course
        self._last = ""

    def step(self, text: str, fraction: float | None = None, since: float | None = None) -> None:
        self._course.said(self, text, fraction)
        if text and text != self._last:
            self._last = text
            self._lines.say(self._instance, text)


class Bars:
    """A bar an instance, with the current step and the time."""

    def __init__(self, plan: Plan, display: Any) -> None:
        self._display = display
        self._bars = {
            i.instance: _Bar(display, i.instance, Course(i.entries))
            for i in plan.instances
            if i.entries
        }

    def of(self, instance: str) -> Progress:
        return _InstanceBar(self._bars[instance])

    def done(self, entry: PlanEntry) -> None:
        self._bars[entry.instance].done(entry)


class _Bar:
    """The bar of an instance, which those share who do something to it. said: what each says now,
    and since when that has been under way."""

    def __init__(self, display: Any, name: str, course: Course) -> None:
        self._display = display
        self._course = course
        self._bar = display.add_task(name, total=course.total, step="waiting")
        self._said: dict[object, tuple[str, float | None]] = {}
        self._guessing: dict[object, bool] = {}

    def say(self, who: object, text: str, fraction: float | None, since: float | None) -> None:
        self._course.said(who, text, fraction)
        share = f" ({fraction:.0%})" if fraction is not None else ""
        self._said[who] = (text + share, since)
        self._guessing[who] = bool(text) and since is not None and fraction is None
        self._show()

    def done(self, entry: PlanEntry) -> None:
        self._course.done(entry)
        if self._course.finished:
            # The others may take minutes more.
            self._said = {None: ("done", None)}
        self._show()

    def _show(self) -> None:
        said = tuple(one for one in tuple(self._said.values()) if one[0])
        step = " | ".join(text for text, _ in said)
        completed = self._course.completed
        busy = [who for who, (text, _) in tuple(self._said.items()) if text]
        if busy and all(self._guessing.get(who) for who in busy):
            # Nothing else is done, and nobody knows how long that takes.
            pulse(self._display, self._bar)
            self._display.update(self._bar, step=step, said=said, completed=completed)
            return
        total = self._course.total
        self._display.update(self._bar, step=step, said=said, total=total, completed=completed)


class _InstanceBar:
    """One of those who say what is done to an instance."""

    def __init__(self, bar: _Bar) -> None:
        self._bar = bar

    def step(self, text: str, fraction: float | None = None, since: float | None = None) -> None:
        self._bar.say(self, text, fraction, since)


@contextmanager
def show_plan_progress(plan: Plan) -> Iterator[Watcher]:
    """Show progress on stderr while the block runs."""
    if not sys.stderr.isatty():
        yield Lines(plan)
        return
    with display() as shown:
        yield Bars(plan, shown)
