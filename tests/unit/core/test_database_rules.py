"""Which database is meant, which one serves and which are ours, from settings and facts alone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from instance_samples import sample_instance

from tasks.model.database_address import DatabaseAddress
from tasks.model.database_move import KeptDatabase, kept_text
from tasks.model.instance import Instance
from tasks.model.layout import ENVIRONMENT
from tasks.resources.base import Facts, FileFact
from tasks.resources.data_move import (
    FILLING,
    KEPT,
    database_address,
    filling_in,
    in_use,
    kept_in,
    moves_from,
    ours,
)
from tasks.resources.migration import emptied, migrations_question, recorded

HOST = "db.example.com"
SQLITE = DatabaseAddress("sqlite")
INSIDE = DatabaseAddress("postgresql", None, 0, "vikunja", "vikunja")
OUTSIDE = DatabaseAddress("postgresql", HOST, 5432, "vikunja", "tasks")
SINCE = "2025-01-01T00:00:00Z"


def instance(**database: Any) -> Instance:
    return sample_instance(database=database)


def outside(kind: str = "postgresql", **more: Any) -> Instance:
    return instance(type=kind, host=HOST, user="tasks", password_file="/secret", **more)


@pytest.mark.parametrize(
    ("desired", "address"),
    [
        (instance(type="sqlite"), SQLITE),
        (instance(type="postgresql"), INSIDE),
        (
            instance(type="mysql", name="todo", user="me"),
            DatabaseAddress("mysql", None, 0, "todo", "me"),
        ),
        (outside(), OUTSIDE),
        (outside("mysql"), DatabaseAddress("mysql", HOST, 3306, "vikunja", "tasks")),
        (outside(port=6432), DatabaseAddress("postgresql", HOST, 6432, "vikunja", "tasks")),
        # The services' settings cannot tell it from a server in the container.
        (
            instance(type="postgresql", host="127.0.0.1", user="me", password_file="/secret"),
            DatabaseAddress("postgresql", None, 0, "vikunja", "me"),
        ),
        (
            instance(type="mysql", host="127.0.0.1", port=3307, user="me", password_file="/secret"),
            DatabaseAddress("mysql", "127.0.0.1", 3307, "vikunja", "me"),
        ),
    ],
)
def test_the_database_that_is_configured_has_an_address(
    desired: Instance, address: DatabaseAddress
) -> None:
    assert database_address(desired) == address


def settings(kind: str) -> bytes:
    place = "" if kind == "sqlite" else "127.0.0.1:5432"
    return (
        f'VIKUNJA_DATABASE_TYPE="{kind}"\nVIKUNJA_DATABASE_HOST="{place}"\n'
        'VIKUNJA_DATABASE_DATABASE="vikunja"\nVIKUNJA_DATABASE_USER="vikunja"\n'
    ).encode()


def serving(content: bytes | None) -> Facts:
    return Facts(files={ENVIRONMENT: FileFact("file", "0640", "root", "vikunja", content=content)})


@pytest.mark.parametrize(
    ("facts", "database"),
    [
        (serving(settings("sqlite")), SQLITE),
        (serving(settings("postgres")), INSIDE),
        # Its content only comes along where it differs from what is configured.
        (serving(None), None),
        (Facts(), None),
    ],
)
def test_the_database_that_serves_is_known_where_the_settings_differ(
    facts: Facts, database: DatabaseAddress | None
) -> None:
    assert in_use(facts) == database


@pytest.mark.parametrize(
    ("found", "rendered", "before"),
    [
        ("sqlite", "postgres", SQLITE),
        ("postgres", "postgres", None),
        (None, "postgres", None),
        # vikunja.environment names another one than the section does.
        ("sqlite", "sqlite", None),
    ],
)
def test_data_moves_where_the_settings_of_before_name_another_database(
    found: str | None, rendered: str, before: DatabaseAddress | None
) -> None:
    facts = serving(settings(found) if found else None)
    assert moves_from(instance(type="postgresql"), settings(rendered), facts) == before


def kept(*databases: DatabaseAddress) -> dict[str, str]:
    return {KEPT: kept_text(KeptDatabase(one, SINCE) for one in databases)}


def test_of_what_is_kept_the_one_that_serves_is_none() -> None:
    facts = Facts(texts=kept(SQLITE, INSIDE))
    assert [item.database for item in kept_in(facts, INSIDE)] == [SQLITE]
    assert kept_in(Facts(), SQLITE) == ()
    assert kept_in(Facts(texts={KEPT: "damaged"}), SQLITE) == ()


@pytest.mark.parametrize(
    ("change", "found"),
    [({}, ("table notes",)), ({"only_there": None}, None), ({"since": 1}, None)],
)
def test_what_was_not_copied_is_known_of_what_is_kept(
    change: dict[str, object], found: tuple[str, ...] | None
) -> None:
    (one,) = json.loads(kept_text([KeptDatabase(SQLITE, SINCE, ("table notes",))]))
    read = kept_in(Facts(texts={KEPT: json.dumps([{**one, **change}])}), INSIDE)
    assert [item.only_there for item in read] == ([] if found is None else [found])
    del one["only_there"]
    (before,) = kept_in(Facts(texts={KEPT: json.dumps([one])}), INSIDE)
    assert before.only_there == ()


def filling(address: DatabaseAddress) -> dict[str, str]:
    return {FILLING: json.dumps(address.as_data())}


@pytest.mark.parametrize("damaged", ["", "{", "null", "[" * 100_000, '{"type": "sqlite"}'])
def test_a_damaged_note_of_the_database_that_is_filled_names_none(damaged: str) -> None:
    assert filling_in(Facts(texts={FILLING: damaged})) is None


@pytest.mark.parametrize(
    ("texts", "database", "is_ours"),
    [
        ({}, INSIDE, False),
        (filling(INSIDE), INSIDE, True),
        (filling(OUTSIDE), OUTSIDE, True),
        (filling(OUTSIDE), INSIDE, False),
        (kept(INSIDE), INSIDE, True),
        # Somebody may have put something else there since.
        (kept(OUTSIDE), OUTSIDE, False),
        (kept(SQLITE), INSIDE, False),
    ],
)
def test_tables_are_ours_where_we_filled_them_or_keep_them_in_the_container(
    texts: dict[str, str], database: DatabaseAddress, is_ours: bool
) -> None:
    assert ours(Facts(texts=texts), database, used=SQLITE) is is_ours


QUESTIONS = [
    (instance(type="sqlite"), ("sqlite", "vikunja", "/var/lib/vikunja/vikunja.db")),
    (instance(type="postgresql"), ("postgresql-database", "vikunja", "vikunja")),
    (instance(type="mysql", name="todo", user="me"), ("mysql-database", "todo", "me")),
    (outside(), ("external-postgresql", HOST, "5432", "vikunja", "tasks")),
    (outside("mysql", port=3307), ("external-mysql", HOST, "3307", "vikunja", "tasks")),
]


@pytest.mark.parametrize(("desired", "arguments"), QUESTIONS)
def test_migrations_are_asked_for_where_the_database_is(
    desired: Instance, arguments: tuple[str, ...]
) -> None:
    assert migrations_question(desired) == ("probe", "migrations", *arguments)


@pytest.mark.parametrize(
    ("said", "ids", "empty"),
    [
        (None, None, False),
        ("unknown", None, False),
        ("none", frozenset(), False),
        ("empty", frozenset(), True),
        ("SCHEMA_INIT 1 2", frozenset({"SCHEMA_INIT", "1", "2"}), False),
    ],
)
def test_what_the_database_has_been_through_is_known_where_it_answers(
    said: str | None, ids: frozenset[str] | None, empty: bool
) -> None:
    desired, arguments = QUESTIONS[0]
    facts = Facts(probes={("migrations", *arguments): said} if said else {})
    assert recorded(facts, desired) == ids
    assert emptied(facts, desired) is empty
