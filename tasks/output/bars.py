"""The bars of live progress on a terminal: percentage, time and step of each work."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from tasks.output.console import safe
from tasks.output.plan_text import duration

MARGIN = 3

LONG = 5.0
"""Seconds from which on the time of what is under way is shown."""

NEARLY = 0.9999
"""Of a step that is done: a bar that is full would stop its clock, and more steps may follow."""


def display() -> Any:
    """Bars on stderr that go when they are done; only the step gives way on a narrow terminal."""
    from rich.console import Console, ConsoleDimensions
    from rich.progress import (
        BarColumn,
        Progress,
        Task,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
    )
    from rich.table import Column
    from rich.text import Text

    class Step(TextColumn):
        """What a build writes may look like markup, or steer the terminal."""

        def render(self, task: Task) -> Text:
            said = task.fields.get("said") or ((task.fields["step"], None),)
            return Text(safe(with_times(said)).replace("\n", " "))

    class Margin(Console):
        """Leaves room for a terminal's `^C`, which would break the line: half of it would stay."""

        @property
        def size(self) -> ConsoleDimensions:
            whole = super().size
            return ConsoleDimensions(max(whole.width - MARGIN, 1), whole.height)

        @size.setter
        def size(self, new: tuple[int, int]) -> None:
            self._width, self._height = new

    def whole() -> Column:
        return Column(no_wrap=True)

    console = Margin(stderr=True)
    wide = console.width >= 72
    return Progress(
        TextColumn("{task.description}", markup=False, table_column=whole()),
        *([BarColumn(bar_width=24, table_column=Column(min_width=24))] if wide else []),
        TaskProgressColumn(table_column=Column(no_wrap=True, min_width=4)),
        TimeElapsedColumn(table_column=whole()),
        Step(
            "",
            table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1),
        ),
        console=console,
        transient=True,
        expand=True,
    )


def with_times(said: Sequence[tuple[str, float | None]]) -> str:
    """What is done at once, each with how long it has been under way where that is long. said:
    the texts, and since when, by the monotonic clock."""
    now = time.monotonic()
    return " | ".join(
        text if since is None or now - since < LONG else f"({duration(now - since)}) {text}"
        for text, since in said
        if text
    )


def pulse(display: Any, bar: Any) -> None:
    """Let a bar move without saying how far it is."""
    # To an update, no total means that it stays.
    next(task for task in display.tasks if task.id == bar).total = None


class StepBar:
    """A bar of a work whose length nobody knows: the percentage is that of the current step.

    Without one the bar only moves. The time is that of the whole work.
    """

    def __init__(self, display: Any, name: str) -> None:
        self._display = display
        self._bar = display.add_task(name, total=None, start=False, step="waiting")
        self._shown = ("", -1)

    def step(self, text: str, fraction: float | None = None, since: float | None = None) -> None:
        shown = (text, -1 if fraction is None else int(fraction * 200))
        if shown == self._shown:
            return
        if not self._shown[0]:
            self._display.start_task(self._bar)
        self._shown = shown
        if fraction is None:
            pulse(self._display, self._bar)
            self._display.update(self._bar, step=text, said=((text, since),), completed=0)
        else:
            done, said = min(fraction, NEARLY), ((text, since),)
            self._display.update(self._bar, step=text, said=said, total=1, completed=done)
