"""What is to be told of an operation's end, and in which words. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from msgspec import Struct

from tasks.errors import DeployError
from tasks.model.instance import Instance
from tasks.model.operation_log import OperationName, exit_code, format_duration, format_time
from tasks.model.operations import Ended
from tasks.model.redaction import masked, redact
from tasks.secret import Secret

Kind = Literal["failure", "recovery", "success"]

CHANGES = ("deploy", "update", "reconfigure", "rollback", "restore", "import")
"""They change the same thing: what one of them broke, another one mends."""


class Message(Struct, frozen=True):
    """title: one line. body: lines."""

    kind: Kind
    title: str
    body: str


def topic(operation: OperationName) -> str:
    """What an operation is about: a failure of one topic is mended by a success of the same."""
    return "change" if operation in CHANGES else operation


def kind_of(end: Ended, failed: Mapping[str, str], success: bool) -> Kind | None:
    """What is to be told; None where nothing is.

    failed: topic → since when its last end that was told was a failure. success: those are told,
    too. What the user cancelled is none of them.
    """
    if end.error is not None:
        return None if exit_code(end.error) == 20 else "failure"
    if topic(end.operation) in failed:
        return "recovery"
    return "success" if success else None


def message(
    kind: Kind,
    instance: Instance,
    end: Ended,
    since: str,
    host: str,
    secrets: Iterable[Secret[str]],
) -> Message:
    """since: when the failure was told that this recovers from. secrets: never in it."""
    name, took = f"{end.operation} of {instance.id}", format_duration(end.seconds)
    if kind == "failure":
        title, first = f"{end.operation} failed", f"The {name} failed after {took}"
    elif kind == "recovery":
        title, first = f"{end.operation} works again", f"The {name} went well after {took}"
    else:
        title, first = f"{end.operation} done", f"The {name} went well after {took}"
    lines = [first + (f", with exit code {exit_code(end.error)}:" if end.error else ".")]
    if end.error is not None:
        lines += ["", *_failure(end.error)]
    if kind == "recovery":
        lines.append(f"A failure was told on {since}.")
    lines += [
        "",
        f"Machine: {host}",
        f"Begun:   {format_time(end.begun)}",
        f"Site:    {instance.public_url}",
        f"More:    ./doit history {instance.id}, ./doit status {instance.id}, {end.log}",
    ]
    secret = tuple(secrets)
    text = masked(redact("\n".join(lines), secret))
    return Message(kind, redact(f"[{instance.id}] {title}", secret), f"{text}\n")


def _failure(error: BaseException) -> list[str]:
    if not isinstance(error, DeployError):
        return [f"  {error!r}"]
    lines = [f"  {line}" for line in str(error).splitlines()]
    lines += [f"  | {line}" for line in error.evidence]
    return [*lines, "", f"What to do: {error.hint}"] if error.hint else lines
