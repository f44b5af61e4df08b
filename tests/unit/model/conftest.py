"""Dying at a given line: a forked child that runs some work and is killed with SIGKILL."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from tasks.paths import ROOT, Paths

WATCHED = (str(ROOT / "tasks" / "model"), str(ROOT / "tasks" / "host"))

KillAt = Callable[[int, Callable[[], object]], bool]


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path)


@pytest.fixture
def kill_at() -> KillAt:
    """kill_at(n, work): run `work` in a child that dies before the nth line of tasks/model or
    tasks/host that it runs. True if it died, False if it ended before that."""
    return _kill_at


def _kill_at(number: int, work: Callable[[], object]) -> bool:
    child = os.fork()
    if child == 0:
        try:
            sys.settrace(_killer(number))
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0
    return False


def _killer(number: int) -> Callable[[FrameType, str, Any], Any]:
    left = number

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        if not frame.f_code.co_filename.startswith(WATCHED):
            return None
        if event == "line":
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    return trace
