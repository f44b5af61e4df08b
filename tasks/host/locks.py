"""One holder at a time of a file's or a folder's lock, between threads and between processes.

The kernel frees it when its holders end in any way.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.host.cancelling import check, is_cancellable

LOOKS_EVERY_SECONDS = 0.1


@contextmanager
def locked(
    path: Path, waiting: Callable[[], None] = lambda: None, *, handed_on: bool = False
) -> Iterator[int]:
    """Hold the lock of a folder that is there, or of a file, made where missing: its descriptor.

    waiting: called before another holder is waited for. handed_on: programs that are given the
    descriptor hold it until they have ended, too. Raises OSError.
    """
    folder = path.is_dir()
    if not folder:
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = take(path, wait=False, folder=folder)
    except BlockingIOError:
        waiting()
        descriptor = take(path, folder=folder)
    try:
        yield descriptor
    finally:
        if not handed_on:
            # Closing alone would leave it locked while a child forked meanwhile has it open.
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


@contextmanager
def tried(path: Path) -> Iterator[bool]:
    """Hold the lock of a file if nobody has it; the value says whether it is held."""
    try:
        descriptor = take(path, wait=False)
    except BlockingIOError:
        yield False
        return
    try:
        yield True
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def take(path: Path, *, wait: bool = True, folder: bool = False) -> int:
    """An open descriptor of the file, made where missing, that holds its lock until it is closed.

    Raises OSError; BlockingIOError where somebody else has it and is not waited for.
    """
    flags = os.O_RDONLY | os.O_DIRECTORY if folder else os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
    while True:
        descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
        try:
            _lock(descriptor, wait=wait)
            # A holder may have removed or renamed the file meanwhile: then this lock is of one that
            # nobody else can find.
            if folder or os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _lock(descriptor: int, *, wait: bool) -> None:
    # The kernel's own waiting in another thread than the main one nothing interrupts.
    while wait and is_cancellable():
        check()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            time.sleep(LOOKS_EVERY_SECONDS)
    fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
