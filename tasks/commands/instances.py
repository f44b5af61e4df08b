"""`instances`: what this host looks after, from the registry and the state files."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from tasks.commands.base import JSON_OPTION, DeployCommand, load, only
from tasks.errors import DeployError, ResourceError, UsageError
from tasks.model import registry
from tasks.model import state as states
from tasks.model.holder import inspect
from tasks.model.registry import Registered
from tasks.model.state import State
from tasks.output import console
from tasks.output.columns import columns
from tasks.paths import Paths, host_paths

HEADERS = ("INSTANCE", "STATUS", "CONTAINER", "ADDRESS", "DOMAIN", "LAST OPERATION")


class Known(Struct, frozen=True):
    """An instance with whatever is recorded of it.

    registered is None before its container is made; state is None where there is no state file
    or `problem` says why it cannot be read. interrupted: its last operation was killed.
    """

    instance_id: str
    registered: Registered | None
    state: State | None
    interrupted: bool
    problem: DeployError | None


class Instances(DeployCommand):
    name = "instances"
    doc_purpose = "list the instances that this host looks after"
    doc_usage = ""
    options = (JSON_OPTION,)

    def perform(self, options: Mapping[str, Any], arguments: list[str]) -> int:
        if arguments:
            raise UsageError(
                "instances takes no arguments", hint=f"./doit status {arguments[0]} shows one"
            )
        paths = host_paths()
        found = [inspect_instance(paths, instance_id) for instance_id in known_ids(paths)]
        if options["json"]:
            console.result(json.dumps([document(known) for known in found], indent=2))
        elif found:
            console.result(table(found, console.width()))
        else:
            console.note("No instances yet: ./doit apply makes the first")
        problems = [known.problem for known in found if known.problem]
        for problem in problems:
            console.error(problem)
        return problems[0].exit_code if problems else 0


def known_ids(paths: Paths) -> list[str]:
    """Ids of all instances with a registry entry or a state, sorted."""
    files = paths.state("*").parent.glob("*.state")
    ids = {entry.instance_id for entry in registry.read(paths)}
    return sorted(ids | {file.stem for file in files if not file.name.startswith(".")})


def the_one(
    paths: Paths, options: Mapping[str, Any], arguments: Sequence[str], command: str
) -> str:
    """The instance that a command works on: the one named, or the only one that is configured, or
    that there is.

    Named may be one that is gone, as far as a log or a lock is left of it.
    """
    if not arguments and options["config"]:
        return only(load(options), arguments, command).id
    known = known_ids(paths)
    if not arguments and len(known) > 1:
        with suppress(DeployError):
            return only(load(options), arguments, command).id
    have = f"There is: {', '.join(known)}" if known else "There is none yet"
    if len(arguments) > 1 or (not arguments and len(known) > 1):
        raise UsageError(
            f"{command} works on one instance", hint=f"Name one: ./doit {command} ID. {have}"
        )
    if not arguments:
        if not known:
            raise ResourceError("there is no instance yet", hint="./doit apply makes the first")
        return known[0]
    named = arguments[0]
    # Nothing but an id may become part of a path.
    left = re.fullmatch("[A-Za-z0-9-]+", named) and (
        paths.log(named).exists() or paths.lock(named).exists()
    )
    if named not in known and not left:
        raise ResourceError(f"no instance {named!r} on this host", hint=have)
    return named


def inspect_instance(paths: Paths, instance_id: str) -> Known:
    """What is recorded of the instance; a damaged state file is reported in it, not raised."""
    registered = registry.find(paths, instance_id)
    try:
        state = states.read(paths, instance_id)
        lock = inspect(paths, instance_id)
    except DeployError as problem:
        return Known(instance_id, registered, None, False, problem)
    held = lock is not None and lock.holder != "dead"
    interrupted = state is not None and not held and states.recover(state) != state
    return Known(instance_id, registered, state, interrupted, None)


def document(known: Known) -> dict[str, object]:
    """The instance as JSON: the registry's entry and the state, null where there is none."""
    return {
        "instance_id": known.instance_id,
        "registered": registry.document(known.registered) if known.registered else None,
        "state": asdict(known.state) if known.state else None,
        "interrupted": known.interrupted,
        "problem": str(known.problem) if known.problem else None,
    }


def table(found: Sequence[Known], width: int | None = None) -> str:
    """width: of the terminal, None for any."""
    less = ("CONTAINER", "DOMAIN", "ADDRESS")
    return columns([row(known) for known in found], HEADERS, width=width, less=less)


def row(known: Known) -> tuple[str, ...]:
    entry, state = known.registered, known.state
    if known.problem:
        status = "unreadable"
    elif state is None:
        status = "unknown"
    else:
        status = f"{state.status} (interrupted)" if known.interrupted else state.status
    number = entry.container_id if entry else state.container_id if state else None
    node = f" on {entry.node}" if entry and entry.node else ""
    container = str(number) if number is not None else entry.container_name if entry else "-"
    last = "-"
    if state:
        outcome = "interrupted" if known.interrupted else state.last_operation_status
        last = f"{state.last_operation} {state.last_operation_time} {outcome.replace('_', ' ')}"
    return (
        known.instance_id,
        status,
        container + node,
        ", ".join(entry.addresses) if entry else "-",
        entry.domain if entry else "-",
        last,
    )
