"""This process' own input and output, lent to a program that runs elsewhere.

Neither a terminal nor a pipe of the user's is handed over as it is: lxc-attach would make a
terminal of its own for the first, and ssh's shared connection would hold the other open after the
program. Where this process is killed the program's input ends, whoever holds the user's open.
"""

from __future__ import annotations

import os
import select
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Thread
from typing import IO

from msgspec import Struct

COPY = 1 << 16


class Lent(Struct, frozen=True):
    """stdin, stdout: open files with descriptors. size: rows and columns of the terminal that both
    are, whose keys are passed on as they are pressed; None where there is none."""

    stdin: IO[bytes]
    stdout: IO[bytes]
    size: tuple[int, int] | None = None


@contextmanager
def lend() -> Iterator[Lent]:
    """Within it a program may have them. What it has written by the end of the block has been
    written here then, and the terminal is as it was."""
    typed, shown = sys.stdin.fileno(), sys.stdout.fileno()
    whole = os.isatty(typed) and os.isatty(shown)
    with ExitStack() as stack:
        size = None
        if whole:
            found = os.get_terminal_size(shown)
            size = (found.lines, found.columns)
            stack.enter_context(_raw(typed))
        sys.stdout.flush()
        stdout = stack.enter_context(_copied_to(shown))
        stdin = stack.enter_context(_copied_from(typed))
        yield Lent(stdin, stdout, size)


@contextmanager
def _raw(terminal: int) -> Iterator[None]:
    before = termios.tcgetattr(terminal)
    tty.setraw(terminal)
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


@contextmanager
def _copied_to(target: int) -> Iterator[IO[bytes]]:
    """A file; what is written to it is written to target."""
    reads, writes = os.pipe()
    with os.fdopen(reads, "rb", 0), os.fdopen(writes, "wb", 0) as file, _copying(reads, target):
        yield file


@contextmanager
def _copied_from(source: int) -> Iterator[IO[bytes]]:
    """A file that has what is read from source."""
    reads, writes = os.pipe()
    with (
        os.fdopen(reads, "rb", 0) as file,
        os.fdopen(writes, "wb", 0) as ours,
        _copying(source, writes, done=ours),
    ):
        yield file


@contextmanager
def _copying(source: int, target: int, done: IO[bytes] | None = None) -> Iterator[None]:
    """Copy what comes until the block ends, and then what is there. done: closed at the source's
    end."""
    stops, stop = os.pipe()
    thread = Thread(target=_copy, args=(source, target, stops, done), daemon=True)
    thread.start()
    try:
        yield
    finally:
        os.close(stop)
        thread.join()
        os.close(stops)


def _copy(source: int, target: int, stops: int, done: IO[bytes] | None) -> None:
    stopped = False
    while not stopped or select.select([source], [], [], 0)[0]:
        if not stopped:
            ready = select.select([source, stops], [], [])[0]
            stopped = stops in ready
            if source not in ready:
                continue
        data = os.read(source, COPY)
        if not data or not _written(target, data):
            break
    if done is not None:
        done.close()


def _written(target: int, data: bytes) -> bool:
    """Whether somebody takes it."""
    try:
        while data:
            data = data[os.write(target, data) :]
    except BrokenPipeError:
        return False
    return True
