"""Who holds a lock folder, and whether that process is still there. Reads only."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Literal

from msgspec import Struct

from tasks.host.files import named
from tasks.paths import Paths

STALE_SECONDS = 3600
FILES = ("pid", "timestamp", "owner", "started", "operation")

Holder = Literal["alive", "dead", "unknown"]


class LockInfo(Struct, frozen=True):
    """A lock as found.

    pid, owner, started and operation are None where the folder does not say. timestamp: Unix
    epoch, from the folder's own time where it does not say. holder: is the process that took it
    alive, dead, or beyond judging from here. stale: unknown and older than an hour.
    """

    instance_id: str
    pid: int | None
    timestamp: int
    owner: str | None
    operation: str | None
    started: str | None
    holder: Holder
    stale: bool

    @property
    def since(self) -> str:
        return datetime.fromtimestamp(self.timestamp, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def describe(self) -> str:
        """`apply by root@pve (pid 4711) since 2025-10-19T10:30:00Z`"""
        process = f" (pid {self.pid})" if self.pid else ""
        operation = self.operation or "an unknown operation"
        return f"{operation} by {self.owner or 'somebody'}{process} since {self.since}"

    def same_holder(self, other: LockInfo) -> bool:
        return (self.pid, self.timestamp, self.owner, self.started) == (
            other.pid,
            other.timestamp,
            other.owner,
            other.started,
        )


def inspect(paths: Paths, instance_id: str) -> LockInfo | None:
    """Who holds the instance's lock now; None if nobody does. Takes no lock, changes nothing."""
    path = paths.lock(instance_id)
    with named(path, "cannot be read"):
        while True:
            try:
                descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            except FileNotFoundError:
                return None
            try:
                texts = {name: _read(descriptor, name) for name in FILES}
                folder = os.fstat(descriptor)
                # Released, and perhaps taken again, between two of the files.
                if not _is_still(path, folder):
                    continue
            finally:
                os.close(descriptor)
            break
    pid = _number(texts["pid"])
    timestamp = _number(texts["timestamp"])
    if timestamp is None:
        timestamp = int(folder.st_mtime)
    holder = evaluate(pid, texts["owner"], texts["started"])
    return LockInfo(
        instance_id=instance_id,
        pid=pid,
        timestamp=timestamp,
        owner=texts["owner"],
        operation=texts["operation"],
        started=texts["started"],
        holder=holder,
        stale=holder == "unknown" and time.time() - timestamp > STALE_SECONDS,
    )


def evaluate(pid: int | None, owner: str | None, started: str | None) -> Holder:
    """Whether the process that wrote these is still there, seen from this process.

    started: as `ourselves` makes it; None if another tool took the lock, whose process is
    then known by host name and pid alone.
    """
    if pid is None:
        return "unknown"
    same_host = owner is not None and owner.rpartition("@")[2] == os.uname().nodename
    if started is None:
        if not same_host:
            return "unknown"
        return "alive" if _exists(pid) else "dead"
    boot, _, rest = started.partition(" ")
    namespace, _, start = rest.partition(" ")
    if boot != _boot_id():
        return "dead" if same_host else "unknown"
    if namespace != _pid_namespace():
        return "unknown"
    now = start_time(pid)
    if now is None:
        return "alive" if _exists(pid) else "dead"
    return "alive" if now == start else "dead"


def ourselves() -> tuple[str, str, str, str]:
    """The texts of pid, timestamp, owner and started for this process now."""
    pid = os.getpid()
    started = f"{_boot_id()} {_pid_namespace()} {start_time(pid)}"
    return str(pid), str(int(time.time())), f"{_user()}@{os.uname().nodename}", started


def start_time(pid: int) -> str | None:
    """Clock ticks from boot to the start of the process; None if it is gone or hidden.

    A zombie is gone: it does nothing any more, whoever has not waited for it.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    # The command's name is in brackets and may hold anything, brackets and spaces too.
    fields = stat.rpartition(")")[2].split()
    return "zombie" if fields[0] in ("Z", "X") else fields[19]


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return start_time(pid) != "zombie"


def _user() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


@cache
def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _pid_namespace() -> str:
    return str(Path("/proc/self/ns/pid").readlink()).removeprefix("pid:")


def _read(folder: int, name: str) -> str | None:
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, encoding="utf-8", errors="replace") as file:
        return file.read(4096).strip() or None


def _number(text: str | None) -> int | None:
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 18:
        return None
    return int(text) or None


def _is_still(path: Path, folder: os.stat_result) -> bool:
    try:
        return os.path.samestat(path.lstat(), folder)
    except FileNotFoundError:
        return False
