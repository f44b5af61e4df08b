"""Dying at a given line: a forked child that runs some work and is killed with SIGKILL."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable
from types import FrameType
from typing import Any


def killed_at(watched: tuple[str, ...], number: int, work: Callable[[], object]) -> bool:
    """Run `work` in a child that dies before the nth line of the watched folders that it runs. True
    if it died, False if it ended before that."""
    child = os.fork()
    if child == 0:
        try:
            sys.settrace(_killer(watched, number))
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


def _killer(watched: tuple[str, ...], number: int) -> Callable[[FrameType, str, Any], Any]:
    left = number

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        if not frame.f_code.co_filename.startswith(watched):
            return None
        if event == "line":
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    return trace
