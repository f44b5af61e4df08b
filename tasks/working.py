"""Live progress of work that is no plan: a bar on a terminal, lines where asked for, else none."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tasks import console
from tasks.containers.base import SILENT, Progress
from tasks.model.operation_log import format_duration

Of = Callable[[str], Progress]


@contextmanager
def working(names: Sequence[str], *, lines: bool = False) -> Iterator[Of]:
    """Show on stderr, while the block runs, how far each of these is.

    lines: a line as each step begins where stderr is no terminal, which is quiet otherwise.
    """
    if not sys.stderr.isatty():
        yield _Line if lines else lambda _: SILENT
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Display
    from rich.table import Column

    width = max(map(len, names), default=0)
    with Display(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[step]}", table_column=Column(no_wrap=True, overflow="ellipsis")),
        console=Console(stderr=True),
        transient=True,
    ) as display:
        bars = {
            name: display.add_task(name.ljust(width), total=1, start=False, step="waiting")
            for name in names
        }
        yield lambda name: _Bar(display, bars[name])


class _Line:
    """A line when a step begins."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._last = ""
        self._begun = time.monotonic()

    def step(self, text: str, fraction: float | None = None) -> None:
        if text != self._last:
            self._last = text
            took = format_duration(time.monotonic() - self._begun)
            console.note(f"{self._name}  {took:>8}  {text}")


class _Bar:
    """The percentage is that of the current step, where it is known."""

    def __init__(self, display: Any, bar: Any) -> None:
        self._display = display
        self._bar = bar
        self._shown = ("", -1)
        display.start_task(bar)

    def step(self, text: str, fraction: float | None = None) -> None:
        shown = (text, -1 if fraction is None else int(fraction * 200))
        if shown != self._shown:
            self._shown = shown
            total = None if fraction is None else 1
            self._display.update(self._bar, step=text, total=total, completed=fraction or 0)
