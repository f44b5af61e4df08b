"""The last check of an instance, and a line of each of the last ones.

    health/<instance>.json      the health document of data-model.md, of the last check
    health/<instance>.history   one JSON object a line, oldest first, at most KEPT of them

The document is written whole, as every record is. The history is nobody's truth: a line that a
power cut has spoilt is left out when it is read.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from tasks.conversion import convert
from tasks.host.files import (
    damaged,
    exclusive,
    make_folder,
    named,
    read_json,
    write_all,
    write_atomically,
    write_json,
)
from tasks.paths import Paths

FRESH_SECONDS = 60
"""A document is good for so long."""

KEPT = 500
"""Checks in the history: reading and drawing them costs nothing, and a check a minute is a day's
third."""


class Check(Struct, frozen=True):
    """One check. time: ISO 8601. status: overall. milliseconds: by component, where it answered."""

    time: str
    status: str
    milliseconds: Mapping[str, int] = msgspec.field(name="ms")


def write(paths: Paths, document: Mapping[str, Any]) -> None:
    """Keep this document as the last check, and its line in the history."""
    instance_id = document["instance_id"]
    write_json(paths.health(instance_id), document)
    path = paths.health_history(instance_id)
    line = msgspec.json.encode(_check(document)) + b"\n"
    with exclusive(path.with_name(f".{path.name}.guard")):
        make_folder(path.parent)
        lines = _lines(paths, instance_id)
        if len(lines) >= KEPT + KEPT // 10:
            write_atomically(path, b"".join(one + b"\n" for one in lines[1 - KEPT :]) + line)
            return
        with named(path, "cannot be written"):
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(path, flags, 0o644)
            try:
                write_all(descriptor, line)
            finally:
                os.close(descriptor)


def read(paths: Paths, instance_id: str) -> dict[str, Any] | None:
    """The document of the last check; None where there is none. DeployError if it is damaged."""
    path = paths.health(instance_id)
    hint = f"Remove {path}: the next ./doit status {instance_id} writes it anew."
    found = read_json(path, hint)
    if found is None:
        return None
    if not isinstance(found, dict) or found.get("instance_id") != instance_id:
        raise damaged(path, f"it is not the health of {instance_id}", hint)
    document: dict[str, Any] = found
    return document


def fresh(document: Mapping[str, Any], now: datetime) -> bool:
    """Whether the document is younger than FRESH_SECONDS; one of the future is not."""
    try:
        age = (now - datetime.fromisoformat(document["timestamp"])).total_seconds()
    except (KeyError, TypeError, ValueError):
        return False
    return 0 <= age < FRESH_SECONDS


def history(paths: Paths, instance_id: str) -> tuple[Check, ...]:
    """The last checks, oldest first."""
    return tuple(_checks(_lines(paths, instance_id)))[-KEPT:]


def remove(paths: Paths, instance_id: str) -> None:
    """Forget the instance's checks. Gone already is success."""
    history = paths.health_history(instance_id)
    guard = history.with_name(f".{history.name}.guard")
    for path in (paths.health(instance_id), history, guard):
        with named(path, "cannot be removed"):
            path.unlink(missing_ok=True)


def _check(document: Mapping[str, Any]) -> Check:
    times = {
        name: component["response_time_ms"]
        for name, component in document["components"].items()
        if component.get("response_time_ms")
    }
    return Check(document["timestamp"], document["overall_status"], times)


def _lines(paths: Paths, instance_id: str) -> list[bytes]:
    path = paths.health_history(instance_id)
    with named(path, "cannot be read"):
        try:
            return path.read_bytes().splitlines()
        except FileNotFoundError:
            return []


def _checks(lines: list[bytes]) -> Iterator[Check]:
    for line in lines:
        try:
            yield convert(json.loads(line), Check)
        except (ValueError, RecursionError):
            continue
