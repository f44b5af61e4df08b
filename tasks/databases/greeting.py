"""How new a PostgreSQL server outside is, asked from this machine before there is a container.

A server says it to whoever has logged in, so this logs in as the application would. Where it lets
this machine not in, it stays unknown.
"""

from __future__ import annotations

import struct

from tasks.errors import DatabaseError
from tasks.model.host_files import HostFiles
from tasks.model.instance import Instance
from tasks.model.layout import database_port, database_user
from tasks.secret import Secret

CLIENTS = {"bookworm": 15, "trixie": 17}
"""By Debian release: the version of PostgreSQL whose programs it has."""

SECONDS = 5.0


def refuse_newer_server(instance: Instance, given: HostFiles) -> None:
    """Raise DatabaseError where a new container's programs could never copy the database outside:
    the server is newer. Where it does not say how new it is, nothing is known against it."""
    desired = instance.database
    own = CLIENTS.get(instance.suite)
    if desired.type != "postgresql" or desired.host is None or own is None:
        return
    port = database_port(instance)
    logins = [(database_user(instance), given.database_password, desired.name)]
    if desired.admin_user and given.admin_password is not None:
        logins.append((desired.admin_user, given.admin_password, "postgres"))
    version = None
    for user, password, name in logins:
        version = server_version(desired.host, port, user, password, name)
        if version is not None:
            break
    if version is None or version <= own:
        return
    newer = [f"{suite} ({has})" for suite, has in CLIENTS.items() if has >= version]
    raise DatabaseError(
        f"PostgreSQL {version} at {desired.host}:{port} is newer than the programs of PostgreSQL "
        f"{own} that Debian {instance.suite} has: no backup would ever be possible",
        where=instance.id,
        hint=(
            f"Make the container of a newer Debian: {', '.join(newer)}"
            if newer
            else f"Use a server of PostgreSQL {max(CLIENTS.values())} or older"
        ),
    )


def server_version(
    host: str,
    port: int,
    user: str,
    password: Secret[bytes] | None,
    database: str,
    seconds: float = SECONDS,
) -> int | None:
    """The first number of its version; None where it does not tell us."""
    from pg8000 import exceptions, native

    said = password.reveal().decode(errors="surrogateescape") if password else ""
    try:
        with native.Connection(user, host, database, port, said, timeout=seconds) as connection:
            ((number,),) = connection.run("show server_version_num")
            return int(number) // 10000
    except (exceptions.DatabaseError, exceptions.InterfaceError, OSError):
        return None
    except (KeyError, ValueError, struct.error):
        # What no server of PostgreSQL says.
        return None
