"""The rows of an application's dump, in the tables of a SQLite database of the same version.

A dump has each table as JSON, in the forms that the engine's driver gave: what is JSON, or a number
with a point, may be base64 of its text; times are RFC 3339.
"""

from __future__ import annotations

import base64
import contextlib
import json
import sqlite3
import zipfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from tasks.errors import DatabaseError
from tasks.imports.dump import TABLES

MIGRATIONS = "migration"

JSON_COLUMNS = frozenset(
    {
        ("api_tokens", "permissions"),
        ("notifications", "notification"),
        ("project_views", "filter"),
        ("project_views", "bucket_configuration"),
        ("saved_filters", "filters"),
        ("users", "frontend_settings"),
    }
)


class Filled(Struct, frozen=True):
    """content: of the database's file. rows: by table. left_out: what the tables have no place
    for, as `column tasks.color`."""

    content: bytes
    rows: Mapping[str, int]
    left_out: tuple[str, ...]


def migrations_of(dump: zipfile.ZipFile) -> frozenset[str]:
    """What its database has been through."""
    return frozenset(str(row["id"]) for row in _rows(dump, MIGRATIONS))


def filled(content: bytes, dump: zipfile.ZipFile, said: str) -> Filled:
    """A database with the rows of the dump, and no others. content: of one that has been through
    the same migrations. Raises DatabaseError where a value does not fit."""
    names = {
        name.removeprefix(TABLES).removesuffix(".json")
        for name in dump.namelist()
        if name.startswith(TABLES) and name.endswith(".json")
    }
    left_out: list[str] = []
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        database.deserialize(content)
        tables = _tables(database)
        for table in tables:
            if table != MIGRATIONS:
                database.execute(f"delete from {_quoted(table)}")
        for table in sorted(names - {MIGRATIONS}):
            rows = _rows(dump, table)
            if table not in tables:
                if rows:
                    left_out.append(f"table {table}")
                continue
            left_out += _fill(database, table, rows, said)
        database.commit()
        database.execute("vacuum")
        counted = {table: _count(database, table) for table in tables}
        return Filled(database.serialize(), counted, tuple(left_out))


def _tables(database: sqlite3.Connection) -> list[str]:
    named = database.execute(
        "select name from sqlite_schema where type = 'table' and name not like 'sqlite\\_%' escape"
        " '\\' order by name"
    )
    return [name for (name,) in named]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _count(database: sqlite3.Connection, table: str) -> int:
    (rows,) = database.execute(f"select count(*) from {_quoted(table)}").fetchone()
    return int(rows)


def _rows(dump: zipfile.ZipFile, table: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(dump.read(f"{TABLES}{table}.json"))
    return found


def _fill(
    database: sqlite3.Connection, table: str, rows: list[dict[str, Any]], said: str
) -> Iterator[str]:
    """Insert them; what of them has no column is said."""
    about = database.execute(f"pragma table_info({_quoted(table)})")
    kinds = {name: (kind.upper(), bool(needed)) for _, name, kind, needed, *_ in about}
    unknown: set[str] = set()
    for row in rows:
        unknown |= row.keys() - kinds.keys()
        columns = [name for name in row if name in kinds]
        try:
            values = [_value((table, name), *kinds[name], row[name]) for name in columns]
            names = ", ".join(map(_quoted, columns))
            marks = ", ".join("?" * len(columns))
            database.execute(f"insert into {_quoted(table)} ({names}) values ({marks})", values)
        except (ValueError, sqlite3.Error) as error:
            raise DatabaseError(
                f"a row of table {table} cannot be taken: {error}",
                where=said,
                hint="Is the dump whole, and of the version that serves?",
            ) from error
    return iter(sorted(f"column {table}.{name}" for name in unknown))


def _value(where: tuple[str, str], kind: str, needed: bool, given: Any) -> Any:
    if given is None:
        return None
    if isinstance(given, bool):
        return int(given)
    if isinstance(given, dict | list):
        return json.dumps(given, ensure_ascii=False, separators=(",", ":"))
    if not isinstance(given, str):
        return given
    if kind.startswith(("DATE", "TIME")):
        return _time(given, needed)
    if kind.startswith(("REAL", "DOUBLE", "FLOAT", "NUMERIC")):
        return float(_number(given))
    if kind.startswith(("INT", "BIGINT")):
        return int(_number(given))
    if kind.startswith("BLOB"):
        return base64.b64decode(given, validate=True)
    return _json_text(given) if where in JSON_COLUMNS else given


def _time(text: str, needed: bool) -> str | None:
    if not needed and (not text or text.startswith("0001-")):
        return None
    if not text:
        return "0001-01-01 00:00:00"
    when = datetime.fromisoformat(text)
    when = when.astimezone(UTC) if when.tzinfo else when
    return when.strftime("%Y-%m-%d %H:%M:%S").rjust(19, "0")


def _number(text: str) -> str:
    try:
        float(text)
    except ValueError:
        return base64.b64decode(text, validate=True).decode()
    return text


def _json_text(text: str) -> str | None:
    """A null is dumped as an empty text."""
    if not text:
        return None
    try:
        decoded = base64.b64decode(text, validate=True).decode()
        json.loads(decoded)
    except ValueError:
        return text
    return decoded
