"""`status`: how instances stand now. Reads records and asks each container once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tasks import console
from tasks.commands.base import CONFIG_OPTION, JSON_OPTION, DeployCommand, load
from tasks.commands.instances import known_ids
from tasks.errors import ResourceError, UnhealthyError, UsageError

if TYPE_CHECKING:
    from datetime import datetime

    from tasks.model.instance import Instance
    from tasks.paths import Paths
    from tasks.status.facts import Standing


class Status(DeployCommand):
    name = "status"
    doc_purpose = "show state, version, colour, services and the last operation"
    doc_usage = "[ID...]"
    needs_root = True
    options = (JSON_OPTION,)

    def perform(self, options: Mapping[str, Any], arguments: list[str]) -> int:
        from tasks.model.operation_log import utc_now
        from tasks.paths import host_paths

        paths = host_paths()
        known = known_ids(paths)
        instances = configured(options, known)
        ids = choose([instance.id for instance in instances], known, arguments)
        standings = look_at(ids, {instance.id: instance for instance in instances}, paths)
        now = utc_now()
        if options["json"]:
            from tasks.status.view import document

            documents = [document(standing, now) for standing in standings]
            console.result(json.dumps(documents, indent=2, ensure_ascii=False))
        else:
            show(standings, now)
        return report(standings, now)


def configured(options: Mapping[str, Any], known: Sequence[str]) -> tuple[Instance, ...]:
    """The configuration's instances; none where there is no configuration but the host has some.

    A configuration that was named must be there.
    """
    try:
        return load(options)
    except UsageError as error:
        if type(error) is UsageError and known and not options[CONFIG_OPTION["name"]]:
            console.warning(f"{error}: only what this host has recorded is shown")
            return ()
        raise


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


def look_at(ids: Sequence[str], instances: Mapping[str, Instance], paths: Paths) -> list[Standing]:
    """All of them at once, in the order of ids."""
    from tasks.look import in_background
    from tasks.status.facts import look, look_from_outside

    def one(name: str) -> Standing:
        if name in instances:
            return look(instances[name], paths)
        return look_from_outside(name, paths)

    if len(ids) == 1:
        return [one(ids[0])]
    waits = [in_background(lambda name=name: one(name)) for name in ids]  # type: ignore[misc]
    return [wait() for wait in waits]


def show(standings: Sequence[Standing], now: datetime) -> None:
    from tasks.status.view import page, table

    if len(standings) == 1:
        console.result(page(standings[0], now))
    elif standings:
        console.result(table(standings, now))
    else:
        console.note("No instances yet: ./doit apply makes the first")


def report(standings: Sequence[Standing], now: datetime) -> int:
    """Say what needs a hand, worst first. Returns the exit code."""
    from tasks.status.notes import notes

    code = 0
    for standing in standings:
        where = standing.instance_id
        for problem in standing.problems:
            problem.where = problem.where or where
            console.error(problem)
            code = code or problem.exit_code
        for note in notes(standing, now):
            if note.level == "unhealthy":
                console.error(UnhealthyError(note.what, where=where, hint=note.hint))
                code = code or UnhealthyError.exit_code
                continue
            say = console.warning if note.level == "warning" else console.note
            say(f"{where}: {note.what}")
            console.note(f"       {note.hint}" if note.level == "warning" else f"  {note.hint}")
    return code
