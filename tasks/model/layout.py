"""Where things are in a container: paths, users, ports, as the configuration decides them."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_interface
from typing import Literal

from tasks.model.database_address import USUAL_PORTS, server_name
from tasks.model.instance import Color, Instance, is_asked

USER = "vikunja"
SECRETS = "/etc/vikunja/secrets"
SERVICE_SECRET = f"{SECRETS}/service-secret"
TLS = "/etc/vikunja/tls"
SELF_SIGNED = f"{TLS}/self-signed"
ACME = f"{TLS}/acme"
"""Pairs of certificate and key that an authority gave, a folder each; `current` is a link to the
one that serves, or to the self-signed one."""

ACME_HOME = "/var/lib/vikunja-acme"
"""Of the ACME client: account, keys, what it was told last."""

UPDATES = "/var/lib/vikunja-deploy/updates"
"""What came of the last updates of packages that the container took by itself: `SECONDS WHAT`."""

ACTIVE = "/etc/vikunja/active"
"""Folder of the marker that says which color serves: `green` there means green, else blue."""

MAINTENANCE = f"{ACTIVE}/maintenance"
"""While it is there, everybody but the tool gets a 503. Only a write freeze puts it there."""

ENVIRONMENT = "/etc/vikunja/environment"
"""The settings of the color that serves: a link to them."""

DATA = "/var/lib/vikunja"
UNITS = "/etc/systemd/system"
LOGS = "/var/log/vikunja"

OUTBOUND_SETTINGS = (
    "MAILER_ENABLED",
    "WEBHOOKS_ENABLED",
    "REDIS_ENABLED",
    "SERVICE_ENABLEEMAILREMINDERS",
    "SERVICE_ENABLEUSERDELETION",
    "SENTRY_ENABLED",
    "TYPESENSE_ENABLED",
    "PLUGINS_ENABLED",
    "METRICS_ENABLED",
    "AUTH_OPENID_ENABLED",
    "AUTH_LDAP_ENABLED",
)
"""Settings of Vikunja's that let it reach somebody, each set to false whatever it is else."""


SECRET_SETTINGS = (
    "vikunja.secret_files",
    "vikunja.mailer.password_file",
    "vikunja.auth.openid",
    "vikunja.auth.ldap.bind_password_file",
    "vikunja.files.type",
    "vikunja.files.s3.secret_file",
)
"""Keys that Vikunja.secret_settings is made of."""


def environment(color: Color) -> str:
    """The settings that a color's backend starts with."""
    return f"{ENVIRONMENT}.{color}"


FILES = ("vikunja.files.path", "vikunja.files.type")
"""Keys that say where attachments are."""

BUCKET = tuple(f"vikunja.files.s3.{name}" for name in ("endpoint", "bucket", "prefix"))


def attachments(instance: Instance) -> str:
    """The folder of the attachments; of those in a bucket, that of their copy for backups."""
    files = instance.vikunja.files
    return f"{DATA if files.in_bucket else files.path}/files"


def copies_bucket(instance: Instance) -> bool:
    """Whether backups hold what is in a bucket."""
    return instance.vikunja.files.in_bucket and instance.backup.s3 == "copy"


def elsewhere(instance: Instance) -> str:
    """The folder that attachments have of their own, beside the application's; empty for none."""
    files = instance.vikunja.files
    return "" if files.in_bucket or files.path == DATA else files.path


def unit_file(service: Literal["backend", "mcp"], color: Color) -> str:
    return f"{UNITS}/vikunja-{service}@{color}.service"


def backend_launcher(color: Color) -> str:
    """What starts a backend, with its secrets as its version reads them."""
    return f"/usr/local/lib/vikunja/backend.{color}"


def upstream(color: Color) -> str:
    """Where nginx finds a color."""
    return f"/etc/vikunja/nginx/{color}.conf"


def needs_redis(instance: Instance) -> bool:
    """The MCP server cannot be without redis, whether or not Vikunja uses it."""
    return instance.redis.enabled or instance.services.mcp.enabled


def database_user(instance: Instance) -> str:
    return instance.database.user or USER


def database_login(instance: Instance, color: Color) -> str:
    """Whom a color logs in as. PostgreSQL knows a user by one password: in the container's own each
    color has a user of its own, who does as the database's user, so that another password is
    prepared beside the one that serves."""
    user = database_user(instance)
    return (
        f"{user}_{color}"
        if instance.database.type == "postgresql" and instance.database.inside
        else user
    )


TLS_FILES = ("db-ca", "db-cert", "db-key")
"""Beside the password of a server outside: whom it is trusted by, and what is shown to it."""


def database_tls_files(instance: Instance) -> tuple[str, ...]:
    """Those that there are, by name."""
    tls = instance.database.tls
    given = zip(TLS_FILES, (tls.ca_file, tls.cert_file, tls.key_file), strict=True)
    return tuple(name for name, file in given if file is not None)


def external_arguments(instance: Instance, admin: str | None = None) -> tuple[str, ...]:
    """What scripts are told of the server outside: host, port, name, user, and where there is one,
    the administrator; `-` in the place of none before how TLS is used."""
    desired = instance.database
    port, user = database_port(instance), database_user(instance)
    server = (str(desired.host), str(port), desired.name, user)
    if desired.tls.mode is not None:
        return (*server, admin or "-", str(desired.tls))
    return (*server, admin) if admin else server


def database_port(instance: Instance) -> int:
    return instance.database.port or USUAL_PORTS[instance.database.type]


def database_server(instance: Instance) -> str:
    """Of a server outside: `db.example.com:5432`, or the path of its socket."""
    assert instance.database.host is not None
    return server_name(instance.database.type, instance.database.host, database_port(instance))


def database_resource(instance: Instance) -> str:
    """Address of the resource that is its database."""
    database = instance.database
    if database.type == "sqlite":
        return f"sqlite-database:{DATA}/vikunja.db"
    if database.host is None:
        return f"{database.type}-database:{database.name}"
    return f"external-{database.type}:{database_server(instance)}/{database.name}"


def tls_folder(instance: Instance) -> str:
    """Folder in the container of the certificate.pem and key.pem that nginx serves with."""
    frontend = instance.services.frontend
    if frontend.asks_authority:
        return f"{ACME}/current"
    return TLS if frontend.ssl_cert else SELF_SIGNED


PUBLIC_URL = (
    "network.domain",
    *(f"services.frontend.{name}" for name in ("port", "ssl_port", "tls", "public_url")),
    "services.frontend.trusted_proxies",
)
"""Keys that Instance.public_url is made of."""


def other_names(instance: Instance) -> tuple[str, ...]:
    """By what else than its domain the site is asked: the container's own addresses come first."""
    network = instance.network
    names = dict.fromkeys((*addresses(instance), *network.aliases))
    return tuple(name for name in names if name != network.domain)


def addresses(instance: Instance) -> tuple[str, ...]:
    """The container's addresses without prefix length, as far as the configuration says them."""
    found = (instance.network.ip_address, instance.network.ip6_address)
    return tuple(_without_prefix(text) for text in found if text and not is_asked(text))


def address(instance: Instance) -> str:
    """The container's address without prefix length; GIVEN where a DHCP server gives it."""
    network = instance.network
    return GIVEN if network.is_given else _without_prefix(network.ip_address)


@lru_cache(maxsize=1024)
def _without_prefix(text: str) -> str:
    return str(ip_interface(text).ip)


GIVEN = "given"
"""To scripts in the container: the address, or each of them, that it has now."""

GIVEN_NAMES = "/etc/vikunja/nginx/given.conf"
"""What nginx answers to besides: the addresses that others have given."""
