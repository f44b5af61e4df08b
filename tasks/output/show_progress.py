"""Live progress of work that is no plan: a bar on a terminal, lines where asked for, else none."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from tasks.model.operation_log import format_duration
from tasks.output import console
from tasks.output.bars import StepBar, display
from tasks.progress import SILENT, Progress

Of = Callable[[str], Progress]


@contextmanager
def show_progress(names: Sequence[str] = (), *, lines: bool = False) -> Iterator[Of]:
    """Show on stderr, while the block runs, how far each of these is, and whatever else is named.

    lines: a line as each step begins where stderr is no terminal, which is quiet otherwise.
    """
    if not sys.stderr.isatty():
        yield _lines if lines else lambda _: SILENT
        return
    with display() as shown:
        bars = {name: StepBar(shown, name) for name in names}

        def of(name: str) -> Progress:
            if name not in bars:
                bars[name] = StepBar(shown, name)
            return bars[name]

        yield of


def _lines(name: str) -> Progress:
    begun = time.monotonic()

    def say(text: str) -> None:
        console.note(f"{name}  {format_duration(time.monotonic() - begun):>8}  {text}")

    return console.Lines(say)
