"""Ctrl-C held back for the moment in which a program is started that somebody has to end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def interrupts_held() -> Iterator[Callable[[], None]]:
    """A SIGINT that comes meanwhile is raised by what is yielded, as KeyboardInterrupt.

    Otherwise it could come when a program runs already and nobody has hold of it: in the container
    it would go on, after all that followed. Other threads than the main one are never interrupted.
    """
    before = signal.getsignal(signal.SIGINT)
    main = threading.current_thread() is threading.main_thread()
    if not main or before is not signal.default_int_handler:
        yield lambda: None
        return
    came: list[int] = []

    def release() -> None:
        signal.signal(signal.SIGINT, before)
        if came:
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        yield release
    finally:
        signal.signal(signal.SIGINT, before)
