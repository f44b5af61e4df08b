"""Tasks of Proxmox VE: what takes long answers with a UPID, and is waited for here."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

from msgspec import Struct

from tasks.containers.proxmox.answers import LogLine, TaskStatus
from tasks.containers.proxmox.api import Session, ask
from tasks.containers.proxmox.faults import fault_of
from tasks.errors import CancelledError, DeployError, NetworkError
from tasks.host import cancelling
from tasks.progress import SILENT, Progress

UPID = re.compile(
    r"UPID:(?P<node>[^:\s]+):(?P<pid>[0-9A-Fa-f]{8,9}):(?P<pstart>[0-9A-Fa-f]{8,9})"
    r":(?P<starttime>[0-9A-Fa-f]{8}):(?P<kind>[^:\s]+):(?P<id>[^:\s]*):(?P<user>[^:\s]+):"
)
PERCENT = re.compile(r"(\d{1,3}(?:\.\d+)?) ?%")

FIRST_PAUSE = 0.05
LONGEST_PAUSE = 1.0
"""Seconds between two looks at a task: doubled from the first to the longest."""

PAGE = 500
"""Lines of a log in one call; Proxmox VE's own default is 50."""

NO_LINES = "no content"

TAIL = 15
"""Lines of a log that an error shows."""


class Upid(Struct, frozen=True):
    """A task's name. starttime: seconds since 1970. user: `user@realm`, or `user@realm!token`."""

    text: str
    node: str
    starttime: int
    kind: str
    id: str
    user: str


class Finished(Struct, frozen=True):
    """A task that did what it should. warnings: lines of its log, empty where it had none."""

    upid: Upid
    warnings: tuple[str, ...] = ()


def parse_upid(text: object) -> Upid:
    """DeployError where it is no UPID."""
    match = UPID.fullmatch(text) if isinstance(text, str) else None
    if not match:
        raise DeployError(f"Proxmox VE answered with no task: {str(text)[:200]!r}")
    return Upid(
        text=match.group(),
        node=match["node"],
        starttime=int(match["starttime"], 16),
        kind=match["kind"],
        id=match["id"],
        user=match["user"],
    )


def fraction_of(line: str) -> float | None:
    """How far a line of a log says that something is, 0 to 1."""
    found = PERCENT.findall(line)
    value = float(found[-1]) / 100 if found else None
    return value if value is not None and value <= 1 else None


def tells(line: str) -> bool:
    """Whether a line of a log says more than that the task is well over."""
    return line.strip() not in ("", "TASK OK")


class _Log:
    """A task's log, fetched line by line as it grows."""

    def __init__(self, session: Session, upid: Upid) -> None:
        self._session = session
        self._path = f"/nodes/{upid.node}/tasks/{upid.text}/log"
        self.lines: list[str] = []

    def fetch(self) -> list[str]:
        """The lines that are new."""
        new: list[str] = []
        while True:
            window = {"start": len(self.lines), "limit": PAGE}
            rows = ask(self._session, self._path, list[LogLine], window)
            # Of a log without a line yet there is one that says so.
            page = [row.t for row in rows if row.n > len(self.lines) and row.t != NO_LINES]
            self.lines += page
            new += page
            if len(page) < PAGE:
                return new

    @property
    def tail(self) -> tuple[str, ...]:
        return tuple(line for line in self.lines if tells(line))[-TAIL:]


def wait(
    session: Session,
    answer: object,
    what: str,
    *,
    timeout: float,
    progress: Progress = SILENT,
    where: str = "",
) -> Finished:
    """Wait until the task that a call answered with is over.

    what: the task in the words of a user (`create container 100`). timeout: seconds. Raises what
    the task's failure stands for, with the log's last lines; DeployError after the timeout,
    CancelledError on Ctrl-C and NetworkError where the connection is lost: these say what still
    runs. A task is never stopped by waiting for it.
    """
    upid = parse_upid(answer)
    log = _Log(session, upid)
    running = f"{what}: task {upid.text} on node {upid.node} still runs"
    with _waiting(running):
        return _wait(session, upid, log, what, running, timeout, progress, where)


_running: list[str] = []


@contextmanager
def _waiting(running: str) -> Iterator[None]:
    _running.append(running)
    try:
        yield
    finally:
        _running.remove(running)


def waited_for() -> list[str]:
    """The tasks that are being waited for by any thread, a line each."""
    return list(_running)


def _wait(
    session: Session,
    upid: Upid,
    log: _Log,
    what: str,
    running: str,
    timeout: float,
    progress: Progress,
    where: str,
) -> Finished:
    look = f"`pvesh get /nodes/{upid.node}/tasks/{upid.text}/status` on a node shows how it ends"
    try:
        status = _until_stopped(session, upid, log, what, time.monotonic() + timeout, progress)
    except KeyboardInterrupt:
        raise CancelledError(
            f"stopped waiting for {running}", where=where, hint=f"{look}; then plan again"
        ) from None
    except NetworkError as error:
        raise NetworkError(
            f"{error.what}; {running}, as far as is known",
            where=where or error.where,
            hint=f"{look}; then plan again",
            evidence=[*log.tail, *error.evidence],
        ) from error
    if status is None:
        raise DeployError(
            f"not over after {timeout:g} s: {running}",
            where=where,
            hint=f"{look}; then plan again",
            evidence=log.tail,
        )
    if status == "OK":
        return Finished(upid)
    log.fetch()
    if status.startswith("WARNINGS"):
        warned = tuple(line for line in log.lines if line.upper().startswith("WARN"))
        return Finished(upid, warned or log.tail)
    known = fault_of("\n".join([status, *log.tail]), where=where, evidence=log.tail)
    raise known or DeployError(f"{what} failed: {status}", where=where, evidence=log.tail)


def _until_stopped(
    session: Session, upid: Upid, log: _Log, what: str, deadline: float, progress: Progress
) -> str | None:
    """The exit status; None where it still runs at the deadline."""
    pause = FIRST_PAUSE
    progress.step(what)
    while True:
        status = ask(session, f"/nodes/{upid.node}/tasks/{upid.text}/status", TaskStatus)
        if status.status == "stopped":
            return status.exitstatus
        for line in [line for line in log.fetch() if tells(line)][-1:]:
            progress.step(f"{what}: {line.strip()}", fraction_of(line))
        left = deadline - time.monotonic()
        if left <= 0:
            return None
        time.sleep(min(pause, left))
        # The main thread is interrupted in its sleep; another one of several instances here.
        cancelling.check()
        pause = min(2 * pause, LONGEST_PAUSE)
