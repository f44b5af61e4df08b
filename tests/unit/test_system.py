"""What is desired inside the container, for which configuration."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given as generated
from hypothesis import settings
from hypothesis import strategies as st

from tasks.config.environment_rules import environment as refused
from tasks.config.make import make_instance
from tasks.config.schema import with_defaults
from tasks.desired import color, release, switch, system, updates
from tasks.desired.release import ReleaseTarget
from tasks.desired.rendering import Rendered, render
from tasks.errors import ResourceError, UsageError
from tasks.guest.runner import SCRIPTS, function_name
from tasks.model import layout
from tasks.model.instance import COLORS, Instance
from tasks.paths import ROOT
from tasks.resources.base import Resource
from tasks.resources.files import Directory, File
from tasks.resources.system import Package, Script, Secret, Unit
from tasks.secret import Secret as SecretValue

DOCUMENT: Mapping[str, Any] = {
    "deployment": {"instance_id": "vikunja-main"},
    "lxc": {"name": "vikunja-main"},
    "network": {
        "bridge": "br0",
        "ip_address": "192.0.2.10/24",
        "gateway": "192.0.2.1",
        "domain": "tasks.example.org",
    },
    "database": {},
    "git": {"repository": "https://example.org/vikunja.git"},
    "admin": {"email": "admin@example.org"},
}

ALL = {
    "redis": {"enabled": True},
    "services": {"mcp": {"enabled": True}},
}
OUTSIDE = {"host": "db.example.org", "user": "tasks", "password_file": "/secret/password"}
CONFIGURATIONS: Mapping[str, Mapping[str, Any]] = {
    "sqlite": {},
    "everything": ALL,
    "postgresql": {"database": {"type": "postgresql"}},
    "mysql": {"database": {"type": "mysql"}},
    "postgresql outside": {"database": {"type": "postgresql", **OUTSIDE}},
    "mysql outside": {"database": {"type": "mysql", **OUTSIDE}},
    "in the environment": {"vikunja": {"secrets": "environment"}, **ALL},
    "given certificate": {
        "services": {"frontend": {"ssl_cert": "/secret/c.pem", "ssl_key": "/secret/k.pem"}}
    },
    "IPv6": {"network": {"ip_address": "2001:db8::10/64", "gateway": "2001:db8::1"}},
}
HOST_FILES = system.HostFiles(
    b"CERTIFICATE",
    SecretValue(b"KEY-CANARY"),
    SecretValue(b"PASSWORD-CANARY"),
    SecretValue(b"ADMIN-CANARY"),
)


def merged(document: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(document)
    for name, value in more.items():
        below = result.get(name)
        result[name] = merged(below or {}, value) if isinstance(value, dict) else value
    return result


def instance(**keys: Any) -> Instance:
    return make_instance(with_defaults(merged(DOCUMENT, keys), Path("/")), Path("/config.yaml"))


def rendered(desired: Instance) -> dict[str, Rendered]:
    return render(desired, system.templated(desired))


def texts(**keys: Any) -> dict[str, str]:
    desired = instance(**keys)
    return {path: item.content.decode() for path, item in rendered(desired).items()}


def declared(host_files: system.HostFiles = HOST_FILES, **keys: Any) -> tuple[Resource, ...]:
    """Of the system, and of both colors."""
    desired = instance(**keys)
    made, target = rendered(desired), ReleaseTarget(None, "r1")
    found = {one.address: one for one in system.declare(desired, made, host_files)}
    for one in COLORS:
        parts = switch.declare(desired, one, made, host_files, target)
        found |= {part.address: part for part in (*parts.settings, *parts.start)}
        found |= {part.address: part for part in release.declare(desired, target, one)}
    return tuple(found.values())


def addresses(**keys: Any) -> list[str]:
    return [resource.address for resource in declared(**keys)]


def environment(text: str) -> dict[str, str]:
    """A file of variables as sh reads it."""
    script = 'set -a; unset PWD OLDPWD _; . "$1"; env -0'
    found = subprocess.run(
        ["env", "-i", "/bin/sh", "-c", script, "sh", "/dev/stdin"],
        input=text.encode(), capture_output=True, check=True,
    ).stdout  # fmt: skip
    return dict(line.split("=", 1) for line in found.decode().split("\0") if line)


NGINX = "/etc/nginx/conf.d/vikunja.conf"
ENVIRONMENT = "/etc/vikunja/environment.blue"
BACKEND = "/etc/systemd/system/vikunja-backend@blue.service"


# The environment


def test_the_environment_holds_what_vikunja_needs() -> None:
    found = environment(texts()[ENVIRONMENT])

    assert found == {
        "VIKUNJA_SERVICE_PUBLICURL": "https://tasks.example.org/",
        "VIKUNJA_SERVICE_INTERFACE": "127.0.0.1:3456",
        "VIKUNJA_SERVICE_ROOTPATH": "/var/lib/vikunja",
        "VIKUNJA_SERVICE_ENABLEREGISTRATION": "false",
        "VIKUNJA_SERVICE_TIMEZONE": "UTC",
        "VIKUNJA_SERVICE_IPEXTRACTIONMETHOD": "xff",
        "VIKUNJA_SERVICE_TRUSTEDPROXIES": "127.0.0.1/32",
        "VIKUNJA_FILES_BASEPATH": "/var/lib/vikunja/files",
        "VIKUNJA_FILES_MAXSIZE": "20MB",
        "VIKUNJA_DATABASE_TYPE": "sqlite",
        "VIKUNJA_DATABASE_PATH": "/var/lib/vikunja/vikunja.db",
        "VIKUNJA_LOG_HTTP": "off",
    }


def test_the_public_address_names_a_port_that_is_not_443() -> None:
    found = environment(texts(services={"frontend": {"ssl_port": 8443}})[ENVIRONMENT])

    assert found["VIKUNJA_SERVICE_PUBLICURL"] == "https://tasks.example.org:8443/"


@pytest.mark.parametrize(
    ("database", "expected"),
    [
        ({"type": "postgresql"}, ("postgres", "127.0.0.1:5432", "vikunja", "vikunja_blue")),
        ({"type": "mysql"}, ("mysql", "127.0.0.1:3306", "vikunja", "vikunja")),
        (
            {"type": "postgresql", **OUTSIDE, "port": 6432, "name": "todo"},
            ("postgres", "db.example.org:6432", "todo", "tasks"),
        ),
        (
            {"type": "mysql", **OUTSIDE, "host": "2001:db8::5"},
            ("mysql", "[2001:db8::5]:3306", "vikunja", "tasks"),
        ),
    ],
)
def test_a_database_is_named_as_vikunja_wants_it(
    database: Mapping[str, Any], expected: tuple[str, ...]
) -> None:
    found = environment(texts(database=dict(database))[ENVIRONMENT])

    names = ("TYPE", "HOST", "DATABASE", "USER")
    assert tuple(found[f"VIKUNJA_DATABASE_{name}"] for name in names) == expected


def test_redis_is_used_only_where_it_is_enabled() -> None:
    with_redis = environment(texts(redis={"enabled": True, "port": 6400})[ENVIRONMENT])

    assert with_redis["VIKUNJA_REDIS_HOST"] == "127.0.0.1:6400"
    assert with_redis["VIKUNJA_KEYVALUE_TYPE"] == "redis"
    assert not any("REDIS" in name for name in environment(texts()[ENVIRONMENT]))


def test_the_colors_differ_by_their_ports_and_secrets_only() -> None:
    found = texts(services={"backend": {"port_blue": 4001, "port_green": 4002}})
    blue, green = (
        environment(found[layout.environment(one)].replace(f"/secrets/{one}/", "/secrets/"))
        for one in COLORS
    )

    assert blue.pop("VIKUNJA_SERVICE_INTERFACE") == "127.0.0.1:4001"
    assert green.pop("VIKUNJA_SERVICE_INTERFACE") == "127.0.0.1:4002"
    assert blue == green


def test_the_mcp_server_of_a_color_talks_to_its_own_backend() -> None:
    found = environment(texts(**ALL)["/etc/vikunja/mcp-environment.green"])

    assert found["VIKUNJA_API_URL"] == "http://127.0.0.1:3457"
    assert found["MCP_HTTP_HOST"] == "127.0.0.1"
    assert found["MCP_HTTP_PORT"] == found["MCP_PORT"] == "8457"


def test_the_users_own_variables_come_last() -> None:
    own = {"VIKUNJA_LOG_LEVEL": "DEBUG", "SAMPLE": "x"}
    text = texts(vikunja={"environment": own})[ENVIRONMENT]

    assert environment(text)["VIKUNJA_LOG_LEVEL"] == "DEBUG"
    assert text.splitlines()[-2:] == ['SAMPLE="x"', 'VIKUNJA_LOG_LEVEL="DEBUG"']


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_user_may_give_no_variable_that_is_set_already(name: str) -> None:
    made = texts(**CONFIGURATIONS[name])
    taken = {variable for one in COLORS for variable in environment(made[layout.environment(one)])}
    # Where requests are logged is theirs to choose.
    taken.remove("VIKUNJA_LOG_HTTP")
    own = {"vikunja": {"environment": dict.fromkeys(taken, "x")}}

    assert {finding.key[-1] for finding in refused(own)} == taken


printable = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0\r"))


@settings(max_examples=50, deadline=None)
@generated(value=printable)
def test_any_value_arrives_as_it_was_written(value: str) -> None:
    text = texts(vikunja={"environment": {"SAMPLE_VALUE": value}})[ENVIRONMENT]

    assert environment(text)["SAMPLE_VALUE"] == value


# The proxy


@pytest.mark.parametrize(("desired", "limit"), [(5, "22m"), (20, "22m"), (100, "102m")])
def test_the_body_limit_is_vikunjas_own_and_never_below_22_mb(desired: int, limit: str) -> None:
    made = texts(vikunja={"max_upload_mb": desired})
    text = made[NGINX]

    # The application takes exactly those, and two more for what is around one.
    assert environment(made[ENVIRONMENT])["VIKUNJA_FILES_MAXSIZE"] == f"{desired}MB"

    assert f"client_max_body_size {limit};" in text


def test_the_redirect_names_a_port_that_is_not_443() -> None:
    text = texts(services={"frontend": {"port": 8080, "ssl_port": 8443}})[NGINX]

    assert "return 301 https://$host:8443$request_uri;" in text
    assert "listen 8080;" in text
    assert "return 301 https://$host$request_uri;" in texts()[NGINX]


def test_a_page_is_left_as_it_is_only_at_the_public_address() -> None:
    other = "vikunja.example.net"
    text = texts(
        network={"aliases": [other]},
        services={"frontend": {"public_url": f"https://{other}:8443"}},
    )[NGINX]

    assert f'default "\'https://{other}:8443/api/v1\'";\n\t{other} "";' in text
    assert f"{other} $http_accept_encoding;" in text


def test_the_mcp_server_is_passed_to_only_where_it_is_enabled() -> None:
    assert "http://mcp_$color" in texts(**ALL)[NGINX]
    assert "mcp" not in texts()[NGINX]


def test_an_ipv6_address_is_listened_on_and_answered_for() -> None:
    text = texts(**CONFIGURATIONS["IPv6"])[NGINX]

    assert "listen [::]:443 ssl default_server reuseport ipv6only=off;" in text
    assert "server_name tasks.example.org [2001:db8::10];" in text


@pytest.mark.parametrize(
    ("suite", "listens", "directive"),
    [("bookworm", "listen 443 ssl http2;", False), ("trixie", "listen 443 ssl;", True)],
)
def test_http_2_is_turned_on_as_the_nginx_of_that_debian_knows_it(
    suite: str, listens: str, directive: bool
) -> None:
    text = texts(lxc={"template": suite})[NGINX]

    assert listens in text
    assert ("\nhttp2 on;\n" in text) is directive
    assert text.count("http2") == (1 if directive else 2)


def test_wherever_the_proxy_sets_a_header_it_sets_all_that_name_the_client() -> None:
    """nginx takes none over from the outside into a block that sets one itself."""
    text = texts(**ALL)[NGINX]
    for name in ("Host", "X-Real-IP", "X-Forwarded-For", "X-Forwarded-Proto", "Upgrade"):
        assert text.count(f"proxy_set_header {name} ") == 2, name
    assert "$proxy_add_x_forwarded_for" not in text
    (upgraded,) = [part for part in text.split("\tlocation ") if "$http_upgrade;" in part]
    assert upgraded.startswith("~ ^/api/v[0-9]+/ws$ {")


def test_the_color_is_chosen_by_a_marker_in_the_folder_that_is_declared() -> None:
    assert "if (-f /etc/vikunja/active/green)" in texts()[NGINX]
    assert "directory:/etc/vikunja/active" in addresses()


# What is declared


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_desired_come_in_an_order_in_which_each_finds_what_it_needs(name: str) -> None:
    desired = instance(**CONFIGURATIONS[name])
    resources = system.declare(desired, rendered(desired), HOST_FILES)

    kinds = [type(resource).__name__ for resource in resources]
    assert kinds == sorted(kinds, key=lambda kind: kind != "Package")
    first_unit = kinds.index("Unit")
    last = max(place for place, kind in enumerate(kinds) if kind in ("File", "Directory", "Secret"))
    assert last < first_unit
    assert kinds.index("User") < kinds.index("Directory") < kinds.index("File")
    assert kinds.index("DaemonReload") < first_unit


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_every_address_is_declared_once_and_every_trigger_exists(name: str) -> None:
    resources = declared(**CONFIGURATIONS[name])

    found = [resource.address for resource in resources]
    assert len(found) == len(set(found))
    for resource in resources:
        missing = set(resource.triggers) - set(found)
        # A password is a file where it was given, else a secret: one of the two is there.
        assert not {trigger for trigger in missing if "/secrets/" not in trigger}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_every_folder_is_declared_before_what_is_in_it(name: str) -> None:
    seen: set[str] = set()
    ours = ("/etc/vikunja", "/opt/vikunja", "/var/lib/vikunja", "/var/log/vikunja")
    for resource in declared(**CONFIGURATIONS[name]):
        parent = str(Path(resource.name).parent)
        if resource.kind in ("file", "directory", "secret") and parent.startswith(ours):
            assert parent in seen, resource.address
        seen.add(resource.name)


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_no_secret_is_in_a_rendered_file_an_argument_or_a_desired(name: str) -> None:
    resources = declared(**CONFIGURATIONS[name])

    for resource in resources:
        if isinstance(resource, File) and b"CANARY" in resource.data:
            assert resource.sensitive
            assert resource.mode == ("0640" if resource.path.endswith("key.pem") else "0600")
        assert "CANARY" not in repr(resource)
        assert "CANARY" not in repr(resource.desired())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sqlite", {"sqlite3"}),
        ("everything", {"sqlite3", "redis-server", "nodejs"}),
        ("postgresql", {"postgresql"}),
        ("mysql", {"mariadb-server"}),
        ("postgresql outside", {"postgresql-client"}),
        ("mysql outside", {"mariadb-client"}),
    ],
)
def test_only_needed_packages_are_installed(name: str, expected: set[str]) -> None:
    resources = declared(**CONFIGURATIONS[name])

    found = {resource.package for resource in resources if isinstance(resource, Package)}
    assert found - set(system.BASE_PACKAGES) - {updates.PACKAGE} == expected


@pytest.mark.parametrize(
    ("name", "scripts"),
    [
        ("sqlite", ["self-signed-certificate", "sqlite-database"]),
        ("given certificate", ["sqlite-database"]),
        ("postgresql", ["self-signed-certificate", "postgresql-database"]),
        ("mysql", ["self-signed-certificate", "mysql-database"]),
        ("postgresql outside", ["self-signed-certificate", "external-postgresql"]),
        ("mysql outside", ["self-signed-certificate", "external-mysql"]),
    ],
)
def test_scripts_are_declared_for_what_they_bring_about(name: str, scripts: list[str]) -> None:
    found = [r.script for r in declared(**CONFIGURATIONS[name]) if isinstance(r, Script)]

    assert sorted(found) == sorted(
        ["color-secrets", "color-secrets", "log-files", "nginx-files", *scripts]
    )
    for script in found:
        text = (SCRIPTS / f"{script}.sh").read_text()
        assert f"probe_{function_name(script)}() {{" in text
        assert f"apply_{function_name(script)}() {{" in text


def test_a_server_outside_is_asked_as_administrator_only_with_both_name_and_password() -> None:
    database = {"type": "postgresql", **OUTSIDE, "admin_user": "root", "name": "todo"}
    with_admin = declared(database=database)
    without = declared(system.HostFiles(database_password=SecretValue(b"x")), database=database)

    wanted = ("db.example.org", "5432", "todo", "tasks")
    asked = [
        [r.arguments for r in found if isinstance(r, Script) and r.outside]
        for found in (with_admin, without)
    ]
    assert asked == [[(*wanted, "root")], [wanted]]


def test_a_given_password_is_a_file_and_a_missing_one_is_made() -> None:
    found = declared(system.NO_HOST_FILES, database={"type": "postgresql"})
    made = next(r for r in found if r.name == "/etc/vikunja/secrets/db-password")
    found = declared(database={"type": "postgresql"})
    given = next(r for r in found if r.name == "/etc/vikunja/secrets/db-password")

    assert isinstance(made, Secret)
    assert isinstance(given, File) and given.content == SecretValue(b"PASSWORD-CANARY")
    assert (given.mode, given.owner) == (made.mode, made.owner) == ("0600", "vikunja")


def test_a_users_own_file_is_declared_with_its_content() -> None:
    files = [
        {"path": "/etc/motd", "content": "hello\n", "mode": "0600"},
        {"path": "/usr/local/share/x", "source": "/home/x"},
    ]
    found = declared(system.HostFiles(extra={"/usr/local/share/x": SecretValue(b"X")}), files=files)

    own = {r.path: r for r in found if isinstance(r, File)}
    assert (own["/etc/motd"].content, own["/etc/motd"].mode) == (SecretValue(b"hello\n"), "0600")
    assert own["/usr/local/share/x"].content == b"X"
    assert list(own["/etc/motd"].origin.inputs) == ["files"]


def test_a_users_own_file_must_not_be_one_of_ours() -> None:
    files: Any = [{"path": "/etc/nginx/nginx.conf", "content": ""}]

    with pytest.raises(UsageError, match=r"/etc/nginx/nginx\.conf is a file that vikunja-deploy"):
        declared(HOST_FILES, files=files)


def test_desired_name_the_keys_that_they_come_from() -> None:
    found = {r.address: set(r.origin.inputs) for r in declared(HOST_FILES, **ALL)}

    assert "network.domain" in found[f"file:{NGINX}"]
    assert "network.domain" in found[f"file:{ENVIRONMENT}"]
    assert "network.domain" in found["self-signed-certificate:/etc/vikunja/tls/self-signed"]
    assert "services.backend.port_green" not in found[f"file:{ENVIRONMENT}"]
    assert found["package:nodejs"] == {"services.mcp.enabled"}


# The units that the switch starts


def units(
    release: str = "r1", host_files: system.HostFiles = HOST_FILES, **keys: Any
) -> list[Unit]:
    desired = instance(**merged(ALL, keys))
    made = rendered(desired)
    return [
        color.backend_unit(desired, "blue", made, release, "v1", host_files),
        color.mcp_unit(desired, "blue", made, release),
    ]


def changed(**keys: Any) -> list[bool]:
    """Whether backend and MCP server must be started anew after this change."""
    pairs = zip(units(), units(**keys), strict=True)
    return [before.revision != after.revision for before, after in pairs]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, [False, False]),
        ({"release": "r2"}, [True, True]),
        ({"network": {"domain": "other.example.org"}}, [True, False]),
        ({"services": {"backend": {"port_blue": 4000}}}, [True, True]),
        ({"services": {"backend": {"port_green": 4000}}}, [False, False]),
        ({"services": {"mcp": {"port_blue": 4000}}}, [False, True]),
        ({"services": {"frontend": {"port": 8080}}}, [False, False]),
        ({"redis": {"port": 6400}}, [True, True]),
        ({"vikunja": {"environment": {"A": "b"}}}, [True, False]),
        ({"host_files": system.HostFiles(database_password=SecretValue(b"other"))}, [True, False]),
    ],
)
def test_a_service_is_started_anew_exactly_where_it_would_differ(
    keys: Mapping[str, Any], expected: list[bool]
) -> None:
    assert changed(**keys) == expected


def test_a_unit_says_how_its_health_is_known() -> None:
    backend, mcp = units(vikunja={"start_timeout_seconds": 7})

    assert backend.health == ("backend", "3456", "v1", "7")
    assert mcp.health == ("mcp", "8456", "7")
    desired = instance()
    unknown = color.backend_unit(desired, "green", rendered(desired), "r", "")
    assert unknown.health == ("backend", "3457", "-", "60")


def test_a_unit_is_acted_on_again_for_every_file_that_it_reads() -> None:
    keys: Any = {"database": {"type": "mysql"}}
    backend, mcp = units(**keys)
    desired = addresses(**merged(ALL, keys))

    for unit in (backend, mcp):
        assert {t for t in unit.triggers if "/secrets/" not in t} <= set(desired)
    assert "file:/usr/local/lib/vikunja/backend.blue" in backend.triggers
    assert "secret:/etc/vikunja/secrets/db-password" in backend.triggers
    assert "secret:/etc/vikunja/secrets/redis-password" in mcp.triggers


def test_the_backend_is_started_through_its_launcher() -> None:
    text = texts()[BACKEND]

    started = "/usr/local/lib/vikunja/backend.%i /opt/vikunja/backend/%i/vikunja"
    assert f"\nExecStart={started}\n" in text
    assert "\nKillSignal=SIGINT\n" in text


@pytest.mark.parametrize("name", ["VIKUNJA_LOG_HTTP", "VIKUNJA_log_http"])
def test_only_the_proxy_logs_requests_unless_the_user_says_otherwise(name: str) -> None:
    own = environment(texts(vikunja={"environment": {name: "stdout"}})[ENVIRONMENT])

    assert {key: value for key, value in own.items() if "LOG" in key.upper()} == {name: "stdout"}


# Files of the host


def test_given_files_are_read_and_passwords_lose_their_line_end(tmp_path: Path) -> None:
    certificate = "-----BEGIN CERTIFICATE-----\nC\n-----END CERTIFICATE-----\n"
    beside = f"Bag Attributes\n{certificate}-----BEGIN PRIVATE KEY-----\n"
    for name, content in {
        "c": beside,
        "k": "K",
        "p": "secret \n",
        "a": "adm\r\n",
        "x": "X",
    }.items():
        (tmp_path / name).write_bytes(content.encode())
    desired = instance(
        services={"frontend": {"ssl_cert": f"{tmp_path}/c", "ssl_key": f"{tmp_path}/k"}},
        database={
            "type": "mysql",
            **OUTSIDE,
            "password_file": f"{tmp_path}/p",
            "admin_user": "root",
            "admin_password_file": f"{tmp_path}/a",
        },
        files=[{"path": "/etc/x", "source": f"{tmp_path}/x"}],
    )

    assert system.read_host_files(desired) == system.HostFiles(
        certificate.encode(),
        SecretValue(b"K"),
        SecretValue(b"secret "),
        SecretValue(b"adm"),
        {"/etc/x": SecretValue(b"X")},
    )


def test_a_missing_file_is_named_with_its_key() -> None:
    frontend = {"ssl_cert": "/nowhere/c.pem", "ssl_key": "/nowhere/k.pem"}

    with pytest.raises(ResourceError) as missing:
        system.read_host_files(instance(services={"frontend": frontend}))
    assert str(missing.value) == (
        "vikunja-main: services.frontend.ssl_cert: /nowhere/c.pem cannot be read: "
        "No such file or directory"
    )


@pytest.mark.parametrize("content", ["", "\n", "two\nlines\n", "a\tb", "nul\0"])
def test_a_password_file_holds_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "p").write_text(content)
    database = {"type": "postgresql", **OUTSIDE, "password_file": f"{tmp_path}/p"}

    with pytest.raises(UsageError, match="does not hold one line with a password"):
        system.read_host_files(instance(database=database))


def test_every_path_that_is_declared_is_on_the_page_of_what_is_inside() -> None:
    page = (ROOT / "docs" / "inside.md").read_text()
    named = re.findall(r"`(/[^`<]+)`", page)
    folders = tuple(path for path in named if path.endswith("/"))
    for keys in CONFIGURATIONS.values():
        for item in declared(**keys):
            if isinstance(item, File | Secret):
                assert item.path in named or item.path.startswith(folders), item.path
            elif isinstance(item, Directory):
                above = item.path.startswith(folders)
                assert above or any(path.startswith(item.path) for path in named), item.path
