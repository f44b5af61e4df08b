"""How scripts of ours are run in a container: their texts, and what stands before them."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.resources.observe import HERE

SCRIPT = "sh"
INSTALL_TIMEOUT = 1800
UNIT_TIMEOUT = 300
"""Seconds that may pass until packages are there, and until units are as they should be."""


def guarded(*scripts: str) -> str:
    """The text of scripts of ours, behind the guard that lets only one change things."""
    names = ("guard.sh", *scripts)
    return "\n".join((HERE / name).read_text() for name in names)


def while_stopped(argv: Sequence[str]) -> list[str]:
    """The same within a write-stop: it is refused (exit code 7) where that has been ended
    meanwhile, and ended by nobody while it runs."""
    return ["bash", "-c", (HERE / "while-stopped.sh").read_text(), "while-stopped", *argv]


def last_lines(output: bytes) -> list[str]:
    """The last lines that a script said."""
    return output.decode(errors="replace").strip().splitlines()[-12:]
