"""Where things are in the container, and the units of Vikunja and its MCP server by colour."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_interface

from tasks.given import NOTHING_GIVEN, GivenFiles
from tasks.model.instance import Color, Instance
from tasks.render import Rendered, origin_of
from tasks.resources.base import digest
from tasks.resources.system import Unit

USER = "vikunja"
SECRETS = "/etc/vikunja/secrets"
TLS = "/etc/vikunja/tls"
ACTIVE = "/etc/vikunja/active"
"""Folder of the marker that says which colour serves: `green` there means green, else blue."""

DATA = "/var/lib/vikunja"
UNITS = "/etc/systemd/system"
LOGS = "/var/log/vikunja"

QUIET = (
    "MAILER_ENABLED",
    "WEBHOOKS_ENABLED",
    "REDIS_ENABLED",
    "SERVICE_ENABLEEMAILREMINDERS",
    "SERVICE_ENABLEUSERDELETION",
    "SENTRY_ENABLED",
    "TYPESENSE_ENABLED",
    "PLUGINS_ENABLED",
    "METRICS_ENABLED",
)
"""Settings of Vikunja's that let it reach somebody, each set to false whatever it is else."""


def needs_redis(instance: Instance) -> bool:
    """The MCP server cannot be without redis, whether or not Vikunja uses it."""
    return instance.redis.enabled or instance.services.mcp.enabled


def database_user(instance: Instance) -> str:
    return instance.database.user or USER


def database_port(instance: Instance) -> int:
    return instance.database.port or (5432 if instance.database.type == "postgresql" else 3306)


def database_address(instance: Instance) -> str:
    """Address of the resource that is its database."""
    database = instance.database
    if database.type == "sqlite":
        return f"sqlite-database:{DATA}/vikunja.db"
    if database.host is None:
        return f"{database.type}-database:{database.name}"
    return f"external-{database.type}:{database.host}:{database_port(instance)}/{database.name}"


def tls_folder(instance: Instance) -> str:
    """Folder in the container of the certificate.pem and key.pem that nginx serves with."""
    return TLS if instance.services.frontend.ssl_cert else f"{TLS}/self-signed"


def address(instance: Instance) -> str:
    """The container's address without prefix length."""
    return str(ip_interface(instance.network.ip_address).ip)


def revision_of(rendered: Mapping[str, Rendered], paths: Iterable[str], *more: str) -> str:
    contents = {path: digest(rendered[path].content.decode()) for path in paths}
    return digest([contents, *more])


def backend_unit(
    instance: Instance,
    color: Color,
    rendered: Mapping[str, Rendered],
    release_key: str,
    version: str = "-",
    given: GivenFiles = NOTHING_GIVEN,
) -> Unit:
    """The backend of a colour, running what release_key names.

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
    password = given.database_password.reveal() if given.database_password else b""
    timeout = str(instance.vikunja.start_timeout_seconds)
    return Unit(
        unit=f"vikunja-backend@{color}.service",
        revision=revision_of(rendered, paths, release_key, digest(password.decode("latin-1"))),
        triggers=_service_triggers(paths, secrets),
        # One made anew is not the one that it has open, or made its tables in.
        opened=(database_address(instance),),
        origin=origin_of(instance, [f"services.backend.port_{color}"]),
        health=("backend", str(instance.backend_port(color)), version or "-", timeout),
        interrupts="requests, for 1 to 2 s",
    )


def mcp_unit(
    instance: Instance, color: Color, rendered: Mapping[str, Rendered], release_key: str
) -> Unit:
    """The MCP server of a colour, running what release_key names."""
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
        interrupts="MCP sessions, which clients open anew",
    )


def _service_triggers(paths: Iterable[str], secrets: Iterable[str]) -> tuple[str, ...]:
    """Addresses; a password is a file where it was given and a secret where it was made."""
    files = tuple(f"file:{path}" for path in paths)
    return files + tuple(f"{kind}:{path}" for path in secrets for kind in ("secret", "file"))
