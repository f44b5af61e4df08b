"""What an operation log says was done: its operations, one by one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from msgspec import Struct

from tasks.model.operation_log import NOUNS, OPERATIONS, LogEntry, LogName

Outcome = Literal["success", "failure", "cancelled", "unfinished"]

_START = re.compile(r"Starting (?P<noun>.+) of \S+")
_SUCCESS = re.compile(r"(?P<noun>.+) completed in (?:\d\S* ?)+")
_FAILURE = re.compile(
    r"(?P<noun>.+?) (?P<verb>failed|cancelled) after (?:\d\S* )+with exit code (?P<code>\d+): "
    r"(?P<reason>.*)",
    re.DOTALL,
)


class Performed(Struct, frozen=True):
    """An operation of the past.

    seconds and exit_code are None where it has not ended: under way, or killed. reason: the
    error's one line, else empty. warnings: messages of its WARN lines.
    """

    operation: LogName
    started: datetime
    outcome: Outcome
    seconds: int | None = None
    exit_code: int | None = None
    reason: str = ""
    warnings: tuple[str, ...] = ()


def operations(entries: Iterable[LogEntry]) -> tuple[Performed, ...]:
    """The operations that the entries tell of, oldest first.

    One begins with its start line and ends with its SUCCESS or ERROR line; a next start before
    that means that it was killed. Where the start line has been rotated away, the first line
    that is left stands for it. What others than operations wrote is left out.
    """
    performed: list[Performed] = []
    open_since: LogEntry | None = None
    warnings: list[str] = []
    for number, entry in enumerate(one for one in entries if one.operation in OPERATIONS):
        if number == 0 or _begins(entry):
            if open_since is not None:
                performed.append(_unfinished(open_since, warnings))
            open_since, warnings = entry, []
        if open_since is None:
            continue
        if entry.level == "WARN":
            warnings.append(entry.message)
        if ended := _ended(entry, open_since, warnings):
            performed.append(ended)
            open_since = None
    if open_since is not None:
        performed.append(_unfinished(open_since, warnings))
    return tuple(performed)


def _begins(entry: LogEntry) -> bool:
    found = _START.fullmatch(entry.message)
    return entry.level == "INFO" and found is not None and found["noun"] == NOUNS[entry.operation]


def _ended(entry: LogEntry, start: LogEntry, warnings: list[str]) -> Performed | None:
    noun = NOUNS[entry.operation].capitalize()
    seconds = max(0, round((entry.time - start.time).total_seconds()))
    if entry.level == "SUCCESS":
        success = _SUCCESS.fullmatch(entry.message)
        if success is None or success["noun"] != noun:
            return None
        return Performed(
            entry.operation, start.time, "success", seconds, 0, warnings=tuple(warnings)
        )
    failure = _FAILURE.fullmatch(entry.message) if entry.level == "ERROR" else None
    if failure is None or failure["noun"] != noun:
        return None
    return Performed(
        entry.operation,
        start.time,
        "failure" if failure["verb"] == "failed" else "cancelled",
        seconds,
        int(failure["code"]),
        failure["reason"],
        tuple(warnings),
    )


def _unfinished(start: LogEntry, warnings: list[str]) -> Performed:
    return Performed(start.operation, start.time, "unfinished", warnings=tuple(warnings))
