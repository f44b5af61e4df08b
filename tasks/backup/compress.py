"""A byte stream in, a gzip stream out, on all cores.

Memory is bounded by the blocks under way, whatever the length of the stream.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from tasks.backup import blocks
from tasks.backup.blocks import BEST, BLOCK, DEFAULT, FASTEST, SMALL, Parts
from tasks.backup.memory import keep_freed
from tasks.errors import UsageError

MOST_THREADS = 4
AHEAD_PER_THREAD = 4
"""Blocks under way for each thread: more would only cost memory."""


def level_of(text: str) -> int:
    """The level a user asks for: a number from 1 to 9, `small`, or nothing for the default.

    Raises UsageError for anything else.
    """
    if text == "":
        return DEFAULT
    if text == "small":
        return SMALL
    if text.isascii() and text.isdigit() and FASTEST <= int(text) <= BEST:
        return int(text)
    raise UsageError(
        f"compression level {text!r} is unknown",
        hint=f"Give a number from {FASTEST} (fastest) to {BEST} (smallest), or `small`.",
    )


def threads() -> int:
    """Cores that this process may use, within reason."""
    return min(MOST_THREADS, len(os.sched_getaffinity(0)))


Write = Callable[[Parts], object]
"""Takes a member in parts, which are not to be kept."""


class Compressor:
    """Made by `compressing`. room() and filled() write without a copy, write() with one.

    taken: bytes of the stream so far.
    """

    def __init__(self, write: Write, level: int, pool: ThreadPoolExecutor):
        self._write = write
        self._level = level
        self._pool = pool
        self._under_way: deque[tuple[bytearray, Future[Parts]]] = deque()
        self._most = threads() * AHEAD_PER_THREAD
        self._free: list[bytearray] = []
        self._block = bytearray(BLOCK)
        self._used = 0
        self.taken = 0

    def room(self) -> memoryview:
        """Where the next bytes of the stream go; never empty."""
        return memoryview(self._block)[self._used :]

    def filled(self, count: int) -> None:
        """The first `count` bytes of room() are part of the stream now."""
        self._used += count
        self.taken += count
        if self._used == BLOCK:
            self._submit()

    def write(self, data: bytes | memoryview) -> None:
        view = memoryview(data)
        while view:
            room = self.room()
            count = min(len(room), len(view))
            room[:count] = view[:count]
            self.filled(count)
            view = view[count:]

    def finish(self) -> None:
        if self._used or not self.taken:
            self._submit()
        while self._under_way:
            self._put()

    def _submit(self) -> None:
        block = memoryview(self._block)[: self._used]
        self._under_way.append((self._block, self._pool.submit(blocks.pack, block, self._level)))
        while self._under_way and (
            self._under_way[0][1].done() or len(self._under_way) > self._most
        ):
            self._put()
        # New memory costs as much as reading into it.
        self._block = self._free.pop() if self._free else bytearray(BLOCK)
        self._used = 0

    def _put(self) -> None:
        block, done = self._under_way.popleft()
        self._write(done.result())
        self._free.append(block)


@contextmanager
def compressing(write: Write, level: int = DEFAULT) -> Iterator[Compressor]:
    """A compressor whose members go to `write`, in order, in the caller's thread.

    At the end of the block the stream is complete. Where the block or `write` raises, nothing
    more is written.
    """
    keep_freed()
    pool = ThreadPoolExecutor(threads(), thread_name_prefix="compress")
    try:
        compressor = Compressor(write, level, pool)
        yield compressor
        compressor.finish()
    finally:
        pool.shutdown(cancel_futures=True)
