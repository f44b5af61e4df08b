"""Whether the database outside the container can be reached, and its password read."""

from __future__ import annotations

import socket
from collections.abc import Iterator

from tasks.checks.finding import Finding, World
from tasks.errors import DatabaseError
from tasks.given import read_given
from tasks.services import database_port

CONNECT_SECONDS = 5.0


def check(world: World) -> Iterator[Finding]:
    database = world.instance.database
    # The password files are read for it; one that cannot be read is raised from here.
    read_given(world.instance)
    if database.host is None:
        yield world.ok("database", f"{database.type} in the container")
        return
    port = database_port(world.instance)
    yield judge(world, f"{database.host}:{port}", connect(database.host, port))


def connect(host: str, port: int, seconds: float = CONNECT_SECONDS) -> str:
    """Why nothing answers there; empty where something does."""
    try:
        with socket.create_connection((host, port), timeout=seconds):
            return ""
    except TimeoutError:
        return f"no answer in {seconds:g} s"
    except OSError as error:
        return error.strerror or str(error)


def judge(world: World, server: str, failure: str) -> Finding:
    kind = world.instance.database.type
    if not failure:
        return world.ok("database", f"{kind} at {server} answers this machine")
    return world.problem(
        "database",
        f"{kind} at {server} cannot be reached: {failure}",
        "Check database.host and database.port, that the server listens on that address, and "
        "its firewall",
        DatabaseError,
    )
