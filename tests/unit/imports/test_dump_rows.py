"""The rows of a dump, in the tables of a database of the same version."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import zipfile
from pathlib import Path
from typing import Any

import pytest
from dumps import write_dump

from tasks.errors import DatabaseError
from tasks.imports.dump import look_at_dump
from tasks.imports.dump_rows import filled, migrations_of

SCHEMA = """
create table migration (id text primary key, description text);
insert into migration values ('SCHEMA_INIT', ''), ('20240101000000', '');
create table users (id integer primary key autoincrement not null, username text not null,
    is_admin integer, deletion_scheduled_at datetime, frontend_settings text,
    created datetime not null);
create table project_views (id integer primary key autoincrement not null, filter text,
    position real);
create table empty (id integer);
"""


def made(path: Path, *statements: str) -> bytes:
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.executescript(SCHEMA)
        for statement in statements:
            database.execute(statement)
        database.commit()
        return database.serialize()


def rows_in(content: bytes, table: str) -> list[tuple[Any, ...]]:
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        database.deserialize(content)
        return database.execute(f"select * from {table}").fetchall()


ANNA = (1, "anna", 0, None, '{"color":"red"}', "2026-11-30 07:46:06")


def test_every_row_is_as_it_was_and_no_other_is_there(tmp_path: Path) -> None:
    old = tmp_path / "old.db"
    made(
        old,
        "insert into users values (1, 'anna', 0, null, '{\"color\":\"red\"}',"
        " '2026-11-30 07:46:06')",
        "insert into project_views values (4, null, 427913.44983560825)",
    )
    write_dump(tmp_path / "dump.zip", old, {}, "v2.4.0")
    new = made(tmp_path / "new.db", "insert into users values (7, 'trial', 1, null, null, '')")

    with zipfile.ZipFile(tmp_path / "dump.zip") as dump:
        assert migrations_of(dump) == {"SCHEMA_INIT", "20240101000000"}
        brought = filled(new, dump, "dump:dump.zip")

    assert rows_in(brought.content, "users") == [ANNA]
    assert rows_in(brought.content, "project_views") == [(4, None, 427913.44983560825)]
    assert brought.rows == {"empty": 0, "migration": 2, "project_views": 1, "users": 1}
    assert brought.left_out == ()


def dump_of(path: Path, **tables: list[dict[str, Any]]) -> zipfile.ZipFile:
    with zipfile.ZipFile(path, "w") as dump:
        dump.writestr("VERSION", "2.4.0")
        for table, rows in {"migration": [{"id": "SCHEMA_INIT"}], **tables}.items():
            dump.writestr(f"database/{table}.json", json.dumps(rows))
    return zipfile.ZipFile(path)


def test_the_forms_of_other_engines_are_read(tmp_path: Path) -> None:
    user = {
        "id": 1,
        "username": "anna",
        "is_admin": True,
        "deletion_scheduled_at": "0001-01-01T00:00:00Z",
        "frontend_settings": {"color": "red"},
        "created": "2026-11-30T08:46:06.25+01:00",
    }
    views: list[dict[str, Any]] = [
        {"id": 1, "filter": "e30=", "position": "MTAwLjU="},
        {"id": "Mg==", "position": "2"},
    ]
    with dump_of(tmp_path / "dump.zip", users=[user], project_views=views) as dump:
        brought = filled(made(tmp_path / "new.db"), dump, "dump:dump.zip")
    assert rows_in(brought.content, "users") == [(1, "anna", 1, *ANNA[3:])]
    assert rows_in(brought.content, "project_views") == [(1, "{}", 100.5), (2, None, 2.0)]


def test_what_has_no_place_is_said(tmp_path: Path) -> None:
    views = [{"id": 1, "color": "red"}]
    with dump_of(tmp_path / "dump.zip", project_views=views, gone=[{"id": 1}], none=[]) as dump:
        brought = filled(made(tmp_path / "new.db"), dump, "dump:dump.zip")
    assert brought.left_out == ("table gone", "column project_views.color")


def test_a_row_that_does_not_fit_is_named(tmp_path: Path) -> None:
    rows = [{"id": 1, "username": "anna", "created": "yesterday"}]
    with (
        dump_of(tmp_path / "dump.zip", users=rows) as dump,
        pytest.raises(DatabaseError, match="a row of table users cannot be taken"),
    ):
        filled(made(tmp_path / "new.db"), dump, "dump:dump.zip")


def test_a_dump_says_its_version_and_settings(tmp_path: Path) -> None:
    old = tmp_path / "old.db"
    made(old)
    settings = "service: {publicurl: 'https://tasks.example.com'}\n"
    write_dump(tmp_path / "dump.zip", old, {"1": b"abc", "2": b"d"}, "2.4.0", settings)
    found = look_at_dump("dump:dump.zip", tmp_path / "dump.zip")
    assert found.version == "v2.4.0"
    assert found.settings["service_publicurl"].value == "https://tasks.example.com"
    assert found.files.there is not None
    assert (found.files.there.count, found.files.there.size) == (2, 4)
