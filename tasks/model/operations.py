"""What brackets the work of every command that changes an instance.

    with operation(paths, "vikunja-main", "deploy") as op:
        op.info("Created LXC container ID 100")
        op.record(container_id=100)

Entering takes the lock, finishes what a killed process left in the records, and writes the
start line and then the state; leaving writes the state, then the line, and gives the lock back.
Where one of these cannot be written the command fails; lines in between only warn.
The first write and the last are the lock: whatever lies between them when the process dies is
found by the next operation, which holds the lock and so knows that nothing is under way.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Literal, Unpack

from msgspec import Struct
from msgspec.structs import replace

from tasks.errors import (
    CancelledBackError,
    CancelledError,
    CertificateError,
    DeployError,
    ResourceError,
    RolledBackError,
)
from tasks.model import state as states
from tasks.model.lock import Lock
from tasks.model.operation_log import (
    Level,
    Log,
    OperationName,
    format_time,
    log_failure,
    start_message,
    success_message,
    utc_now,
)
from tasks.model.rebuild import refuse_rebuilding
from tasks.model.state import Changes, State, Status
from tasks.paths import Paths

Walk = tuple[Status, ...]

_CHANGE: dict[Status | None, Walk] = {
    None: ("deploying",),
    "failed": ("deploying",),
    "running": ("updating",),
    "stopped": ("running", "updating"),
}
_STAY: dict[Status | None, Walk] = {"running": (), "stopped": (), "failed": ()}

BEGIN: dict[OperationName, dict[Status | None, Walk]] = {
    "deploy": _CHANGE,
    "update": _CHANGE,
    "reconfigure": _CHANGE,
    "restore": _CHANGE,
    "import": _CHANGE,
    "rebuild": {status: walk for status, walk in _CHANGE.items() if status is not None},
    "rollback": {"running": ("updating",), "stopped": ("running", "updating"), "failed": ()},
    "backup": _STAY,
    "drill": _STAY,
    "start": _STAY,
    "stop": _STAY,
    "restart": _STAY,
    # Without a state there may still be a container to remove.
    "uninstall": {None: (), **_STAY},
}
"""Statuses that an operation goes through when it begins, by the one it finds. One that is not
there cannot begin from it. Changing a stopped instance starts it, so it passes `running`."""

END: dict[OperationName, dict[Status, Walk]] = {
    "deploy": {"deploying": ("running",), "updating": ("running",)},
    "update": {"deploying": ("running",), "updating": ("running",)},
    "reconfigure": {"deploying": ("running",), "updating": ("running",)},
    "restore": {"deploying": ("running",), "updating": ("running",)},
    "import": {"deploying": ("running",), "updating": ("running",)},
    "rebuild": {"deploying": ("running",), "updating": ("running",)},
    "rollback": {"updating": ("running",), "failed": ("running",)},
    "backup": {},
    "drill": {},
    "start": {"stopped": ("running",)},
    "stop": {"running": ("stopped",)},
    "restart": {"stopped": ("running",)},
    "uninstall": {"running": ("stopped",), "failed": ("stopped",)},
}
"""Statuses that a successful operation goes through at its end, by the one it is in. A failed
instance stays failed until an apply or a rollback has put it right."""


class Ended(Struct, frozen=True):
    """How an operation ended. error: None for success. begun: when. log: the instance's."""

    paths: Paths
    instance_id: str
    operation: OperationName
    error: BaseException | None
    begun: datetime
    seconds: float
    log: Path


_listeners: list[Callable[[Ended], None]] = []


def when_ended(listener: Callable[[Ended], None]) -> None:
    """From now on call this after every operation of this process, when its lock is free. It must
    not raise. A second one takes the first one's place."""
    _listeners[:] = [listener]


def _ignore(text: str) -> None:
    pass


class Operation:
    """An operation under way, as a context manager; nested `with` of the same object is free.

    state is None before it is entered, and where the instance has none (uninstall).
    """

    def __init__(
        self,
        paths: Paths,
        instance_id: str,
        name: OperationName,
        changes: Changes,
        wait_seconds: float,
        warn: Callable[[str], None],
    ) -> None:
        self.paths = paths
        self.instance_id = instance_id
        self.name = name
        self.state: State | None = None
        self.log = Log(paths, instance_id, name)
        self._changes = changes
        self._wait_seconds = wait_seconds
        self._warn = warn
        self._lock: Lock | None = None
        self._mutex = threading.RLock()
        self._depth = 0
        self._begun = 0.0
        self._unlogged = False
        self._early: list[tuple[Level, str]] = []
        """What was noted before it began: it comes behind the start line."""

    def debug(self, text: str) -> None:
        self._note("DEBUG", text)

    def info(self, text: str) -> None:
        self._note("INFO", text)

    def warn(self, text: str) -> None:
        """To the log and to whoever watches."""
        self._note("WARN", text)
        self._warn(text)

    def error(self, text: str) -> None:
        self._note("ERROR", text)

    def _note(self, level: Level, text: str) -> None:
        """A line for the log. Where it cannot be written, work under way goes on: to break it off
        in the middle would be the greater harm. Whoever watches is told, once."""
        if not self._begun:
            self._early.append((level, text))
            return
        try:
            self.log.write(level, text)
        except DeployError as unwritten:
            if not self._unlogged:
                self._unlogged = True
                self._warn(f"{unwritten}; {self.name} goes on without its log")

    def record(self, **changes: Unpack[Changes]) -> None:
        """Put facts into the state at once, so that a kill does not lose them."""
        with self._mutex:
            if self.state is not None:
                self._write(replace(self.state, **changes))

    def become(self, status: Status, **changes: Unpack[Changes]) -> None:
        """Go to a status before the end: `running` once the old color serves untouched again,
        `stopped` once services are. DeployError where the state machine has no such way."""
        with self._mutex:
            if self.state is not None:
                now = format_time(utc_now())
                self._write(states.transition(self.state, status, time=now, **changes))

    def __enter__(self) -> Operation:
        with self._mutex:
            if self._depth == 0:
                self._begin()
            self._depth += 1
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> Literal[False]:
        with self._mutex:
            self._depth -= 1
            if self._depth > 0 or self._lock is None:
                return False
        try:
            with self._lock:
                if error is None:
                    self._succeed()
                else:
                    self._fail(error)
        except DeployError as unrecorded:
            self._tell(unrecorded)
            raise
        self._tell(error)
        if isinstance(error, KeyboardInterrupt):
            raise CancelledError(
                f"{self.name} cancelled",
                where=self.instance_id,
                hint=after_cancelling(self.name, self.instance_id),
            ) from error
        return False

    def _tell(self, error: BaseException | None) -> None:
        seconds = time.monotonic() - self._begun
        begun = utc_now() - timedelta(seconds=round(seconds))
        log = self.paths.log(self.instance_id)
        end = Ended(self.paths, self.instance_id, self.name, error, begun, seconds, log)
        for listener in _listeners:
            listener(end)

    def _begin(self) -> None:
        self._begun = time.monotonic()
        warnings: list[str] = []
        lock = Lock.acquire(
            self.paths, self.instance_id, self.name, self._wait_seconds, warnings.append
        )
        try:
            for text in warnings:
                self.warn(text)
            self._enter()
        except BaseException:
            lock.release()
            raise
        self._lock = lock

    def _enter(self) -> None:
        if self.name != "rebuild":
            refuse_rebuilding(self.paths, self.instance_id)
        found = states.read(self.paths, self.instance_id)
        if found is not None and (recovered := states.recover(found)) != found:
            became = f": its status {found.status} is now {recovered.status}"
            self.warn(
                f"The {found.last_operation} of {found.last_operation_time} did not finish"
                + (became if found.status != recovered.status else "")
            )
            states.write(self.paths, recovered)
            found = recovered
        walk = self._walk(found)
        self.log.write("INFO", start_message(self.name, self.instance_id), sync=True)
        for level, text in self._early:
            self._note(level, text)
        try:
            self._start(found, walk)
        except DeployError as error:
            log_failure(self.log, error, time.monotonic() - self._begun)
            raise

    def _walk(self, found: State | None) -> Walk:
        begin = BEGIN[self.name]
        status = found.status if found else None
        if status in begin:
            return begin[status]
        raise ResourceError(
            f"{self.name} needs a deployed instance",
            where=self.instance_id,
            hint=f"Deploy it first: ./doit apply {self.instance_id}",
        )

    def _start(self, found: State | None, walk: Walk) -> None:
        now = format_time(utc_now())
        begun: Changes = {
            **self._changes,
            "last_operation": self.name,
            "last_operation_time": now,
            "last_operation_status": "in_progress",
        }
        state = found
        for status in walk:
            state = states.transition(
                state, status, time=now, instance_id=self.instance_id, **begun
            )
        if state is not None:
            self._write(replace(state, **begun))

    def _succeed(self) -> None:
        try:
            self._finish()
        except DeployError as error:
            # The records are still those of an operation under way: the next one recovers.
            log_failure(self.log, error, time.monotonic() - self._begun)
            raise
        seconds = time.monotonic() - self._begun
        self.log.write("SUCCESS", success_message(self.name, seconds), sync=True)

    def _finish(self) -> None:
        if self.state is None:
            return
        state = self._ended(self.state)
        if self.name == "uninstall":
            states.require_legal(self.instance_id, state, None)
            states.remove(self.paths, self.instance_id)
            self.state = None
        else:
            self._write(replace(state, last_operation_status="success"))

    def _ended(self, state: State) -> State:
        """With the status that it has where all is done."""
        now = format_time(utc_now())
        for status in END[self.name].get(state.status, ()):
            state = states.transition(state, status, time=now)
        return state

    def _fail(self, error: BaseException) -> None:
        try:
            if self.state is not None:
                self._write(self._failed(self.state, error))
            log_failure(self.log, error, time.monotonic() - self._begun)
        except DeployError as unwritten:
            # What the command ends with is why the operation failed.
            self._warn(str(unwritten))

    def _failed(self, state: State, error: BaseException) -> State:
        if isinstance(error, CertificateError):
            return replace(self._ended(state), last_operation_status="failure")
        put_back = isinstance(error, (RolledBackError, CancelledBackError))
        if put_back and state.status in states.PASSING:
            now = format_time(utc_now())
            state = states.transition(state, "failed", time=now)
            state = states.transition(state, "running", time=now)
        return states.recover(state)

    def _write(self, state: State) -> None:
        states.write(self.paths, state)
        self.state = state


def operation(
    paths: Paths,
    instance_id: str,
    name: OperationName,
    *,
    wait_seconds: float = 0,
    warn: Callable[[str], None] = _ignore,
    **changes: Unpack[Changes],
) -> Operation:
    """The operation, for a `with` statement.

    wait_seconds: how long to wait for the lock. warn: where warnings go besides the log.
    changes: facts for the state that are known at the start. Entering raises LockedError,
    ResourceError where the instance's status does not allow the operation, DeployError for
    damaged records. Leaving with a KeyboardInterrupt raises CancelledError instead.
    """
    return Operation(paths, instance_id, name, changes, wait_seconds, warn)


def after_cancelling(name: OperationName, instance_id: str) -> str:
    """What to do about an operation that somebody cancelled; nothing where it leaves nothing."""
    if name in ("backup", "drill"):
        return ""
    if name == "uninstall":
        return f"./doit uninstall {instance_id} goes on with it."
    if name == "rebuild":
        return f"./doit rebuild --recover {instance_id} puts in order what is left of it."
    return "./doit plan shows what is left to do."
