"""Live progress of work that is no plan: a bar on a terminal, lines where asked for, else none."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

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
    from tasks.bars import StepBar, display

    with display() as shown:
        bars = {name: StepBar(shown, name) for name in names}
        yield lambda name: bars[name]


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
