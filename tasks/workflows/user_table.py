"""The application's table of its users, and what its log says last. Pure."""

from __future__ import annotations

import json
import re

import msgspec
from msgspec import Struct

from tasks.conversion import convert
from tasks.errors import DeployError

_STYLE = re.compile(r"\x1b\[[0-9;]*m")
_MESSAGE = re.compile(r'\bmsg=("(?:[^"\\]|\\.)*"|\S+)')
_OLD_MESSAGE = re.compile(r"▶ (?:[0-9a-f]{3,} )?(.+)")


class User(Struct, frozen=True, omit_defaults=True):
    """A user, as the application lists them. status: the application's own word. issuer, subject:
    of who logs them in, empty before 1.0, which does not list them. created, updated: RFC 3339."""

    id: int
    username: str
    email: str
    status: str
    created: str
    updated: str
    issuer: str = ""
    subject: str = ""


def parse_table(text: str) -> tuple[User, ...]:
    """The users in what `user list` has printed, in its order. Other lines are left out: the
    application may log beside it. Raises DeployError for a table of another shape."""
    rows = [cells for line in text.splitlines() if (cells := _cells(line.strip()))]
    if not rows:
        raise DeployError("the application's list of users has no table")
    head = [cell.strip().lower() for cell in rows[0]]
    return tuple(_user(head, row) for row in rows[1:])


def _cells(line: str) -> list[str]:
    """What is between the edges of a row; none for borders and all else."""
    edge = line[:1]
    if edge not in ("|", "│") or line[-1:] != edge:
        return []
    # A name may hold what parts the cells: these have a space on either side.
    return re.split(rf"(?<=\s)[{edge}](?=\s)", line[1:-1])


def _user(head: list[str], row: list[str]) -> User:
    found = dict(zip(head, map(str.strip, row), strict=False))
    try:
        return convert(found, User, strict=False)
    except msgspec.ValidationError as error:
        raise DeployError(
            "the application's list of users is of another shape than is known",
            evidence=[" ".join(row)],
        ) from error


def last_message(said: bytes) -> str:
    """What a program of the application said last, without the time and level of its log."""
    text = _STYLE.sub("", said.decode(errors="replace"))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        return "it does not say why"
    if found := _MESSAGE.search(lines[-1]):
        quoted = found[1]
        return json.loads(quoted) if quoted.startswith('"') else quoted
    old = _OLD_MESSAGE.search(lines[-1])
    return old[1] if old else lines[-1]
