"""The first process of a container, as the start hook recorded it."""

from __future__ import annotations

import os
import select
import signal
from pathlib import Path

from msgspec import Struct

DEAD = "ZXx"


class Process(Struct, frozen=True):
    """start: clock ticks since boot; with it the id cannot mean another process."""

    pid: int
    start: int


def parse_record(text: str) -> tuple[Process, ...]:
    """The first process of a container and LXC's monitor of it, as far as they are recorded."""
    fields = (line.split() for line in text.splitlines())
    return tuple(
        Process(int(words[0]), int(words[1]))
        for words in fields
        if len(words) == 2 and all(word.isdigit() for word in words)
    )


def parse_stat(text: str) -> tuple[str, int]:
    """State letter and start time of /proc/PID/stat; the name in it may hold anything."""
    fields = text.rpartition(")")[2].split()
    return fields[0], int(fields[19])


def is_alive(process: Process) -> bool:
    try:
        state, start = parse_stat(Path(f"/proc/{process.pid}/stat").read_text())
    except (FileNotFoundError, ProcessLookupError):
        return False
    return start == process.start and state not in DEAD


def _recorded(folder: Path) -> tuple[Process, ...]:
    try:
        return parse_record((folder / "init").read_text())
    except FileNotFoundError:
        return ()


def running_init(folder: Path) -> int | None:
    """The host's pid of the container's live first process; None where there is none."""
    recorded = _recorded(folder)
    return recorded[0].pid if recorded and is_alive(recorded[0]) else None


def wait_for_monitor(folder: Path, limit: float) -> None:
    """Wait until LXC has cleared up behind the container's last first process, at most seconds."""
    for monitor in _recorded(folder)[1:]:
        try:
            descriptor = os.pidfd_open(monitor.pid)
        except ProcessLookupError:
            return
        try:
            if is_alive(monitor):
                select.select([descriptor], [], [], limit)
        finally:
            os.close(descriptor)


def is_frozen(pid: int) -> bool:
    """Whether the process's control group is frozen, in either version."""
    try:
        groups = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return False
    for line in groups:
        _, controllers, path = line.split(":", 2)
        for mount in _freezer_mounts(controllers):
            folder = Path(mount + path)
            try:
                if controllers == "freezer":
                    if (folder / "freezer.state").read_text().strip() != "THAWED":
                        return True
                elif "frozen 1" in (folder / "cgroup.events").read_text().splitlines():
                    return True
            except FileNotFoundError:
                continue
    return False


def _freezer_mounts(controllers: str) -> tuple[str, ...]:
    if controllers == "freezer":
        return ("/sys/fs/cgroup/freezer",)
    if controllers == "":
        return ("/sys/fs/cgroup", "/sys/fs/cgroup/unified")
    return ()


def has_monitor(folder: Path) -> bool:
    """Whether LXC watches a container in this folder, ours or not: its command socket is there."""
    sockets = Path("/proc/net/unix").read_text()
    return f"@{folder}/command\n" in sockets


def kill_init(pid: int, limit: float) -> bool:
    """Kill a container's first process, and all others with it. False: alive after the limit."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        return bool(select.select([descriptor], [], [], limit)[0])
    except ProcessLookupError:
        return True
    finally:
        os.close(descriptor)
