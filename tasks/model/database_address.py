"""Which database: where an instance's data is, or is to be."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from tasks.model.instance import DatabaseType

TYPES: dict[str, DatabaseType] = {
    "sqlite": "sqlite",
    "postgres": "postgresql",
    "mysql": "mysql",
}
"""As Vikunja calls the engines."""

USUAL_PORTS: dict[DatabaseType, int] = {"sqlite": 0, "postgresql": 5432, "mysql": 3306}

_SETTING = re.compile(r'^VIKUNJA_DATABASE_(TYPE|HOST|DATABASE|USER)="([^"]*)"$', re.MULTILINE)


class DatabaseAddress(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One database. host: None for a server in the container; port: 0 there; name: empty for
    SQLite, of which there is one."""

    type: DatabaseType
    host: str | None = None
    port: int = 0
    name: str = ""
    user: str = ""

    @property
    def inside(self) -> bool:
        return self.host is None

    @property
    def label(self) -> str:
        """`sqlite`, `postgresql vikunja`, `mysql vikunja at db.example.com:3306`"""
        if self.type == "sqlite":
            return "sqlite"
        server = f" at {self.host}:{self.port}" if self.host else ""
        return f"{self.type} {self.name}{server}"

    def same(self, other: DatabaseAddress) -> bool:
        """Whether both are one database, whoever logs in."""
        return self._place() == other._place()

    def same_server(self, other: DatabaseAddress) -> bool:
        return self._place()[:3] == other._place()[:3]

    def _place(self) -> tuple[object, ...]:
        return (self.type, self.host, self.port, self.name)

    def as_data(self) -> dict[str, Any]:
        return msgspec.structs.asdict(self)


def address_in(environment: bytes) -> DatabaseAddress | None:
    """The database that the services' environment names; None where it names none."""
    found = dict(_SETTING.findall(environment.decode(errors="replace")))
    kind = TYPES.get(found.get("TYPE", ""))
    if kind is None or kind == "sqlite":
        return None if kind is None else DatabaseAddress(kind)
    host, _, port = found.get("HOST", "").rpartition(":")
    if not host or not port.isdigit() or not found.get("DATABASE"):
        return None
    server: tuple[str | None, int] = (host.strip("[]"), int(port))
    if server == ("127.0.0.1", USUAL_PORTS[kind]):
        server = (None, 0)
    return DatabaseAddress(kind, *server, found["DATABASE"], found.get("USER", ""))


def read_address(data: object) -> DatabaseAddress | None:
    """From JSON; None where it is none."""
    # Defaults are for the code: what a record does not say is not known.
    if not isinstance(data, dict) or data.keys() != set(DatabaseAddress.__struct_fields__):
        return None
    try:
        return msgspec.convert(data, DatabaseAddress)
    except msgspec.ValidationError:
        return None
