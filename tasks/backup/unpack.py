"""An archive's files, unpacked aside by a tar that runs where they are to be, and checked as
they pass. What was unpacked counts only when `unpack` has returned."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING

from tasks.backup.reading import Reader
from tasks.backup.source import RECORDS
from tasks.backup.verify import Checked, compare_sidecars, inspecting
from tasks.host.files import named, write_all
from tasks.model.archive import Archive
from tasks.progress import SILENT, Progress

if TYPE_CHECKING:
    from tasks.age import Key

Consume = Callable[[IO[bytes]], None]
"""Reads a tar stream from the open file, which has a descriptor; raises DeployError."""

_PIPE = 1024 * 1024
_STEP = "Unpacking the archive"


def extract_argv(folder: str) -> list[str]:
    """GNU tar's arguments to unpack an archive's tar stream from stdin into an existing folder.

    The archive's own top folder is left away; owners go by name.
    """
    return [
        "tar",
        "--extract",
        "--file=-",
        f"--blocking-factor={RECORDS}",
        f"--directory={folder}",
        "--strip-components=1",
        "--same-owner",
        "--same-permissions",
    ]


def unpack(
    archive: Archive, consume: Consume, progress: Progress = SILENT, keys: Sequence[Key] = ()
) -> Checked:
    """Send the archive's tar stream to `consume`, and check every byte of it on the way.

    keys: what opens an encrypted one. Raises Damaged where the archive is not whole, Sealed where
    none of the keys opens it, and what `consume` raises; what it has unpacked by then is to be
    thrown away.
    """
    with named(archive.path, "cannot be read"):
        size = archive.path.stat().st_size
    reader = Reader(archive, keys)
    with inspecting(archive.path, archive.root) as inspector:
        with _running(consume) as descriptor:
            for block in reader.blocks():
                inspector.feed(block)
                write_all(descriptor, block)
                progress.step(_STEP, min(0.99, reader.read / size))
            contents = inspector.finish()
        checked = compare_sidecars(archive, contents, reader)
    progress.step(_STEP, 1)
    return checked


@contextmanager
def _running(consume: Consume) -> Iterator[int]:
    """Where the stream goes that `consume` reads, in a thread.

    Its failure is the cause where the pipe broke; otherwise what the writer raised is.
    """
    failures: list[BaseException] = []
    reading, writing = os.pipe2(os.O_CLOEXEC)
    with suppress(OSError):
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, _PIPE)

    def run() -> None:
        with os.fdopen(reading, "rb", buffering=0) as stream:
            try:
                consume(stream)
            except BaseException as error:
                failures.append(error)

    thread = threading.Thread(target=run, name="consume")
    broken: BrokenPipeError | None = None
    try:
        try:
            thread.start()
            yield writing
        except BrokenPipeError as error:
            broken = error
        finally:
            os.close(writing)
    finally:
        # A cancellation may come before the thread has said that it began.
        with suppress(RuntimeError):
            thread.join()
    if failures:
        raise failures[0]
    if broken is not None:
        raise broken
