"""The writes of an installation stopped: by whoever looks after it, or by this tool where it may.

What the tool has stopped is started again unless all went well: a process there waits for that
word, and starts it where this one dies, or the way there does.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

from tasks.errors import DeployError, ResourceError, UsageError
from tasks.guest.runner import last_lines
from tasks.host.process import Completed
from tasks.imports.data import DATA, LONG, SourceData

STOP_SECONDS = 300.0


def users(data: SourceData) -> tuple[str, ...]:
    """What uses its data now, in words: its unit, programs with the database open, sessions."""
    found = []
    if data.unit:
        done = data.live.run(DATA.argv("running", data.unit))
        if done.stdout.strip() == b"yes":
            found.append(f"{data.unit} runs")
    if data.database.type == "sqlite":
        done = data.live.run(DATA.argv("open", *data.database_files), timeout=LONG)
        for line in done.stdout.decode(errors="replace").splitlines():
            pid, _, name = line.partition("\t")
            found.append(f"{name} (process {pid}) has {data.database.path} open")
    elif (others := int(data.ask("others").stdout.strip() or 0)) > 0:
        found.append(f"{others} sessions use {data.database.name}")
    return tuple(found)


def require_stopped(data: SourceData) -> None:
    """Raise ResourceError where anything uses its data."""
    if found := users(data):
        raise ResourceError(
            f"it still runs: {found[0]}",
            where=data.said,
            evidence=found[1:],
            hint=f"Stop {data.service} there, and run it again. Nothing was changed.",
        )


@contextmanager
def writes_stopped(data: SourceData, *, stop: bool, ask: Callable[[str], None]) -> Iterator[float]:
    """Within it nobody writes; since when, as time.monotonic has it.

    stop: the tool may stop its unit. ask: has somebody stop it, where it runs and the tool may not;
    raises where that is not done.
    Raises ResourceError where it still runs then.
    """
    if not stop or not data.unit:
        if users(data):
            ask(data.service)
        begun = time.monotonic()
        require_stopped(data)
        yield begun
        return
    begun = time.monotonic()
    with _guarded(data) as keep:
        require_stopped(data)
        yield begun
        keep()


def require_possible(data: SourceData, *, stop: bool) -> None:
    """Raise UsageError where the tool is to stop what it cannot."""
    if stop and not data.unit:
        raise UsageError(
            f"--stop-source: {data.said} has no unit that could be stopped",
            hint="Stop it yourself, then run it without --stop-source.",
        )


@contextmanager
def _guarded(data: SourceData) -> Iterator[Callable[[], None]]:
    """Its unit is stopped; it is started at the end unless what is given was called."""
    told, telling = os.pipe2(os.O_CLOEXEC)
    said, saying = os.pipe2(os.O_CLOEXEC)
    ended: list[Completed | BaseException] = []

    def guard() -> None:
        with os.fdopen(told, "rb", buffering=0) as stdin, os.fdopen(saying, "wb") as stdout:
            try:
                ended.append(_run(data, stdin, stdout))
            except BaseException as error:
                ended.append(error)

    thread = threading.Thread(target=guard, name="stopped")
    thread.start()
    with os.fdopen(said, "rb", buffering=0) as answers, os.fdopen(telling, "wb") as word:
        try:
            if answers.readline() != b"stopped\n":
                thread.join()
                raise _not_stopped(data, ended)
            yield lambda: _tell(word)
        finally:
            word.close()
            thread.join(STOP_SECONDS)


def _run(data: SourceData, stdin: IO[bytes], stdout: IO[bytes]) -> Completed:
    argv = DATA.argv("stop", data.unit)
    return data.live.run(argv, stdin=stdin, stdout=stdout, timeout=LONG, check=False)


def _tell(word: IO[bytes]) -> None:
    word.write(b"keep\n")
    word.flush()


def _not_stopped(data: SourceData, ended: list[Completed | BaseException]) -> DeployError:
    last = ended[-1] if ended else None
    if isinstance(last, DeployError):
        return last
    lines = last_lines(last.stderr) if isinstance(last, Completed) else []
    return DeployError(
        f"{data.unit} could not be stopped",
        where=data.said,
        evidence=lines,
        hint="Nothing was changed. Stop it yourself, then run it without --stop-source.",
    )
