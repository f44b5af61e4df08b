"""Run a program in a running container."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import IO

from msgspec import Struct

from tasks.errors import DeployError, ResourceError
from tasks.host.cancelling import ended_by
from tasks.host.interrupts import PutOff
from tasks.host.process import DEVNULL, PIPE, Completed, Process, TimedOut, last_lines, start

COLLECT_LIMIT = 5
"""Seconds lxc-attach has to collect a program that was killed."""

ENVIRONMENT = (
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG=C.UTF-8",
    "HOME=/root",
    "USER=root",
    "SHELL=/bin/sh",
)


def attach_argv(name: str, lxc_path: Path, argv: Sequence[str]) -> list[str]:
    """lxc-attach's arguments for a program, as the container's root in a clean environment."""
    environment = [word for variable in ENVIRONMENT for word in ("-v", variable)]
    return [
        "lxc-attach",
        f"--lxcpath={lxc_path}",
        f"--name={name}",
        "--clear-env",
        *environment,
        "--uid=0",
        "--gid=0",
        "--",
        *argv,
    ]


class Seen(Struct, frozen=True):
    """A process of the host: its id, its parent's, its group's; gone: it has ended, and waits to be
    collected."""

    pid: int
    parent: int
    group: int
    gone: bool = False


def belonging_to(leader: int, processes: Sequence[Seen]) -> list[Seen]:
    """All processes below a process or in its group, without itself."""
    found: dict[int, Seen] = {}
    above = [leader]
    for pid in above:
        below = [one for one in processes if one.parent == pid and one.pid not in found]
        found |= {one.pid: one for one in below}
        above += [one.pid for one in below]
    found |= {one.pid: one for one in processes if one.group == leader}
    found.pop(leader, None)
    return list(found.values())


def _processes() -> list[Seen]:
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                stat = (folder / "stat").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            state, parent, group = stat.rpartition(")")[2].split()[:3]
            found.append(Seen(int(folder.name), int(parent), int(group), state in "ZX"))
    return found


def _kill(process: Process[bytes]) -> None:
    """Kill the program, its process group and all below it.

    lxc-attach is the leader of the group and session that the program in the container shares
    with it, and the parent of the program: both are seen from the host. It is halted first, so
    that it starts nothing any more. Then it goes by itself, where it has started something: who
    else would collect that, which the container's shutdown would wait for.
    """
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGSTOP)
    until = time.monotonic() + COLLECT_LIMIT
    while below := belonging_to(process.pid, _processes()):
        for one in below:
            with contextlib.suppress(ProcessLookupError):
                os.kill(one.pid, signal.SIGKILL)
        if all(one.gone for one in below) or time.monotonic() > until:
            break
        time.sleep(0.005)
    process.send_signal(signal.SIGCONT if below else signal.SIGKILL)
    try:
        process.wait(COLLECT_LIMIT)
    except TimedOut:
        os.killpg(process.pid, signal.SIGKILL)


def attach(
    name: str,
    lxc_path: Path,
    argv: Sequence[str],
    *,
    stdin: bytes | IO[bytes] | None,
    stdout: IO[bytes] | None,
    timeout: float,
    check: bool,
    through: Sequence[str] = (),
) -> Completed:
    """See tasks.containers.base.Container.run. through: words before argv, a program that ends by
    becoming argv; errors and the answer are argv's all the same."""
    data = stdin if isinstance(stdin, bytes) else None
    file = None if isinstance(stdin, bytes) else stdin
    with PutOff() as interrupts:
        try:
            process = start(
                attach_argv(name, lxc_path, [*through, *argv]),
                stdin=DEVNULL if stdin is None else (file or PIPE),
                stdout=stdout or PIPE,
                folder="/",
            )
        except FileNotFoundError as error:
            raise ResourceError(
                "lxc-attach is not installed",
                where=name,
                hint="`./doit check` names the Debian packages that are missing",
            ) from error
        with process:
            try:
                with interrupts.let_through(), ended_by(partial(_kill, process)):
                    output, errors = process.communicate(data, timeout=timeout)
            except TimedOut as error:
                _kill(process)
                _, errors = process.communicate()
                raise DeployError(
                    f"{argv[0]} did not finish in {timeout:g} s and was killed",
                    where=name,
                    evidence=last_lines(errors),
                ) from error
            except BaseException:
                _kill(process)
                raise
    completed = Completed(tuple(argv), process.returncode, output or b"", errors)
    if check and completed.returncode != 0:
        raise DeployError(
            f"{argv[0]} failed with exit code {completed.returncode}",
            where=name,
            evidence=last_lines(errors),
        )
    return completed
