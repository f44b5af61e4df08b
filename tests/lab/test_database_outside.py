"""A site of Debian 12 with a server outside that is newer and wants TLS: deployed with a client
from a further source of packages, edited under load, backed up, brought back, moved."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from authority import Authority, new_authority
from inside import Inside
from journey import Site, new_site
from writers import assert_nothing_lost, await_write, get, writing

from tasks.containers.lxc.container import LxcContainer
from tasks.paths import Paths

LAB = Path(__file__).parent
CLIENT = "postgresql-client-17"


@dataclass
class Server:
    """The databases' host, and who issues its certificates."""

    container: LxcContainer
    authority: Authority

    @property
    def address(self) -> str:
        return self.container.spec.ip_address.split("/")[0]

    def show(self, name: str) -> None:
        """Let it show this certificate from now on."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for inner, file in (("server.pem", f"{name}.pem"), ("server.key", f"{name}.key")):
                archive.add(self.authority.folder / file, inner)
            archive.add(self.authority.certificate, "ca.pem")
        argv = ["sh", "-c", (LAB / "database_tls.sh").read_text()]
        self.container.run(argv, stdin=buffer.getvalue(), timeout=120)

    def sql(self, engine: str, statements: str) -> str:
        argv = {
            "postgresql": "cd / && exec runuser -u postgres -- psql -X -q -A -t -v ON_ERROR_STOP=1",
            "mysql": "exec mariadb -N -B",
        }[engine]
        found = self.container.run(["sh", "-c", argv], stdin=statements.encode(), timeout=60)
        return found.stdout.decode()


@pytest.fixture(scope="module")
def server(make_container: Callable[..., LxcContainer], lab_paths: Paths) -> Server:
    container = make_container("databases", 1024)
    container.create()
    container.start()
    container.run(["sh", "-s"], stdin=(LAB / "database_host.sh").read_bytes(), timeout=900)
    authority = new_authority(lab_paths.prefix / "authority")
    found = Server(container, authority)
    authority.issue("good", names=f"IP:{found.address}")
    authority.issue("expired", names=f"IP:{found.address}", days=0)
    authority.issue("elsewhere", names="IP:192.0.2.1,DNS:db.example.com")
    authority.issue("client", subject="anybody")
    other = new_authority(lab_paths.prefix / "other-authority")
    other.issue("client", subject="anybody")
    found.show("good")
    return found


@pytest.fixture(scope="module")
def site(lab_paths: Paths, lab_network: object, server: Server) -> Iterator[Site]:
    """Nothing of it is deployed yet."""
    for name, content in (("password", "p@ss'w\"o\\r d$x\n"), ("admin", "lab-admin-password\n")):
        (lab_paths.prefix / name).write_text(content)
        (lab_paths.prefix / name).chmod(0o600)
    yield new_site(
        lab_paths,
        lab_network,
        "outside",
        lxc={"template": "bookworm"},
        database={
            "type": "postgresql",
            "host": server.address,
            "password_file": str(lab_paths.prefix / "password"),
            "admin_user": "admin",
            "admin_password_file": str(lab_paths.prefix / "admin"),
        },
        backup={"directory": str(lab_paths.prefix / "outside-backups")},
    )


def desire(site: Site, mode: str | None, *names: str, folder: str = "authority") -> None:
    """How it is to connect: which of the files of an authority it has."""
    files = {"ca": "ca.pem", "cert": "client.pem", "key": "client.key"}
    given = {f"{name}_file": str(site.paths.prefix / folder / files[name]) for name in names}
    site.edit({"database": {"tls": None}})
    site.edit({"database": {"tls": {"mode": mode, **given}}})


def refused(site: Site, what: str) -> None:
    """check says it, and apply does nothing."""
    checked = site.run("check", code=7)
    (line,) = [one for one in checked.stdout.splitlines() if one.startswith("problem")]
    assert what in line
    failed = site.run("apply", "--yes", code=7)
    assert what in failed.stderr
    assert "0 done" in failed.stderr


def test_what_cannot_work_is_said_before_anything_is_made(site: Site, server: Server) -> None:
    desire(site, "verify-full", "ca")
    refused(site, "PostgreSQL 17 at")
    said = site.run("check", code=7).stdout
    assert f"trixie (17); or name a source of {CLIENT} in system.apt_sources" in said
    asked = ["sh", "-s"]
    script = (LAB / "package_source.sh").read_bytes()
    key = server.container.run(asked, stdin=script, timeout=300).stdout
    (site.paths.prefix / "source.asc").write_bytes(key)
    (site.paths.prefix / "other.asc").write_bytes(
        server.container.run(["sh", "-s"], stdin=OTHER_KEY, timeout=60).stdout
    )
    desire_source(site, server)
    desire(site, "verify-full", "ca", folder="other-authority")
    refused(site, "its certificate is not trusted: ")
    desire(site, None)
    refused(site, "lets user admin in over TLS only, and database.tls.mode says nothing of it")


OTHER_KEY = b"""set -eu
export GNUPGHOME=/root/other-signing
install -d -m 0700 "$GNUPGHOME"
gpg --batch --quiet --passphrase '' --quick-generate-key 'x <x@example.com>' rsa3072 sign never >&2
gpg --batch --armor --export
"""


def desire_source(site: Site, server: Server, **changes: Any) -> None:
    source = {
        "uris": [f"http://{server.address}:8080"],
        "suites": ["lab"],
        "key_file": str(site.paths.prefix / "source.asc"),
        "packages": [CLIENT],
        **changes,
    }
    site.edit({"system": {"apt_sources": [source]}})


def test_a_source_that_is_not_what_it_should_be_gives_nothing(site: Site, server: Server) -> None:
    desire(site, "verify-full", "ca")
    wrong: tuple[tuple[dict[str, Any], str, int], ...] = (
        ({"uris": [f"http://{server.address}:9"]}, "Connection refused", 6),
        ({"suites": ["nowhere"]}, "does not have a Release file", 6),
        ({"packages": [CLIENT, "sl"]}, "has no package sl", 4),
        ({"key_file": str(site.paths.prefix / "other.asc")}, "NO_PUBKEY", 6),
    )
    for changes, what, code in wrong:
        desire_source(site, server, **changes)
        assert what in site.run("check", code=code).stdout
    # The last of them in the container, too.
    failed = site.run("apply", "--yes", code=1)
    assert f"{CLIENT} is not to be had from system.apt_sources: " in failed.stderr
    assert "NO_PUBKEY" in failed.stderr
    desire_source(site, server)
    said = site.run("check").stdout
    assert f"http://{server.address}:8080 is signed with its key, and has {CLIENT}" in said


def test_it_is_deployed_backed_up_and_brought_back(site: Site, server: Server) -> None:
    site.run("apply", "--yes")
    assert site.addresses() == []
    inside = Inside(site)
    assert "bookworm" in inside.run("cat", "/etc/os-release")
    assert "17" in inside.shell("/usr/lib/postgresql/17/bin/pg_dump --version")
    # What the source has besides, however new it is, does not come from there.
    assert "99.0" not in inside.shell("dpkg-query -W curl; apt-get -s dist-upgrade")
    encrypted = server.sql("postgresql", "select ssl from pg_stat_ssl join pg_stat_activity "
                           "using (pid) where usename = 'vikunja'")  # fmt: skip
    assert set(encrypted.split()) == {"t"}
    with writing(site, "before") as writers:
        pass
    assert_nothing_lost(site, writers, "before")
    before = {task["title"] for task in get(site, "/api/v1/tasks")}
    site.run("backup")
    with writing(site, "after"):
        pass
    site.run("restore", site.id, "--from", "latest", "--yes")
    assert {task["title"] for task in get(site, "/api/v1/tasks")} == before
    assert "database is" not in site.run("status").stderr


def test_a_new_container_goes_on_with_what_is_outside(site: Site) -> None:
    site.edit({"rebuild": {"keep_days": 0}})
    with writing(site, "rebuilt") as writers:
        site.run("rebuild", "--yes")
        for writer in writers:
            await_write(writer)
    assert_nothing_lost(site, writers, "rebuilt", others=True)
    site.run("apply", "--yes")
    assert site.addresses() == []


def test_how_it_connects_is_changed_under_load_and_what_cannot_work_changes_nothing(
    site: Site, server: Server
) -> None:
    modes: tuple[tuple[str, tuple[str, ...]], ...] = (
        ("require", ()),
        ("verify-ca", ("ca",)),
        ("verify-full", ("ca", "cert", "key")),
    )
    with writing(site, "edits") as writers:
        for mode, names in modes:
            desire(site, mode, *names)
            site.run("apply", "--yes")
            assert site.addresses() == []
    assert_nothing_lost(site, writers, "edits")
    assert not any(writer.answers["503"] for writer in writers)
    serving = Inside(site).serving
    for name, what in (
        ("expired", "its certificate has expired"),
        ("elsewhere", "its certificate is for another name: "),
    ):
        server.show(name)
        assert what in site.run("check", code=7).stdout
        site.edit({"database": {"tls": {"mode": "verify-ca"}}})
        if name == "elsewhere":
            # That is nothing to who asks for no name.
            site.run("apply", "--yes")
            site.run("backup")
        else:
            refused(site, what)
        site.edit({"database": {"tls": {"mode": "verify-full"}}})
    server.show("good")
    site.run("apply", "--yes")
    desire(site, "verify-full", "ca", folder="other-authority")
    refused(site, "its certificate is not trusted: ")
    site.run("backup")
    assert serving in ("blue", "green")
    # Another key of the same certificate's owner is a secret like any other.
    desire(site, "verify-full", "ca", "cert", "key")
    plan = site.run("plan", "--diff").stdout
    assert "PRIVATE KEY" not in plan and "BEGIN CERTIFICATE" not in plan
    (newest,) = sorted((site.paths.prefix / "outside-backups" / site.id).glob("*.tar.gz"))[-1:]
    with tarfile.open(newest) as archive:
        for member in archive:
            taken = archive.extractfile(member)
            assert taken is None or b"PRIVATE KEY" not in taken.read()


def test_the_data_moves_to_who_wants_a_certificate_and_to_the_other_engine(
    site: Site, server: Server
) -> None:
    before = {task["title"] for task in get(site, "/api/v1/tasks")}
    desire(site, "verify-full", "ca")
    site.run("apply", "--yes")
    site.edit({"database": {"name": "moved", "user": "shown"}})
    refused(site, "connection requires a valid client certificate")
    desire(site, "verify-full", "cert", "key", folder="other-authority")
    site.edit({"database": {"tls": {"ca_file": str(server.authority.certificate)}}})
    refused(site, "does not take the certificate that it is shown")
    desire(site, "verify-full", "ca", "cert", "key")
    with writing(site, "shown") as writers:
        site.run("apply", "--yes")
    assert_nothing_lost(site, writers, "shown")
    assert before <= {task["title"] for task in get(site, "/api/v1/tasks")}
    assert site.run("plan").stdout.startswith("Nothing to do")
    server.sql("mysql", "create database moved character set utf8mb4;"
               "create user 'safe'@'%' identified by 'p@ss\\'w\"o\\\\r d$x' require ssl;"
               "grant all on moved.* to 'safe'@'%';"
               "grant all on `vikunja-deploy-%`.* to 'safe'@'%'")  # fmt: skip
    site.edit({"database": {"type": "mysql", "user": "safe", "admin_user": None,
                            "admin_password_file": None}})  # fmt: skip
    desire(site, "verify-full", "ca", folder="other-authority")
    refused(site, "its certificate is not trusted: ")
    desire(site, "verify-full", "ca")
    with writing(site, "safe") as writers:
        site.run("apply", "--yes")
    assert_nothing_lost(site, writers, "safe")
    assert before <= {task["title"] for task in get(site, "/api/v1/tasks")}
    site.run("backup")
    site.run("restore", site.id, "--from", "latest", "--yes")
    assert site.run("plan").stdout.startswith("Nothing to do")
    # What the server of a running site would not take any more is known before it is laid.
    desire(site, None)
    refused(site, "lets user 'safe' in over TLS only, and database.tls.mode says nothing of it")
    desire(site, "verify-full", "ca")
    password = site.paths.prefix / "password"
    right = password.read_text()
    password.write_text("wrong\n")
    refused(site, "refuses user 'safe' with the password of database.password_file")
    password.write_text(right)
    assert site.run("plan").stdout.startswith("Nothing to do")


def test_tables_of_another_character_set_are_said_by_check_and_status(
    site: Site, server: Server
) -> None:
    server.sql("mysql", "alter table moved.tasks convert to character set latin1")
    said = "of the character set latin1"
    assert said in site.run("check").stdout
    found = site.run("status")
    assert said in found.stdout + found.stderr
    document = json.loads(site.run("status", "--json").stdout)
    assert said in json.dumps(document)
    server.sql("mysql", "alter table moved.tasks convert to character set utf8mb4")
    found = site.run("status")
    assert said not in found.stdout + found.stderr


def test_a_source_that_is_configured_no_longer_is_gone(site: Site) -> None:
    site.edit({"system": {"apt_sources": None}})
    site.run("apply", "--yes")
    left = "ls /etc/apt/keyrings /etc/apt/preferences.d /etc/apt/sources.list.d"
    assert "vikunja" not in Inside(site).shell(left)
    assert site.addresses() == []


SERVERS = """set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get -q -y --no-install-recommends install mariadb-server postgresql >&2
mariadb <<'SQL'
create database sockets character set utf8mb4;
create user 'safe'@'localhost' identified by 'p@ss\\'w"o\\\\r d$x';
grant all on sockets.* to 'safe'@'localhost';
grant all on `vikunja-deploy-%`.* to 'safe'@'localhost';
SQL
cluster=$(pg_lsclusters -h | awk '{ print $1; exit }')
install -d -o postgres -m 0755 /srv/pg
printf "listen_addresses = ''\\nport = 5433\\nunix_socket_directories = '/srv/pg'\\n" \
    >"/etc/postgresql/$cluster/main/conf.d/lab.conf"
hba=/etc/postgresql/$cluster/main/pg_hba.conf
printf 'local all safe scram-sha-256\\n' | cat - "$hba" >"$hba.new"
install -o postgres -m 0640 "$hba.new" "$hba"
systemctl restart "postgresql@$cluster-main.service"
cd / && runuser -u postgres -- psql -q -h /srv/pg -p 5433 <<'SQL'
create role safe login createdb password 'p@ss''w"o\\r d$x';
create database sockets owner safe;
SQL
"""
"""Somebody's own in the container: PostgreSQL answers at a socket and nowhere else."""


def test_the_data_moves_to_sockets_of_servers_in_the_container(site: Site) -> None:
    before = {task["title"] for task in get(site, "/api/v1/tasks")}
    nobody = {"host": "/run/mysqld/mysqld.sock", "name": "sockets", "tls": None}
    site.edit({"database": nobody})
    assert "the socket is not in the container" in site.run("check", code=6).stdout
    inside = Inside(site)
    failed = site.run("apply", "--yes", code=None)
    assert failed.returncode in (6, 11)
    assert "the socket /run/mysqld/mysqld.sock does not answer in the container" in failed.stderr
    inside.container.run(["sh", "-s"], stdin=SERVERS.encode(), timeout=600)
    with writing(site, "mysql-socket") as writers:
        site.run("apply", "--yes")
    assert_nothing_lost(site, writers, "mysql-socket")
    assert before <= {task["title"] for task in get(site, "/api/v1/tasks")}
    by_socket_alone(site)
    site.run("drill", site.id)
    site.edit({"database": {"type": "postgresql", "host": "/srv/pg", "port": 5433}})
    inside.run("chmod", "0700", "/srv/pg")
    assert "is closed to the application's user" in site.run("check", code=6).stdout
    failed = site.run("apply", "--yes", code=None)
    assert "lets root in and not the application's user, vikunja" in failed.stderr
    inside.run("chmod", "0755", "/srv/pg")
    with writing(site, "postgresql-socket") as writers:
        site.run("apply", "--yes")
    assert_nothing_lost(site, writers, "postgresql-socket")
    by_socket_alone(site)


def by_socket_alone(site: Site) -> None:
    """Backup, restore, plan, check and status, and who is connected how."""
    before = {task["title"] for task in get(site, "/api/v1/tasks")}
    site.run("backup")
    with writing(site, "after-a-backup"):
        pass
    site.run("restore", site.id, "--from", "latest", "--yes")
    assert {task["title"] for task in get(site, "/api/v1/tasks")} == before
    assert site.run("plan").stdout.startswith("Nothing to do")
    assert "the socket is there in the container" in site.run("check").stdout
    found = site.run("status")
    assert "the database" not in found.stdout + found.stderr
    peers = Inside(site).shell("ss -Htnp state established '( dport = :3306 or dport = :5432 )'")
    assert "vikunja" not in peers
