"""A container's configuration as Proxmox VE keeps it in /etc/pve/nodes/NODE/lxc/ID.conf. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import unquote

from tasks.containers.proxmox.parameters import Config
from tasks.containers.proxmox.properties import parse_settings

SECTION = re.compile(r"\[(.+)\]")
PENDING = "pve:pending"
"""Section of what waits for the next start; all others are snapshots."""


def parse_conf(text: str) -> Config:
    """The configuration in effect and what is pending. digest: as the API's, SHA-1 of the file.

    Notes are the lines behind `#` at its head, in URL encoding.
    """
    sections = dict(_sections(text.splitlines()))
    head = sections.get("", [])
    current = parse_settings(head)
    notes = [unquote(line[1:]) for line in head if line.startswith("#")]
    if notes:
        current["description"] = "".join(f"{line}\n" for line in notes)
    waiting = parse_settings(sections.get(PENDING, []))
    gone = re.split(r"[,; ]+", waiting.pop("delete", ""))
    pending: dict[str, str | None] = {name: None for name in gone if name}
    digest = hashlib.sha1(text.encode(errors="surrogateescape")).hexdigest()
    snapshots = tuple(name for name in sections if name not in ("", PENDING))
    return Config(current, {**pending, **waiting}, digest, snapshots)


def _sections(lines: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    name: str = ""
    found: list[str] = []
    for line in lines:
        header = SECTION.fullmatch(line.strip())
        if header:
            yield name, found
            name, found = header[1], []
        else:
            found.append(line)
    yield name, found


def parse_sections(text: str) -> Mapping[tuple[str, str], Mapping[str, str]]:
    """Of ha/resources.cfg or replication.cfg: (type, id) → its properties.

    A section is a line `type: id`, and below it one indented `name value` a property.
    """
    found: dict[tuple[str, str], dict[str, str]] = {}
    current: dict[str, str] = {}
    for line in text.splitlines():
        if re.match(r"\S+:", line):
            kind, _, name = line.partition(":")
            current = found.setdefault((kind, name.strip()), {})
        elif line.strip():
            name, _, value = line.strip().partition(" ")
            current[name] = value.strip()
    return found
