"""An instance's database: consistent copies and swaps, by each engine's own tools."""

from __future__ import annotations

from tasks.backup.databases.base import LIVE, Database, counts_in
from tasks.backup.databases.outlook import Apart, Doubt, doubts, read_apart
from tasks.containers.base import Container
from tasks.model.instance import Instance
from tasks.model.located import USUAL_PORTS, Located
from tasks.services import DATA, USER, database_port, database_user

__all__ = [
    "LIVE",
    "Apart",
    "Database",
    "Doubt",
    "counts_in",
    "database_at",
    "database_for",
    "doubts",
    "read_apart",
]

SQLITE = f"{DATA}/vikunja.db"

PASSWORD = "db-password"
"""The secret that Vikunja logs in with."""


def database_for(instance: Instance, container: Container) -> Database:
    """The database that an instance's application uses, reached from its container."""
    wished = instance.database
    if wished.type == "sqlite":
        return Database(container, "sqlite", (SQLITE, f"{USER}:{USER}"), f"database {SQLITE}")
    admin = (wished.admin_password_file and wished.admin_user) or ""
    port = database_port(instance)
    if wished.host is None:
        port = 5432 if wished.type == "postgresql" else 3306
    where = f" at {wished.host}" if wished.host else ""
    connection = (
        wished.host or "",
        str(port),
        wished.name,
        database_user(instance),
        "" if wished.inside else admin,
        PASSWORD,
    )
    return Database(container, wished.type, connection, f"database {wished.name}{where}")


def database_at(
    located: Located, container: Container, secret: str = PASSWORD, admin: str = ""
) -> Database:
    """A database by its place. secret: name of the file in the container with the user's password.
    admin: who may do more on a server outside, where that is known."""
    if located.type == "sqlite":
        return Database(container, "sqlite", (SQLITE, f"{USER}:{USER}"), f"database {SQLITE}")
    port = located.port or USUAL_PORTS[located.type]
    connection = (located.host or "", str(port), located.name, located.user, admin, secret)
    return Database(container, located.type, connection, f"database {located.label}")
