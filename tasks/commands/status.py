"""`status`: how instances stand now. Reads records and asks each container once."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from tasks.commands.base import (
    CONFIG_OPTION,
    JSON_OPTION,
    DeployCommand,
    caller_folder,
    option,
)
from tasks.commands.instances import known_ids
from tasks.errors import DeployError, ResourceError, UnhealthyError, UsageError
from tasks.model.operation_log import utc_now
from tasks.output import console

if TYPE_CHECKING:
    from datetime import datetime

    from tasks.model.instance import Instance
    from tasks.paths import Paths
    from tasks.status.facts import Standing
    from tasks.status.rules import Note

DEFAULT_INTERVAL = 5


class Status(DeployCommand):
    name = "status"
    doc_purpose = "show health, state, version, resources and the last operations"
    doc_usage = "[ID...]"
    needs_root = True
    options = (
        JSON_OPTION,
        option("watch", bool, False, "look again and again until Ctrl-C", short="w"),
        option("interval", int, DEFAULT_INTERVAL, "seconds between two looks of --watch"),
        option("html", str, None, "also write one self-contained page to this file"),
        option("metrics", str, None, "also write metrics to this file, for node_exporter"),
        option("cached", bool, False, "take what was measured less than 60 s ago as it is"),
    )

    def perform(self, options: Mapping[str, Any], arguments: list[str]) -> int:
        from tasks.paths import host_paths

        if options["interval"] < 1:
            raise UsageError(f"--interval {options['interval']}: less than the minimum 1")
        paths = host_paths()
        known = known_ids(paths)
        instances = {one.id: one for one in self.configured(options, known)}
        ids = choose(list(instances), known, arguments)

        def once() -> int:
            found = evaluated(look_at(ids, instances, paths, options["cached"]), paths)
            if options["html"]:
                write_page(found, paths, caller_folder() / options["html"])
            if options["metrics"]:
                write_metrics(found, caller_folder() / options["metrics"])
            if options["watch"]:
                console.clear()
            say(found, options["json"], one_line=options["watch"])
            code = report(found)
            if options["watch"] and not options["json"] and console.width():
                console.note(
                    f"{utc_now():%H:%M:%S} UTC, every {options['interval']} s until Ctrl-C"
                )
            return code

        return watch(once, options["interval"]) if options["watch"] else once()

    def configured(self, options: Mapping[str, Any], known: Sequence[str]) -> tuple[Instance, ...]:
        """The configuration's instances; none where there is no configuration but the host has
        some. A configuration that was named must be there."""
        try:
            return self.selected(options, ())
        except UsageError as error:
            if type(error) is UsageError and known and not options[CONFIG_OPTION["name"]]:
                console.warning(f"{error}: only what this host has recorded is shown")
                return ()
            raise


class Evaluation(Struct, frozen=True):
    """An instance, what is to be said of it, and its health document as of `now`."""

    standing: Standing
    notes: tuple[Note, ...]
    health: Mapping[str, Any]
    now: datetime


def watch(once: Callable[[], int], interval: int) -> int:
    """Do it again and again. Ctrl-C ends it, with the code of the last time."""
    code = 0
    try:
        while True:
            code = once()
            time.sleep(interval)
    except KeyboardInterrupt:
        return code


def choose(configured_ids: Sequence[str], known: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """The instances to show: those named, else all; configured ones first."""
    every = [*configured_ids, *(name for name in known if name not in configured_ids)]
    for name in wanted:
        if name not in every:
            raise ResourceError(
                f"no instance {name!r} in the configuration or on this host",
                hint=f"There is: {', '.join(every)}" if every else "There is none yet",
            )
    return [name for name in every if not wanted or name in wanted]


def look_at(
    ids: Sequence[str], instances: Mapping[str, Instance], paths: Paths, cached: bool = False
) -> list[Standing]:
    """All of them at once, in the order of ids. cached: the last check of each, where it is
    fresh."""
    from tasks.host.background import in_background
    from tasks.status.facts import inspect_standing, look_from_outside

    def one(name: str) -> Standing:
        if name in instances:
            return inspect_standing(instances[name], paths, cached)
        return look_from_outside(name, paths)

    if len(ids) == 1:
        return [one(ids[0])]
    waits = [in_background(lambda name=name: one(name)) for name in ids]  # type: ignore[misc]
    return [wait() for wait in waits]


def evaluated(standings: Sequence[Standing], paths: Paths) -> list[Evaluation]:
    """What is to be said of each; what was measured now is kept as its last check."""
    from tasks.model import health as checks
    from tasks.status import health
    from tasks.status.notes import notes

    now = utc_now()
    found = []
    for standing in standings:
        said = notes(standing, now)
        document = health.document(standing, said, now)
        if standing.checked:
            document = dict(standing.checked)
            said = (*health.notes_of(document), *said)
        elif standing.configured and standing.state is not None:
            try:
                checks.write(paths, document)
            except DeployError as problem:
                console.warning(f"{problem}: this check is not kept")
        found.append(Evaluation(standing, said, document, now))
    return found


def say(found: Sequence[Evaluation], as_json: bool, one_line: bool = False) -> None:
    """The result. one_line: a JSON document is a line of its own."""
    from tasks.status.view import document, page, table

    if as_json:
        documents = [document(one.standing, one.notes, one.health) for one in found]
        indent = None if one_line else 2
        console.result(json.dumps(documents, indent=indent, ensure_ascii=False))
    elif len(found) == 1:
        console.result(page(found[0].standing, found[0].health, found[0].now))
    elif found:
        standings = [one.standing for one in found]
        healths = [one.health for one in found]
        console.result(table(standings, healths, found[0].now, console.width()))
    else:
        console.note("No instances yet: ./doit apply makes the first")


def write_page(found: Sequence[Evaluation], paths: Paths, file: Path) -> None:
    """The page of all of them. Raises DeployError where the file cannot be written."""
    from tasks.host.files import write_atomically
    from tasks.model import health as checks
    from tasks.status.html import Shown, render

    shown = [
        Shown(
            one.standing,
            one.notes,
            one.health,
            checks.history(paths, one.standing.instance_id),
        )
        for one in found
    ]
    write_atomically(file, render(shown, found[0].now if found else utc_now()).encode())
    console.note(f"Written: {file}")


def write_metrics(found: Sequence[Evaluation], file: Path) -> None:
    """The metrics of all of them, whole or as before. Raises DeployError where the file cannot be
    written."""
    from tasks.host.files import write_atomically
    from tasks.status.metrics import metrics

    write_atomically(file, metrics((one.standing, one.health) for one in found))


def report(found: Sequence[Evaluation]) -> int:
    """Say what needs a hand, worst first. Returns the exit code."""
    code = 0
    for one in found:
        where = one.standing.instance_id
        for problem in one.standing.problems:
            problem.where = problem.where or where
            console.error(problem)
            code = code or problem.exit_code
        for note in one.notes:
            if note.level == "unhealthy":
                console.error(UnhealthyError(note.what, where=where, hint=note.hint))
                code = code or UnhealthyError.exit_code
                continue
            say = console.warning if note.level == "warning" else console.note
            say(f"{where}: {note.what}")
            console.note(f"       {note.hint}" if note.level == "warning" else f"  {note.hint}")
    return code
