"""What is declared: whose each file is, what calls for what, and which keys each comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from instance_samples import SECTIONS, sample_instance
from msgspec.structs import replace

from tasks.containers import container_for
from tasks.containers.base import ContainerFacts, ContainerSpec
from tasks.containers.drivers import driver_of
from tasks.containers.registry_entry import entry
from tasks.desired import provisioning, record, release, switch, system
from tasks.desired.release import ReleaseTarget, nothing_released, other, serving_release
from tasks.desired.rendering import Rendered, origin_of, render
from tasks.errors import UsageError
from tasks.host.text_cache import TextCache
from tasks.model import last_backup, registry
from tasks.model import state as states
from tasks.model.applied import Applied
from tasks.model.host_files import HostFiles
from tasks.model.instance import COLORS, DriverName, Instance
from tasks.model.state import State
from tasks.paths import Paths
from tasks.resources.base import Facts, FileFact, Resource
from tasks.resources.container import ContainerRunning, DesiredContainer
from tasks.resources.files import Absent, Directory, File, Link
from tasks.resources.release import (
    GREEN_MARKER,
    ActiveColor,
    HealthCheck,
    Record,
    binary,
    release_file,
)
from tasks.resources.system import Script, Secret, StoppedUnit, Unit
from tasks.secret import Secret as SecretValue

SECRETS = "/etc/vikunja/secrets"
UNITS = "/etc/systemd/system"
PAIR = {"ssl_cert": "/c.pem", "ssl_key": "/k.pem"}
EVERYTHING = sample_instance(
    database={"type": "postgresql", "password_file": "/p"},
    redis={"enabled": True},
    services={"mcp": {"enabled": True}, "frontend": PAIR},
    vikunja={"secrets": "environment"},
    files=[
        {"path": "/etc/own", "content": "x", "mode": "0440", "owner": "vikunja", "group": "adm"}
    ],
)
MCP = sample_instance(services={"mcp": {"enabled": True}})
SQLITE = sample_instance()
MYSQL = sample_instance(database={"type": "mysql"})
OUTSIDE = sample_instance(
    database={
        "type": "mysql",
        "host": "db.example.com",
        "user": "tasks",
        "password_file": "/p",
        "admin_user": "root",
        "admin_password_file": "/a",
    }
)


def rendered(instance: Instance) -> dict[str, Rendered]:
    return render(instance, system.templated(instance))


def given(instance: Instance) -> HostFiles:
    """The contents of the host's files that it names."""
    frontend, database = instance.services.frontend, instance.database
    return HostFiles(
        certificate=b"C" if frontend.ssl_cert else None,
        key=SecretValue(b"K") if frontend.ssl_key else None,
        database_password=SecretValue(b"P") if database.password_file else None,
        admin_password=SecretValue(b"A") if database.admin_password_file else None,
        extra={one.path: SecretValue(b"E") for one in instance.files if one.source},
    )


def declared(instance: Instance, files: HostFiles | None = None) -> dict[str, Resource]:
    """Of the system, of blue with nginx, and of green's settings."""
    made, read = rendered(instance), files or given(instance)
    blue, green = (switch.declare(instance, one, made, read, TARGET) for one in COLORS)
    resources = (
        *system.declare(instance, made, read),
        *(one for one in (*blue.settings, *blue.start) if isinstance(one, File | Absent)),
        *(one for one in blue.start if isinstance(one, Script)),
        *(one for one in blue.start if one.address == "unit:nginx.service"),
        *green.settings,
    )
    return {resource.address: resource for resource in resources}


def test_a_secret_that_is_given_is_a_file_and_no_other_is_made() -> None:
    found = declared(SQLITE, HostFiles(service_secret=SecretValue(b"canary-4711")))
    file = found[f"file:{SECRETS}/service-secret"]
    assert isinstance(file, File)
    assert (file.mode, file.owner, file.group) == ("0600", "vikunja", "vikunja")
    assert f"secret:{SECRETS}/service-secret" not in found
    assert "canary-4711" not in repr(found)


def test_secrets_of_settings_are_files_that_each_color_copies() -> None:
    names = {"VIKUNJA_MAILER_PASSWORD": "/secret/mail", "VIKUNJA_A": "/secret/a"}
    instance = sample_instance(vikunja={"secret_files": names})
    files = HostFiles(settings=dict.fromkeys(names, SecretValue(b"canary-4711")))
    found = declared(instance, files)
    for name in names:
        file = found[f"file:{SECRETS}/{name}"]
        assert isinstance(file, File)
        assert (file.mode, file.owner, file.content) == ("0600", "vikunja", files.settings[name])
    copies = found["color-secrets:green"]
    assert isinstance(copies, Script)
    assert copies.arguments[-2:] == ("VIKUNJA_A", "VIKUNJA_MAILER_PASSWORD")
    assert f"file:{SECRETS}/VIKUNJA_A" in copies.triggers


def test_what_is_not_root_s_and_for_everybody_to_read_is_for_exactly_these() -> None:
    found = {
        resource.path: (resource.mode, resource.owner, resource.group)
        for resource in declared(EVERYTHING).values()
        if isinstance(resource, File | Directory | Secret)
    }
    usual = {("0644", "root", "root"), ("0755", "root", "root")}
    assert {path: owned for path, owned in found.items() if owned not in usual} == {
        SECRETS: ("0700", "vikunja", "vikunja"),
        f"{SECRETS}/service-secret": ("0600", "vikunja", "vikunja"),
        f"{SECRETS}/db-password": ("0600", "vikunja", "vikunja"),
        f"{SECRETS}/redis-password": ("0600", "vikunja", "vikunja"),
        "/etc/redis/redis.conf": ("0640", "redis", "redis"),
        "/etc/vikunja/environment.blue": ("0640", "root", "vikunja"),
        "/etc/vikunja/environment.green": ("0640", "root", "vikunja"),
        "/etc/vikunja/mcp-environment.blue": ("0640", "root", "vikunja"),
        "/etc/vikunja/mcp-environment.green": ("0640", "root", "vikunja"),
        "/etc/vikunja/tls": ("0750", "root", "www-data"),
        "/etc/vikunja/tls/certificate.pem": ("0644", "root", "www-data"),
        "/etc/vikunja/tls/key.pem": ("0640", "root", "www-data"),
        "/var/lib/nginx": ("0755", "www-data", "www-data"),
        "/var/lib/vikunja": ("0750", "vikunja", "vikunja"),
        "/var/lib/vikunja/files": ("0750", "vikunja", "vikunja"),
        "/var/log/vikunja": ("0751", "root", "adm"),
        "/etc/own": ("0440", "vikunja", "adm"),
    }
    admin = declared(OUTSIDE)[f"file:{SECRETS}/db-admin-password"]
    assert isinstance(admin, File)
    assert (admin.mode, admin.owner, admin.group) == ("0600", "root", "root")
    assert declared(SQLITE)["directory:/etc/vikunja/tls/self-signed"] == Directory(
        path="/etc/vikunja/tls/self-signed",
        mode="0750",
        group="www-data",
        origin=origin_of(SQLITE, ["services.frontend.tls", "services.frontend.ssl_cert"]),
    )


def test_a_color_has_its_own_copies_of_what_is_secret_and_its_own_way_into_postgresql() -> None:
    found = declared(EVERYTHING)["color-secrets:green"]
    names = ("service-secret", "db-password", "redis-password")
    assert isinstance(found, Script)
    assert found.arguments == ("green", "vikunja_green", "vikunja", "vikunja", *names)
    assert found.triggers == tuple(
        f"{kind}:{SECRETS}/{name}" for name in names for kind in ("secret", "file")
    )
    others = [declared(one)["color-secrets:green"] for one in (SQLITE, MYSQL, OUTSIDE)]
    assert [one.arguments for one in others if isinstance(one, Script)] == [
        ("green", "-", "-", "-", "service-secret"),
        ("green", "-", "-", "-", "service-secret", "db-password"),
        ("green", "-", "-", "-", "service-secret", "db-password"),
    ]


def test_what_a_color_was_let_in_with_goes_when_it_rests() -> None:
    last = switch.declare(EVERYTHING, "green", rendered(EVERYTHING), HostFiles(), TARGET).rest[-1]
    assert isinstance(last, Script)
    assert (last.address, last.wanted) == ("retired-secrets:blue", "absent")
    assert last.arguments == ("blue", "vikunja_blue", "-", "-", "6379")


def test_what_is_run_is_executable_and_nothing_else() -> None:
    found = declared(EVERYTHING).values()
    executable = {one.path for one in found if isinstance(one, File) and one.mode == "0755"}
    assert executable == {
        f"/usr/local/lib/vikunja/{name}"
        for name in (
            *(f"{service}.{color}" for service in ("backend", "mcp") for color in COLORS),
            "nginx-reload",
            "switch-back",
            "updates",
        )
    }


def keys(resource: Resource) -> set[str]:
    return set(resource.origin.inputs)


DATABASE_KEYS = {f"database.{name}" for name in ("type", "host", "port", "name", "user")}
REDIS_KEYS = {"redis.enabled", "services.mcp.enabled"}
DB_PASSWORD = (f"file:{SECRETS}/db-password", f"secret:{SECRETS}/db-password")


@pytest.mark.parametrize(
    ("instance", "address", "expected", "triggers"),
    [
        (EVERYTHING, "package:postgresql", {"database.type", "database.host"}, ()),
        (EVERYTHING, "package:redis-server", REDIS_KEYS, ()),
        (EVERYTHING, "package:nodejs", {"services.mcp.enabled"}, ()),
        (EVERYTHING, "directory:/var/log/vikunja-mcp", {"services.mcp.enabled"}, ()),
        (EVERYTHING, f"secret:{SECRETS}/redis-password", REDIS_KEYS, ()),
        (
            EVERYTHING,
            "redis-passwords:/etc/redis/vikunja-password.conf",
            REDIS_KEYS,
            (f"secret:{SECRETS}/redis-password",),
        ),
        (EVERYTHING, DB_PASSWORD[0], {"database.type", "database.password_file"}, ()),
        (OUTSIDE, f"file:{SECRETS}/db-admin-password", {"database.admin_password_file"}, ()),
        (
            EVERYTHING,
            "file:/etc/vikunja/tls/key.pem",
            {"services.frontend.ssl_cert", "services.frontend.ssl_key"},
            (),
        ),
        (EVERYTHING, "file:/etc/own", {"files"}, ()),
        (EVERYTHING, "unit:postgresql.service", {"database.type", "database.host"}, ()),
        (EVERYTHING, "postgresql-database:vikunja", DATABASE_KEYS, DB_PASSWORD),
        (
            EVERYTHING,
            "unit:redis-server.service",
            REDIS_KEYS,
            ("file:/etc/redis/redis.conf",),
        ),
        (EVERYTHING, "absent:/etc/nginx/sites-enabled/default", set(), ("package:nginx",)),
        (EVERYTHING, "log-files:/var/log/vikunja", set(), ("file:/etc/tmpfiles.d/vikunja.conf",)),
        (
            EVERYTHING,
            "unit:logrotate.timer",
            set(),
            (f"file:{UNITS}/logrotate.timer.d/vikunja.conf",),
        ),
        (
            EVERYTHING,
            "systemd:unit-files",
            set(),
            (
                f"file:{UNITS}/vikunja-updates.service",
                f"file:{UNITS}/vikunja-updates.timer",
                f"link:{UNITS}/unattended-upgrades.service",
                f"file:{UNITS}/systemd-networkd-wait-online.service.d/vikunja.conf",
                f"file:{UNITS}/nginx.service.d/vikunja.conf",
                f"file:{UNITS}/logrotate.timer.d/vikunja.conf",
            ),
        ),
        (
            EVERYTHING,
            "unit:nginx.service",
            {"network.domain"},
            (
                f"file:{UNITS}/nginx.service.d/vikunja.conf",
                "file:/etc/nginx/nginx.conf",
                "file:/etc/nginx/conf.d/vikunja.conf",
                "file:/etc/vikunja/tls/certificate.pem",
                "file:/etc/vikunja/tls/key.pem",
                "file:/etc/vikunja/nginx/blue.conf",
                "file:/etc/vikunja/nginx/green.conf",
                "absent:/etc/nginx/sites-enabled/default",
                "directory:/var/log/vikunja",
                "log-files:/var/log/vikunja",
            ),
        ),
        (
            SQLITE,
            "unit:nginx.service",
            {"network.domain"},
            (
                f"file:{UNITS}/nginx.service.d/vikunja.conf",
                "file:/etc/nginx/nginx.conf",
                "file:/etc/nginx/conf.d/vikunja.conf",
                "file:/etc/vikunja/nginx/blue.conf",
                "file:/etc/vikunja/nginx/green.conf",
                "absent:/etc/nginx/sites-enabled/default",
                "directory:/var/log/vikunja",
                "log-files:/var/log/vikunja",
                "self-signed-certificate:/etc/vikunja/tls/self-signed",
            ),
        ),
        (
            SQLITE,
            "self-signed-certificate:/etc/vikunja/tls/self-signed",
            {f"network.{key}" for key in ("domain", "aliases", "ip_address", "ip6_address")},
            (),
        ),
        (SQLITE, "sqlite-database:/var/lib/vikunja/vikunja.db", {"database.type"}, ()),
        (MYSQL, "mysql-database:vikunja", DATABASE_KEYS, DB_PASSWORD),
        (MYSQL, DB_PASSWORD[1], {"database.type", "database.password_file"}, ()),
        (
            MYSQL,
            "unit:mariadb.service",
            {"database.type", "database.host"},
            ("file:/etc/mysql/mariadb.conf.d/90-vikunja.cnf",),
        ),
        (
            OUTSIDE,
            "external-mysql:db.example.com:3306/vikunja",
            {*DATABASE_KEYS, "database.admin_user"},
            DB_PASSWORD,
        ),
    ],
)
def test_a_resource_comes_from_keys_and_is_acted_on_again_with_what_it_takes_up(
    instance: Instance, address: str, expected: set[str], triggers: tuple[str, ...]
) -> None:
    resource = declared(instance)[address]
    assert keys(resource) == expected
    assert resource.triggers == triggers


@pytest.mark.parametrize(
    ("instance", "address", "arguments"),
    [
        (
            SQLITE,
            "sqlite-database:/var/lib/vikunja/vikunja.db",
            ("vikunja", "/var/lib/vikunja/vikunja.db"),
        ),
        (MYSQL, "mysql-database:vikunja", ("vikunja", "vikunja")),
        (
            SQLITE,
            "self-signed-certificate:/etc/vikunja/tls/self-signed",
            ("/etc/vikunja/tls/self-signed", "vikunja.example.com", "10.98.0.10"),
        ),
        (SQLITE, "log-files:/var/log/vikunja", ("/var/log/vikunja",)),
        (
            OUTSIDE,
            "external-mysql:db.example.com:3306/vikunja",
            ("db.example.com", "3306", "vikunja", "tasks", "root"),
        ),
    ],
)
def test_a_script_is_told_what_it_is_about(
    instance: Instance, address: str, arguments: tuple[str, ...]
) -> None:
    script = declared(instance)[address]
    assert isinstance(script, Script) and script.arguments == arguments


@pytest.mark.parametrize(
    ("instance", "database"),
    [
        (SQLITE, "sqlite-database:/var/lib/vikunja/vikunja.db"),
        (EVERYTHING, "postgresql-database:vikunja"),
        (OUTSIDE, "external-mysql:db.example.com:3306/vikunja"),
    ],
)
def test_the_database_and_the_attachments_hold_data_and_the_settings_say_where(
    instance: Instance, database: str
) -> None:
    found = declared(instance)
    assert {address for address, one in found.items() if one.holds_data} == {
        database,
        "directory:/var/lib/vikunja",
        "directory:/var/lib/vikunja/files",
    }
    where = {address: one.destructive_inputs for address, one in found.items()}
    assert {address: inputs for address, inputs in where.items() if inputs} == {
        f"file:/etc/vikunja/environment.{color}": (
            "database.type",
            "database.host",
            "database.port",
            "database.name",
            "vikunja.files.s3.endpoint",
            "vikunja.files.s3.bucket",
            "vikunja.files.s3.prefix",
        )
        for color in COLORS
    }


def test_a_file_of_the_host_that_changed_is_the_reason_where_no_key_did() -> None:
    instance = sample_instance(
        database=OUTSIDE.document["database"],
        services={"frontend": PAIR},
        files=[{"path": "/etc/own", "source": "/home/own"}, {"path": "/etc/b", "content": "x"}],
    )
    said = {address: one.otherwise for address, one in declared(instance).items()}
    assert {address: text for address, text in said.items() if text} == {
        f"file:{SECRETS}/db-password": "database.password_file: the file changed",
        f"file:{SECRETS}/db-admin-password": "database.admin_password_file: the file changed",
        "file:/etc/vikunja/tls/certificate.pem": "services.frontend.ssl_cert: the file changed",
        "file:/etc/vikunja/tls/key.pem": "services.frontend.ssl_key: the file changed",
        "file:/etc/own": "/home/own changed",
    }


@pytest.mark.parametrize(
    "files",
    [HostFiles(), HostFiles(certificate=b"C"), HostFiles(key=SecretValue(b"K"))],
)
def test_of_a_pair_half_of_which_is_given_nothing_is_landed(files: HostFiles) -> None:
    assert not [one for one in declared(SQLITE, files) if one.startswith("file:/etc/vikunja/tls/")]


def test_what_stops_while_a_unit_is_started_anew() -> None:
    units = {one.unit: one for one in declared(EVERYTHING).values() if isinstance(one, Unit)}
    assert {name: (unit.on_change, unit.interrupts) for name, unit in units.items()} == {
        "postgresql.service": ("restart", "requests, for 2 to 4 s"),
        "redis-server.service": ("restart", "requests that need redis, for about 1 s"),
        "nginx.service": ("reload", "every request, for about 1 s"),
        "logrotate.timer": ("restart", ""),
        "vikunja-updates.timer": ("restart", ""),
    }
    assert units["nginx.service"].mounts == ("/var/log/vikunja",)


@pytest.mark.parametrize(
    ("path", "unit"),
    [
        ("/etc/redis/redis.conf", "redis-server.service"),
        (f"{UNITS}/logrotate.timer.d/vikunja.conf", "logrotate.timer"),
        ("/etc/nginx/conf.d/vikunja.conf", "nginx.service"),
        (f"{UNITS}/nginx.service.d/vikunja.conf", "nginx.service"),
        ("/etc/mysql/mariadb.conf.d/90-vikunja.cnf", "mariadb.service"),
        ("/etc/tmpfiles.d/vikunja.conf", None),
    ],
)
def test_a_unit_is_behind_where_a_file_that_it_takes_up_is_another(
    path: str, unit: str | None
) -> None:
    instance = sample_instance(database={"type": "mysql"}, redis={"enabled": True})
    before = rendered(instance)
    after = {**before, path: Rendered(b"other", before[path].origin)}
    revisions = [
        {
            one.unit: one.revision
            for one in (
                *system.declare(instance, made),
                *switch.declare(instance, "blue", made, HostFiles(), TARGET).start,
            )
            if isinstance(one, Unit) and "@" not in one.unit
        }
        for made in (before, after)
    ]
    moved = {name for name, revision in revisions[0].items() if revisions[1][name] != revision}
    assert moved == ({unit} if unit else set())


def test_a_users_own_file_in_the_place_of_one_of_ours_says_what_to_do() -> None:
    taken = sample_instance(files=[{"path": "/etc/nginx/nginx.conf", "content": "x"}])
    with pytest.raises(UsageError) as caught:
        declared(taken)
    assert (caught.value.where, caught.value.hint) == (
        "vikunja-main",
        "Give the file another path; vikunja.environment sets variables",
    )


# The container


@pytest.mark.parametrize("driver", SECTIONS)
def test_the_container_and_that_it_runs_come_from_the_keys_of_its_driver(
    driver: DriverName, tmp_path: Path
) -> None:
    instance = sample_instance(**SECTIONS[driver])
    container, made_by = container_for(instance, Paths(tmp_path)), driver_of(instance)
    desired, running = provisioning.declare(instance, container)
    expected = origin_of(instance, (*provisioning.KEYS, *made_by.keys))
    assert isinstance(desired, DesiredContainer) and desired.spec == container.spec
    assert (desired.moving, desired.own_disk) == (made_by.moving, container.own_disk)
    fields = {*ContainerSpec.__struct_fields__, *container.spec.more}
    assert desired.restarting == container.needs_restart(frozenset(fields))
    assert desired.restarting and "memory_mb" not in desired.restarting
    assert running == ContainerRunning(container=desired, origin=expected)
    assert desired.origin == expected
    assert {"resources.memory_mb", "network.ip_address"} <= keys(desired)


# Releases and the switch

TARGET = ReleaseTarget("2" * 40, "key2", "v2.0.0", "main is at 2222222222 now")


@pytest.mark.parametrize(
    ("target", "label"),
    [
        (TARGET, "2222222222 (v2.0.0)"),
        (ReleaseTarget("2" * 40, "key2"), "2222222222"),
        (ReleaseTarget(None, "key2", "v2.0.0"), "v2.0.0"),
    ],
)
def test_a_build_is_named_by_its_commit_and_the_version_where_that_is_known(
    target: ReleaseTarget, label: str
) -> None:
    assert target.label == label
    short = label.partition(" ")[0]
    (built,) = release.declare_build(SQLITE, target)
    (released,) = release.declare(SQLITE, target, "green")
    assert built.address == f"artifact:{short}" and built.desired() == {"key": "key2"}
    assert released.follows == (built.address,)
    assert released.otherwise == target.because
    assert released.origin == built.origin == origin_of(SQLITE, release.origin_keys(SQLITE))


ARCHIVE = sample_instance(
    git=None, release={"url": "https://example.com/a.zip", "sha256": "0" * 64, "version": "v1"}
)


def test_which_build_is_to_serve_is_decided_by_these_keys() -> None:
    usual = {
        "git.repository",
        "git.branch",
        *(f"build.{name}" for name in ("backend", "frontend", "environment", "packages")),
        "build.toolchains",
        "build.where",
        "services.mcp.enabled",
    }
    assert set(release.origin_keys(SQLITE)) == usual
    assert set(release.origin_keys(MCP)) == {*usual, "build.mcp"}
    assert set(release.origin_keys(ARCHIVE)) == {
        "release.channel",
        "release.version",
        "release.major",
        "release.url",
        "release.sha256",
    }


def releases(**colors: str) -> Facts:
    """Colors and the key of the build in each one's folder; `serves` names the one of them."""
    serves = colors.pop("serves", "blue")
    files = {
        binary(color): FileFact("file", "0755", "root", "root", size=9)  # type: ignore[arg-type]
        for color in colors
    }
    if serves == "green":
        files[GREEN_MARKER] = FileFact("file", "0644", "root", "root")
    texts = {
        release_file(color): f"{key} v-{key} {'1' * 40 if color == 'blue' else '2' * 40} 9"  # type: ignore[arg-type]
        for color, key in colors.items()
    }
    return Facts(files=files, texts=texts)


@pytest.mark.parametrize(
    ("facts", "key", "nothing"),
    [
        (Facts(), None, True),
        (releases(serves="green"), None, True),
        (releases(blue="old"), "old", False),
        (releases(blue="old", green="new", serves="green"), "new", False),
        # What serves is damaged, and the other is whole.
        (releases(green="old"), None, False),
    ],
)
def test_the_release_that_serves_is_that_of_the_active_color(
    facts: Facts, key: str | None, nothing: bool
) -> None:
    serving = serving_release(facts)
    assert (serving and serving.key, nothing_released(facts)) == (key, nothing)
    assert (other("blue"), other("green")) == ("green", "blue")


SECRETS_OF_MCP = (
    "color-secrets:green",
    *(
        f"{kind}:{SECRETS}/{name}"
        for name in ("service-secret", "redis-password")
        for kind in ("secret", "file")
    ),
)


def test_the_switch_starts_one_color_looks_at_the_site_and_puts_the_other_to_rest() -> None:
    parts = switch.declare(MCP, "green", rendered(MCP), HostFiles(), TARGET)
    backend, mcp, *proxy, active, site = parts.start
    assert isinstance(backend, Unit) and isinstance(mcp, Unit)
    assert [backend.unit, mcp.unit] == [
        "vikunja-backend@green.service",
        "vikunja-mcp@green.service",
    ]
    for unit, port in ((backend, "services.backend.port_green"), (mcp, "services.mcp.port_green")):
        assert unit.follows == ("release:green",)
        assert unit.otherwise == TARGET.because
        assert keys(unit) == {port, *release.origin_keys(MCP)}
    assert backend.triggers == (
        "file:/etc/vikunja/environment.green",
        f"file:{UNITS}/vikunja-backend@green.service",
        "file:/usr/local/lib/vikunja/backend.green",
        *SECRETS_OF_MCP,
        "release:green",
    )
    assert mcp.triggers == (
        "file:/etc/vikunja/mcp-environment.green",
        f"file:{UNITS}/vikunja-mcp@green.service",
        "file:/usr/local/lib/vikunja/mcp.green",
        *SECRETS_OF_MCP,
        "release:green",
    )
    assert backend.health == ("backend", "3457", "v2.0.0", "60")
    assert (backend.answers, mcp.answers) == (("backend", "3457"), ("mcp", "8457"))
    assert backend.interrupts == "requests, for 1 to 2 s"
    assert backend.opened == ("sqlite-database:/var/lib/vikunja/vikunja.db",)
    assert mcp.interrupts == "MCP sessions, which clients open anew"
    assert active == ActiveColor(color="green", follows=(backend.address, mcp.address))
    assert site == HealthCheck(
        site="https://vikunja.example.com:443",
        timeout=60,
        answers=("nginx.service", "site", "https://vikunja.example.com:443", "10.98.0.10"),
        triggers=(
            "color:active",
            "unit:nginx.service",
            "absent:/etc/vikunja/active/maintenance",
            backend.address,
            mcp.address,
        ),
        origin=origin_of(MCP, ["network.domain", "services.frontend.ssl_port"]),
    )
    assert [one.address for one in parts.settings] == [
        "file:/etc/vikunja/environment.green",
        f"file:{UNITS}/vikunja-backend@green.service",
        "file:/usr/local/lib/vikunja/backend.green",
        "file:/etc/vikunja/mcp-environment.green",
        f"file:{UNITS}/vikunja-mcp@green.service",
        "file:/usr/local/lib/vikunja/mcp.green",
        "color-secrets:green",
        "systemd:unit-files-of-green",
    ]
    assert [one.address for one in proxy] == [
        "file:/etc/vikunja/nginx/blue.conf",
        "file:/etc/vikunja/nginx/green.conf",
        "file:/etc/nginx/nginx.conf",
        "file:/etc/nginx/conf.d/vikunja.conf",
        "absent:/etc/nginx/sites-enabled/default",
        "absent:/etc/vikunja/nginx/given.conf",
        "self-signed-certificate:/etc/vikunja/tls/self-signed",
        "nginx-files:/etc/nginx/conf.d",
        "unit:nginx.service",
    ]
    link, *idle = parts.rest
    switched = ("color:active",)
    assert link == Link(
        path="/etc/vikunja/environment", target="environment.green", follows=switched
    )
    assert idle == [
        *(
            StoppedUnit(unit=f"vikunja-{name}@blue.service", follows=switched)
            for name in ("backend", "mcp")
        ),
        *(
            Absent(path=f"/etc/vikunja/{name}.blue", was="file", follows=switched)
            for name in ("environment", "mcp-environment")
        ),
        Script(
            script="retired-secrets",
            title="blue",
            arguments=("blue", "-", "-", "-", "6379"),
            wanted="absent",
            follows=switched,
        ),
    ]


def test_a_color_that_takes_over_is_told_from_the_one_that_serves() -> None:
    made = rendered(SQLITE)
    parts = switch.declare(SQLITE, "green", made, HostFiles(), TARGET, "blue", ["green"])
    settings = [one for one in parts.settings if isinstance(one, File)]
    before = switch.declare(SQLITE, "blue", made, HostFiles(), TARGET).settings
    assert [one.serving for one in settings] == [one for one in before if isinstance(one, File)]
    addresses = [one.address for one in parts.start]
    assert "file:/etc/vikunja/nginx/green.conf" in addresses
    # While blue serves, it is where nginx knows it to be.
    assert "file:/etc/vikunja/nginx/blue.conf" not in addresses


# Records

APPLIED = Applied("2025-01-01T00:00:00Z", "2025-02-01T00:00:00Z", {}, {})
PLACE = ContainerFacts(True, True, "vikunja-main", {"container_id": 101})


def document(instance: Instance, facts: Facts) -> Any:
    return yaml.safe_load(record.document(instance, facts, APPLIED))


@pytest.mark.parametrize(
    ("facts", "commit", "blue", "green", "active"),
    [
        (Facts(), None, None, None, "blue"),
        (releases(blue="a"), "1" * 40, "v-a", None, "blue"),
        (releases(blue="a", green="b"), "1" * 40, "v-a", "v-b", "blue"),
        (releases(blue="a", green="b", serves="green"), "2" * 40, "v-a", "v-b", "green"),
    ],
)
def test_the_document_says_what_is_in_each_color_and_which_commit_serves(
    facts: Facts, commit: str | None, blue: str | None, green: str | None, active: str
) -> None:
    found = document(MCP, facts)
    assert found["git"]["deployed_commit"] == commit
    for service in ("backend", "mcp"):
        said = found["services"][service]
        assert (said["version_blue"], said["version_green"]) == (blue, green)
        assert said["active_color"] == active
    plain = document(SQLITE, facts)["services"]["mcp"]
    assert (plain["version_blue"], plain["version_green"]) == (None, None)


def test_the_document_says_when_it_was_deployed_and_backed_up() -> None:
    facts = Facts(host={record.LAST_BACKUP: "2025-03-01T00:00:00Z"})
    found = document(SQLITE, facts)
    assert found["deployment"]["created_at"] == "2025-01-01T00:00:00Z"
    assert found["deployment"]["updated_at"] == "2025-02-01T00:00:00Z"
    assert found["backup"]["last_backup"] == "2025-03-01T00:00:00Z"
    text = record.document(SQLITE, facts, APPLIED)
    assert text.startswith(b"# Written by vikunja-deploy at every apply; edits are lost.\n")


def test_the_document_is_for_people_to_read() -> None:
    instance = sample_instance(git={"repository": "https://example.com/größe.git"})
    text = record.document(instance, Facts(), APPLIED).decode()
    assert "repository: https://example.com/größe.git" in text
    assert text.index("deployment:") < text.index("network:") < text.index("admin:")


def test_a_document_that_was_made_before_is_not_made_again(tmp_path: Path) -> None:
    kept = TextCache(tmp_path)
    record.document(SQLITE, Facts(), APPLIED, kept)
    (file,) = tmp_path.iterdir()
    file.write_bytes(b"made before")
    assert record.document(SQLITE, Facts(), APPLIED, kept) == b"made before"
    assert record.document(MYSQL, Facts(), APPLIED, kept) != b"made before"
    assert record.document(SQLITE, Facts(), APPLIED) != b"made before"


def test_records_are_declared_with_what_each_should_say() -> None:
    before = (HealthCheck(site="https://example.com:443", timeout=60),)
    facts = Facts(container=PLACE)
    registered, rotation, deployed, state = record.declare(
        SQLITE, facts, APPLIED, TARGET, "green", before
    )
    assert isinstance(registered, Record) and isinstance(deployed, Record)
    assert (registered.address, keys(registered)) == (
        "record:registry",
        {"network.ip_address", "network.ip6_address", "network.domain"},
    )
    assert registered.expected.endswith(
        "10.98.0.10/24 vikunja.example.com /etc/vikunja-deploy/main.yaml"
    )
    assert rotation == Record(record="log-rotation", expected="up to date")
    assert deployed.path == record.DOCUMENT and deployed.expected.endswith(" 0640")
    assert deployed.triggers == ("health:site",)
    landed = File(path="/x", content=record.document(SQLITE, facts, APPLIED))
    assert deployed.expected == f"{landed.sha256} 0640"
    assert state == Record(record="state", expected=f"running green {'2' * 40}")
    *_, state = record.declare(SQLITE, facts, APPLIED, ReleaseTarget(None, "k", "v1"), "blue", ())
    assert state == Record(record="state", expected="running blue -")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (None, ()),
        ("running blue 1", ()),
        ("stopped blue 1", (Record(record="state", expected="running blue 1"),)),
        ("failed - -", (Record(record="state", expected="running - -"),)),
    ],
)
def test_a_state_that_says_it_does_not_run_is_put_right(
    said: str | None, expected: tuple[Record, ...]
) -> None:
    host = {} if said is None else {"record:state": said}
    assert record.running(Facts(host=host)) == expected


def test_a_host_says_nothing_of_an_instance_before_its_first_apply(tmp_path: Path) -> None:
    assert record.observe(SQLITE, Paths(tmp_path)) == {}


STATE = State(
    instance_id="vikunja-main",
    container_id=None,
    status="running",
    active_color="green",
    last_operation="update",
    last_operation_time="2025-01-01T00:00:00Z",
    last_operation_status="success",
    deployed_version="v2.0.0",
    deployed_commit="2" * 40,
    uptime_start="2025-01-01T00:00:00Z",
)


@pytest.mark.parametrize("node", [None, "pve"])
def test_what_a_host_says_is_what_the_records_should_say(tmp_path: Path, node: str | None) -> None:
    paths = Paths(tmp_path)
    instance = SQLITE if node is None else sample_instance(lxc=None, proxmox={"node": node})
    facts = Facts(container=PLACE)
    states.write(paths, STATE)
    registry.add(paths, entry(instance, APPLIED, PLACE))
    last_backup.write(paths, instance.id, "2025-03-01T00:00:00Z")
    paths.log_rotation.parent.mkdir(parents=True)
    paths.log_rotation.write_bytes(record.log_rotation(paths))
    found = record.observe(instance, paths)
    expected = {
        one.address: one.expected
        for one in record.declare(instance, facts, APPLIED, TARGET, "green", ())
        if isinstance(one, Record) and not one.path
    }
    assert found == {**expected, record.LAST_BACKUP: "2025-03-01T00:00:00Z"}
    assert (" as 101 on pve " in found["record:registry"]) == (node is not None)
    assert str(paths.log("x").parent).encode() in paths.log_rotation.read_bytes()


def test_what_a_host_says_otherwise_shows(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    states.write(paths, replace(STATE, status="stopped", active_color=None, deployed_commit=None))
    paths.log_rotation.parent.mkdir(parents=True)
    paths.log_rotation.write_text("by hand")
    assert record.observe(SQLITE, paths) == {
        "record:state": "stopped - -",
        "record:log-rotation": "something else",
    }
