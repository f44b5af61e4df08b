"""Carrying the data over to another database: what is asked, and the steps of it.

Writes stop (`CarryStop`), the application's own dump of the old database is restored into the new
one (`Carried`), the services take up settings that name the new one, and once they serve, writes go
on (`CarryDone`). The old one is kept until it is said that it may go (`Forgotten`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from tasks.frozen import dataclass
from tasks.model.carry import KeptDatabase, read_kept
from tasks.model.instance import Color, Instance
from tasks.model.located import USUAL_PORTS, Located, located_in, read_located
from tasks.resources.base import AttributeChange, Difference, Facts, Resource
from tasks.services import SECRETS, database_user

ENVIRONMENT = "/etc/vikunja/environment"
"""Says which database Vikunja uses."""

KEPT = "/var/lib/vikunja-deploy/kept-databases"
"""In the container: the databases that data was carried over from, one line of JSON."""

FILLING = "/var/lib/vikunja-deploy/filling-database"
"""In the container while the data is carried over: the new one, whose tables are ours."""

NEXT = f"{SECRETS}/db-password-next"
"""The password of the database that is wished for, while another one serves with another."""

Question = tuple[str, ...]

QUESTIONS: tuple[Question, ...] = (("text", KEPT), ("text", FILLING))


def located(instance: Instance) -> Located:
    """The database that is wished for."""
    wish = instance.database
    if wish.type == "sqlite":
        return Located("sqlite")
    port = (wish.port or USUAL_PORTS[wish.type]) if wish.host else 0
    found = Located(wish.type, wish.host, port, wish.name, database_user(instance))
    # What the services' settings cannot tell from a server in the container is taken for that.
    if (found.host, found.port) == ("127.0.0.1", USUAL_PORTS[wish.type]):
        found = Located(wish.type, None, 0, wish.name, found.user)
    return found


def in_use(facts: Facts) -> Located | None:
    """The database that serves where it is not the wished one; None also where it is not known."""
    found = facts.files.get(ENVIRONMENT)
    return located_in(found.content) if found and found.content else None


def moves_from(instance: Instance, settings: bytes, facts: Facts) -> Located | None:
    """The database that the instance's data is in, where another one is wished for. settings: the
    services' environment as it is wished."""
    before, after = in_use(facts), located(instance)
    if before is None or before.same(after):
        return None
    # vikunja.environment may name yet another one: where the data is, is its author's business.
    wished = located_in(settings)
    return before if wished is not None and wished.same(after) else None


def kept_in(facts: Facts, used: Located) -> tuple[KeptDatabase, ...]:
    """The databases that are kept. used: the one that serves."""
    every = read_kept(facts.texts.get(KEPT, "[]"))
    return tuple(item for item in every if not item.database.same(used))


def filling_in(facts: Facts) -> Located | None:
    try:
        return read_located(json.loads(facts.texts.get(FILLING, "null")))
    except (ValueError, RecursionError):
        return None


def ours(facts: Facts, database: Located, used: Located) -> bool:
    """Whether what tables there may be in a database that does not serve are our own copies.

    Servers outside are somebody's who may have put something else there since.
    """
    filling = filling_in(facts)
    if filling is not None and filling.same(database):
        return True
    return database.inside and any(i.database.same(database) for i in kept_in(facts, used))


@dataclass(frozen=True, kw_only=True)
class CarryStop(Resource):
    """Nobody writes; all that is needed for going back lies in the container.

    color: the one that serves. ours: whether tables in the new one may go. seconds: about.
    """

    kind: ClassVar[str] = "writes"

    color: Color
    before: Located
    after: Located
    ours: bool
    seconds: float | None

    @property
    def name(self) -> str:
        return "stop"

    def wish(self) -> Mapping[str, Any]:
        return {"before": self.before.as_data(), "after": self.after.as_data()}

    def difference(self, facts: Facts) -> Difference | None:
        about = f" for about {self.seconds:.0f} s" if self.seconds is not None else ""
        until = f"every request,{about} until the data is carried over"
        return Difference("run", "", interrupts=until, because=_because(self.after))


@dataclass(frozen=True, kw_only=True)
class Carried(Resource):
    """The new database holds what the old one holds. kept: those that stay afterwards."""

    kind: ClassVar[str] = "database"

    color: Color
    before: Located
    after: Located
    kept: tuple[KeptDatabase, ...]

    @property
    def name(self) -> str:
        return "carried-over"

    def wish(self) -> Mapping[str, Any]:
        return {"before": self.before.as_data(), "after": self.after.as_data()}

    def difference(self, facts: Facts) -> Difference | None:
        change = AttributeChange("database", self.before.label, self.after.label)
        return Difference("run", "", (change,), because=_because(self.after))


@dataclass(frozen=True, kw_only=True)
class CarryDone(Resource):
    """The application serves from the new database for good."""

    kind: ClassVar[str] = "writes"

    color: Color

    @property
    def name(self) -> str:
        return "go-on"

    def wish(self) -> Mapping[str, Any]:
        return {"color": self.color}

    def difference(self, facts: Facts) -> Difference | None:
        return Difference("run", "", because="writes:stop above")


@dataclass(frozen=True, kw_only=True)
class Forgotten(Resource):
    """A database that was kept is gone; one on a server outside is only known no longer.

    stays: whether its server serves another one.
    """

    kind: ClassVar[str] = "kept-database"

    item: KeptDatabase
    stays: bool

    @property
    def name(self) -> str:
        return self.item.database.label

    def wish(self) -> Mapping[str, Any]:
        return {"database": self.item.database.as_data()}

    def difference(self, facts: Facts) -> Difference | None:
        inside = self.item.database.inside
        why = f"not in use since {self.item.since}"
        if not inside:
            why += "; only forgotten, it stays on its server"
        return Difference("delete", "", destructive=inside, because=why)


def _because(after: Located) -> str:
    return f"the data moves to {after.label}"
