"""The one module that prints. stdout carries results; stderr progress, warnings, errors.

What others wrote (logs, notes, git's messages, a program's output) is in much of it: everything
goes through `safe`.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import traceback
from collections.abc import Callable
from typing import TextIO

from tasks.errors import CancelledError, ConfigError, DeployError

STYLES = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "magenta": "35",
    "cyan": "36",
}


def colors(stream: TextIO) -> bool:
    """Whether the stream takes color: a terminal, and NO_COLOR unset or empty."""
    return (
        stream.isatty()
        and not os.environ.get("NO_COLOR")
        and os.environ.get("TERM", "dumb") != "dumb"
    )


def styled(text: str, style: str, stream: TextIO) -> str:
    """text in one of STYLES where the stream takes color, else as it is."""
    return f"\x1b[{STYLES[style]}m{text}\x1b[0m" if colors(stream) else text


# Of escape sequences, those of STYLES.
_UNSAFE = (
    "\x1b\\[(?:0|1|2|3[1-6])m|[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]"
    "|[\ud800-\udfff]"
)


def safe(text: str, *, styles: bool = False) -> str:
    """The text with escapes for what a terminal would obey, and without what is secret by its form.

    styles: the sequences of STYLES stay. JSON stays JSON.
    """
    if not text.isprintable():
        text = re.sub(_UNSAFE, lambda found: _escaped(found[0], styles), text)
    if any(sign in text for sign in ("=", "://", "@tcp(", "@unix(", "PRIVATE KEY", "SECRET-KEY")):
        from tasks.model.redaction import masked

        text = masked(text)
    return text


def _escaped(found: str, styles: bool) -> str:
    if len(found) > 1:
        return found if styles else f"\\x1b{found[1:]}"
    return f"\\x{ord(found):02x}" if found < " " else f"\\u{ord(found):04x}"


def _say(text: str, stream: TextIO, end: str = "\n") -> None:
    print(safe(text, styles=colors(stream)), end=end, file=stream, flush=True)


def width() -> int | None:
    """Columns of the terminal that stdout is; None where it is none."""
    if not sys.stdout.isatty():
        return None
    return shutil.get_terminal_size().columns


def result(text: str = "") -> None:
    """A result line or document, to stdout."""
    _say(text, sys.stdout)


def clear() -> None:
    """An empty screen, where stdout is one."""
    if sys.stdout.isatty():
        print("\x1b[H\x1b[2J\x1b[3J", end="", flush=True)


def note(text: str) -> None:
    """What is going on, to stderr."""
    _say(text, sys.stderr)


def warning(text: str) -> None:
    note(f"{styled('warning:', 'yellow', sys.stderr)} {text}")


def error(failure: DeployError) -> None:
    """Where and what in one line a problem, then the evidence, then what to do."""
    label = styled("error:", "red", sys.stderr)
    if isinstance(failure, ConfigError):
        for problem in failure.problems:
            note(f"{label} {problem}")
            if problem.hint:
                note(f"       {problem.hint}")
        return
    note(f"{label} {failure}")
    for line in failure.evidence:
        note(styled(f"       | {line}", "dim", sys.stderr))
    if failure.hint:
        note(f"       {failure.hint}")


def clear_interrupt() -> None:
    """Take the `^C` off the terminal's line, where it wrote one."""
    if sys.stderr.isatty():
        sys.stderr.write("\r  \r")
        sys.stderr.flush()


def trace() -> None:
    """The traceback of the exception that is being handled, to stderr."""
    traceback.print_exc()


def ask(question: str) -> str:
    """An answer from the terminal; the question goes to stderr. EOF is an empty answer.

    Raises CancelledError for Ctrl-C: what is asked about has not been begun.
    """
    _say(question, sys.stderr, end="")
    try:
        answer = sys.stdin.readline()
    except KeyboardInterrupt:
        # The terminal has left the cursor behind the question and its own ^C.
        note("")
        raise CancelledError("cancelled; nothing was changed") from None
    if not answer.endswith("\n"):
        note("")
    return answer.strip()


def ask_secret(question: str) -> bytes:
    """An answer from the terminal that does not show. Raises CancelledError for Ctrl-C, and where
    the terminal has gone."""
    from getpass import getpass

    try:
        return getpass(question, sys.stderr).encode("utf-8", "surrogateescape")
    except (KeyboardInterrupt, EOFError):
        note("")
        raise CancelledError("cancelled; nothing was changed") from None


def interactive() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin is not None and sys.stdin.isatty()


class Lines:
    """Progress as plain lines, one when a step begins. say: on stderr where not given."""

    def __init__(self, say: Callable[[str], None] = note) -> None:
        self._say = say
        self._last = ""

    def step(self, text: str, fraction: float | None = None, since: float | None = None) -> None:
        if text != self._last:
            self._last = text
            self._say(text)
