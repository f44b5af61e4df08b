"""Whether a server outside lets in what is configured, asked from the running container as the
application will ask it, before any of it is changed there."""

from __future__ import annotations

import io
import tarfile

from tasks.containers.base import Container
from tasks.errors import DatabaseError, DeployError, NetworkError
from tasks.guest.runner import GuestScript
from tasks.model.host_files import HostFiles
from tasks.model.instance import Instance
from tasks.model.layout import external_arguments

TRIALS = {
    kind: GuestScript("database-trial", (f"external-{kind}", "database-trial"), guard=False)
    for kind in ("postgresql", "mysql")
}

SECONDS = 90.0

_UNREACHED = 6
"""The script's exit code where nothing answers."""


def refuse_failing(instance: Instance, given: HostFiles, container: Container) -> None:
    """Raise DatabaseError, or NetworkError where nothing answers, for a wrong password, a database
    that is not there, TLS that does not come about or is not said to be used, an unknown host, a
    socket that is closed: whatever the server says in the container. Where an administrator is
    known, what that one makes may lack. Nothing is raised where the engine's programs are not there
    yet."""
    desired = instance.database
    if desired.inside or desired.type == "sqlite" or given.database_password is None:
        return
    admin = desired.admin_user if given.admin_password is not None else None
    secrets = {"db-password": given.database_password, **given.database_tls}
    contents = {name: secret.reveal() for name, secret in secrets.items()}
    TRIALS[desired.type].run(
        container,
        desired.type,
        *external_arguments(instance, admin or "-"),
        stdin=_packed(contents),
        timeout=SECONDS,
        failure=lambda code, lines: _failure(instance, code, lines),
    )


def _failure(instance: Instance, code: int, lines: list[str]) -> DeployError:
    kind = NetworkError if code == _UNREACHED else DatabaseError
    what = lines[-1] if lines else "what is configured of the database could not be tried"
    hint = "Nothing was changed. Correct database, or the server; then run it again."
    return kind(what.rstrip("."), where=instance.id, evidence=lines[:-1], hint=hint)


def _packed(contents: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o600
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()
