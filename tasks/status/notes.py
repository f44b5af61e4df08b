"""What of a standing does not agree, does not answer or needs a hand. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from tasks.status.facts import Inside, Standing

CERTIFICATE_DAYS = 30
"""Fewer days than these are a warning."""

WANTED = ("active", "reloading")


@dataclass(frozen=True)
class Note:
    """Something to know of an instance. hint: what to type.

    unhealthy: it is meant to serve and does not. warning: records and what serves disagree, or
    something needs a hand. note: good to know.
    """

    level: Literal["unhealthy", "warning", "note"]
    what: str
    hint: str


def serves(standing: Standing) -> bool:
    """Whether it is meant to serve: something was deployed, and nobody stopped it."""
    state = standing.state
    return state is not None and state.active_color is not None and state.status != "stopped"


def notes(standing: Standing, now: datetime) -> tuple[Note, ...]:
    """What does not agree, what does not answer, what needs a hand; the worst first."""
    found = [
        *_place_notes(standing),
        *_service_notes(standing),
        *_color_notes(standing),
        *_operation_notes(standing),
        *_certificate_notes(standing, now),
    ]
    order = ("unhealthy", "warning", "note")
    return tuple(sorted(found, key=lambda note: order.index(note.level)))


def _place_notes(standing: Standing) -> list[Note]:
    name, place = standing.instance_id, standing.container
    label = f"container {standing.container_name}"
    if not standing.configured:
        where = f"it was applied from {standing.config}" if standing.config else "it has no entry"
        hint = (
            f"./doit status --config {standing.config}"
            if standing.config
            else "./doit instances shows what is recorded of it"
        )
        return [Note("note", f"not configured here: {where}", hint)]
    if place == "foreign":
        hint = "Choose another container name, or remove that container yourself"
        return [Note("warning", f"{label} exists and is not proven to be this instance's", hint)]
    if place == "stopped" and serves(standing):
        return [Note("unhealthy", f"{label} is stopped", f"./doit apply {name} starts it")]
    if place == "absent" and serves(standing):
        hint = f"./doit apply {name} makes a new one, empty; its data is in the backups"
        return [Note("unhealthy", f"{label} is gone", hint)]
    if place == "absent" and standing.state is None and not standing.locked:
        return [Note("note", "never deployed", f"./doit apply {name}")]
    return []


def _service_notes(standing: Standing) -> list[Note]:
    inside, name = standing.inside, standing.instance_id
    if inside is None or not serves(standing):
        return []
    mend = f"./doit plan {name} shows what was changed, ./doit apply {name} mends it"
    found = [
        Note("unhealthy", f"{short(unit)} is {active}", mend)
        for unit, active in shown_units(inside)
        if active not in WANTED and not unit.endswith(f"@{other(inside)}.service")
    ]
    answer = inside.answer
    backend = f"the backend ({inside.serving})"
    if answer.code == 0:
        reason = f": {answer.error}" if answer.error else ""
        found.append(Note("unhealthy", f"{backend} does not answer{reason}", mend))
    elif not answer.healthy:
        what = f"{backend} answers /health with {answer.code}"
        found.append(Note("unhealthy", what, f"./doit history {name} shows what was done last"))
    elif inside.version and answer.version and answer.version != inside.version:
        what = f"{backend} answers as {answer.version}, its release is {inside.version}"
        found.append(Note("warning", what, mend))
    return found


def _color_notes(standing: Standing) -> list[Note]:
    inside, state = standing.inside, standing.state
    # Within an operation they may differ for a moment.
    if inside is None or state is None or state.active_color is None or standing.locked:
        return []
    others = [
        ("the state file", state.active_color),
        ("the record in the container", inside.recorded),
    ]
    differing = [
        f"{what} says {color or 'nothing'}" for what, color in others if color != inside.serving
    ]
    if not differing:
        return []
    name = standing.instance_id
    return [
        Note(
            "warning",
            f"nginx passes requests to {inside.serving}, {', '.join(differing)}",
            f"nginx counts: ./doit plan {name} shows the difference, ./doit apply {name} mends it",
        )
    ]


def _operation_notes(standing: Standing) -> list[Note]:
    state, lock, name = standing.state, standing.lock, standing.instance_id
    if standing.locked and lock is not None:
        if lock.holder == "alive":
            return [Note("note", f"under way: {lock.describe()}", "Wait until it has finished")]
        hint = f"Its process cannot be judged from here; if it is gone: ./doit unlock {name}"
        return [Note("warning", f"locked: {lock.describe()}", hint)]
    if state is None:
        return []
    again = f"./doit plan {name} shows what is left to do, ./doit apply {name} does it"
    if standing.interrupted:
        return [Note("warning", f"the last {state.last_operation} was cut short", again)]
    if state.last_operation_status == "failure":
        hint = f"./doit history {name} says why; {again}"
        return [Note("warning", f"the last {state.last_operation} failed", hint)]
    return []


def _certificate_notes(standing: Standing, now: datetime) -> list[Note]:
    inside = standing.inside
    if inside is None or inside.certificate_until is None:
        return []
    days = (inside.certificate_until - now).days
    if days >= CERTIFICATE_DAYS:
        return []
    when = f"{inside.certificate_until:%Y-%m-%d}"
    what = f"expires on {when}, in {days} days" if days >= 0 else f"expired on {when}"
    name = standing.instance_id
    return [Note("warning", f"the certificate {what}", f"Renew it, then: ./doit apply {name}")]


def other(inside: Inside) -> str:
    return "blue" if inside.serving == "green" else "green"


def shown_units(inside: Inside) -> list[tuple[str, str]]:
    """Units with their state: the idle colour's only where they are not at rest."""
    idle = f"@{other(inside)}.service"
    return [
        (unit, active)
        for unit, active in inside.units.items()
        if not unit.endswith(idle) or active != "inactive"
    ]


def short(unit: str) -> str:
    return unit.removesuffix(".service")
