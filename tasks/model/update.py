"""Another release that is to serve: what is known of it before anything starts."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

SHORT = 7
"""Digits of a commit that are shown."""

Mode = Literal["rehearse", "online", "refuse"]
WayBack = Literal["instant", "restore", "impossible"]


class Version(Struct, frozen=True):
    """commit: 40 hex digits, None for a finished archive. version: as the binary names itself."""

    commit: str | None
    version: str

    @property
    def label(self) -> str:
        """`1a2b3c4 (v1.2.0)`"""
        if self.commit is None:
            return self.version
        return f"{self.commit[:SHORT]} ({self.version})" if self.version else self.commit[:SHORT]


class PlannedUpdate(Struct, frozen=True):
    """What a plan says of an update.

    commits: how many the new version has that the old one has not; dropped: the other way round;
    None where the repository does not know the old one. pending: ids of the migrations that it
    would run, oldest first, None where that cannot be known before it runs. beyond: ids that the
    database has and the new version is too old to know. way_back: how a rollback would go
    afterwards; way_back_since: when the backup was made that it would bring back, None for one that
    the update takes; way_back_stop_seconds: for how long of it nobody writes. Times in seconds,
    None where nothing was measured yet.
    """

    before: Version
    after: Version
    commits: int | None
    dropped: int | None
    pending: tuple[str, ...] | None
    beyond: tuple[str, ...]
    mode: Mode
    write_stop_seconds: float | None
    way_back: WayBack
    way_back_seconds: float | None
    way_back_since: str | None = None
    way_back_stop_seconds: float | None = None

    @property
    def migrates(self) -> bool:
        """Whether it changes the database, or may."""
        return self.pending is None or bool(self.pending)

    @property
    def stops_writes(self) -> bool:
        return self.migrates and self.mode == "rehearse"

    def as_data(self) -> dict[str, Any]:
        """JSON-ready, as `plan --json` prints it."""
        return {
            "before": {"commit": self.before.commit, "version": self.before.version},
            "after": {"commit": self.after.commit, "version": self.after.version or None},
            "commits": self.commits,
            "dropped_commits": self.dropped,
            "pending_migrations": None if self.pending is None else list(self.pending),
            "unknown_migrations": list(self.beyond),
            "migrations": self.mode,
            "write_stop_seconds": self.write_stop_seconds,
            "rollback": self.way_back,
            "rollback_seconds": self.way_back_seconds,
            "rollback_write_stop_seconds": self.way_back_stop_seconds,
            "rollback_since": self.way_back_since,
        }
