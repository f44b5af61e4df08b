"""The units of Vikunja and its MCP server, by color."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tasks.desired.rendering import Rendered, origin_of
from tasks.model.digests import digest
from tasks.model.host_files import NO_HOST_FILES, HostFiles
from tasks.model.instance import Color, Instance
from tasks.model.layout import SECRETS, UNITS, address, database_resource
from tasks.resources.system import Unit


def revision_of(rendered: Mapping[str, Rendered], paths: Iterable[str], *more: str) -> str:
    contents = {path: digest(rendered[path].content.decode()) for path in paths}
    return digest([contents, *more])


def backend_unit(
    instance: Instance,
    color: Color,
    rendered: Mapping[str, Rendered],
    release_key: str,
    version: str = "-",
    host_files: HostFiles = NO_HOST_FILES,
) -> Unit:
    """The backend of a color, running what release_key names.

    version: what /api/v1/info must say, `-` or nothing for anything.
    """
    paths = [
        "/etc/vikunja/environment",
        f"/etc/vikunja/environment.{color}",
        f"{UNITS}/vikunja-backend@.service",
    ]
    secrets = [f"{SECRETS}/service-secret"]
    if instance.vikunja.secrets == "environment":
        paths.append("/usr/local/lib/vikunja/backend")
    if instance.database.type != "sqlite":
        secrets.append(f"{SECRETS}/db-password")
    if instance.redis.enabled:
        secrets.append(f"{SECRETS}/redis-password")
    password = host_files.database_password.reveal() if host_files.database_password else b""
    timeout = str(instance.vikunja.start_timeout_seconds)
    return Unit(
        unit=f"vikunja-backend@{color}.service",
        revision=revision_of(rendered, paths, release_key, digest(password.decode("latin-1"))),
        triggers=_service_triggers(paths, secrets),
        # One made anew is not the one that it has open, or made its tables in.
        opened=(database_resource(instance),),
        origin=origin_of(instance, [f"services.backend.port_{color}"]),
        health=("backend", str(instance.backend_port(color)), version or "-", timeout),
        answers=("backend", str(instance.backend_port(color))),
        interrupts="requests, for 1 to 2 s",
    )


def mcp_unit(
    instance: Instance, color: Color, rendered: Mapping[str, Rendered], release_key: str
) -> Unit:
    """The MCP server of a color, running what release_key names."""
    paths = [
        f"/etc/vikunja/mcp-environment.{color}",
        f"{UNITS}/vikunja-mcp@.service",
        "/usr/local/lib/vikunja/mcp",
    ]
    timeout = str(instance.vikunja.start_timeout_seconds)
    return Unit(
        unit=f"vikunja-mcp@{color}.service",
        revision=revision_of(rendered, paths, release_key),
        triggers=_service_triggers(paths, [f"{SECRETS}/redis-password"]),
        origin=origin_of(instance, [f"services.mcp.port_{color}"]),
        health=("mcp", str(instance.mcp_port(color)), timeout),
        answers=("mcp", str(instance.mcp_port(color))),
        interrupts="MCP sessions, which clients open anew",
    )


def site_answers(instance: Instance) -> tuple[str, ...]:
    """What the site is asked, as it answers to everybody: see Unit."""
    port = str(instance.services.frontend.ssl_port)
    return ("site", instance.network.domain, port, address(instance))


def _service_triggers(paths: Iterable[str], secrets: Iterable[str]) -> tuple[str, ...]:
    """Addresses; a password is a file where it was given and a secret where it was made."""
    files = tuple(f"file:{path}" for path in paths)
    return files + tuple(f"{kind}:{path}" for path in secrets for kind in ("secret", "file"))
