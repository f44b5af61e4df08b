"""`history`: what was done to an instance, when, for how long, and how it ended."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tasks.commands.base import JSON_OPTION, DeployCommand, option
from tasks.commands.instances import the_one
from tasks.errors import UsageError
from tasks.model.history import Performed, operations
from tasks.model.holder import inspect
from tasks.model.operation_log import format_duration, format_time, read_entries
from tasks.output import console
from tasks.output.columns import columns
from tasks.paths import host_paths

HEADERS = ("STARTED", "OPERATION", "DURATION", "OUTCOME", "REASON")
DEFAULT_LINES = 20


class History(DeployCommand):
    name = "history"
    doc_purpose = "show what was done to an instance"
    doc_usage = "[ID]"
    options = (
        option("lines", int, DEFAULT_LINES, "the newest so many operations; 0 is all", short="n"),
        JSON_OPTION,
    )

    def perform(self, options: Mapping[str, Any], arguments: list[str]) -> int:
        lines = options["lines"]
        if lines < 0:
            raise UsageError(f"--lines {lines}: less than the minimum 0")
        paths = host_paths()
        instance_id = the_one(paths, options, arguments, "history")
        # Before the log: an operation that ends in between is then seen as ended.
        lock = inspect(paths, instance_id)
        under_way = lock is not None and lock.holder != "dead"
        performed = operations(read_entries(paths, instance_id))
        shown = performed[-lines:] if lines else performed
        outcomes = [
            outcome(one, under_way and one is performed[-1] and one.outcome == "unfinished")
            for one in shown
        ]
        if options["json"]:
            documents = [document(one, word) for one, word in zip(shown, outcomes, strict=True)]
            console.result(json.dumps(documents, indent=2, ensure_ascii=False))
        elif shown:
            console.result(table(shown, outcomes))
        else:
            console.note(f"Nothing was done to {instance_id} yet")
        return 0


def outcome(performed: Performed, under_way: bool) -> str:
    """success, failure, cancelled, in_progress, or interrupted for what was killed."""
    if performed.outcome != "unfinished":
        return performed.outcome
    return "in_progress" if under_way else "interrupted"


def document(performed: Performed, outcome: str) -> dict[str, object]:
    """The operation as JSON. duration_seconds and exit_code are null where it did not end."""
    return {
        "operation": performed.operation,
        "started": format_time(performed.started),
        "duration_seconds": performed.seconds,
        "outcome": outcome,
        "exit_code": performed.exit_code,
        "reason": performed.reason,
        "warnings": list(performed.warnings),
    }


def table(shown: Sequence[Performed], outcomes: Sequence[str]) -> str:
    rows = [row(one, word) for one, word in zip(shown, outcomes, strict=True)]
    return columns(rows, HEADERS)


def row(performed: Performed, outcome: str) -> tuple[str, ...]:
    word = outcome.replace("_", " ")
    if performed.exit_code:
        word += f" ({performed.exit_code})"
    return (
        format_time(performed.started),
        performed.operation,
        "-" if performed.seconds is None else format_duration(performed.seconds),
        word,
        performed.reason.partition("\n")[0],
    )
