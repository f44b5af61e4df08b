"""Ctrl-C while a program is being started: it is ended, and the interruption is not lost."""

from __future__ import annotations

import os
import signal
from threading import Thread

import pytest

from tasks.containers.interrupts import interrupts_held


def test_an_interruption_is_raised_when_it_is_let_go_and_not_before() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), interrupts_held() as release:
        os.kill(os.getpid(), signal.SIGINT)
        done.append("started")
        release()
        done.append("never")
    assert done == ["started"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_from_then_on_it_comes_at_once() -> None:
    with pytest.raises(KeyboardInterrupt), interrupts_held() as release:
        release()
        os.kill(os.getpid(), signal.SIGINT)
        signal.pause()


def test_what_somebody_else_does_with_it_stays() -> None:
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        with interrupts_held() as release:
            os.kill(os.getpid(), signal.SIGINT)
            assert came == [signal.SIGINT]
            release()
    finally:
        signal.signal(signal.SIGINT, before)


def test_another_thread_is_let_alone() -> None:
    held = []

    def run() -> None:
        with interrupts_held() as release:
            release()
            held.append(signal.getsignal(signal.SIGINT))

    thread = Thread(target=run)
    thread.start()
    thread.join()
    assert held == [signal.default_int_handler]
