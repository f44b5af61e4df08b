"""Step 4: what is desired inside the container, from packages to units.

`declare` is pure. The services' own units are declared here as files; `backend_unit` and
`mcp_unit` are the resources that the switch starts them by.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tasks.desired import acme, apt_sources, authorities, color, owners, proxy, updates
from tasks.desired.color import revision_of
from tasks.desired.rendering import Rendered, Templated, origin_of
from tasks.errors import UsageError
from tasks.model.host_files import NO_HOST_FILES, HostFiles, read_host_files
from tasks.model.instance import COLORS, Instance
from tasks.model.layout import (
    ACTIVE,
    DATA,
    FILES,
    LOGS,
    MAINTENANCE,
    SECRET_SETTINGS,
    SECRETS,
    SELF_SIGNED,
    SERVICE_SECRET,
    TLS,
    UNITS,
    USER,
    attachments,
    copies_bucket,
    database_server,
    database_tls_files,
    database_user,
    external_arguments,
    needs_redis,
)
from tasks.resources.base import Origin, Resource
from tasks.resources.data_move import ALL_NEXT
from tasks.resources.files import Absent, Directory, File, Link
from tasks.resources.migration import DATABASE_FILE
from tasks.resources.system import DaemonReload, Package, Script, Secret, Unit, User
from tasks.secret import Secret as SecretValue

__all__ = [
    "NO_HOST_FILES",
    "HostFiles",
    "declare",
    "own_files",
    "read_host_files",
    "templated",
]

REDIS = owners.REDIS
WAIT_ONLINE = "systemd-networkd-wait-online.service"
"""Enabled by the first start of a Debian 13 container, also where ifupdown sets its network."""

BASE_PACKAGES = ("ca-certificates", "curl", "logrotate", "nginx", "openssl", "tzdata")


def templated(instance: Instance) -> tuple[Templated, ...]:
    """The files that templates make for this instance."""
    return tuple(_templated(instance))


def _templated(instance: Instance) -> Iterator[Templated]:
    yield from _system_files(instance)
    for one in COLORS:
        yield from color.templated(instance, one)
        yield color.upstream_file(one)
    yield from proxy.templated(instance)
    yield from acme.templated(instance)
    yield from updates.templated(instance)


def _system_files(instance: Instance) -> Iterator[Templated]:
    yield Templated("systemd/tmpfiles.conf.j2", "/etc/tmpfiles.d/vikunja.conf")
    if needs_redis(instance):
        yield Templated("redis/redis.conf.j2", "/etc/redis/redis.conf", "0640", "redis", "redis")
    if instance.database.type == "mysql" and instance.database.inside:
        yield Templated("mariadb/vikunja.cnf.j2", "/etc/mysql/mariadb.conf.d/90-vikunja.cnf")
    yield Templated("systemd/nginx-reload.sh.j2", "/usr/local/lib/vikunja/nginx-reload", "0755")
    yield Templated("systemd/switch-back.sh.j2", "/usr/local/lib/vikunja/switch-back", "0755")
    # Before nginx, which waits for the network where it is started.
    yield Templated("systemd/wait-online.conf.j2", f"{UNITS}/{WAIT_ONLINE}.d/vikunja.conf")
    yield Templated("systemd/nginx.conf.j2", f"{UNITS}/nginx.service.d/vikunja.conf")
    for page in ("unavailable.html", "maintenance.html", "maintenance.json"):
        yield Templated(f"nginx/{page}.j2", f"/etc/vikunja/nginx/{page}")
    yield Templated("logrotate/vikunja.j2", "/etc/logrotate.d/vikunja")
    yield Templated("systemd/logrotate.timer.j2", f"{UNITS}/logrotate.timer.d/vikunja.conf")


def declare(
    instance: Instance, rendered: Mapping[str, Rendered], host_files: HostFiles = NO_HOST_FILES
) -> tuple[Resource, ...]:
    """What is desired of the system step, in the order in which they are brought about."""
    asking = tuple(acme.declare(instance, rendered, host_files))
    updating = tuple(updates.declare(instance, rendered))
    files = tuple(_files(instance, rendered, host_files))
    units = (one for one in (*asking, *updating, *files) if isinstance(one, File | Link))
    own = tuple(own_files(instance, host_files))
    return (
        *apt_sources.declare(instance, host_files),
        *_packages(instance),
        User(user=USER, home=DATA),
        *_directories(instance),
        *_secrets(instance, host_files),
        *files,
        *asking,
        *updating,
        Absent(path=MAINTENANCE, means="everybody gets a 503"),
        *authorities.declare(files),
        _log_files(),
        DaemonReload(triggers=tuple(f.address for f in units if f.path.startswith(f"{UNITS}/"))),
        *(
            owners.taking_up(one, own) if isinstance(one, Unit) else one
            for one in _units(instance, rendered, host_files)
        ),
        *acme.timer(instance, rendered),
        *updates.timer(instance, rendered),
    )


def _units(
    instance: Instance, rendered: Mapping[str, Rendered], host_files: HostFiles
) -> Iterator[Resource]:
    yield from _database(instance, rendered, host_files)
    yield from _redis(instance, rendered)
    yield Unit(
        unit=owners.ROTATION,
        revision=revision_of(rendered, [f"{UNITS}/logrotate.timer.d/vikunja.conf"]),
        triggers=(f"file:{UNITS}/logrotate.timer.d/vikunja.conf",),
    )


def _packages(instance: Instance) -> Iterator[Package]:
    for package in BASE_PACKAGES:
        yield Package(package=package)
    further = instance.system.packages
    for package in further:
        yield Package(package=package, origin=origin_of(instance, ["system.apt_sources"]))
    side = "inside" if instance.database.inside else "outside"
    database = {
        ("sqlite", "inside"): "sqlite3",
        ("postgresql", "inside"): "postgresql",
        ("postgresql", "outside"): "postgresql-client",
        ("mysql", "inside"): "mariadb-server",
        ("mysql", "outside"): "mariadb-client",
    }[instance.database.type, side]
    # What is named as its client is what it is copied with.
    newer = database == "postgresql-client" and instance.system.postgresql_client is not None
    if not newer:
        origin = origin_of(instance, ["database.type", "database.host"])
        yield Package(package=database, origin=origin)
    if needs_redis(instance):
        keys = ["redis.enabled", "services.mcp.enabled"]
        yield Package(package="redis-server", origin=origin_of(instance, keys))
    if copies_bucket(instance):
        origin = origin_of(instance, ["vikunja.files.type", "backup.s3"])
        yield Package(package="rclone", origin=origin)
    if instance.services.mcp.enabled:
        yield Package(package="nodejs", origin=origin_of(instance, ["services.mcp.enabled"]))
    yield from acme.packages(instance)
    yield from updates.packages(instance)


def _directories(instance: Instance) -> Iterator[Directory]:
    yield Directory(path="/etc/vikunja")
    yield Directory(path=SECRETS, mode="0700", owner=USER, group=USER)
    yield Directory(path=ACTIVE)
    yield Directory(path="/etc/vikunja/nginx")
    # For its temporary files; Debian leaves it to a first process with root rights.
    yield Directory(path="/var/lib/nginx", owner="www-data", group="www-data")
    # nginx has no root rights: it reads keys as its group.
    yield Directory(path=TLS, mode="0750", group="www-data")
    if instance.services.frontend.self_signed:
        origin = origin_of(instance, ["services.frontend.tls", "services.frontend.ssl_cert"])
        yield Directory(path=SELF_SIGNED, mode="0750", group="www-data", origin=origin)
    yield Directory(path="/opt/vikunja")
    yield Directory(path="/opt/vikunja/frontend")
    for part in ("backend", "mcp-server"):
        yield Directory(path=f"/opt/vikunja/{part}")
        for one in COLORS:
            yield Directory(path=f"/opt/vikunja/{part}/{one}")
    yield Directory(path=DATA, mode="0750", owner=USER, group=USER, holds_data=True)
    yield Directory(
        path=attachments(instance),
        mode="0750",
        owner=USER,
        group=USER,
        holds_data=True,
        origin=origin_of(instance, FILES),
    )
    # nginx reopens its log by name and so must pass; nobody else can list or read.
    yield Directory(path=LOGS, mode="0751", group="adm")
    if instance.services.mcp.enabled:
        origin = origin_of(instance, ["services.mcp.enabled"])
        yield Directory(path="/var/log/vikunja-mcp", origin=origin)
    yield Directory(path="/usr/local/lib/vikunja")
    for unit in (WAIT_ONLINE, "nginx.service", "logrotate.timer"):
        yield Directory(path=f"{UNITS}/{unit}.d")


def _secrets(instance: Instance, host_files: HostFiles) -> Iterator[Resource]:
    origin = origin_of(instance, ["vikunja.secret_file"])
    if host_files.service_secret is None:
        yield Secret(
            path=SERVICE_SECRET,
            owner=USER,
            group=USER,
            noted="what is there now, and everybody signs in anew",
            origin=origin,
        )
    else:
        key = "vikunja.secret_file"
        yield _password(SERVICE_SECRET, USER, key, host_files.service_secret, origin)
    if instance.database.type != "sqlite":
        origin = origin_of(instance, ["database.type", "database.password_file"])
        path = f"{SECRETS}/db-password"
        if host_files.database_password is None:
            yield Secret(path=path, owner=USER, group=USER, origin=origin)
        else:
            key = "database.password_file"
            yield _password(path, USER, key, host_files.database_password, origin)
    for name, content in host_files.database_tls.items():
        origin = origin_of(instance, [f"database.tls.{name.removeprefix('db-')}_file"])
        key = f"database.tls.{name.removeprefix('db-')}_file"
        yield _password(f"{SECRETS}/{name}", USER, key, content, origin)
    for name, value in sorted(host_files.settings.items()):
        key, _ = instance.vikunja.secret_settings[name]
        section = next(one for one in SECRET_SETTINGS if key.startswith(one))
        path, origin = f"{SECRETS}/{name}", origin_of(instance, [section])
        yield _password(path, USER, key, value, origin)
    # Of an apply that was killed on its way to another database.
    yield from (Absent(path=path) for path in ALL_NEXT)
    if host_files.admin_password is not None:
        origin = origin_of(instance, ["database.admin_password_file"])
        path, key = f"{SECRETS}/db-admin-password", "database.admin_password_file"
        yield _password(path, "root", key, host_files.admin_password, origin)
    if needs_redis(instance):
        origin = origin_of(instance, ["redis.enabled", "services.mcp.enabled"])
        path = f"{SECRETS}/redis-password"
        yield Secret(path=path, owner=USER, group=USER, origin=origin)


def _password(path: str, owner: str, key: str, content: SecretValue[bytes], origin: Origin) -> File:
    return File(
        path=path,
        content=content,
        mode="0600",
        owner=owner,
        group=owner,
        origin=origin,
        otherwise=f"{key}: the file changed",
    )


def _files(
    instance: Instance, rendered: Mapping[str, Rendered], host_files: HostFiles
) -> Iterator[File]:
    for item in _system_files(instance):
        yield color.templated_file(item, rendered)
    if instance.services.mcp.enabled:
        # Where the unit mounts each color's own log over.
        yield File(path="/var/log/vikunja-mcp/app.log", content=b"")
    yield from authorities.files(instance, host_files)
    yield from (one for one in own_files(instance, host_files) if not proxy.owns(one.path))


def own_files(instance: Instance, host_files: HostFiles) -> Iterator[File]:
    """The user's own files. Raises UsageError where one is a file of ours."""
    ours = {item.path for item in templated(instance)} if instance.files else set()
    for extra in instance.files:
        if extra.path in ours:
            raise UsageError(
                f"files: {extra.path} is a file that vikunja-deploy writes itself",
                where=instance.id,
                hint="Give the file another path; vikunja.environment sets variables",
            )
        owners.refuse_unread(instance, extra.path)
        written = extra.content
        content = host_files.extra[extra.path] if written is None else SecretValue(written.encode())
        yield File(
            path=extra.path,
            content=content if extra.secret else content.reveal(),
            mode=extra.mode,
            owner=extra.owner,
            group=extra.group,
            origin=origin_of(instance, ["files"]),
            otherwise=f"{extra.source} changed" if extra.source else "",
        )


def _log_files() -> Script:
    """What logs are written to, nginx's above all: it has no right to make it again."""
    return Script(
        script="log-files",
        title=LOGS,
        arguments=(LOGS,),
        triggers=("file:/etc/tmpfiles.d/vikunja.conf",),
    )


def _database(
    instance: Instance, rendered: Mapping[str, Rendered], host_files: HostFiles
) -> Iterator[Resource]:
    desired = instance.database
    if desired.type == "sqlite":
        yield Script(
            script="sqlite-database",
            title=DATABASE_FILE,
            arguments=(USER, DATABASE_FILE),
            origin=origin_of(instance, ["database.type"]),
            holds_data=True,
        )
        return
    keys = ["database.type", "database.host", "database.port", "database.name", "database.user"]
    origin = origin_of(instance, keys)
    user = database_user(instance)
    password = f"{SECRETS}/db-password"
    triggers = (f"file:{password}", f"secret:{password}")
    if desired.host is None:
        configuration = [p for p in rendered if p.startswith("/etc/mysql/")]
        unit = owners.POSTGRESQL if desired.type == "postgresql" else owners.MARIADB
        yield Unit(
            unit=unit,
            revision=revision_of(rendered, configuration),
            triggers=tuple(f"file:{path}" for path in configuration),
            origin=origin_of(instance, ["database.type", "database.host"]),
            interrupts="requests, for 2 to 4 s",
        )
        yield Script(
            script=f"{desired.type}-database",
            title=desired.name,
            arguments=(desired.name, user),
            triggers=triggers,
            origin=origin,
            holds_data=True,
        )
        return
    admin = desired.admin_user if host_files.admin_password is not None else None
    files = (f"file:{SECRETS}/{name}" for name in database_tls_files(instance))
    yield Script(
        script=f"external-{desired.type}",
        title=f"{database_server(instance)}/{desired.name}",
        arguments=external_arguments(instance, admin),
        triggers=(*triggers, *files),
        origin=origin.merged([origin_of(instance, ["database.admin_user"])]),
        holds_data=True,
    )


def _redis(instance: Instance, rendered: Mapping[str, Rendered]) -> Iterator[Resource]:
    if needs_redis(instance):
        password = f"secret:{SECRETS}/redis-password"
        yield Script(
            script="redis-passwords",
            title="/etc/redis/vikunja-password.conf",
            arguments=(str(instance.redis.port),),
            triggers=(password,),
            follows=(password,),
            origin=origin_of(instance, ["redis.enabled", "services.mcp.enabled"]),
        )
        yield Unit(
            unit=REDIS,
            revision=revision_of(rendered, ["/etc/redis/redis.conf"]),
            triggers=("file:/etc/redis/redis.conf",),
            origin=origin_of(instance, ["redis.enabled", "services.mcp.enabled"]),
            answers=("redis", str(instance.redis.port)),
            interrupts="requests that need redis, for about 1 s",
        )
