"""`timers`: let systemd back up, drill and apply."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.commands.base import DeployCommand, caller_folder, load_sound, option
from tasks.errors import UsageError
from tasks.host.timers import JOBS
from tasks.output import console
from tasks.output.columns import columns

VERBS = ("install", "remove")
NONE = "none"
HEADERS = ("TIMER", "WHEN", "NEXT", "LAST", "RESULT")


class Timers(DeployCommand):
    name = "timers"
    doc_purpose = "let systemd back up, drill and apply; without a verb: show what it does"
    doc_usage = "[install|remove]"
    needs_root = True
    options = tuple(
        option(name, str, job.calendar, f"when to {name}, as systemd has it [{job.calendar}]")
        if job.calendar
        else option(name, str, "", f"when to {name} [not at all]")
        for name, job in JOBS.items()
    )

    def perform(self, options: Mapping[str, Any], arguments: list[str]) -> int:
        from tasks.host import timers
        from tasks.paths import host_paths

        paths = host_paths()
        verb = meant(arguments)
        if verb == "install":
            calendars = {
                name: "" if options[name] == NONE else str(options[name]).strip() for name in JOBS
            }
            config = configuration(options)
            # What would fail each night is told now.
            _, wrong = load_sound(options)
            if wrong is not None:
                raise wrong
            timers.install(paths, calendars, config)
            console.note(f"They go by {config}")
        elif verb == "remove":
            gone = timers.remove(paths)
            console.note(f"Removed: {', '.join(gone)}" if gone else "There is no timer")
            return 0
        found = timers.standings(paths)
        if not found:
            console.note("There is no timer: ./doit timers install")
            return 0
        rows = [
            (name, one.calendar, one.next or "-", one.last or "-", one.result or "-")
            for name, one in found.items()
        ]
        console.result(columns(rows, HEADERS, width=console.width(), less=("LAST",)))
        return 0


def meant(arguments: list[str]) -> str:
    """The verb; empty where there is none. Raises UsageError."""
    if not arguments:
        return ""
    if len(arguments) > 1 or arguments[0] not in VERBS:
        raise UsageError(
            f"timers {' '.join(arguments)}: no such thing can be done",
            hint=f"One of {', '.join(VERBS)}; the timers are for all instances.",
        )
    return arguments[0]


def configuration(options: Mapping[str, Any]) -> Path:
    """The file or folder that the commands are to be given. Raises UsageError."""
    from tasks.config import configuration_path

    return configuration_path(options["config"], caller_folder(), os.environ)[0]
