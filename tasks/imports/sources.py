"""The kinds of sources, by what a user types: `container:105`, `ssh:root@host`, `folder:/path`,
`dump:vikunja-dump.zip`."""

from __future__ import annotations

import re
from pathlib import Path

from msgspec import Struct

from tasks.containers.elsewhere import by_ssh, in_container
from tasks.errors import ResourceError, UsageError
from tasks.imports.dump import look_at_dump
from tasks.imports.folder import Folder, folder_source
from tasks.imports.found import Found
from tasks.imports.live import Live
from tasks.imports.look import look
from tasks.imports.source import Source
from tasks.paths import Paths

KINDS = "container:NAME, ssh:USER@HOST[:PORT], folder:/PATH or dump:FILE.zip"

_SSH = re.compile(
    r"(?:(?P<user>[^-@:/\s][^@:/\s]*)@)?(?P<host>\[[0-9A-Fa-f:]+\]|[^-@:/\s\[\]][^@:/\s\[\]]*)(?::(?P<port>\d+))?"
)


class Place(Struct, frozen=True):
    """What was typed. kind: of KINDS. base: see find_installation."""

    kind: str
    source: Source
    base: str = ""


def look_at(said: str, folder: Path, paths: Paths, unit: str = "") -> Found:
    """What is at a source. folder: relative paths start there. unit: see find_installation."""
    kind, rest = split(said)
    if kind == "dump":
        return look_at_dump(said, folder / rest)
    place = place_of(said, folder, paths)
    return look(place.source, place.base, unit)


def split(said: str) -> tuple[str, str]:
    """Kind and the rest. Raises UsageError."""
    kind, colon, rest = said.partition(":")
    if not colon or kind not in ("container", "ssh", "folder", "dump") or not rest:
        hint = f"--from {KINDS}"
        raise UsageError(f'"{said}" is no source' if said else "import needs --from", hint=hint)
    return kind, rest


def place_of(said: str, folder: Path, paths: Paths) -> Place:
    """Of every kind but a dump. Raises UsageError and ResourceError."""
    kind, rest = split(said)
    if kind == "container":
        if "/" in rest or rest.startswith("."):
            raise UsageError(f'"{rest}" is no container\'s name', hint=f"--from {KINDS}")
        return Place(kind, Live(said, in_container(said, rest, paths)))
    if kind == "ssh":
        found = _SSH.fullmatch(rest)
        if not found or (found["port"] and not 0 < int(found["port"]) < 65536):
            raise UsageError(f'"{said}" is no address', hint="--from ssh:USER@HOST[:PORT]")
        host, port = found["host"].strip("[]"), int(found["port"] or 22)
        # Short, whatever the prefix is, and nobody else's: a socket's path is limited.
        user, folder = found["user"] or "root", Path.home() / ".ssh"
        return Place(kind, Live(said, by_ssh(said, host, user, port, folder)))
    if kind == "folder":
        root = folder_source(said, folder / rest)
        if (root.root / "etc").is_dir():
            return Place(kind, root)
        return Place(kind, Folder(said, Path("/")), str(root.root))
    raise ResourceError("has no data that could be read as files", where=said)


__all__ = ["KINDS", "Place", "look_at", "place_of", "split"]
