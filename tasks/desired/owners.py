"""Which unit of the tool's takes up a file of the user's own, and how it starts with it."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from tasks.errors import UsageError
from tasks.model.digests import digest
from tasks.model.instance import Instance
from tasks.model.layout import UNITS
from tasks.resources.files import File
from tasks.resources.system import Unit

POSTGRESQL, MARIADB, REDIS = "postgresql.service", "mariadb.service", "redis-server.service"
ROTATION = "logrotate.timer"

FOLDERS = (
    ("/etc/postgresql/", POSTGRESQL),
    ("/etc/postgresql-common/", POSTGRESQL),
    ("/etc/mysql/", MARIADB),
    (f"{UNITS}/postgresql.service.d/", POSTGRESQL),
    # Debian's unit starts those of its clusters.
    (f"{UNITS}/postgresql@", POSTGRESQL),
    (f"{UNITS}/{MARIADB}.d/", MARIADB),
    (f"{UNITS}/{REDIS}.d/", REDIS),
    (f"{UNITS}/{ROTATION}.d/", ROTATION),
)
"""Beginnings of paths, and the unit that reads what is there. nginx's are in proxy."""

CLUSTERS = "/etc/postgresql/"
VERSIONS = {"bookworm": "15", "trixie": "17"}
"""Of PostgreSQL, by the release of Debian."""


def owner_of(path: str) -> str | None:
    """The unit that takes a file up as it starts; None where none of the tool's does."""
    return next((unit for folder, unit in FOLDERS if path.startswith(folder)), None)


def taking_up(unit: Unit, own: Iterable[File]) -> Unit:
    """The unit that is started anew with those of the user's own files that it reads."""
    read = [one for one in own if owner_of(one.path) == unit.unit]
    if not read:
        return unit
    revision = digest([unit.revision, {one.path: dict(one.desired()) for one in read}])
    triggers = (*unit.triggers, *(one.address for one in read))
    return replace(unit, revision=revision, triggers=triggers)


def refuse_unread(instance: Instance, path: str) -> None:
    """UsageError for a file of a PostgreSQL that the container has not."""
    version = path.removeprefix(CLUSTERS).partition("/")[0]
    known = VERSIONS.get(instance.suite)
    if not path.startswith(CLUSTERS) or known is None or version == known:
        return
    raise UsageError(
        f"files: {path} is of PostgreSQL {version}, and {instance.suite} has {known}",
        where=instance.id,
        hint=f"Write {CLUSTERS}{known}/main/conf.d/NAME.conf",
    )
