"""How scripts of ours are run in a container: their texts, and what stands before them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from tasks.containers.base import Container
from tasks.errors import LockedError

SCRIPTS = Path(__file__).with_name("scripts")

DATABASE_SERVERS = (
    "external-mysql",
    "external-postgresql",
    "mysql-database",
    "postgresql-database",
)
"""Scripts that log in to a server, and share how."""

SCRIPT = "sh"
GUARD_SECONDS = 960
"""How long a script of a killed run is waited for; its guard gives up somewhat earlier."""
STILL_WORKING = 75
"""With which the guard gives up."""
INSTALL_TIMEOUT = 1800
UNIT_TIMEOUT = 300
"""Seconds that may pass until packages are there, and until units are as they should be."""


@cache
def script_text(name: str) -> str:
    """The text of one script of ours, by its name without ending, behind what it shares."""
    text = (SCRIPTS / f"{name}.sh").read_text()
    if name in DATABASE_SERVERS:
        return f"{script_text('database-login')}\n{text}"
    return text


def script_texts(*names: str) -> str:
    """The text of scripts that are run as one."""
    return "\n".join(script_text(name) for name in names)


def function_name(script: str) -> str:
    return script.replace("-", "_")


def guarded(*scripts: str) -> str:
    """The text of scripts of ours, behind the guard that lets only one change things."""
    return script_texts("guard", *scripts)


def wait_for_leftovers(container: Container) -> None:
    """Wait for what a killed run may have left working in a running container, and forget there
    what an older version left failed.

    Raises LockedError where that has no end.
    """
    argv = [SCRIPT, "-c", guarded("leftovers")]
    waited = container.run(argv, timeout=GUARD_SECONDS, check=False)
    if waited.returncode == 0:
        return
    what = "what an earlier run left working in it does not end"
    if waited.returncode != STILL_WORKING:
        what = "what an earlier run may have left working in it cannot be waited for"
    raise LockedError(
        what,
        where=container.spec.name,
        evidence=last_lines(waited.stderr),
        hint="Nothing was changed. Restart the container where it never ends; then run it again.",
    )


def while_stopped(argv: Sequence[str]) -> list[str]:
    """The same within a write-stop: it is refused (exit code 7) where that has been ended
    meanwhile, and ended by nobody while it runs."""
    return ["bash", "-c", script_text("while-stopped"), "while-stopped", *argv]


def last_lines(output: bytes) -> list[str]:
    """The last lines that a script said."""
    return output.decode(errors="replace").strip().splitlines()[-12:]
