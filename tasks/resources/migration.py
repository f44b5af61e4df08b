"""What the database says of itself: the ids of the migrations that it has been through."""

from __future__ import annotations

from tasks.model.instance import Instance
from tasks.resources.base import Facts
from tasks.services import DATA, USER, database_port, database_user

DATABASE_FILE = f"{DATA}/vikunja.db"
"""SQLite's database in the container."""

Question = tuple[str, ...]


def migrations_question(instance: Instance) -> Question:
    """For the observer: the probe of tasks/resources/scripts/migrations.sh."""
    database = instance.database
    if database.type == "sqlite":
        return ("probe", "migrations", "sqlite", USER, DATABASE_FILE)
    account = (database.name, database_user(instance))
    if database.host is None:
        return ("probe", "migrations", f"{database.type}-database", *account)
    server = (database.host, str(database_port(instance)))
    return ("probe", "migrations", f"external-{database.type}", *server, *account)


def recorded(facts: Facts, instance: Instance) -> frozenset[str] | None:
    """The ids in the database; None where it could not be asked."""
    said = facts.probes.get(migrations_question(instance)[1:], "unknown")
    if said == "unknown":
        return None
    return frozenset() if said == "none" else frozenset(said.split(" "))
