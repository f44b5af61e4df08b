"""What copies rows from one engine to another: kinds of columns, values as text, statements."""

from __future__ import annotations

import math
import re
import sqlite3
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tasks.databases.canonical_sql import compared, copied
from tasks.databases.catalog import Column, Kind, kind_of, read_catalog
from tasks.databases.row_copy import RowCopy, Side, TableDigest, differences, read_digests
from tasks.guest.runner import script_text
from tasks.model.instance import DatabaseType

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
AWKWARD = st.text("\\'\"\t\n\r\b\f\vN.=x,;", max_size=12)
DECODED = {"b": "\b", "t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r", "\\": "\\"}


def decode(field: str) -> str | None:
    """A field of COPY, by PostgreSQL's documentation."""
    if field == "\\N":
        return None
    assert not re.search(r"[\t\n\r]", field)
    return re.sub(r"\\(.)", lambda found: DECODED[found[1]], field, flags=re.DOTALL)


def encode(value: str | None) -> str:
    if value is None:
        return "\\N"
    codes = {char: f"\\{letter}" for letter, char in DECODED.items()}
    return "".join(codes.get(char, char) for char in value)


def in_sqlite(expression: str, declared: str, value: object) -> object:
    database = sqlite3.connect(":memory:")
    database.execute(f"create table t (c {declared})")
    database.execute("insert into t values (?)", (value,))
    (found,) = database.execute(f"select {expression} from t").fetchone()
    return found


def column(kind: Kind, nullable: bool = True, precision: int = 6) -> Column:
    return Column("c", kind, nullable, precision)


@pytest.mark.parametrize(
    ("engine", "declared", "kind"),
    [
        ("postgresql", "bool", "boolean"),
        ("postgresql", "int8", "integer"),
        ("postgresql", "float4", "float"),
        ("postgresql", "numeric", "decimal"),
        ("postgresql", "varchar", "text"),
        ("postgresql", "json", "json"),
        ("postgresql", "jsonb", "parsed json"),
        ("postgresql", "timestamptz", "zoned timestamp"),
        ("postgresql", "bytea", "bytes"),
        ("postgresql", "_int4", "text"),
        ("mysql", "tinyint", "integer"),
        ("mysql", "checked json", "json"),
        ("mysql", "json", "parsed json"),
        ("mysql", "datetime", "timestamp"),
        ("mysql", "longtext", "text"),
        ("mysql", "mediumblob", "bytes"),
        ("sqlite", "INTEGER", "integer"),
        ("sqlite", "BOOLEAN", "integer"),
        ("sqlite", "DATETIME", "timestamp"),
        ("sqlite", "DATE", "date"),
        ("sqlite", "VARCHAR(250)", "text"),
        ("sqlite", "BLOB", "bytes"),
        ("sqlite", "DOUBLE", "float"),
        ("sqlite", "DECIMAL(10, 2)", "decimal"),
        ("sqlite", "", "text"),
    ],
)
def test_a_column_s_kind_is_what_its_engine_s_catalog_says(
    engine: DatabaseType, declared: str, kind: Kind
) -> None:
    assert kind_of(engine, declared) == kind


def test_a_catalog_is_read_with_nulls_digits_and_counters() -> None:
    lines = ["tasks\tid\tint8\t0\t6\t41", "tasks\tdue\ttimestamp\t1\t3\t"]
    assert read_catalog("postgresql", lines) == {
        "tasks": {
            "id": Column("id", "integer", False, 6, 41),
            "due": Column("due", "timestamp", True, 3, None),
        }
    }


@settings(max_examples=300)
@given(TEXTS | AWKWARD)
def test_any_text_of_sqlite_is_written_as_copy_has_it(text: str) -> None:
    expression = copied("sqlite", column("text"), "postgresql", column("text"))
    written = in_sqlite(expression, "text", text)
    assert isinstance(written, str)
    assert decode(written) == text


def test_a_text_of_sqlite_that_its_client_would_cut_is_an_error() -> None:
    expression = copied("sqlite", column("text"), "mysql", column("text"))
    with pytest.raises(sqlite3.OperationalError, match="a character 0 in column c"):
        in_sqlite(expression, "text", "a\0b")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(AWKWARD | TEXTS | st.none(), st.binary() | st.none(), AWKWARD)))
def test_any_row_of_copy_becomes_an_insert_that_sqlite_reads(
    rows: list[tuple[str | None, bytes | None, str]],
) -> None:
    fields = [
        (encode(text), "\\N" if blob is None else f"\\\\x{blob.hex()}", encode(more))
        for text, blob, more in rows
    ]
    lines = ["\\= ,2, insert into t values", *("\t".join(one) for one in fields), "\\."]
    assert inserted("a text, b blob, c text", lines) == rows


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(AWKWARD | TEXTS | st.none(), AWKWARD | st.none())))
def test_a_table_without_bytes_goes_the_short_way_to_the_same(
    rows: list[tuple[str | None, str | None]],
) -> None:
    fields = [(encode(one), encode(other)) for one, other in rows]
    lines = ["\\= , insert into t values", *("\t".join(one) for one in fields), "\\."]
    assert inserted("a text, b text", lines) == rows


def inserted(columns: str, lines: list[str]) -> list[tuple[object, ...]]:
    script = f"{script_text('database')}\nrows_as_inserts sqlite"
    given = "\n".join(["begin;", *lines, "commit;", ""]).encode()
    done = subprocess.run(["bash", "-c", script], input=given, capture_output=True, check=True)
    database = sqlite3.connect(":memory:", isolation_level=None)
    database.execute(f"create table t ({columns})")
    database.executescript(done.stdout.decode())
    return database.execute("select * from t order by rowid").fetchall()


@pytest.mark.parametrize(
    ("held", "nullable", "precision", "said"),
    [
        ("2020-01-02 03:04:05", True, 6, "2020-01-02 03:04:05"),
        ("2020-01-02T03:04:05Z", True, 6, "2020-01-02 03:04:05"),
        ("2020-01-02 23:04:05.250-02:00", True, 6, "2020-01-03 01:04:05.25"),
        ("2020-01-02 03:04:05.123456789", True, 6, "2020-01-02 03:04:05.123456"),
        ("2020-01-02 03:04:05.9", True, 0, "2020-01-02 03:04:05"),
        ("2020-01-02 03:04:05.100456", True, 3, "2020-01-02 03:04:05.1"),
        ("1969-12-31 23:59:59.5", True, 6, "1969-12-31 23:59:59.5"),
        ("2020-01-02", True, 6, "2020-01-02 00:00:00"),
        (1577934245, True, 6, "2020-01-02 03:04:05"),
        ("", True, 6, None),
        ("", False, 6, "0001-01-01 00:00:00"),
        (None, True, 6, None),
        ("yesterday", True, 6, "yesterday"),
    ],
)
def test_times_of_sqlite_are_read_as_its_drivers_read_them(
    held: object, nullable: bool, precision: int, said: str | None
) -> None:
    target = column("timestamp", nullable, precision)
    expression = copied("sqlite", column("timestamp", precision=9), "postgresql", target)
    assert in_sqlite(expression, "datetime", held) == said


@pytest.mark.parametrize(
    ("held", "nullable", "said"),
    [("", True, None), ("", False, "null"), (None, False, "null"), ('{"a": 1}', True, '{"a": 1}')],
)
def test_an_empty_text_is_no_json(held: str | None, nullable: bool, said: str | None) -> None:
    expression = copied("sqlite", column("text"), "postgresql", column("json", nullable))
    assert in_sqlite(expression, "text", held) == said


@pytest.mark.parametrize(("held", "said"), [(0, 0), (1, 1), (2, 1), (None, None)])
def test_a_number_is_yes_where_it_is_not_0(held: int | None, said: int | None) -> None:
    expression = copied("sqlite", column("integer"), "postgresql", column("boolean"))
    assert in_sqlite(expression, "integer", held) == said


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-9e17, max_value=9e17))
def test_numbers_with_a_point_are_compared_without_rounding(number: float) -> None:
    target = column("float")
    expression = compared("sqlite", target, "mysql", target, ("float", "float"))
    rest, whole = math.modf(number)
    assert in_sqlite(expression, "real", number) == f"{int(whole)}+{int(rest * 2**53)}"


def test_json_that_a_server_rewrites_is_compared_by_whether_it_is_there() -> None:
    source, target = column("text"), column("parsed json")
    expression = compared("sqlite", source, "mysql", target, (source.kind, target.kind))
    assert [in_sqlite(expression, "text", held) for held in ('{"b":1}', "", None)] == [
        "json",
        None,
        None,
    ]


OLD = Side(
    "sqlite",
    read_catalog(
        "sqlite",
        [
            "migration\tid\ttext\t0\t9\t",
            "notes\tnote\ttext\t1\t9\t",
            "tasks\tid\tinteger\t0\t9\t41",
            "tasks\tindex\tinteger\t0\t9\t",
            "tasks\tis_active\tinteger\t0\t9\t",
        ],
    ),
)


def new(engine: DatabaseType) -> Side:
    lines = [
        "fresh\tid\tbigint\t0\t0\t1",
        "migration\tid\ttext\t0\t0\t",
        "tasks\tindex\tbigint\t0\t0\t",
        "tasks\tid\tbigint\t0\t0\t1",
        "tasks\tadded\tbigint\t1\t0\t",
    ]
    return Side(engine, read_catalog(engine, lines))


def test_what_the_application_has_no_place_for_is_named() -> None:
    copy = RowCopy(OLD, new("mysql"))
    assert copy.tables == ("tasks",)
    assert copy.left_out() == ("table notes", "column tasks.is_active")
    assert copy.impossible() == ()


def test_bytes_and_text_are_not_each_other() -> None:
    changed = {"tasks": {"id": replace(OLD.catalog["tasks"]["id"], kind="bytes")}}
    copy = RowCopy(Side("sqlite", changed), new("mysql"))
    assert copy.impossible() == ("tasks.id holds bytes and is to hold integer",)


@pytest.mark.parametrize(
    ("engine", "first", "head", "last"),
    [
        (
            "postgresql",
            'truncate "fresh", "tasks";',
            'copy "tasks" ("index", "id") from stdin;',
            "pg_get_serial_sequence('\"tasks\"', 'id'), greatest(greatest(40, "
            '(select max("id") from "tasks")), 1)',
        ),
        (
            "mysql",
            "delete from `tasks`;",
            "\\= , insert into `tasks` (`index`, `id`) values",
            "alter table `tasks` auto_increment = 41;",
        ),
        (
            "sqlite",
            'delete from "tasks";',
            '\\= , insert into "tasks" ("index", "id") values',
            "update sqlite_sequence set seq = 40 where name = 'tasks' and seq < 40;",
        ),
    ],
)
def test_tables_are_emptied_filled_and_count_on(
    engine: DatabaseType, first: str, head: str, last: str
) -> None:
    copy = RowCopy(OLD, new(engine))
    assert first in copy.begin() and "migration" not in copy.begin()
    assert head.replace("'", "''") in copy.rows()
    assert """ifnull("index", '\\N'), ifnull("id", '\\N') from "tasks";""" in copy.rows()
    assert last in copy.end() and copy.end().endswith("commit;\n")


def test_what_mysql_writes_among_its_rows_is_told_from_them() -> None:
    copy = RowCopy(new("mysql"), OLD)
    assert "select '#select ''tasks'';\n\\= , insert into" in copy.rows()
    assert "select concat('=', `id`), concat('=', `index`) from `tasks`;" in copy.rows()
    assert "select '#\\= tasks';" in copy.old_digests()


def test_tables_differ_by_rows_or_by_values() -> None:
    text = (
        "new\ta\t2\tx\nnew\tb\t1\ty\nnew\td\t0\t-\n"
        "old\ta\t2\tx\nold\tb\t1\tz\nold\tc\t3\tv\nold\td\t0\t-\n"
    )
    old, new = read_digests(text)
    assert old["b"] == TableDigest(1, "z")
    assert differences(old, new) == [
        "b: 1 rows, of which some have other values",
        "c: 3 rows, 0 arrived",
    ]
