"""A server that is reached by a socket in the container: what the application is told, what scripts
are, what is read back of it, and which server it is; the clients' own words for it."""

from __future__ import annotations

import json
from pathlib import Path
from subprocess import run
from typing import Any

import pytest
from instance_samples import sample_instance

from tasks.backup.running_instance import as_it_serves
from tasks.config.document import DeploymentFacts, deployment_document
from tasks.databases import database_at, database_for
from tasks.databases.greeting import refuse_newer_server, refuse_unknown
from tasks.databases.trust import refuse_untrusted
from tasks.desired import rendering
from tasks.desired.system import declare, templated
from tasks.errors import NetworkError
from tasks.guest.runner import script_text
from tasks.model.database_address import DatabaseAddress, address_in, read_address
from tasks.model.host_files import HostFiles
from tasks.model.instance import Instance
from tasks.model.layout import database_resource, environment, external_arguments, unit_file
from tasks.planning.settings_versions import known_from
from tasks.resources.data_move import database_address
from tasks.resources.system import Script
from tasks.workflows.drill_site import DrillNetwork, drill_instance


def by_socket(kind: str, host: str, **more: Any) -> Instance:
    database = {"type": kind, "host": host, "password_file": "/secret", **more}
    return sample_instance(database=database)


POSTGRESQL = by_socket("postgresql", "/run/postgresql")
OTHER_PORT = by_socket("postgresql", "/srv/pg", port=5433)
MYSQL = by_socket("mysql", "/run/mysqld/mysqld.sock")

FACTS = DeploymentFacts(
    None, "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", "blue",
    None, None, None, None, None, None,
)  # fmt: skip

CASES = [
    (POSTGRESQL, "/run/postgresql", "/run/postgresql/.s.PGSQL.5432"),
    # As Vikunja takes it apart: what is behind the last colon is the port.
    (OTHER_PORT, "/srv/pg:5433", "/srv/pg/.s.PGSQL.5433"),
    (MYSQL, "/run/mysqld/mysqld.sock", "/run/mysqld/mysqld.sock"),
]


def texts(instance: Instance) -> dict[str, str]:
    made = rendering.render(instance, templated(instance))
    return {path: one.content.decode() for path, one in made.items()}


@pytest.mark.parametrize(("instance", "told", "socket"), CASES)
def test_the_application_is_told_the_path_and_it_is_read_back(
    instance: Instance, told: str, socket: str
) -> None:
    settings = texts(instance)[environment("blue")]
    assert f'VIKUNJA_DATABASE_HOST="{told}"' in settings.splitlines()
    assert "SSLMODE" not in settings and "DATABASE_TLS" not in settings
    address = database_address(instance)
    assert address_in(settings.encode()) == address
    assert read_address(address.as_data()) == address
    assert address.label == f"{instance.database.type} vikunja at {socket}"
    assert not address.inside
    document = json.dumps(deployment_document(instance, FACTS))
    assert as_it_serves(instance, document.encode(), address).database.host == address.host


@pytest.mark.parametrize(("instance", "told", "socket"), CASES)
def test_scripts_and_records_name_the_socket(instance: Instance, told: str, socket: str) -> None:
    port = {"postgresql": "5432", "mysql": "3306"}[instance.database.type]
    port = str(instance.database.port or port)
    assert external_arguments(instance) == (
        instance.database.host, port, "vikunja", "vikunja",
    )  # fmt: skip
    kind = f"external-{instance.database.type}"
    assert database_resource(instance) == f"{kind}:{socket}/vikunja"
    made = rendering.render(instance, templated(instance))
    (script,) = (
        one
        for one in declare(instance, made, HostFiles())
        if isinstance(one, Script) and one.script == kind
    )
    assert script.address == database_resource(instance)


def test_the_unit_waits_for_what_the_socket_may_come_with() -> None:
    unit = texts(OTHER_PORT)[unit_file("backend", "blue")]
    assert "RequiresMountsFor=/srv/pg\n" in unit
    assert "After=postgresql.service mariadb.service mysql.service\n" in unit
    outside = by_socket("postgresql", "db.example.com")
    for instance in (sample_instance(), outside):
        unit = texts(instance)[unit_file("backend", "blue")]
        assert "RequiresMountsFor" not in unit and "mysql.service" not in unit


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        # Debian's server in the container, by its socket.
        ((None, 0), ("/run/postgresql", 5432), True),
        (("/var/run/postgresql", 5432), ("/run/postgresql", 5432), True),
        (("/run/postgresql", 5433), ("/run/postgresql", 5432), False),
        ((None, 0), ("/srv/pg", 5432), False),
    ],
)
def test_a_server_is_the_same_by_any_of_its_ways(
    one: tuple[str | None, int], other: tuple[str | None, int], same: bool
) -> None:
    first, second = (DatabaseAddress("postgresql", *way, "vikunja") for way in (one, other))
    assert first.same_server(second) is same
    assert first.same(second) is same


def test_nothing_is_asked_from_this_machine() -> None:
    # The path is the container's: what is there on this machine is somebody else's.
    for instance in (POSTGRESQL, MYSQL):
        refuse_untrusted(instance)
        refuse_unknown(instance, HostFiles())
        refuse_newer_server(instance, HostFiles())


def test_versions_that_know_no_sockets_are_known() -> None:
    assert known_from(POSTGRESQL.vikunja, POSTGRESQL.database) == {"database.host": "0.20.1"}
    assert known_from(MYSQL.vikunja, MYSQL.database) == {"database.host": "0.21.0"}


def test_a_drill_has_a_server_of_its_own() -> None:
    network = DrillNetwork("vkdr0", "198.18.0.2/24", "198.18.0.1")
    for instance in (POSTGRESQL, MYSQL):
        assert drill_instance(instance, network).database.inside


SAYS = {
    "postgresql": 'psql: error: connection to server on socket "/srv/pg/.s.PGSQL.5433" failed: '
    "No such file or directory",
    "mysql": "ERROR 2002 (HY000): Can't connect to local server through socket '/x.sock' (2)",
}


@pytest.mark.parametrize(
    ("instance", "socket"),
    [(OTHER_PORT, "/srv/pg/.s.PGSQL.5433"), (MYSQL, "/run/mysqld/mysqld.sock")],
)
def test_a_socket_that_nobody_answers_at_is_named(instance: Instance, socket: str) -> None:
    container: Any = type("Container", (), {"spec": type("Spec", (), {"instance_id": "x"})()})()
    for database in (
        database_for(instance, container),
        database_at(database_address(instance), container),
    ):
        failure = database._failure("what", 1, [SAYS[instance.database.type]])
        assert isinstance(failure, NetworkError)
        assert failure.what == f"what: {socket} was waited for and does not answer"
        assert "that its socket is there in the container" in failure.hint


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("_mysql_server /srv/my.sock 3306", "--protocol=socket --socket=/srv/my.sock"),
        ("_mysql_server db.example.com 3307", "--protocol=tcp --host=db.example.com --port=3307"),
        ("_at /srv/pg 5433 /srv/pg/.s.PGSQL.5433", "the socket /srv/pg/.s.PGSQL.5433"),
        ("_at /srv/my.sock 3306", "the socket /srv/my.sock"),
        ("_at db.example.com 5432", "db.example.com port 5432"),
    ],
)  # fmt: skip
def test_clients_are_told_of_a_socket_in_their_own_words(call: str, said: str) -> None:
    text = script_text("database-login")
    found = run(["sh", "-c", f"{text}\n{call}"], capture_output=True, text=True, check=True)
    assert found.stdout == f"{said}\n"


def test_the_sample_takes_an_address_apart_as_vikunja_does() -> None:
    source = Path(__file__).parents[3] / "examples/sample/pkg/db/dsn.go"
    # Vikunja knows no socket by its own path.
    assert ".s.PGSQL." not in source.read_text()
