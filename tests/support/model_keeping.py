"""What keep.sh and put-back.sh do to a machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from model_files import Node
from model_machine import STAMPS, UNITS, Machine
from model_scripts import Answer


@dataclass
class TextCache:
    """of: what served then. paths: each with all that was there, by path; nothing where there was
    nothing. stamps: of units."""

    of: tuple[str, bytes]
    paths: dict[str, dict[str, Node]] = field(default_factory=dict)
    stamps: dict[str, bytes] = field(default_factory=dict)


def _stamp(machine: Machine, unit: str) -> bytes:
    return machine.files.content(f"{STAMPS}/{unit}") or b""


def _of(machine: Machine, color: str) -> tuple[str, bytes]:
    return color, _stamp(machine, f"vikunja-backend@{color}.service")


def keep(machine: Machine, color: str, rest: Sequence[str]) -> Answer:
    at = rest.index("--")
    kept = machine.kept
    if not isinstance(kept, TextCache) or kept.of != _of(machine, color):
        machine.kept = kept = TextCache(_of(machine, color))
    for unit in rest[:at]:
        kept.stamps.setdefault(unit, _stamp(machine, unit))
    for path in rest[at + 1 :]:
        nodes = machine.files.nodes
        there = {one: node for one, node in nodes.items() if f"{one}/".startswith(f"{path}/")}
        kept.paths.setdefault(path, there)
    return Answer()


def put_back(machine: Machine, color: str) -> Answer:
    kept, machine.kept = machine.kept, None
    if not isinstance(kept, TextCache) or kept.of != _of(machine, color) or not kept.paths:
        return Answer()
    for path, there in kept.paths.items():
        machine.files.remove(path)
        for one, node in sorted(there.items()):
            machine.files.put(one, node)
    if any(path.startswith(f"{UNITS}/") for path in kept.paths):
        machine.daemon_reload()
    for unit, stamp in kept.stamps.items():
        if stamp == _stamp(machine, unit):
            continue
        machine.files.remove(f"{STAMPS}/{unit}")
        if unit == "nginx.service":
            machine.reload_or_restart(unit)
            machine.files.write(f"{STAMPS}/{unit}", stamp)
    return Answer(b"put back\n")
