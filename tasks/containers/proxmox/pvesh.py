"""The API through pvesh on a node: proxmoxer's command session without its surprises.

proxmoxer takes any stderr for an error, stderr with a UPID for success, and no notice of the exit
code; and gives up after 5 s. Here the exit code decides, and pvesh has the time that it takes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tasks.containers.proxmox.access import Local, OpenSsh
from tasks.containers.proxmox.faults import parse_stderr
from tasks.containers.proxmox.remote import execute

READ_LIMIT = 60
CHANGE_LIMIT = 3600
"""Seconds. pvesh waits for the task of what it changes."""


def answer_of(output: str, *, reads: bool) -> str:
    """The answer, as JSON, in what pvesh printed before it ended with 0.

    The answer is the last line, or all of it. Before it stands whatever the programs printed that
    worked on the change (`Formatting '/var/lib/…'`), and where the answer is nothing, that alone.
    reads: the call is one for an answer, and what is not understood is left to be told.
    """
    lines = output.strip().splitlines() or ["null"]
    for text in (output, lines[-1]):
        try:
            json.loads(text)
        except (ValueError, RecursionError):
            continue
        return text
    if lines[-1].startswith("UPID:"):
        return json.dumps(lines[-1].strip())
    return output if reads else "null"


def connect(access: Local | OpenSsh) -> Any:
    """A proxmoxer.ProxmoxAPI; nothing is started yet."""
    from proxmoxer import ProxmoxAPI
    from proxmoxer.backends.command_base import CommandBaseSession
    from proxmoxer.core import ResourceException

    class Session(CommandBaseSession):  # type: ignore[misc]
        def _exec(self, argv: Sequence[str]) -> tuple[str, str, int]:
            limit = READ_LIMIT if argv[1] == "get" else CHANGE_LIMIT
            done = execute(access, argv, timeout=limit)
            if done.returncode != 0:
                status, text, problems = parse_stderr(done.stderr.decode(errors="replace"))
                raise ResourceException(
                    status, "", text, errors=problems, exit_code=done.returncode
                )
            return answer_of(done.stdout.decode(errors="replace"), reads=argv[1] == "get"), "", 0

    api = ProxmoxAPI(backend="local")
    # Also for ssh: proxmoxer's own backend needs a package that keeps no connection.
    api._store["session"] = Session()
    return api
