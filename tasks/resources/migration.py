"""Migrations of the database: which it has been through, and the steps of an update that has some.

An update that changes the database is tried on a copy (`Rehearsal`), a backup is taken
(`BackupBefore`); then writes stop, the database is saved (`WriteFreeze`), the new version starts
and migrates, and once it serves writes go on (`WriteThaw`). What breaks off in between is put in
order by `InterruptedUpdate`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from tasks.model.instance import Color, Instance
from tasks.model.layout import DATA, USER, database_user, external_arguments
from tasks.resources.base import Difference, Facts, Resource

DATABASE_FILE = f"{DATA}/vikunja.db"
"""SQLite's database in the container."""

HOME = "/var/lib/vikunja-deploy/migration"
JOURNAL = f"{HOME}/journal"
"""In the container while the database is being changed: how far that is, see migrate.sh."""

REHEARSAL = f"{HOME}/rehearsal"
"""In the container while there may be something of a rehearsal."""

Question = tuple[str, ...]


def migrations_question(instance: Instance) -> Question:
    """For the observer: the probe of tasks/guest/scripts/migrations.sh."""
    database = instance.database
    if database.type == "sqlite":
        return ("probe", "migrations", "sqlite", USER, DATABASE_FILE)
    account = (database.name, database_user(instance))
    if database.host is None:
        return ("probe", "migrations", f"{database.type}-database", *account)
    return ("probe", "migrations", f"external-{database.type}", *external_arguments(instance))


def recorded(facts: Facts, instance: Instance) -> frozenset[str] | None:
    """The ids in the database; None where it could not be asked."""
    said = facts.probes.get(migrations_question(instance)[1:], "unknown")
    if said == "unknown":
        return None
    return frozenset() if said in ("none", "empty") else frozenset(said.split(" "))


def emptied(facts: Facts, instance: Instance) -> bool:
    """Whether the database answers, and has no table: the application makes them at its start."""
    return facts.probes.get(migrations_question(instance)[1:]) == "empty"


class Rehearsal(Resource, frozen=True, kw_only=True):
    """The new version has run its migrations on a copy of the database.

    pending: their ids, None where only the rehearsal shows them. label: of the version.
    """

    kind: ClassVar[str] = "migrations"

    color: Color
    pending: tuple[str, ...] | None
    label: str

    @property
    def name(self) -> str:
        return "rehearsal"

    def desired(self) -> Mapping[str, Any]:
        return {"color": self.color, "pending": self.pending and list(self.pending)}

    def difference(self, facts: Facts) -> Difference | None:
        return Difference("run", "", because=because(self.pending))


class BackupBefore(Resource, frozen=True, kw_only=True):
    """There is a backup of the version that serves, to go back to once the database is another."""

    kind: ClassVar[str] = "backup"

    pending: tuple[str, ...] | None

    @property
    def name(self) -> str:
        return "before-update"

    def desired(self) -> Mapping[str, Any]:
        return {"pending": self.pending and list(self.pending)}

    def difference(self, facts: Facts) -> Difference | None:
        return Difference("run", "", because=because(self.pending))


class WriteFreeze(Resource, frozen=True, kw_only=True):
    """Nobody writes, and the database is saved as it is. color: of the version that is new."""

    kind: ClassVar[str] = "writes"

    color: Color
    pending: tuple[str, ...] | None

    @property
    def name(self) -> str:
        return "stop"

    def desired(self) -> Mapping[str, Any]:
        return {"color": self.color, "pending": self.pending and list(self.pending)}

    def difference(self, facts: Facts) -> Difference | None:
        until = "every request, until the new version has migrated and is healthy"
        return Difference("run", "", interrupts=until, because=because(self.pending))


class WriteThaw(Resource, frozen=True, kw_only=True):
    """What has the data now serves for good, and what was saved is dropped."""

    kind: ClassVar[str] = "writes"

    color: Color

    @property
    def name(self) -> str:
        return "go-on"

    def desired(self) -> Mapping[str, Any]:
        return {"color": self.color}

    def difference(self, facts: Facts) -> Difference | None:
        return Difference("run", "", because="writes:stop above")


def because(pending: tuple[str, ...] | None) -> str:
    """`2 migrations pending`"""
    if pending is None:
        return "migrations may be pending"
    return f"{len(pending)} migration{'' if len(pending) == 1 else 's'} pending"


class InterruptedUpdate(Resource, frozen=True, kw_only=True):
    """Nothing is left of an update that broke off while it changed, or copied, the database."""

    kind: ClassVar[str] = "migrations"

    @property
    def name(self) -> str:
        return "unfinished"

    def questions(self) -> tuple[Question, ...]:
        return (("text", JOURNAL), ("text", REHEARSAL))

    def desired(self) -> Mapping[str, Any]:
        return {}

    def difference(self, facts: Facts) -> Difference | None:
        if JOURNAL in facts.texts:
            return Difference("run", "", because="an update is not finished: the database waits")
        if REHEARSAL in facts.texts:
            return Difference("run", "", because="a rehearsal is not finished")
        return None
