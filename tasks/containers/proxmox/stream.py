"""A program on a node through ssh, with input and output as streams and an end that is kept."""

from __future__ import annotations

import contextlib
import os
import secrets
import select
import time
from collections.abc import Iterator, Sequence
from functools import partial
from tempfile import TemporaryFile
from typing import IO

from tasks.containers.proxmox.access import OpenSsh
from tasks.containers.proxmox.remote import (
    ENVIRONMENT,
    RECEIVE,
    SSH_FAILED,
    content,
    execute,
    head,
    slot,
    ssh_argv,
    unreachable,
)
from tasks.errors import DeployError
from tasks.host.cancelling import ended_by
from tasks.host.interrupts import PutOff
from tasks.host.process import PIPE, Completed, Process, TimedOut, last_lines, start

MARK = "VIKUNJA_DEPLOY_RUN"
"""Variable that tells a program on a node, and what belongs to it, from all others."""

KILL = rf"""
marked=$(grep -lFsx -z '{MARK}='"$1" /proc/[0-9]*/environ | cut -d / -f 3)
ps -e -o pid=,ppid= | awk -v marked="$marked" '
    BEGIN {{ n = split(marked, list, "\n"); for (i = 1; i <= n; i++) ours[list[i]] = 1 }}
    {{ parent[$1] = $2 }}
    END {{
        for (pid in parent) {{
            for (up = parent[pid]; up in parent && !(up in ours); up = parent[up]);
            if (up in ours && !(pid in ours)) print pid
        }}
    }}' | xargs -r kill -KILL 2>/dev/null
:
"""
"""Kills what a marked program started. In a container, that is everything: lxc-attach itself has
the mark, its environment cleared, what it started has not. It collects them and ends."""

KILL_LIMIT = 30
KILL_ATTEMPTS = 10
COPY = 1 << 16


def stream(
    access: OpenSsh,
    argv: Sequence[str],
    *,
    stdin: bytes | IO[bytes] | None,
    stdout: IO[bytes] | None,
    timeout: float,
    where: str,
    name: str,
) -> Completed:
    """Run argv on the node. Any exit code comes back, 255 as 254.

    stdin: bytes or an open file. stdout: an open file that takes the output. timeout: seconds;
    then, and when this process is interrupted, what the program started is killed. name: of the
    program, for errors.
    """
    access.control.mkdir(mode=0o700, parents=True, exist_ok=True)
    token = secrets.token_hex(8)
    variables = [f"{key}={value}" for key, value in {**ENVIRONMENT, MARK: token}.items()]
    words = head(["env", *variables, *argv])
    # Files, no pipes, for what comes back: the shared connection would hold a pipe open.
    with (
        slot(access),
        TemporaryFile() as errors,
        TemporaryFile() as output,
        PutOff() as interrupts,
    ):
        process = start(
            [*ssh_argv(access), RECEIVE],
            stdin=PIPE,
            stdout=stdout or output,
            stderr=errors,
            environment={**os.environ, **ENVIRONMENT},
            folder="/",
        )
        try:
            with interrupts.let_through(), ended_by(partial(_kill, access, token, process)):
                ended = _feed(process, words, stdin, timeout)
        except BaseException:
            _kill(access, token, process)
            raise
        if not ended:
            _kill(access, token, process)
            raise DeployError(
                f"{name} did not finish in {timeout:g} s and was killed",
                where=where,
                evidence=last_lines(content(errors)),
            )
        said = content(errors)
        if process.returncode == SSH_FAILED:
            raise unreachable(access, where, said)
        return Completed(tuple(argv), process.returncode, content(output), said)


def _feed(
    process: Process[bytes], words: bytes, data: bytes | IO[bytes] | None, timeout: float
) -> bool:
    """Give a program the arguments, then its input; whether it ended within the timeout.

    It may end before it has read all of that. Then nothing more is read: whoever gave an open
    file has it to himself again.
    """
    assert process.stdin is not None
    deadline = time.monotonic() + timeout
    # Who gives the input may take hours to say a word; the program starts now.
    waiting = memoryview(words + data if isinstance(data, bytes) else words)
    source = data.fileno() if data is not None and not isinstance(data, bytes) else None
    with process.stdin as stdin, _descriptor_of(process) as ended:
        pipe = stdin.fileno()
        os.set_blocking(pipe, False)
        while True:
            poll = select.poll()
            poll.register(ended, select.POLLIN)
            if waiting:
                poll.register(pipe, select.POLLOUT)
            elif source is not None:
                poll.register(source, select.POLLIN)
            else:
                stdin.close()
            left = max(deadline - time.monotonic(), 0)
            ready = dict(poll.poll(left * 1000))
            if ended in ready:
                process.wait()
                return True
            if not ready or not left:
                return False
            if not waiting and source is not None:
                waiting = memoryview(os.read(source, COPY))
                source = source if waiting else None
                continue
            try:
                waiting = waiting[os.write(pipe, waiting) :]
            except BrokenPipeError:
                waiting, source = memoryview(b""), None


@contextlib.contextmanager
def _descriptor_of(process: Process[bytes]) -> Iterator[int]:
    """One that is readable when the process has ended."""
    descriptor = os.pidfd_open(process.pid)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _kill(access: OpenSsh, token: str, process: Process[bytes]) -> None:
    """End the program on the node, then ssh here.

    What had not come to start it yet will, just after it was looked for: as long as ssh has not
    ended the program has not either, and is looked for again.
    """
    try:
        for _ in range(KILL_ATTEMPTS):
            execute(access, ["sh", "-c", KILL, "sh", token], timeout=KILL_LIMIT, urgent=True)
            with contextlib.suppress(TimedOut):
                process.wait(1)
                return
    finally:
        process.kill()
        process.wait()
