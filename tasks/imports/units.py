"""Units of systemd and files of variables, as systemd itself reads them; pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence

from msgspec import Struct

FOLDERS = (
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)
"""The first that has a unit's file has the unit."""


class Unit(Struct, frozen=True):
    """A service as its file and the files that add to it say. files: paths, in order.

    environment: variable → value, each with the file that has it in `origins`. environment_files:
    paths, which may be missing where a `-` stands before them.
    """

    name: str
    files: tuple[str, ...]
    exec: tuple[str, ...]
    folder: str
    user: str
    environment: Mapping[str, str]
    origins: Mapping[str, str]
    environment_files: tuple[str, ...]
    credentials: Mapping[str, str]

    @property
    def program(self) -> str:
        return self.exec[0] if self.exec else ""


def read_unit(name: str, texts: Sequence[tuple[str, str]]) -> Unit:
    """texts: path and content, of the unit's file and those that add to it, in order."""
    lists: dict[str, list[tuple[str, str]]] = {}
    for path, text in texts:
        section = ""
        for line in _joined(text):
            if line.startswith("["):
                section = line
            elif section == "[Service]" and "=" in line:
                key, _, value = (part.strip() for part in line.partition("="))
                known = lists.setdefault(key, [])
                if value:
                    known.append((value, path))
                else:
                    known.clear()
    instance = name.removesuffix(".service").partition("@")[2]

    def last(key: str) -> str:
        found = lists.get(key)
        return _filled(found[-1][0], instance) if found else ""

    environment: dict[str, str] = {}
    origins: dict[str, str] = {}
    for value, path in lists.get("Environment", ()):
        for word in _words(value):
            variable, equals, content = word.partition("=")
            if equals:
                environment[variable] = _filled(content, instance)
                origins[variable] = path
    credentials = (value.partition(":")[::2] for value, _ in lists.get("LoadCredential", ()))
    return Unit(
        name=name,
        files=tuple(path for path, _ in texts),
        exec=tuple(_words(re.sub(r"^[-@:+!|]+", "", last("ExecStart")))),
        folder=last("WorkingDirectory").lstrip("-"),
        user=last("User"),
        environment=environment,
        origins=origins,
        environment_files=tuple(
            _filled(value, instance) for value, _ in lists.get("EnvironmentFile", ())
        ),
        credentials=dict(credentials),
    )


def _joined(text: str) -> list[str]:
    """Lines without comments, those that end with a backslash with what follows."""
    lines: list[str] = []
    going_on = False
    for raw in text.splitlines():
        line = raw.strip()
        if line.startswith(("#", ";")) or (not line and not going_on):
            continue
        if going_on:
            lines[-1] += " " + line
        else:
            lines.append(line)
        going_on = lines[-1].endswith("\\")
        if going_on:
            lines[-1] = lines[-1][:-1].rstrip()
    return lines


def _words(value: str) -> list[str]:
    try:
        return shlex.split(value)
    except ValueError:
        return value.split()


def _filled(value: str, instance: str) -> str:
    return value.replace("%i", instance).replace("%I", instance).replace("%%", "%")


def read_variables(text: str) -> dict[str, str]:
    """Of an EnvironmentFile=, or a compose folder's .env."""
    found = {}
    for line in _joined(text):
        variable, equals, value = line.removeprefix("export ").partition("=")
        if equals and re.fullmatch(r"[A-Za-z_]\w*", variable.strip()):
            found[variable.strip()] = unquoted(value.strip())
    return found


def unquoted(value: str) -> str:
    """Without its quotes; within double ones a backslash takes the next character as it is."""
    if len(value) >= 2 and value[0] == value[-1] == "'":
        return value[1:-1]
    if len(value) >= 2 and value[0] == value[-1] == '"':
        return re.sub(r"\\(.)", r"\1", value[1:-1])
    return value
