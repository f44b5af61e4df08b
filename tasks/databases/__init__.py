"""An instance's database: consistent copies and swaps, by each engine's own tools."""

from __future__ import annotations

from tasks.containers.base import Container
from tasks.databases.base import LIVE, Database, counts_in
from tasks.databases.outlook import Apart, Doubt, doubts, read_apart
from tasks.model.database_address import USUAL_PORTS, DatabaseAddress
from tasks.model.instance import Color, Instance
from tasks.model.layout import DATA, USER, database_port, database_user

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


def database_for(
    instance: Instance, container: Container, serving: Color | None = None
) -> Database:
    """The database that an instance's application uses, reached from its container. serving: the
    color as which; what is configured may not be what it was started with, and may not work."""
    desired = instance.database
    if desired.type == "sqlite":
        return Database(container, "sqlite", (SQLITE, f"{USER}:{USER}"), f"database {SQLITE}")
    admin = (desired.admin_password_file and desired.admin_user) or ""
    port = database_port(instance)
    if desired.host is None:
        port = 5432 if desired.type == "postgresql" else 3306
    where = f" at {desired.host}" if desired.host else ""
    connection = (
        desired.host or "",
        str(port),
        desired.name,
        database_user(instance),
        "" if desired.inside else admin,
        PASSWORD if desired.inside or serving is None else f"{serving}/{PASSWORD}",
        "" if desired.inside else str(desired.tls),
    )
    return Database(container, desired.type, connection, f"database {desired.name}{where}")


def database_at(
    database_address: DatabaseAddress, container: Container, secret: str = PASSWORD, admin: str = ""
) -> Database:
    """A database by its place. secret: name of the file in the container with the user's password.
    admin: who may do more on a server outside, where that is known."""
    if database_address.type == "sqlite":
        return Database(container, "sqlite", (SQLITE, f"{USER}:{USER}"), f"database {SQLITE}")
    port = database_address.port or USUAL_PORTS[database_address.type]
    connection = (
        database_address.host or "",
        str(port),
        database_address.name,
        database_address.user,
        admin,
        secret,
        database_address.tls,
    )
    return Database(
        container, database_address.type, connection, f"database {database_address.label}"
    )
