"""Tables as an application makes them in each engine, the values that a move has to bring from one
to another, and what is there afterwards: written and read by means of these tests' own."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from decimal import Decimal

from engines import LabDatabase
from msgspec import Struct

SCHEMA = {
    "sqlite": """
        create table migration (id text primary key not null, description text);
        create table odd (id integer primary key autoincrement not null, title text,
            "order" integer, filter text, settings text not null, done integer,
            percent_done real, price numeric, due datetime, created datetime not null,
            data blob, "group" integer);
        create table pairs (label text not null, task_id integer not null,
            primary key (label, task_id));
        create table "no ""key`" (a text, b integer);
        create table nothing_in_it (id integer primary key autoincrement not null, x text);
        insert into nothing_in_it (x) values ('what a fresh schema has');
        """,
    "postgresql": """
        create table migration (id varchar(255) primary key, description varchar(255));
        create table odd (id bigserial primary key, title text, "order" bigint, filter json,
            settings json not null, done bool, percent_done double precision,
            price numeric(20, 4), due timestamp, created timestamp not null, data bytea,
            "group" bigint);
        create table pairs (label varchar(50) not null, task_id bigint not null,
            primary key (label, task_id));
        create table "no ""key`" (a text, b bigint);
        create table nothing_in_it (id bigserial primary key, x text);
        insert into nothing_in_it (x) values ('what a fresh schema has');
        """,
    "mysql": """
        create table migration (id varchar(255) primary key, description varchar(255));
        create table odd (id bigint auto_increment primary key, title longtext, `order` bigint,
            filter json, settings json not null, done tinyint(1), percent_done double,
            price decimal(20, 4), due datetime, created datetime(6) not null, data longblob,
            `group` bigint);
        create table pairs (label varchar(50) collate utf8mb4_bin not null, task_id bigint not null,
            primary key (label, task_id));
        create table `no "key``` (a longtext, b bigint);
        create table nothing_in_it (id bigint auto_increment primary key, x longtext);
        insert into nothing_in_it (x) values ('what a fresh schema has');
        """,
}

Value = str | int | float | Decimal | bytes | None


class Odd(Struct, frozen=True):
    """A row of table `odd`, with values that each engine holds in its own way. Times: in UTC, with
    a fraction only where there is one."""

    id: int
    title: str | None = None
    order: int | None = None
    filter: str | None = None
    settings: str = "{}"
    done: bool | None = None
    percent_done: float | None = None
    price: Decimal | None = None
    due: str | None = None
    created: str = "2026-11-29 23:00:00"
    data: bytes | None = None
    group: int | None = None


EVERY_CHARACTER = "".join(map(chr, range(1, 256))) + "漢字 😀 \u2028"
ODD = (
    Odd(1),
    Odd(2, title="", order=0, done=False, percent_done=0.0, price=Decimal(0), data=b"", group=0),
    Odd(3, title=EVERY_CHARACTER, done=True, data=bytes(range(256)), group=-(2**63)),
    Odd(4, title="\\N", filter='{"a": "b\\n\\u00e9 😀", "c": null}', data=rb"\N", group=2**63 - 1),
    Odd(5, title="\\.", filter="null", settings="null", data=rb"\x5c", order=-1),
    Odd(6, title="\\= 1, insert", settings='[1, 2.50, ""]', due="1600-02-29 23:59:59"),
    Odd(7, title="','\\N','", percent_done=1 / 3, price=Decimal("-0.0001")),
    Odd(8, title="\r\n\n\r;\nselect 1;\n", percent_done=-1e300, price=Decimal("12.5")),
    Odd(9, title=" 1 ", percent_done=65536 / 3, due="1969-12-31 23:59:59"),
    Odd(10, title="NULL", percent_done=5e-324, created="1969-07-20 20:17:40.5"),
    Odd(11, title="x" * 1_000_000, created="2026-02-28 12:00:00.000001"),
    Odd(12, title="\\\\t\\t\t" * 100_000, created="0001-01-01 00:00:00"),
    Odd(13, title="'\"`$(id)%s{}", data=b"\x00" * 1_000_000, created="9999-12-31 23:59:59.999999"),
)
PAIRS = (("a", 1), ("A", 1), ("", 0), ("é", -2))
NO_KEY = ((None, None), ("x", 1), ("x", 1), (None, 2))
GONE = 40
"""The highest number that was given to a row, which is gone."""


def fill(lab: LabDatabase) -> None:
    """Empty tables, then all of the above."""
    make_tables(lab)
    write = WRITERS[lab.engine]
    statements = [
        insert(lab, "odd", [getattr(row, name) for name in row.__struct_fields__]) for row in ODD
    ]
    statements += [insert(lab, "pairs", row) for row in PAIRS]
    statements += [insert(lab, 'no "key`', row) for row in NO_KEY]
    statements += [insert(lab, "migration", (one, "")) for one in ("20250101000000", "SCHEMA_INIT")]
    gone = [GONE, *(getattr(ODD[0], name) for name in Odd.__struct_fields__[1:])]
    statements += [insert(lab, "odd", gone), f"delete from odd where id = {write(GONE)}"]
    lab.sql(";\n".join([*counted(lab), *statements, "delete from nothing_in_it"]) + ";\n")


def counted(lab: LabDatabase) -> list[str]:
    """PostgreSQL counts only what it numbers itself."""
    return [f"select setval('odd_id_seq', {GONE})"] if lab.engine == "postgresql" else []


def make_tables(lab: LabDatabase) -> None:
    if lab.engine == "sqlite":
        lab.sh('rm -rf "$1" && install -d -o vikunja "$1"', "/var/lib/vikunja")
    elif lab.database.occupied():
        lab.database.wipe()
    lab.sql(SCHEMA[lab.engine])


def quoted(lab: LabDatabase, name: str) -> str:
    mark = "`" if lab.engine == "mysql" else '"'
    return mark + name.replace(mark, mark * 2) + mark


def insert(lab: LabDatabase, table: str, row: list[Value] | tuple[Value, ...]) -> str:
    values = ", ".join(WRITERS[lab.engine](value) for value in row)
    return f"insert into {quoted(lab, table)} values ({values})"


def _hex(form: str) -> Callable[[str], str]:
    return lambda value: form.format(value.encode().hex())


def _literal(value: str) -> str:
    doubled = value.replace("\\", "\\\\").replace("'", "''")
    return f"e'{doubled}'"


def _writer(
    text: Callable[[str], str], blob: str, boolean: Callable[[bool], str]
) -> Callable[[Value], str]:
    def written(value: Value) -> str:
        match value:
            case None:
                return "null"
            case bool():
                return boolean(value)
            case str():
                return text(value)
            case bytes():
                return blob.format(value.hex())
        return repr(value) if isinstance(value, float) else str(value)

    return written


WRITERS: Mapping[str, Callable[[Value], str]] = {
    "sqlite": _writer(_hex("cast(x'{}' as text)"), "x'{}'", lambda one: str(int(one))),
    "postgresql": _writer(_literal, "'\\x{}'::bytea", lambda one: str(one).lower()),
    "mysql": _writer(_hex("convert(x'{}' using utf8mb4)"), "x'{}'", lambda one: str(int(one))),
}

TEXT = {
    "sqlite": "case when {0} is not null then hex({0}) end",
    "postgresql": "upper(encode(convert_to({}::text, 'UTF8'), 'hex'))",
    "mysql": "hex({})",
}
BLOB = {"sqlite": TEXT["sqlite"], "postgresql": "upper(encode({}, 'hex'))", "mysql": "hex({})"}
FLOAT = {
    "sqlite": "case when {0} is not null then printf('%!.17g', {0}) end",
    "postgresql": "upper(encode(float8send({}), 'hex'))",
    "mysql": "{}",
}


def odd_rows(lab: LabDatabase) -> list[Odd]:
    """Table `odd`, read again."""
    engine = lab.engine
    text, blob = TEXT[engine].format, BLOB[engine].format
    boolean = "{}::int" if engine == "postgresql" else "{}"
    time = "cast({} as char(26))" if engine != "sqlite" else "{}"
    fields = [
        "id",
        text("title"),
        quoted(lab, "order"),
        text("filter"),
        text("settings"),
        boolean.format("done"),
        FLOAT[engine].format("percent_done"),
        "price",
        time.format("due"),
        time.format("created"),
        blob("data"),
        quoted(lab, "group"),
    ]
    shown = " || '|' || ".join(f"coalesce(cast({one} as text), '-')" for one in fields)
    if engine == "mysql":
        shown = "concat_ws('|', " + ", ".join(f"ifnull({one}, '-')" for one in fields) + ")"
    lines = lab.sql(f"select {shown} from odd order by id;").splitlines()
    return [_odd(engine, line.split("|")) for line in lines]


def _odd(engine: str, words: list[str]) -> Odd:
    def some(at: int, make: Callable[[str], Value]) -> Value:
        return None if words[at] == "-" else make(words[at])

    def text(word: str) -> str:
        return bytes.fromhex(word).decode()

    def number(word: str) -> float:
        if engine == "postgresql":
            (found,) = struct.unpack(">d", bytes.fromhex(word))
            return float(found)
        return float(word)

    def time(word: str) -> str:
        word = word.strip()
        return word.rstrip("0").rstrip(".") if "." in word else word

    makers: list[Callable[[str], Value]] = [
        int, text, int, text, text, lambda word: word == "1", number, Decimal, time, time,
        bytes.fromhex, int,
    ]  # fmt: skip
    return Odd(*(some(at, make) for at, make in enumerate(makers)))  # type: ignore[arg-type]
