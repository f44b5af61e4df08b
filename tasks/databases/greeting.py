"""How new a PostgreSQL server outside is, asked from this machine before there is a container.

A server says it to whoever has logged in, so this logs in as the application would. Where it lets
this machine not in, it stays unknown.
"""

from __future__ import annotations

import re
import ssl
import struct
from typing import Literal

from tasks.databases.trust import tls_context
from tasks.errors import DatabaseError
from tasks.model.host_files import HostFiles
from tasks.model.instance import Instance
from tasks.model.layout import database_port, database_user
from tasks.secret import Secret

CLIENTS = {"bookworm": 15, "trixie": 17}
"""By Debian release: the version of PostgreSQL whose programs it has."""

SECONDS = 5.0

_CERTIFICATE = re.compile("certificate|alert unknown ca", re.IGNORECASE)
"""What a server says that wants to be shown another one, as far as it says it in English."""


def refuse_newer_server(instance: Instance, given: HostFiles) -> None:
    """Raise DatabaseError where a new container's programs could never copy the database outside:
    the server is newer. Where it does not say how new it is, nothing is known against it."""
    desired = instance.database
    own = instance.system.postgresql_client or CLIENTS.get(instance.suite)
    if desired.type != "postgresql" or not _is_asked(instance) or own is None:
        return
    version = _asked(instance, given)
    if version is None or version <= own:
        return
    port = database_port(instance)
    newer = [f"{suite} ({has})" for suite, has in CLIENTS.items() if has >= version]
    whose = (
        "system.apt_sources names"
        if instance.system.postgresql_client
        else (f"Debian {instance.suite} has")
    )
    source = f"name a source of postgresql-client-{version} in system.apt_sources"
    raise DatabaseError(
        f"PostgreSQL {version} at {desired.host}:{port} is newer than the programs of PostgreSQL "
        f"{own} that {whose}: no backup would ever be possible",
        where=instance.id,
        hint=f"Make the container of a newer Debian: {', '.join(newer)}; or {source}"
        if newer
        else f"{source[0].upper()}{source[1:]}, or use an older server",
    )


def refuse_unknown(instance: Instance, given: HostFiles) -> None:
    """Raise DatabaseError where PostgreSQL outside wants to be shown another certificate, as far as
    it tells this machine."""
    if instance.database.type == "postgresql" and _is_asked(instance):
        _asked(instance, given)


def _is_asked(instance: Instance) -> bool:
    """Whether there is a server that this machine may reach; a socket is the container's own."""
    return not instance.database.inside and not instance.database.by_socket


def _asked(instance: Instance, given: HostFiles) -> int | None:
    """The version, as whoever of the two is let in hears it."""
    desired = instance.database
    assert desired.host is not None
    port, context = database_port(instance), tls_context(instance)
    logins = [(database_user(instance), given.database_password, desired.name)]
    if desired.admin_user and given.admin_password is not None:
        logins.append((desired.admin_user, given.admin_password, "postgres"))
    for user, password, name in logins:
        version = server_version(desired.host, port, user, password, name, context)
        if version is not None:
            _refuse_clear(instance, user, password, name)
            return version
    return None


def _refuse_clear(instance: Instance, user: str, password: Secret[bytes] | None, name: str) -> None:
    """Raise DatabaseError where this user, who is let in, is so over TLS only, and Vikunja, which
    encrypts where it is told to, is not told."""
    desired = instance.database
    assert desired.host is not None
    if desired.tls.mode not in (None, "disable"):
        return
    port = database_port(instance)
    if server_version(desired.host, port, user, password, name, False) is None:
        raise DatabaseError(
            f"PostgreSQL at {desired.host}:{port} lets user {user} in over TLS only, and "
            "database.tls.mode says nothing of it",
            where=instance.id,
            hint="Set database.tls.mode: verify-full, and ca_file where the server's authority is "
            "your own",
        )


def server_version(
    host: str,
    port: int,
    user: str,
    password: Secret[bytes] | None,
    database: str,
    context: ssl.SSLContext | Literal[False] | None = None,
    seconds: float = SECONDS,
) -> int | None:
    """The first number of its version; None where it does not tell us.

    context: how the connection is encrypted; None: where the server can, whoever it is; False: it
    is not. Raises DatabaseError where the server wants to see another certificate than it does.
    """
    from pg8000 import exceptions, native

    said = password.reveal().decode(errors="surrogateescape") if password else ""
    try:
        with native.Connection(
            user, host, database, port, said, ssl_context=context, timeout=seconds
        ) as connection:
            ((number,),) = connection.run("show server_version_num")
            return int(number) // 10000
    except (exceptions.DatabaseError, exceptions.InterfaceError, OSError) as error:
        ours = not isinstance(error, ssl.SSLCertVerificationError)
        # Of TLS 1.3 the client is done before the server looks at what it has been shown.
        ended = isinstance(error.__cause__, ssl.SSLError)
        if context and ours and (ended or _CERTIFICATE.search(str(error))):
            raise DatabaseError(
                f"PostgreSQL at {host}:{port} does not take the certificate that it is shown: "
                f"{_said(error)}",
                hint="Set database.tls.cert_file and key_file to one that the server knows, for "
                f"user {user}",
            ) from error
        return None
    except (KeyError, ValueError, struct.error):
        # What no server of PostgreSQL says.
        return None


def _said(error: Exception) -> str:
    """The server's own words (`M` of a message of PostgreSQL's), or those of OpenSSL."""
    if isinstance(error.__cause__, ssl.SSLError):
        return "it ends the connection at once"
    (first, *_) = error.args or ("",)
    return str(first["M"] if isinstance(first, dict) and "M" in first else error)
