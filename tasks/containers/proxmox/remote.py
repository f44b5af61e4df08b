"""Programs on a node: started here, or there over one ssh connection that all share."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from tempfile import TemporaryFile
from typing import IO

from tasks.containers.proxmox.access import Local, OpenSsh
from tasks.errors import DeployError, NetworkError, ResourceError
from tasks.host.process import Completed, ends_within, start

KEEP_CONNECTION = 60
"""Seconds that ssh keeps the connection after the last use."""

SESSIONS = 8
"""Programs at once over one connection: sshd takes 10 by itself, and refuses the next."""

SSH_FAILED = 255
OTHER_FAILED = 254

RECEIVE = (
    'while IFS= read -r word && [ -n "$word" ]; do '
    'word=$(printf %b. "${word#=}"); set -- "$@" "${word%.}"; done; '
    f'"$@"; code=$?; [ $code -ne {SSH_FAILED} ] || code={OTHER_FAILED}; exit $code'
)
"""The one line that ssh is ever given: takes the arguments from the head of stdin, so that no
argument becomes part of a shell line, and leaves exit code 255 to ssh's own failures."""

ENVIRONMENT = {
    # Complaints about a missing locale would be taken for an error of the call.
    "LC_ALL": "C",
}


def head(argv: Sequence[str]) -> bytes:
    """Arguments for RECEIVE: one a line behind `=`, in printf's octal escapes, then an empty."""
    lines = []
    for argument in argv:
        escaped = re.sub(
            rb"[^A-Za-z0-9_./:@,+-]",
            lambda byte: b"\\0%03o" % byte.group()[0],
            os.fsencode(argument),
        )
        lines.append(b"=" + escaped + b"\n")
    return b"".join(lines) + b"\n"


def ssh_argv(access: OpenSsh) -> list[str]:
    options = [
        "BatchMode=yes",
        "ConnectTimeout=10",
        "ControlMaster=auto",
        f"ControlPath={access.control}/%C",
        f"ControlPersist={KEEP_CONNECTION}",
        "LogLevel=ERROR",
        *access.options,
    ]
    words = [word for option in options for word in ("-o", option)]
    return ["ssh", "-T", *words, "-p", str(access.port), "-l", access.user, "--", access.host]


def content(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()


def unreachable(access: OpenSsh, where: str, errors: bytes) -> NetworkError:
    return NetworkError(
        "ssh did not get through",
        where=where,
        hint=f"try it: ssh -p {access.port} {access.user}@{access.host} true",
        evidence=errors.decode(errors="replace").strip().splitlines()[-5:],
    )


_slots: dict[tuple[str, int], threading.BoundedSemaphore] = {}
_guard = threading.Lock()


def slot(access: Local | OpenSsh) -> AbstractContextManager[object]:
    """Held while a program runs over the shared connection; whoever is one too many waits."""
    if isinstance(access, Local):
        return nullcontext()
    with _guard:
        key = (access.host, access.port)
        return _slots.setdefault(key, threading.BoundedSemaphore(SESSIONS))


def execute(
    access: Local | OpenSsh,
    argv: Sequence[str],
    *,
    timeout: float,
    where: str = "",
    urgent: bool = False,
) -> Completed:
    """Run a program on the node as root, without input of its own. Any exit code comes back.

    timeout: seconds; the program is left running then, and when this process is interrupted:
    what Proxmox VE's tools began, they shall finish. urgent: it waits for no slot.
    """
    with nullcontext() if urgent else slot(access):
        return _execute(access, argv, timeout, where)


def _execute(access: Local | OpenSsh, argv: Sequence[str], timeout: float, where: str) -> Completed:
    named = where or access.where
    if isinstance(access, OpenSsh):
        access.control.mkdir(mode=0o700, parents=True, exist_ok=True)
        environment = [f"{name}={value}" for name, value in ENVIRONMENT.items()]
        command, given = [*ssh_argv(access), RECEIVE], head(["env", *environment, *argv])
    else:
        command, given = list(argv), b""
    # Files, no pipes: a program that is left running must not die of one that nobody reads, and
    # ssh's shared connection would hold it open for as long as it lasts.
    with TemporaryFile() as stdin, TemporaryFile() as stdout, TemporaryFile() as stderr:
        stdin.write(given)
        stdin.seek(0)
        try:
            process = start(
                command,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                environment={**os.environ, **ENVIRONMENT},
                folder="/",
            )
        except FileNotFoundError as error:
            raise ResourceError(
                f"{command[0]} is not installed",
                where=named,
                hint="is this a Proxmox VE node?" if command[0] != "ssh" else "apt install ssh",
            ) from error
        if not ends_within(process.pid, timeout):
            raise DeployError(
                f"{argv[0]} did not finish in {timeout:g} s and still runs",
                where=named,
                hint="`pvesh get /cluster/tasks` shows what the cluster is busy with",
            )
        code, output, errors = process.wait(), content(stdout), content(stderr)
    if isinstance(access, OpenSsh) and code == SSH_FAILED:
        raise unreachable(access, named, errors)
    return Completed(tuple(command), code, output, errors)
