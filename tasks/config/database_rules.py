"""What the schema cannot say of the section database; pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from tasks.config.finding import Finding, Key
from tasks.model.database_address import server_name
from tasks.model.instance import is_socket

Document = Mapping[str, Any]

_FILES = ("ca_file", "cert_file", "key_file")


def database(document: Document, given: Collection[Key]) -> Iterator[Finding]:
    desired = document.get("database") or {}
    kind, host = desired.get("type"), desired.get("host")
    server_keys = ("host", "port", "user", "password_file", "admin_user", "admin_password_file")
    yield from _tls(desired)
    if kind == "sqlite":
        for name in server_keys:
            if desired.get(name) is not None:
                yield Finding(
                    ("database", name),
                    "does not go with type sqlite",
                    "Remove the line, or choose postgresql or mysql.",
                )
        return
    if kind is None or "host" not in desired:
        return
    if is_socket(host):
        yield from _socket(desired, given)
    if host is None:
        for name in ("port", "admin_user", "admin_password_file"):
            if desired.get(name) is not None and ("database", name) in given:
                yield Finding(
                    ("database", name),
                    "is only for a server outside the container",
                    "Give database.host, or remove the line.",
                )
        return
    admin = ("admin_user", "admin_password_file")
    for name, other in (admin, admin[::-1]):
        if desired.get(name) and other in desired and not desired[other]:
            yield Finding(("database", other), f"is missing, {name} needs it")
    if "password_file" in desired and not desired["password_file"]:
        yield Finding(
            ("database", "password_file"),
            "is missing, a server outside the container needs it",
            "Write the password into a file (mode 0600) and name that file.",
        )


_HIDDEN = ("/dev", "/home", "/proc", "/root", "/run/user", "/sys", "/tmp", "/var/tmp")
"""What a unit's sandbox keeps the application from, or gives it one of its own of."""

_LONGEST = 107
"""Characters of a socket's path, as the kernel has it."""


def _socket(desired: Document, given: Collection[Key]) -> Iterator[Finding]:
    """Where it may be, and that nothing is said of it which is of the network."""
    kind, host, key = desired["type"], desired["host"], ("database", "host")
    if kind == "mysql" and ("database", "port") in given and desired.get("port") is not None:
        yield Finding(
            ("database", "port"),
            "does not go with a socket, which database.host names whole",
            "Remove the line.",
        )
    folder, _, name = host.rpartition("/")
    if kind == "postgresql" and name.startswith(".s.PGSQL."):
        port = name.removeprefix(".s.PGSQL.")
        yield Finding(
            key,
            f"{host} is a socket, and with postgresql the folder that it is in is named",
            f"Write {folder}, and database.port: {port} where that is not 5432.",
        )
    elif any(f"{host}/".startswith(f"{hidden}/") for hidden in _HIDDEN):
        yield Finding(
            key,
            f"{host} is not seen by the application, whose unit is kept from it",
            "Let the server have its socket elsewhere, such as below /run or /srv.",
        )
    elif len(server_name(kind, host, desired.get("port") or 0)) > _LONGEST:
        yield Finding(key, f"is longer than a socket's path can be, {_LONGEST} characters")


def _tls(desired: Document) -> Iterator[Finding]:
    """What goes together, and what Vikunja can do at all: its driver for MySQL checks all of a
    certificate or nothing, and shows none."""
    tls = desired.get("tls") or {}
    given = [name for name in ("mode", *_FILES) if tls.get(name) is not None]
    if desired.get("type") == "sqlite" or ("host" in desired and desired["host"] is None):
        for name in given:
            yield Finding(
                ("database", "tls", name),
                "is only for a server outside the container",
                "Give database.host, or remove the line.",
            )
        return
    if is_socket(desired.get("host")):
        for name in given:
            yield Finding(
                ("database", "tls", name),
                "does not go with a socket, over which nothing is encrypted",
                "Remove the line.",
            )
        return
    if not given or "mode" not in tls:
        return
    mode, verified = tls["mode"], str(tls["mode"]).startswith("verify-")
    if mode is None:
        yield Finding(
            ("database", "tls", "mode"), f"is missing, {given[0]} needs it", "Set verify-full."
        )
        return
    if "ca_file" in given and not verified:
        yield Finding(
            ("database", "tls", "ca_file"),
            f"does not go with mode {mode}, which checks no certificate",
            "Set mode: verify-full, or remove the line.",
        )
    if desired.get("type") == "mysql":
        yield from _mysql_tls(mode, given)
        return
    for name, other in (("cert_file", "key_file"), ("key_file", "cert_file")):
        if name in given and other in tls and other not in given:
            yield Finding(("database", "tls", other), f"is missing, {name} is given")
        elif name in given and mode == "disable":
            what = "does not go with mode disable, which does not encrypt"
            yield Finding(("database", "tls", name), what, "Set mode: verify-full.")


def _mysql_tls(mode: str, given: Collection[str]) -> Iterator[Finding]:
    if mode == "verify-ca":
        yield Finding(
            ("database", "tls", "mode"),
            "is verify-ca, which Vikunja cannot do with mysql",
            "Set verify-full: the certificate has to name database.host, too.",
        )
    for name in ("cert_file", "key_file"):
        if name in given:
            yield Finding(
                ("database", "tls", name),
                "does not go with type mysql: Vikunja shows that server no certificate",
                "Remove the line; an administrator of the server lets the user in without one: "
                "ALTER USER … REQUIRE SSL.",
            )
