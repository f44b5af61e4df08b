"""Which database: where an instance's data is, or is to be."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from tasks.conversion import convert
from tasks.model.instance import DatabaseType, is_socket

TYPES: dict[str, DatabaseType] = {
    "sqlite": "sqlite",
    "postgres": "postgresql",
    "mysql": "mysql",
}
"""As Vikunja calls the engines."""

USUAL_PORTS: dict[DatabaseType, int] = {"sqlite": 0, "postgresql": 5432, "mysql": 3306}

_OWN = {"postgresql": "/run/postgresql", "mysql": "/run/mysqld/mysqld.sock"}
"""Where Debian's servers have their sockets: those in the container."""

_SETTING = re.compile(
    r"^(?:VIKUNJA_DATABASE_(TYPE|HOST|DATABASE|USER|SSLMODE|SSLROOTCERT|SSLCERT|TLS)|SSL_CERT_FILE)"
    r'="([^"]*)"$',
    re.MULTILINE,
)
_MODES = {"false": "disable", "skip-verify": "require", "true": "verify-full"}
"""Of `database.tls`, by what Vikunja has of MySQL."""
_OURS = re.compile(r"/etc/vikunja/secrets/(blue|green)/db-(ca|cert)")


class DatabaseAddress(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One database. host: None for a server in the container; port: 0 there; name: empty for
    SQLite, of which there is one. host: a path where it is a socket. tls: how a server outside is
    connected to (DatabaseTls)."""

    type: DatabaseType
    host: str | None = None
    port: int = 0
    name: str = ""
    user: str = ""
    tls: str = ""

    @property
    def inside(self) -> bool:
        return self.host is None

    @property
    def label(self) -> str:
        """`sqlite`, `postgresql vikunja`, `mysql vikunja at db.example.com:3306`,
        `mysql vikunja at /run/mysqld/mysqld.sock`"""
        if self.type == "sqlite":
            return "sqlite"
        server = f" at {server_name(self.type, self.host, self.port)}" if self.host else ""
        return f"{self.type} {self.name}{server}"

    def same(self, other: DatabaseAddress) -> bool:
        """Whether both are one database, whoever logs in."""
        return self._place() == other._place()

    def same_server(self, other: DatabaseAddress) -> bool:
        return self._place()[:3] == other._place()[:3]

    def _place(self) -> tuple[object, ...]:
        server: tuple[str | None, int] = (self.host, self.port)
        if self.host is not None and is_socket(self.host):
            server = (self.host.replace("/var/run/", "/run/", 1), self.port)
            if server == (_OWN[self.type], USUAL_PORTS[self.type]):
                # By its socket it is the same server.
                server = (None, 0)
        return (self.type, *server, self.name)

    def as_data(self) -> dict[str, Any]:
        data = msgspec.structs.asdict(self)
        return data if self.tls else {name: data[name] for name in data if name != "tls"}


def server_name(engine: DatabaseType, host: str, port: int) -> str:
    """Of a server with a host: `db.example.com:5432`, or the path of its socket."""
    if not is_socket(host):
        return f"{host}:{port}"
    return f"{host}/.s.PGSQL.{port}" if engine == "postgresql" else host


def address_in(environment: bytes) -> DatabaseAddress | None:
    """The database that the services' environment names; None where it names none."""
    found = dict(_SETTING.findall(environment.decode(errors="replace")))
    kind = TYPES.get(found.get("TYPE", ""))
    if kind is None or kind == "sqlite":
        return None if kind is None else DatabaseAddress(kind)
    host, _, port = found.get("HOST", "").rpartition(":")
    if not host and is_socket(port):
        host, port = port, str(USUAL_PORTS[kind])
    if not host or not port.isdigit() or not found.get("DATABASE"):
        return None
    server: tuple[str | None, int] = (host.strip("[]"), int(port))
    if server == ("127.0.0.1", USUAL_PORTS[kind]):
        server = (None, 0)
    tls = "" if server[0] is None else _tls_in(found)
    return DatabaseAddress(kind, *server, found["DATABASE"], found.get("USER", ""), tls)


def _tls_in(found: dict[str, str]) -> str:
    """`verify-full,ca,cert`"""
    mode = found.get("SSLMODE") or _MODES.get(found.get("TLS", ""), "")
    # What stands by itself is SSL_CERT_FILE, for MySQL.
    files = {"ca": found.get("SSLROOTCERT") or found.get(""), "cert": found.get("SSLCERT")}
    ours = (name for name, file in files.items() if mode and _OURS.fullmatch(file or ""))
    return ",".join([mode, *ours])


def read_address(data: object) -> DatabaseAddress | None:
    """From JSON; None where it is none."""
    # Defaults are for the code: what a record does not say is not known.
    known = set(DatabaseAddress.__struct_fields__)
    if not isinstance(data, dict) or data.keys() | {"tls"} != known:
        return None
    try:
        return convert(data, DatabaseAddress)
    except msgspec.ValidationError:
        return None
