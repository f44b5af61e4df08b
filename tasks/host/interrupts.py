"""Ctrl-C while a program is being started: put off until it is known to whoever has to end it."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType


class PutOff:
    """Within it no KeyboardInterrupt comes; one that is due comes at its end.

        with PutOff() as interrupts:
            process = Popen(…)
            try:
                with interrupts.let_through():
                    process.wait()
            except BaseException:
                kill(process)

    Python raises KeyboardInterrupt between any two steps of the main thread. In the middle of
    Popen that would leave a program that nobody knows; in the middle of killing it, one that runs.
    """

    def __init__(self) -> None:
        self._before = signal.getsignal(signal.SIGINT)
        self._due = False
        # Others are never interrupted; and who ignores interrupts must go on to.
        self._ours = threading.current_thread() is threading.main_thread() and callable(
            self._before
        )

    def __enter__(self) -> PutOff:
        self._hold()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # One that was raised already says all that a second one could.
        self._release(raising=not isinstance(error, KeyboardInterrupt))

    def let_through(self) -> LetThrough:
        return LetThrough(self)

    def _hold(self) -> None:
        if self._ours:
            signal.signal(signal.SIGINT, self._note)

    def _release(self, raising: bool = True) -> None:
        if not self._ours:
            return
        signal.signal(signal.SIGINT, self._before)
        if self._due:
            self._due = False
            if raising:
                signal.raise_signal(signal.SIGINT)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._due = True


class LetThrough:
    """Within it interrupts come at once; one that was put off comes first."""

    def __init__(self, put_off: PutOff) -> None:
        self._put_off = put_off

    def __enter__(self) -> None:
        self._put_off._release()

    def __exit__(self, *_: object) -> None:
        self._put_off._hold()
