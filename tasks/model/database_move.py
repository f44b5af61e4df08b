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
    """A database that the data was copied from. since: UTC, not in use since then. only_there: what
    was not copied, for the application has no such thing: `table notes`."""

    database: DatabaseAddress
    since: str
    only_there: tuple[str, ...] = ()

    def as_data(self) -> dict[str, Any]:
        return {
            "database": self.database.as_data(),
            "since": self.since,
            "only_there": list(self.only_there),
        }

    @property
    def unused(self) -> str:
        """`not in use since …, with what is nowhere else: table notes`"""
        also = (
            f", with what is nowhere else: {', '.join(self.only_there)}" if self.only_there else ""
        )
        return f"not in use since {self.since}{also}"


def read_kept(line: str) -> tuple[KeptDatabase, ...]:
    """From the line that is kept in the container; nothing where that is damaged."""
    try:
        found = [_read(item) for item in json.loads(line)]
    except (ValueError, TypeError, KeyError, RecursionError):
        return ()
    return tuple(one for one in found if one is not None)


def _read(item: dict[str, Any]) -> KeptDatabase | None:
    database, since, only_there = (
        read_address(item["database"]),
        item["since"],
        item.get("only_there", []),
    )
    if database is None or type(since) is not str or type(only_there) is not list:
        return None
    return KeptDatabase(database, since, tuple(map(str, only_there)))


def kept_text(kept: Iterable[KeptDatabase]) -> str:
    return json.dumps([item.as_data() for item in kept]) + "\n"
