"""Ctrl-C for work in other threads than the main one, which alone gets KeyboardInterrupt.

stop = Stop()
with cancellable(stop):                      # in the thread that works
    with ended_by(lambda: kill(process)):
        process.communicate()
stop.set()                                   # in another: a KeyboardInterrupt in that one
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tasks.progress import Progress

_thread = threading.local()


class Stop:
    """Set once, by whoever has the work of other threads cancelled."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._mutex = threading.Lock()
        self._kills: list[Callable[[], None]] = []

    def is_set(self) -> bool:
        return self._event.is_set()

    def set(self) -> None:
        """End the programs that are waited for; those who wait get a KeyboardInterrupt."""
        with self._mutex:
            self._event.set()
            kills = tuple(self._kills)
        for kill in kills:
            kill()

    @contextmanager
    def killing(self, kill: Callable[[], None]) -> Iterator[None]:
        with self._mutex:
            self._kills.append(kill)
        try:
            yield
        finally:
            with self._mutex:
                self._kills.remove(kill)


@contextmanager
def cancellable(stop: Stop) -> Iterator[None]:
    """Within it this thread is interrupted when stop is set: once, as by one Ctrl-C, so that what
    it does to put things in order is not. The main thread is interrupted by Ctrl-C itself."""
    if threading.current_thread() is threading.main_thread():
        yield
        return
    _thread.stop = stop
    try:
        yield
    finally:
        _thread.stop = None


def is_cancellable() -> bool:
    """Whether this thread is one that is interrupted so."""
    return getattr(_thread, "stop", None) is not None


def check() -> None:
    """Raise the KeyboardInterrupt that is due in this thread."""
    stop: Stop | None = getattr(_thread, "stop", None)
    if stop is not None and stop.is_set():
        _thread.stop = None
        raise KeyboardInterrupt


@contextmanager
def ended_by(kill: Callable[[], None]) -> Iterator[None]:
    """Within it a program is waited for. kill: ends it, from any thread, ended as it may be."""
    stop: Stop | None = getattr(_thread, "stop", None)
    if stop is None:
        yield
        return
    with stop.killing(kill):
        check()
        yield
    check()


class CancellableProgress:
    """Progress whose steps are moments at which its thread is interrupted."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def step(self, text: str, fraction: float | None = None, since: float | None = None) -> None:
        check()
        self._progress.step(text, fraction, since)
