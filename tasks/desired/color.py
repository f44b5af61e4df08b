"""A color: a release and its configuration, which the services of that color run with.

Settings, units and launchers are files of the color's own, so that all of it can be prepared beside
what serves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from msgspec.structs import replace

from tasks.desired import authorities
from tasks.desired.rendering import Rendered, Templated, origin_of
from tasks.model.digests import digest
from tasks.model.host_files import NO_HOST_FILES, HostFiles
from tasks.model.instance import Color, Instance
from tasks.model.layout import (
    BUCKET,
    FILES,
    PUBLIC_URL,
    SECRET_SETTINGS,
    SECRETS,
    USER,
    attachments,
    backend_launcher,
    database_login,
    database_resource,
    database_tls_files,
    database_user,
    elsewhere,
    environment,
    needs_redis,
    unit_file,
    upstream,
)
from tasks.resources.files import File
from tasks.resources.system import Script, Unit

ELSEWHERE = ("database.type", "database.host", "database.port", "database.name")
"""Keys that say where the data is. Where the old place cannot be told any more, it stays there."""


def templated(instance: Instance, color: Color) -> Iterator[Templated]:
    """The files of a color that templates make."""

    def made(template: str, path: str, mode: str = "0644", group: str = "root") -> Templated:
        return Templated(template, path, mode, "root", group, (("color", color),))

    settings = made("env/vikunja.j2", environment(color), "0640", USER)
    public = ("public_url", instance.public_url)
    yield replace(settings, variables=(*settings.variables, public), keys=PUBLIC_URL)
    folders = (("attachments", attachments(instance)), ("elsewhere", elsewhere(instance)))

    def with_folders(one: Templated) -> Templated:
        return replace(one, variables=(*one.variables, *folders), keys=FILES)

    yield with_folders(made("systemd/vikunja-backend@.service.j2", unit_file("backend", color)))
    launcher = made("systemd/backend.sh.j2", backend_launcher(color), "0755")
    named = ("secret_settings", " ".join(sorted(instance.vikunja.secret_settings)))
    yield replace(launcher, variables=(*launcher.variables, named), keys=SECRET_SETTINGS)
    if instance.services.mcp.enabled:
        yield made("env/mcp.j2", _mcp_environment(color), "0640", USER)
        yield with_folders(made("systemd/vikunja-mcp@.service.j2", unit_file("mcp", color)))
        yield made("systemd/mcp.sh.j2", _mcp_launcher(color), "0755")


def upstream_file(color: Color) -> Templated:
    """What tells nginx where a color is."""
    return Templated("nginx/upstream.conf.j2", upstream(color), variables=(("color", color),))


def settings(
    instance: Instance,
    color: Color,
    rendered: Mapping[str, Rendered],
    serving: Color | None = None,
) -> tuple[File, ...]:
    """What the services of a color start with. serving: the color that it is to take over from."""
    files = tuple(_settings(instance, color, rendered))
    if serving is None:
        return files
    before = _settings(instance, serving, rendered)
    return tuple(replace(new, serving=old) for new, old in zip(files, before, strict=True))


def _settings(instance: Instance, color: Color, rendered: Mapping[str, Rendered]) -> Iterator[File]:
    for item in templated(instance, color):
        keys = (*ELSEWHERE, *BUCKET) if item.path == environment(color) else ()
        yield replace(templated_file(item, rendered), destructive_inputs=keys)


def secrets(instance: Instance, color: Color, serving: Color | None = None) -> Script:
    """Copies of the secrets that are configured, which the services of a color start with, and its
    way into the container's own PostgreSQL. serving: see settings."""
    names = ["service-secret"]
    if instance.database.type != "sqlite":
        names.append("db-password")
    if needs_redis(instance):
        names.append("redis-password")
    names += (*database_tls_files(instance), *sorted(instance.vikunja.secret_settings))
    return Script(
        script="color-secrets",
        title=color,
        arguments=(color, *_login(instance, color), *names),
        triggers=_of_either_kind(f"{SECRETS}/{name}" for name in names),
        serving=secrets(instance, serving) if serving else None,
    )


def retired_secrets(instance: Instance, color: Color) -> Script:
    """Of a color that rests nothing is kept that lets anybody in."""
    database = instance.database
    ours = database.type == "mysql" and database.inside
    mariadb = (database.name, database_user(instance)) if ours else ("-", "-")
    redis = str(instance.redis.port) if needs_redis(instance) else "-"
    return Script(
        script="retired-secrets",
        title=color,
        arguments=(color, _login(instance, color)[0], *mariadb, redis),
        wanted="absent",
        follows=("color:active",),
    )


def _login(instance: Instance, color: Color) -> tuple[str, str, str]:
    """A color's own user in the container's PostgreSQL, whom it does as, and in which database; `-`
    for none."""
    login, user = database_login(instance, color), database_user(instance)
    return ("-", "-", "-") if login == user else (login, user, instance.database.name)


def templated_file(item: Templated, rendered: Mapping[str, Rendered]) -> File:
    """The file that a template makes, as a resource."""
    made = rendered[item.path]
    return File(
        path=item.path,
        content=made.content,
        mode=item.mode,
        owner=item.owner,
        group=item.group,
        origin=made.origin,
    )


def units(
    instance: Instance,
    color: Color,
    rendered: Mapping[str, Rendered],
    host_files: HostFiles,
    release_key: str,
    version: str = "",
) -> tuple[Unit, ...]:
    """The units of a color, in the order of their start, running what release_key names."""
    backend = backend_unit(instance, color, rendered, release_key, version, host_files)
    if not instance.services.mcp.enabled:
        return (backend,)
    return (backend, mcp_unit(instance, color, rendered, release_key, host_files))


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
    paths = [environment(color), unit_file("backend", color), backend_launcher(color)]
    password = host_files.database_password.reveal() if host_files.database_password else b""
    timeout = str(instance.vikunja.start_timeout_seconds)
    trusted = authorities.names(instance, host_files)
    return Unit(
        unit=f"vikunja-backend@{color}.service",
        revision=revision_of(
            rendered, paths, release_key, digest(password.decode("latin-1")), *trusted
        ),
        triggers=(*_triggers(paths, secrets(instance, color)), *_counting(trusted)),
        # One made anew is not the one that it has open, or made its tables in.
        opened=(database_resource(instance),),
        origin=origin_of(instance, [f"services.backend.port_{color}"]),
        health=("backend", str(instance.backend_port(color)), version or "-", timeout),
        answers=("backend", str(instance.backend_port(color))),
        interrupts="requests, for 1 to 2 s",
    )


def mcp_unit(
    instance: Instance,
    color: Color,
    rendered: Mapping[str, Rendered],
    release_key: str,
    host_files: HostFiles = NO_HOST_FILES,
) -> Unit:
    """The MCP server of a color, running what release_key names."""
    paths = [_mcp_environment(color), unit_file("mcp", color), _mcp_launcher(color)]
    timeout = str(instance.vikunja.start_timeout_seconds)
    trusted = authorities.names(instance, host_files)
    return Unit(
        unit=f"vikunja-mcp@{color}.service",
        revision=revision_of(rendered, paths, release_key, *trusted),
        triggers=(*_triggers(paths, secrets(instance, color)), *_counting(trusted)),
        origin=origin_of(instance, [f"services.mcp.port_{color}"]),
        health=("mcp", str(instance.mcp_port(color)), timeout),
        answers=("mcp", str(instance.mcp_port(color))),
        interrupts="MCP sessions, which clients open anew",
    )


def revision_of(rendered: Mapping[str, Rendered], paths: Iterable[str], *more: str) -> str:
    contents = {path: digest(rendered[path].content.decode()) for path in paths}
    return digest([contents, *more])


def _triggers(paths: Iterable[str], secrets: Script) -> tuple[str, ...]:
    """Addresses of what a unit starts with."""
    return (*(f"file:{path}" for path in paths), secrets.address, *secrets.triggers)


def _counting(trusted: Iterable[str]) -> tuple[str, ...]:
    """What makes these authorities count: a program reads them as it starts."""
    return (f"{authorities.SCRIPT}:{authorities.BUNDLE}",) if trusted else ()


def _of_either_kind(secrets: Iterable[str]) -> tuple[str, ...]:
    """Addresses; a password is a file where it was given and a secret where it was made."""
    return tuple(f"{kind}:{path}" for path in secrets for kind in ("secret", "file"))


def _mcp_environment(color: Color) -> str:
    return f"/etc/vikunja/mcp-environment.{color}"


def _mcp_launcher(color: Color) -> str:
    return f"/usr/local/lib/vikunja/mcp.{color}"
