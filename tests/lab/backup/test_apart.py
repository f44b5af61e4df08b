"""What only an administrator may create, and servers of another release: in both directions between
Debian 12 and 13, with a server that each has outside."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from engines import FOLDER, NAME, PASSWORD, USER, prepare
from msgspec.structs import replace
from tables import tables

from tasks.containers.lxc.container import LxcContainer
from tasks.databases import Database, read_apart
from tasks.databases.greeting import server_version
from tasks.errors import DatabaseError
from tasks.guest.runner import script_text
from tasks.paths import Paths
from tasks.secret import Secret

SERVERS = Path(__file__).parents[1] / "database_host.sh"
OUTSIDE = f"{NAME}-out"

THEIRS = {
    "postgresql": """
        create extension pg_stat_statements;
        create extension pg_trgm;
        create function tell() returns event_trigger language plpgsql as 'begin end';
        create event trigger told on ddl_command_end execute function tell();
        create publication published for all tables;
        """,
    "mysql": """
        create definer = 'admin'@'%' view shown as select * from tasks;
        create procedure done() select 1;
        """,
}


@pytest.fixture(scope="session")
def older(
    make_container: Callable[..., LxcContainer], lab_paths: Paths, box: LxcContainer
) -> LxcContainer:
    """A container of Debian 12 with servers that the other one reaches, and the reverse."""
    spec = replace(make_container("older", 1024).spec, template="bookworm")
    container = LxcContainer(spec, lab_paths)
    container.create()
    container.start()
    more = "\nuseradd --system vikunja\ninstall -d -m 0700 /etc/vikunja/secrets\n"
    container.run(["sh", "-s"], stdin=(SERVERS.read_text() + more).encode(), timeout=900)
    return container


@pytest.fixture(scope="module", autouse=True)
def poor_again(box: LxcContainer) -> Iterator[None]:
    """The user may no more than the tests of other files expect."""
    yield
    administer(box, "postgresql", f'alter role "{USER}" nocreatedb', "postgres")
    administer(box, "mysql", f"revoke all on `vikunja-deploy-%`.* from '{USER}'@'%'", "mysql")


def address(box: LxcContainer) -> str:
    return box.spec.ip_address.split("/")[0]


def administer(box: LxcContainer, engine: str, statements: str, name: str = OUTSIDE) -> None:
    """As the server's own administrator, in a database."""
    argv = (
        ["runuser", "-u", "postgres", "--", "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", name]
        if engine == "postgresql"
        else ["mariadb", name]
    )
    argv = ["sh", "-c", 'cd / && exec "$@"', "sh", *argv]
    done = box.run(argv, stdin=statements.encode(), timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()


def plain(box: LxcContainer, server: LxcContainer, engine: str) -> Database:
    """A filled database on a server outside, as its user alone reaches it from the box."""
    lab = prepare(server, f"{engine} outside")
    if engine == "postgresql":
        administer(server, engine, f'alter role "{USER}" createdb', "postgres")
        # Whatever another test left.
        administer(
            server, engine, "drop event trigger if exists told;"
            "drop publication if exists published; drop table if exists hidden;"
            "drop extension if exists pg_stat_statements, bloom cascade"
        )  # fmt: skip
    else:
        grant = f"grant all on `vikunja-deploy-%`.* to '{USER}'@'%'"
        administer(
            server, engine, f"{grant}; drop view if exists shown;"
            "drop procedure if exists done; drop trigger if exists fills"
        )  # fmt: skip
    lab.fill()
    prepare(box, f"{engine} outside") if box is server else secrets(box)
    host, port = address(server), "5432" if engine == "postgresql" else "3306"
    connection = (host, port, OUTSIDE, USER, "", "db-password", "")
    return Database(box, engine, connection, "database")  # type: ignore[arg-type]


def secrets(box: LxcContainer) -> None:
    for name, content in (("db-password", PASSWORD), ("db-admin-password", "lab-admin-password")):
        put = ["sh", "-c", 'umask 077; cat >"/etc/vikunja/secrets/$1"', "sh", name]
        box.run(put, stdin=f"{content}\n".encode())


def with_administrator(database: Database) -> Database:
    *most, _, secret, tls = database.connection
    return replace(database, connection=(*most, "admin", secret, tls))


@pytest.fixture(params=["13 asks 12", "13 asks 13"])
def pair(
    request: pytest.FixtureRequest, box: LxcContainer, older: LxcContainer
) -> tuple[LxcContainer, LxcContainer]:
    return (box, older if request.param == "13 asks 12" else box)


def test_a_dump_with_an_administrators_objects_is_loaded_by_the_plain_user_without_them(
    pair: tuple[LxcContainer, LxcContainer],
) -> None:
    box, server = pair
    database = plain(box, server, "postgresql")
    administer(server, "postgresql", THEIRS["postgresql"])
    theirs = {"extension pg_stat_statements", "event trigger told", "publication published"}
    assert {one.what for one in database.outlook().apart} == theirs
    try:
        database.dump(FOLDER)
        noted = box.run(["cat", f"{FOLDER}/apart.tsv"]).stdout.decode()
        assert {one.what for one in read_apart(noted)} == theirs
        left = database.load(FOLDER, "restored")
        assert set(left) == theirs
        assert tables(database, "restored") == tables(database)
        # An archive of an older version says nothing of them.
        box.run(["rm", f"{FOLDER}/apart.tsv"])
        assert set(database.load(FOLDER, "restored")) == theirs
        database.copy("restored")
        assert tables(database, "restored") == tables(database)
        left = with_administrator(database).load(FOLDER, "restored")
        assert set(left) == theirs - {"extension pg_stat_statements"}
    finally:
        database.drop("restored")


def test_what_the_data_stands_on_is_made_by_an_administrator_or_refused_by_name(
    box: LxcContainer,
) -> None:
    database = plain(box, box, "postgresql")
    made = "create extension bloom; create index flowers on tasks using bloom (id)"
    administer(box, "postgresql", made.replace("(id)", "(number)").replace(
        "create index", "alter table tasks add number integer; create index"))  # fmt: skip
    (needed,) = database.outlook().apart
    assert (needed.what, needed.note) == ("extension bloom", "needed")
    database.dump(FOLDER)
    with pytest.raises(
        DatabaseError, match="it stands on the extension bloom, which only an admin"
    ):
        database.load(FOLDER, "restored")
    assert with_administrator(database).load(FOLDER, "restored") == ()
    assert tables(database, "restored") == tables(database)
    with_administrator(database).drop("restored")


def test_what_the_user_may_not_read_is_named_before_anything_is_dumped(box: LxcContainer) -> None:
    database = plain(box, box, "postgresql")
    administer(box, "postgresql", "create table hidden (a integer)")
    assert database.outlook().unreadable == ("table public.hidden",)
    with pytest.raises(DatabaseError, match=r"may not read table public\.hidden.*GRANT SELECT"):
        database.dump(FOLDER)


def test_a_server_newer_than_the_programs_is_known_from_the_first_look(
    box: LxcContainer, older: LxcContainer
) -> None:
    database = plain(older, box, "postgresql")
    assert database.outlook().client == (17, 15)
    with pytest.raises(DatabaseError, match="PostgreSQL 17 is newer than pg_dump 15"):
        database.dump(FOLDER)
    password, admin = Secret(PASSWORD.encode()), Secret(b"lab-admin-password")
    assert server_version(address(box), 5432, USER, password, OUTSIDE) == 17
    assert server_version(address(older), 5432, "admin", admin, "postgres") == 15
    assert server_version(address(box), 5432, USER, Secret(b"wrong"), OUTSIDE) is None
    assert server_version(address(box), 3306, USER, password, OUTSIDE) is None


def test_a_mysql_server_of_the_other_release_is_reached_dumped_and_loaded(
    pair: tuple[LxcContainer, LxcContainer],
) -> None:
    """That of Debian 12 has no certificate, which the programs of Debian 13 would ask for."""
    box, server = pair
    database = plain(box, server, "mysql")
    administer(server, "mysql", THEIRS["mysql"])
    text = f'{script_text("external-mysql")}\nprobe_external_mysql "$@"'
    probe = ["sh", "-c", text, "sh", address(server), "3306", OUTSIDE, USER]
    assert box.run(probe).stdout.decode().strip() == "present"
    assert [one.what for one in database.outlook().apart] == ["routine done", "view shown"]
    before = tables(database)
    database.dump(FOLDER)
    assert database.load(FOLDER, "restored") == ()
    assert tables(database, "restored") == before
    database.swap("restored", "aside")
    assert tables(database) == before
    database.drop("aside")
    # What is no table stays where it was.
    administer(server, "mysql", "select * from shown limit 1; call done()")


def test_a_trigger_and_tables_in_latin1_are_said_before_they_hurt(box: LxcContainer) -> None:
    database = plain(box, box, "mysql")
    administer(
        box, "mysql", "alter table attachments convert to character set latin1;"
        "create trigger fills before insert on tasks for each row set new.title = new.title"
    )  # fmt: skip
    found = database.outlook()
    assert found.charsets == (("latin1", 1),)
    assert [(one.what, one.note) for one in found.apart] == [("trigger fills", "stays")]
    database.dump(FOLDER)
    with pytest.raises(DatabaseError, match="has the trigger fills"):
        database.require_rights()
    with pytest.raises(DatabaseError, match="has the trigger fills"):
        database.save("saved")
    administer(box, "mysql", "drop trigger fills")
