"""Published archives that this machine has taken: an archive that changes under its name is none.

`published.json`: a list of pins, one a version and kind of processor.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from tasks.host.files import exclusive, read_record, write_json
from tasks.model.fields import Sha256, Text, UtcTime
from tasks.paths import Paths

HINT = "Move it aside: what is deployed stays, and archives are compared as if for the first time."


class Pin(Struct, frozen=True):
    """version: `v2.5.0`. kind: of processor, as archives are named (`amd64`). sha256: of the
    archive, hex. url: where it came from. at: when. unchecked: what it was not compared with, and
    why; empty where two places agreed."""

    version: Text
    kind: Text
    sha256: Sha256
    url: Text
    at: UtcTime
    unchecked: str


class Pins(Struct, frozen=True):
    archives: tuple[Pin, ...]


def read(paths: Paths) -> tuple[Pin, ...]:
    """Every pin. Raises DeployError where the file is damaged: an archive that is not compared
    with it is not to be taken for one that is."""
    found = read_record(paths.pins, Pins, HINT)
    return found.archives if found else ()


def find(paths: Paths, version: str, kind: str) -> Pin | None:
    """The pin of a version; None where its archive has never been taken."""
    return next((pin for pin in read(paths) if (pin.version, pin.kind) == (version, kind)), None)


def add(paths: Paths, pin: Pin) -> None:
    """Keep the pin beside the others; one of the same archive that is there already stays."""
    with exclusive(paths.pins.with_suffix(".lock")):
        there = read(paths)
        if any((one.version, one.kind) == (pin.version, pin.kind) for one in there):
            return
        write_json(paths.pins, msgspec.to_builtins(Pins((*there, pin))))
