"""Dying at a given line: a forked child that runs some work and is killed with SIGKILL.

And what dying at each line leaves, without dying: work that one child does once and to its end.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple, TypeVar

from kept_folders import Kept, keep

T = TypeVar("T")

KilledAnywhere = Callable[[Callable[[], object]], Iterator[None]]


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

    def count_down() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    return _caller(watched, count_down)


def _caller(
    watched: tuple[str, ...], before_line: Callable[[], None]
) -> Callable[[FrameType, str, Any], Any]:
    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if not frame.f_code.co_filename.startswith(watched):
            return None
        if event == "line":
            before_line()
        return trace

    return trace


class Left(NamedTuple):
    """line: the first, of those that are run, before which a kill leaves these files."""

    line: int
    files: dict[str, Kept]


def left_by_lines(watched: tuple[str, ...], folder: Path, work: Callable[[], object]) -> list[Left]:
    """What a kill before each line of the watched folders leaves in this folder, in their order;
    what the line before leaves as well is there once."""
    found: list[Left] = []
    lines = 0

    def notice() -> None:
        nonlocal lines
        lines += 1
        kept = keep(folder)
        if not found or kept != found[-1].files:
            found.append(Left(lines, kept))

    def run() -> list[Left]:
        sys.settrace(_caller(watched, notice))
        work()
        sys.settrace(None)
        return found

    return by_child(run)


def by_child(work: Callable[[], T]) -> T:
    """What a process of its own gives back, which is gone then."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(read)
            with os.fdopen(write, "wb") as pipe:
                pickle.dump(work(), pipe)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        sent = pipe.read()
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0, "it failed: see above"
    given: T = pickle.loads(sent)
    return given
