"""Databases in the container and outside it: made, found again, mended, and never half made."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from health_lab import findings, look, wait_until_well
from system_lab import VERSION, Inside, Site

from tasks.errors import DatabaseError, NetworkError
from tasks.guest.runner import function_name, script_text
from tasks.model.applied import NOTHING_APPLIED
from tasks.model.instance import Instance

KINDS = ("postgresql", "mysql")

DROP = {
    "postgresql": """
        cd /
        setpriv --reuid=postgres --regid=postgres --init-groups psql -q <<'SQL'
        drop database if exists "vik-unja" with (force);
        drop role if exists "vik-unja";
SQL
    """,
    "mysql": """
        mariadb <<'SQL'
        drop database if exists `vik-unja`;
        drop user if exists 'vik-unja'@localhost, 'vik-unja'@127.0.0.1, 'vik-unja'@'%';
SQL
    """,
}


def within(site: Site, kind: str, **database: str) -> Instance:
    return site.inside.instance(
        database={"type": kind, **database}, vikunja={"environment": {"SAMPLE_VERSION": VERSION}}
    )


def state(inside: Inside, script: str, *arguments: str) -> str:
    """What a script's probe says, in the observer's own shell options."""
    name = function_name(script)
    return inside.sh(f'set -fu\numask 077\n{script_text(script)}\nprobe_{name} "$@"', *arguments)


@pytest.fixture(scope="module", autouse=True)
def afterwards(site: Site) -> Iterator[None]:
    """The other tests find what they expect."""
    yield
    site.inside.apply(site.instance, "blue")


@pytest.fixture(params=KINDS, scope="module")
def kind(request: pytest.FixtureRequest, site: Site) -> str:
    """The engine; its server runs and Vikunja serves from it."""
    engine: str = request.param
    site.inside.apply(within(site, engine), "blue")
    return engine


def test_vikunja_serves_from_the_database_that_was_made(site: Site, kind: str) -> None:
    log = site.inside.sh("systemctl is-active vikunja-backend@blue.service")
    again = site.inside.plan(within(site, kind), "blue")
    tables = site.inside.sh(
        {
            "postgresql": "cd / && setpriv --reuid=postgres --regid=postgres --init-groups "
            "psql -Atc 'select count(*) from migration' vikunja",
            "mysql": "mariadb -Ne 'select count(*) from vikunja.migration'",
        }[kind]
    )

    assert log.strip() == "active"
    assert again == ()
    assert int(tables) > 0


AS_BLUE = (
    "PGPASSWORD=$(cat /etc/vikunja/secrets/blue/db-password) "
    'psql -X -q -A -t -v ON_ERROR_STOP=1 -h 127.0.0.1 -U vikunja_blue "$1" '
)
AS_SERVER = "cd / && setpriv --reuid=postgres --regid=postgres --init-groups psql -X -q -A -t "
MADE = """
create table made (id bigserial primary key, of text);
create view shown as select * from made;
create function done() returns int language sql as 'select 1';
insert into made (of) values (current_user || ' ' || session_user) returning of;
"""
OWNERS = """
select distinct pg_get_userbyid(relowner) from pg_class
    where relnamespace = 'public'::regnamespace
union select pg_get_userbyid(proowner) from pg_proc where proname = 'done';
"""


@pytest.mark.parametrize("kind", ["postgresql"], indirect=True)
def test_what_a_color_makes_is_the_owners_also_in_a_copy(site: Site, kind: str) -> None:
    sh = site.inside.sh
    sh(f"{AS_SERVER} postgres <<'SQL'\n"
       'create database "vikunja-copy" owner vikunja template template0;\n'
       'revoke connect on database "vikunja-copy" from public;\nSQL')  # fmt: skip
    try:
        for database in ("vikunja", "vikunja-copy"):
            said = sh(f"{AS_BLUE}<<'SQL'\n{MADE}\nSQL", database)
            assert said == "vikunja vikunja_blue\n"
            assert sh(f"{AS_SERVER} {database} <<'SQL'\n{OWNERS}\nSQL") == "vikunja\n"
            undo = "drop function done; alter table made add more int; drop table made cascade"
            sh(f"{AS_SERVER} {database} -c 'set role vikunja' -c '{undo}'")
    finally:
        sh(f"{AS_SERVER} postgres -c 'drop database \"vikunja-copy\"'")


def test_another_user_takes_over_what_the_first_one_made(site: Site, kind: str) -> None:
    for user in ("an-other", "vikunja"):
        desired = within(site, kind, user=user)
        site.inside.apply(desired, "blue")
        port = str(desired.backend_port("blue"))
        tasks = site.inside.sh('curl -sf "http://127.0.0.1:$1/api/v1/tasks"', port)
        assert tasks.startswith("[")


def test_the_server_listens_on_loopback_only(site: Site, kind: str) -> None:
    port = {"postgresql": 5432, "mysql": 3306}[kind]
    listening = site.inside.sh('ss -Hltn "( sport = :$1 )"', str(port)).splitlines()

    assert listening
    assert all(line.split()[3].startswith(("127.0.0.1:", "[::1]:")) for line in listening)


def test_a_kill_at_any_moment_leaves_what_the_next_apply_finishes(site: Site, kind: str) -> None:
    script, arguments = f"{kind}-database", ("vik-unja", "vik-unja")
    text = f'{script_text(script)}\napply_{function_name(script)} "$@"'
    states = set()
    site.inside.sh(DROP[kind])
    begun = time.monotonic()
    site.inside.sh(text, *arguments)
    whole = time.monotonic() - begun
    for tenths in range(1, 10):
        site.inside.sh(DROP[kind])
        site.inside.sh(
            'limit=$1; shift; timeout -s KILL "$limit" sh -c "$@"',
            f"{whole * tenths / 10:.3f}", text, "sh", *arguments,
            check=False,
        )  # fmt: skip
        states.add(state(site.inside, script, *arguments).strip())
        site.inside.sh(text, *arguments)
        assert state(site.inside, script, *arguments) == "present\n"
        site.inside.sh(text, *arguments)
        assert state(site.inside, script, *arguments) == "present\n"
    site.inside.sh(DROP[kind])
    # A kill between the making of a file and the loss of its name leaves it empty.
    left = site.inside.sh("find /run -maxdepth 1 -type f -name 'vikunja-*' -size +0")

    assert states - {"present"}, "no kill fell before the end"
    assert left == ""


def test_what_was_changed_by_hand_is_seen_and_mended(site: Site, kind: str) -> None:
    change = {
        "postgresql": "cd / && echo \"alter role vikunja password 'other'\" | "
        "setpriv --reuid=postgres --regid=postgres --init-groups psql -q",
        "mysql": "echo \"set password for vikunja@localhost = password('other')\" | mariadb",
    }[kind]
    site.inside.sh(change)
    planned = site.inside.plan(within(site, kind), "blue")
    site.inside.apply(within(site, kind), "blue")

    assert [(entry.address, entry.changes[0].before) for entry in planned] == [
        (f"{kind}-database:vikunja", "other-password")
    ]
    assert site.inside.plan(within(site, kind), "blue") == ()


@pytest.mark.parametrize("kind", ["postgresql"], indirect=True)
@pytest.mark.parametrize(
    "change",
    [
        "alter role vikunja_blue nologin",
        "alter role vikunja_blue password 'other'",
        "alter role vikunja_blue reset role",
        "revoke vikunja from vikunja_blue",
        "drop role vikunja_blue",
    ],
)
def test_what_keeps_a_color_out_is_seen_and_mended(site: Site, kind: str, change: str) -> None:
    site.inside.sh(f'{AS_SERVER} postgres -c "$1"', change)
    planned = site.inside.plan(within(site, kind), "blue")
    site.inside.apply(within(site, kind), "blue")

    assert (planned[0].address, planned[0].changes[0].before) == (
        "color-secrets:blue",
        "not let in",
    )
    assert site.inside.plan(within(site, kind), "blue") == ()


def test_a_server_stopped_by_hand_is_started(site: Site, kind: str) -> None:
    unit = {"postgresql": "'postgresql@*.service'", "mysql": "mariadb.service"}[kind]
    site.inside.sh(f"systemctl stop {unit}")
    found = state(site.inside, f"{kind}-database", "vikunja", "vikunja")
    site.inside.apply(within(site, kind), "blue")

    assert found == "stopped\n"
    assert site.inside.plan(within(site, kind), "blue") == ()


SPOIL = {
    # What keeps Vikunja's user out, the data being there all the same: how it is done and undone.
    "no password": ("mv /etc/vikunja/secrets/db-password /root/aside",
                    "mv /root/aside /etc/vikunja/secrets/db-password"),
    "renamed user": {
        "postgresql": ("cd / && setpriv --reuid=postgres --regid=postgres --init-groups psql -qc "
                       "'alter role vikunja nologin'",
                       "cd / && setpriv --reuid=postgres --regid=postgres --init-groups psql -qc "
                       "'alter role vikunja login'"),
        "mysql": ("mariadb -e \"rename user vikunja@localhost to other@localhost, "
                  "vikunja@127.0.0.1 to other@127.0.0.1\"",
                  "mariadb -e \"rename user other@localhost to vikunja@localhost, "
                  "other@127.0.0.1 to vikunja@127.0.0.1\""),
    },
    "no way in": {
        "postgresql": ("cd /etc/postgresql/*/main && cp -p pg_hba.conf before && "
                       "sed -i 's/^host.*/#&/' pg_hba.conf && systemctl restart postgresql",
                       "cd /etc/postgresql/*/main && mv before pg_hba.conf && "
                       "systemctl restart postgresql"),
        "mysql": ("mariadb -e \"alter user vikunja@localhost account lock; "
                  "alter user vikunja@127.0.0.1 account lock\"",
                  "mariadb -e \"alter user vikunja@localhost account unlock; "
                  "alter user vikunja@127.0.0.1 account unlock\""),
    },
    "no connection left": {
        "postgresql": ("cd / && setpriv --reuid=postgres --regid=postgres --init-groups psql -qc "
                       "'alter role vikunja connection limit 0'",
                       "cd / && setpriv --reuid=postgres --regid=postgres --init-groups psql -qc "
                       "'alter role vikunja connection limit -1'"),
        "mysql": ("mariadb -e \"alter user vikunja@localhost with max_user_connections 1; "
                  "alter user vikunja@127.0.0.1 with max_user_connections 1\"",
                  "mariadb -e \"alter user vikunja@localhost with max_user_connections 0; "
                  "alter user vikunja@127.0.0.1 with max_user_connections 0\""),
    },
}  # fmt: skip


@pytest.mark.parametrize("what", SPOIL)
def test_a_login_that_is_refused_is_no_lost_database(site: Site, kind: str, what: str) -> None:
    way = SPOIL[what]
    spoil, mend = way[kind] if isinstance(way, dict) else way
    site.inside.sh(spoil)
    try:
        found = state(site.inside, f"{kind}-database", "vikunja", "vikunja").strip()
    finally:
        site.inside.sh(mend)
    # One connection may be free: the services' own can have gone.
    assert found in ({"other-password", "present"} if "connection" in what else {"other-password"})
    assert state(site.inside, f"{kind}-database", "vikunja", "vikunja") == "present\n"


def test_an_administrator_who_cannot_be_asked_has_not_said_that_it_is_gone(
    site: Site, kind: str
) -> None:
    spoil, mend = {
        "postgresql": (
            "cd /etc/postgresql/*/main && cp -p pg_hba.conf before && "
            "printf 'local all all reject\\nhost all all all reject\\n' >pg_hba.conf && "
            "systemctl restart postgresql",
            "cd /etc/postgresql/*/main && mv before pg_hba.conf && systemctl restart postgresql",
        ),
        # Who stays logged in gives the way in back.
        "mysql": (
            "rm -f /root/go; mkfifo /root/go; (cat /root/go | mariadb) >/dev/null 2>&1 & "
            'sleep 1; mariadb -e "alter user root@localhost account lock; '
            'alter user vikunja@localhost account lock; alter user vikunja@127.0.0.1 account lock"',
            'echo "alter user root@localhost account unlock; alter user vikunja@localhost account '
            'unlock; alter user vikunja@127.0.0.1 account unlock;" >/root/go; '
            "until mariadb -e 'select 1' >/dev/null 2>&1; do sleep 0.1; done; rm /root/go",
        ),
    }[kind]
    site.inside.sh(spoil)
    try:
        found = state(site.inside, f"{kind}-database", "vikunja", "vikunja")
    finally:
        site.inside.sh(mend)
    assert found in ("unasked\n", "stopped\n")


def test_where_one_must_be_none_is_made(site: Site, kind: str) -> None:
    script, arguments = f"{kind}-database", ("vik-unja", "vik-unja")
    text = f'MUST_EXIST=yes\n{script_text(script)}\napply_{function_name(script)} "$@"; echo $?'
    site.inside.sh(DROP[kind])
    assert site.inside.sh(text, *arguments).splitlines()[-1] == "4"
    assert state(site.inside, script, *arguments) == "absent\n"


def test_a_database_says_whether_an_application_ever_made_its_tables(site: Site, kind: str) -> None:
    def migrations() -> str:
        text = f"{script_text(f'{kind}-database')}\n{script_text('migrations')}"
        return site.inside.sh(
            f'set -fu\n{text}\nprobe_migrations {kind}-database "$@"', "vik-unja", "vik-unja"
        )

    sql = {
        "postgresql": "cd / && setpriv --reuid=postgres --regid=postgres --init-groups psql -qc "
        '\'set role "vik-unja"\' -c "$1" vik-unja',
        "mysql": 'mariadb -e "$1" vik-unja',
    }[kind]
    site.inside.sh(DROP[kind])
    try:
        text = f'{script_text(f"{kind}-database")}\napply_{kind}_database "$@"'
        site.inside.sh(text, "vik-unja", "vik-unja")
        said = [migrations()]
        for statement in (
            "create table tasks (id integer)",
            "create table migration (id varchar(20))",
            "insert into migration values ('SCHEMA_INIT'), ('20240101000000')",
        ):
            site.inside.sh(sql, statement)
            said.append(migrations())
    finally:
        site.inside.sh(DROP[kind])
    assert said == ["empty\n", "none\n", "none\n", "20240101000000 SCHEMA_INIT\n"]


# A server outside: the same servers, reached over the container's own address.

# More restarts in a row than systemd takes for a service that works: each counts anew.
OPEN = {
    "postgresql": """
        folder=$(echo /etc/postgresql/*/main)
        echo "listen_addresses = '*'" >"$folder/conf.d/lab.conf"
        grep -q '# lab' "$folder/pg_hba.conf" ||
            echo 'host all all 0.0.0.0/0 scram-sha-256 # lab' >>"$folder/pg_hba.conf"
        systemctl restart postgresql
        cd /
        setpriv --reuid=postgres --regid=postgres --init-groups psql -q <<'SQL'
        drop role if exists "the admin";
        create role "the admin" login createrole createdb password 'adm:i\\n''s secret';
SQL
    """,
    "mysql": """
        printf '[mariadbd]\\nbind-address = 0.0.0.0\\n' >/etc/mysql/mariadb.conf.d/95-lab.cnf
        systemctl reset-failed mariadb
        systemctl restart mariadb
        mariadb <<'SQL'
        create or replace user 'the admin'@'%' identified by 'adm:i\\\\n''s secret';
        grant all privileges on *.* to 'the admin'@'%' with grant option;
SQL
    """,
}
CLOSE = {
    "postgresql": "rm /etc/postgresql/*/main/conf.d/lab.conf; systemctl restart postgresql",
    "mysql": "rm /etc/mysql/mariadb.conf.d/95-lab.cnf; systemctl reset-failed mariadb; "
    "systemctl restart mariadb",
}
ADMIN_PASSWORD = "adm:i\\n's secret"
PASSWORD = "a:b\\c'd\"e #f %s $HOME"


@pytest.fixture
def outside(site: Site, kind: str, tmp_path: Path) -> Iterator[Site]:
    """The instance `site` with the database on a server outside, where nothing is made yet."""
    site.inside.sh(OPEN[kind])
    site.inside.sh(DROP[kind])
    for name, password in (("password", PASSWORD), ("admin", ADMIN_PASSWORD)):
        (tmp_path / name).write_text(f"{password}\n")
        (tmp_path / name).chmod(0o600)
    before, site.inside.applied = site.inside.applied, NOTHING_APPLIED
    yield site
    site.inside.applied = before
    site.inside.sh(CLOSE[kind])
    site.inside.sh(DROP[kind])


def external(site: Site, kind: str, folder: Path, *, admin: bool, port: int = 0) -> Instance:
    database: dict[str, Any] = {
        "type": kind,
        "host": site.instance.network.ip_address.split("/")[0],
        "name": "vik-unja",
        "user": "vik-unja",
        "password_file": str(folder / "password"),
    }
    if port:
        database["port"] = port
    if admin:
        database |= {"admin_user": "the admin", "admin_password_file": str(folder / "admin")}
    return site.inside.instance(
        database=database, vikunja={"environment": {"SAMPLE_VERSION": VERSION}}
    )


def test_with_an_administrator_database_and_user_are_made_outside(
    outside: Site, kind: str, tmp_path: Path
) -> None:
    instance = external(outside, kind, tmp_path, admin=True)
    outside.inside.apply(instance, "blue")

    assert outside.inside.plan(instance, "blue") == ()
    assert outside.inside.sh("systemctl is-active vikunja-backend@blue.service") == "active\n"
    assert state(
        outside.inside, f"external-{kind}", instance.database.host or "",
        str(instance.database.port), "vik-unja", "vik-unja",
    ) == "present\n"  # fmt: skip


def test_without_an_administrator_the_statements_that_are_missing_are_named(
    outside: Site, kind: str, tmp_path: Path
) -> None:
    instance = external(outside, kind, tmp_path, admin=False)
    with pytest.raises(DatabaseError) as refused:
        outside.inside.apply(instance)

    assert refused.value.exit_code == 7
    assert "An administrator of that server has to run: CREATE" in refused.value.what
    assert "vik-unja" in refused.value.what
    assert PASSWORD not in str(refused.value)


def test_a_server_that_does_not_answer_is_told_from_one_that_refuses(
    outside: Site, kind: str, tmp_path: Path
) -> None:
    with pytest.raises(NetworkError) as unreachable:
        outside.inside.apply(external(outside, kind, tmp_path, admin=True, port=5999))

    assert "does not answer from the container: check database.host" in unreachable.value.what


def test_the_server_is_measured_and_its_stop_found(site: Site, kind: str) -> None:
    unit = {"postgresql": "postgresql", "mysql": "mariadb"}[kind]
    served = Site(site.inside, within(site, kind))
    # What the tests of a server outside have left is not what it is measured as.
    site.inside.apply(served.instance, "blue")
    wait_until_well(served)
    measured = look(served).measured
    assert measured is not None
    database = measured.database
    assert database.state == "present" and database.version
    assert (database.size_bytes or 0) > 0 and (database.connections or 0) > 0
    site.inside.sh('systemctl stop "$1" "$1@*"', unit)
    try:
        found = findings(served)["database"]
    finally:
        site.inside.sh('systemctl start "$1"', unit)
    assert [text.partition(" → ")[0] for text in found] == [
        f"{unit} is inactive",
        "the database does not answer",
    ]
    wait_until_well(served)
