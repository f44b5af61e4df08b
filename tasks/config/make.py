"""A valid document becomes an Instance."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.containers.drivers import DRIVERS, driver_named
from tasks.conversion import convert
from tasks.model.instance import Instance

Document = Mapping[str, Any]


def make_instance(document: Document, source: Path) -> Instance:
    """document: valid, all defaults filled in, paths absolute. source: the file it came from."""
    (driver,) = (name for name in DRIVERS if name in document)
    section = driver_named(driver).section
    known = {
        **document,
        "driver": driver,
        "placement": convert(document[driver], section, dec_hook=_decode),
        "id": document["deployment"]["instance_id"],
        "version": document["deployment"]["version"],
        "files": [_extra_file(item) for item in document["files"]],
        "source": source,
        "document": document,
    }
    return convert(known, Instance, dec_hook=_decode)


def _extra_file(desired: Document) -> Document:
    """With what it means: what its owner alone may read is not for a plan's reader either."""
    secret = desired["secret"] or int(desired["mode"], 8) & 0o077 == 0
    return {**desired, "secret": secret, "mode": desired["mode"].zfill(4)}


def _decode(kind: type[Any], value: Any) -> Any:
    """Text as the Path that it is; the placement is a record already."""
    return Path(value) if kind is Path else value
