"""Whether the database outside the container can be reached, its password read, and what stands
against backups of it, wherever it is."""

from __future__ import annotations

import socket
from collections.abc import Iterator

from msgspec.structs import replace

from tasks.backup.configuration import DOCUMENT, FOLDER
from tasks.backup.running_instance import as_deployed
from tasks.containers import container_for
from tasks.containers.base import Container
from tasks.databases import Doubt, database_for, doubts
from tasks.databases.greeting import refuse_newer_server, refuse_unknown
from tasks.databases.trust import refuse_untrusted
from tasks.errors import DeployError, NetworkError
from tasks.model import registry
from tasks.model.finding import Finding, World
from tasks.model.host_files import read_host_files
from tasks.model.instance import Instance
from tasks.model.layout import USER, database_port, database_server, database_user
from tasks.resources.release import GREEN_MARKER

CONNECT_SECONDS = 5.0
LOOK_SECONDS = 60.0


def check(world: World) -> Iterator[Finding]:
    database = world.instance.database
    # The password files are read for it; one that cannot be read is raised from here.
    host_files = read_host_files(world.instance)
    if database.host is None:
        yield world.ok("database", f"{database.type} in the container")
    elif not database.by_socket:
        port = database_port(world.instance)
        yield evaluate(world, f"{database.host}:{port}", connect(database.host, port))
        if doubted := refuse_untrusted(world.instance):
            what = f"this machine would not trust {database.host}:{port}: {doubted.what}"
            yield world.warning("database", what, doubted.hint)
        refuse_unknown(world.instance, host_files)
    try:
        container = container_for(world.instance, world.paths)
        found = container.observe()
    except DeployError:
        # What is wrong with the container is said by who looks at it.
        return
    ours = found.running and found.owner == world.instance.id
    if database.by_socket:
        yield socket_in(world, container if ours else None)
    if ours:
        yield from copies(world, container)
    elif not found.exists and registry.find(world.paths, world.instance.id) is None:
        refuse_newer_server(world.instance, host_files)


_SOCKET = """[ -S "$1" ] || exec echo missing
id -u "$2" >/dev/null 2>&1 || exec echo there
setpriv --reuid="$2" --regid="$2" --init-groups test -w "$1" || exec echo closed
exec echo there"""
"""Arguments: SOCKET USER."""


def socket_in(world: World, container: Container | None) -> Finding:
    """Whether the socket is there in the container, and the application's user may use it."""
    kind, path = world.instance.database.type, database_server(world.instance)
    if container is None:
        return world.warning(
            "database",
            f"{kind} at {path}: there is no container yet, or none that runs, to look for it in",
            "An apply makes one, and ends at the database where no server answers there; then run "
            "the server in it, or mount the socket's folder into it, and apply again",
        )
    asked = container.run(["sh", "-c", _SOCKET, "socket", path, USER], check=False)
    said = asked.stdout.decode().strip()
    if said == "there":
        return world.ok("database", f"{kind} at {path}: the socket is there in the container")
    what = "is closed to the application's user" if said == "closed" else "is not in the container"
    return world.problem(
        "database",
        f"{kind} at {path}: the socket {what}",
        "Check database.host, that the server runs, and the rights of the socket and its folder",
        NetworkError,
    )


def copies(world: World, container: Container) -> Iterator[Finding]:
    """What stands against backups of the database that serves now."""
    record = container.run(["cat", f"{FOLDER}/{DOCUMENT}"], check=False).stdout
    if not record:
        # Nothing has been deployed in it yet.
        return
    deployed = as_deployed(world.instance, record)
    if deployed.database.type == "sqlite":
        return
    green = container.run(["test", "-e", GREEN_MARKER], check=False).returncode == 0
    database = database_for(deployed, container, "green" if green else "blue")
    database = replace(database, timeout=LOOK_SECONDS)
    try:
        outlook = database.outlook()
    except DeployError as failure:
        what = f"whether backups of it are possible could not be asked: {failure.what}"
        yield world.warning("database", what, "Mend that, then run ./doit check again")
        return
    user = database_user(deployed)
    for doubt in doubts(outlook, user, administered=administered(deployed)):
        yield warned(world, doubt)


def administered(instance: Instance) -> bool:
    """Whether somebody who may do more than the application's user is known here."""
    desired = instance.database
    return desired.inside or bool(desired.admin_user and desired.admin_password_file)


def warned(world: World, doubt: Doubt) -> Finding:
    return world.warning("database", doubt.what, doubt.hint)


def connect(host: str, port: int, seconds: float = CONNECT_SECONDS) -> str:
    """Why nothing answers there; empty where something does."""
    try:
        with socket.create_connection((host, port), timeout=seconds):
            return ""
    except TimeoutError:
        return f"no answer in {seconds:g} s"
    except OSError as error:
        return error.strerror or str(error)


def evaluate(world: World, server: str, failure: str) -> Finding:
    kind = world.instance.database.type
    if not failure:
        return world.ok("database", f"{kind} at {server} answers this machine")
    return world.problem(
        "database",
        f"{kind} at {server} cannot be reached: {failure}",
        "Check database.host and database.port, that the server listens on that address, and "
        "its firewall",
        NetworkError,
    )
