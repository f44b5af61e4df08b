"""Another database that is configured: what a plan says of it, and what is kept of one before."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from tasks.model.database_address import DatabaseAddress, read_address


class PlannedMove(Struct, frozen=True):
    """What becomes of the data. seconds: how long writes will stop, about. occupied: the new one
    holds tables already and is used as it is. first: something else has to be done before.
    replaces: since when the new one has not been in use, where it was kept."""

    before: DatabaseAddress
    after: DatabaseAddress
    seconds: float | None = None
    occupied: bool = False
    first: bool = False
    replaces: str | None = None

    def as_data(self) -> dict[str, Any]:
        """JSON-ready, as `plan --json` prints it."""
        return {
            "before": self.before.as_data(),
            "after": self.after.as_data(),
            "carried_over": not self.occupied,
            "write_stop_seconds": self.seconds,
        }


class KeptDatabase(Struct, frozen=True):
    """A database that the data was carried over from. since: UTC, not in use since then."""

    database: DatabaseAddress
    since: str

    def as_data(self) -> dict[str, Any]:
        return {"database": self.database.as_data(), "since": self.since}


def read_kept(line: str) -> tuple[KeptDatabase, ...]:
    """From the line that is kept in the container; nothing where that is damaged."""
    try:
        found = [(read_address(item["database"]), item["since"]) for item in json.loads(line)]
    except (ValueError, TypeError, KeyError, RecursionError):
        return ()
    return tuple(
        KeptDatabase(one, since) for one, since in found if one is not None and type(since) is str
    )


def kept_text(kept: Iterable[KeptDatabase]) -> str:
    return json.dumps([item.as_data() for item in kept]) + "\n"
