"""Moving the data to another database: what is asked, and the steps of it.

Writes stop (`Freeze`), the application makes its tables in the new database, and all rows are
copied into them (`DataCopied`), the services take up settings that name the new one, and once they
serve, writes go on (`Thaw`). The old one is kept until it is said that it may go
(`DatabaseRemoved`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from msgspec.structs import replace

from tasks.model.database_address import USUAL_PORTS, DatabaseAddress, address_in, read_address
from tasks.model.database_move import KeptDatabase, read_kept
from tasks.model.instance import COLORS, Color, Instance
from tasks.model.layout import ENVIRONMENT, SECRETS, TLS_FILES, database_user, environment
from tasks.model.plan import AttributeChange
from tasks.resources.base import Difference, Facts, Resource
from tasks.resources.release import active_color

KEPT = "/var/lib/vikunja-deploy/kept-databases"
"""In the container: the databases that data was carried over from, one line of JSON."""

FILLING = "/var/lib/vikunja-deploy/filling-database"
"""In the container while the data is carried over: the new one, whose tables are ours."""

NEXT = f"{SECRETS}/db-password-next"
"""The password of the database that is configured, while another one serves with another."""

LOGIN = tuple(f"{SECRETS}/{name}" for name in ("db-password", *TLS_FILES))
"""What a server outside is reached with."""

ALL_NEXT = tuple(f"{path}-next" for path in LOGIN)
"""The same of the next one: they come and go with its password."""

Question = tuple[str, ...]

QUESTIONS: tuple[Question, ...] = (
    ("text", KEPT),
    ("text", FILLING),
    # Before a color had settings of its own, it was a file: its content says where the data is.
    ("file", "0" * 64, ENVIRONMENT),
)


def database_address(instance: Instance) -> DatabaseAddress:
    """The database that is configured."""
    desired = instance.database
    if desired.type == "sqlite":
        return DatabaseAddress("sqlite")
    port = (desired.port or USUAL_PORTS[desired.type]) if desired.host else 0
    tls = str(desired.tls) if desired.host else ""
    user = database_user(instance)
    found = DatabaseAddress(desired.type, desired.host, port, desired.name, user, tls)
    # What the services' settings cannot tell from a server in the container is taken for that.
    if (found.host, found.port) == ("127.0.0.1", USUAL_PORTS[desired.type]):
        found = DatabaseAddress(desired.type, None, 0, desired.name, found.user)
    return found


def in_use(facts: Facts) -> DatabaseAddress | None:
    """The database that serves where it is not the desired one; None also where it is not known."""
    active = active_color(facts)
    places = [(environment(active), active), (ENVIRONMENT, active)]
    if environment(active) not in facts.files:
        # Somebody else laid the marker: a color that serves has settings.
        places += [(environment(color), color) for color in COLORS]
    for path, color in places:
        found = facts.files.get(path)
        named = address_in(found.content) if found and found.content else None
        if named is not None:
            # The color's own user does as this one.
            return replace(named, user=named.user.removesuffix(f"_{color}"))
    return None


def moves_from(instance: Instance, settings: bytes, facts: Facts) -> DatabaseAddress | None:
    """The database that the instance's data is in, where another one is configured. settings: the
    services' environment as it is configured."""
    before, after = in_use(facts), database_address(instance)
    if before is None or before.same(after):
        return None
    # vikunja.environment may name yet another one: where the data is, is its author's business.
    desired = address_in(settings)
    return before if desired is not None and desired.same(after) else None


def kept_in(facts: Facts, used: DatabaseAddress) -> tuple[KeptDatabase, ...]:
    """The databases that are kept. used: the one that serves."""
    every = read_kept(facts.texts.get(KEPT, "[]"))
    return tuple(item for item in every if not item.database.same(used))


def filling_in(facts: Facts) -> DatabaseAddress | None:
    try:
        return read_address(json.loads(facts.texts.get(FILLING, "null")))
    except (ValueError, RecursionError):
        return None


def ours(facts: Facts, database: DatabaseAddress, used: DatabaseAddress) -> bool:
    """Whether what tables there may be in a database that does not serve are our own copies.

    Servers outside are somebody's who may have put something else there since.
    """
    filling = filling_in(facts)
    if filling is not None and filling.same(database):
        return True
    return database.inside and any(i.database.same(database) for i in kept_in(facts, used))


class Freeze(Resource, frozen=True, kw_only=True):
    """Nobody writes; all that is needed for going back lies in the container.

    color: the one that is to serve. ours: whether tables in the new one may go. seconds: about.
    """

    kind: ClassVar[str] = "writes"

    color: Color
    before: DatabaseAddress
    after: DatabaseAddress
    ours: bool
    seconds: float | None

    @property
    def name(self) -> str:
        return "stop"

    def desired(self) -> Mapping[str, Any]:
        return {"before": self.before.as_data(), "after": self.after.as_data()}

    def difference(self, facts: Facts) -> Difference | None:
        about = f" for about {self.seconds:.0f} s" if self.seconds is not None else ""
        until = f"every request,{about} until the data is carried over"
        return Difference("run", "", interrupts=until, because=_because(self.after))


class DataCopied(Resource, frozen=True, kw_only=True):
    """The new database holds what the old one holds. kept: those that stay afterwards."""

    kind: ClassVar[str] = "database"

    color: Color
    before: DatabaseAddress
    after: DatabaseAddress
    kept: tuple[KeptDatabase, ...]

    @property
    def name(self) -> str:
        return "carried-over"

    def desired(self) -> Mapping[str, Any]:
        return {"before": self.before.as_data(), "after": self.after.as_data()}

    def difference(self, facts: Facts) -> Difference | None:
        change = AttributeChange("database", self.before.label, self.after.label)
        return Difference("run", "", (change,), because=_because(self.after))


class DatabaseRemoved(Resource, frozen=True, kw_only=True):
    """A database that was kept is gone; one on a server outside is only known no longer.

    stays: whether its server serves another one.
    """

    kind: ClassVar[str] = "kept-database"

    item: KeptDatabase
    stays: bool

    @property
    def name(self) -> str:
        return self.item.database.label

    def desired(self) -> Mapping[str, Any]:
        return {"database": self.item.database.as_data()}

    def difference(self, facts: Facts) -> Difference | None:
        inside = self.item.database.inside
        why = self.item.unused
        if not inside:
            why += "; only forgotten, it stays on its server"
        return Difference("delete", "", destructive=inside, because=why)


def _because(after: DatabaseAddress) -> str:
    return f"the data moves to {after.label}"
