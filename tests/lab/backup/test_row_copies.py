"""Rows from each engine to each other one, in real servers: every value that one may hold arrives
as it is, or nothing does, and why is said."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

import pytest
from engines import ENGINES, LabDatabase, prepare
from moved_rows import (
    GONE,
    NO_KEY,
    ODD,
    PAIRS,
    Odd,
    Value,
    fill,
    insert,
    make_tables,
    odd_rows,
    quoted,
)
from msgspec.structs import replace

from tasks.containers.lxc.container import LxcContainer
from tasks.databases.copier import copy_rows
from tasks.errors import DatabaseError

PAIRS_OF_ENGINES = list(permutations(ENGINES, 2))


@pytest.fixture(scope="module")
def labs(box: LxcContainer) -> dict[str, LabDatabase]:
    return {kind: prepare(box, kind) for kind in (*ENGINES, "postgresql outside", "mysql outside")}


def counts(lab: LabDatabase, table: str, where: str = "1 = 1") -> int:
    return int(lab.sql(f"select count(*) from {quoted(lab, table)} where {where};"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        *PAIRS_OF_ENGINES,
        ("postgresql", "postgresql outside"),
        ("mysql outside", "mysql"),
        ("mysql outside", "postgresql outside"),
    ],
)
def test_every_value_arrives_as_it_is(labs: dict[str, LabDatabase], old: str, new: str) -> None:
    source, target = labs[old], labs[new]
    fill(source)
    make_tables(target)
    copied = copy_rows(source.database, target.database)
    assert (copied.tables, copied.left_out) == (4, ())
    assert copied.rows == len(ODD) + len(PAIRS) + len(NO_KEY)
    assert odd_rows(target) == list(ODD)
    assert counts(target, "pairs") == len(PAIRS)
    assert counts(target, 'no "key`') == len(NO_KEY)
    assert counts(target, 'no "key`', "a is null") == 2
    # What the application has made by itself is not what the old one holds.
    assert counts(target, "nothing_in_it") == 0 and counts(target, "migration") == 0
    target.sql("insert into odd (title, settings, created) values ('new', '{}', '2026-01-01');")
    assert counts(target, "odd", f"title = 'new' and id = {GONE + 1}") == 1
    assert odd_rows(source) == list(ODD)


@pytest.fixture
def gawk(box: LxcContainer) -> Iterator[None]:
    """As MariaDB's server brings it."""
    box.run(["update-alternatives", "--set", "awk", "/usr/bin/gawk"])
    yield
    box.run(["update-alternatives", "--set", "awk", "/usr/bin/mawk"])


@pytest.mark.parametrize(("old", "new"), [("postgresql", "mysql"), ("mysql", "sqlite")])
def test_it_does_not_matter_which_awk_a_container_has(
    labs: dict[str, LabDatabase], gawk: None, old: str, new: str
) -> None:
    source, target = labs[old], labs[new]
    fill(source)
    make_tables(target)
    copy_rows(source.database, target.database)
    assert odd_rows(target) == list(ODD)


@pytest.mark.parametrize("new", ["postgresql", "mysql"])
def test_what_sqlite_may_hold_all_the_same_is_what_its_drivers_read(
    labs: dict[str, LabDatabase], new: str
) -> None:
    source, target = labs["sqlite"], labs[new]
    times = {
        "2020-01-02T03:04:05Z": "2020-01-02 03:04:05",
        "2020-01-02 03:04:05.25+02:00": "2020-01-02 01:04:05.25",
        "2020-01-02T03:04:05.123456789-07:30": "2020-01-02 10:34:05.123456",
        "2020-01-02 03:04:05.500000": "2020-01-02 03:04:05.5",
        "2020-05-06": "2020-05-06 00:00:00",
    }
    make_tables(source)
    make_tables(target)
    rows = [
        insert(
            source,
            "odd",
            [number, None, None, b'{"a":1}', b"[]", True, 1, None, "", text, None, None],
        )
        for number, text in enumerate(times, 1)
    ]
    rows.append("insert into odd (id, filter, settings, created) values (9, '', '', 1577934245)")
    source.sql(";\n".join(rows) + ";")
    copy_rows(source.database, target.database)
    row = Odd(0, filter='{"a":1}', settings="[]", done=True, percent_done=1.0)
    assert odd_rows(target) == [
        *(replace(row, id=number, created=time) for number, time in enumerate(times.values(), 1)),
        Odd(9, settings="null", created="2020-01-02 03:04:05"),
    ]


@pytest.mark.parametrize("new", ["postgresql", "sqlite"])
def test_no_date_of_mysql_is_no_date(labs: dict[str, LabDatabase], new: str) -> None:
    source, target = labs["mysql"], labs[new]
    make_tables(source)
    make_tables(target)
    source.sql(
        "set sql_mode = ''; insert into odd (id, settings, done, due, created) values "
        "(1, '{}', 2, '0000-00-00 00:00:00', '0000-00-00 00:00:00');"
    )
    copy_rows(source.database, target.database)
    done = {"postgresql": True, "sqlite": False}[new]
    (row,) = odd_rows(target)
    # SQLite holds the number 2, which these tests do not read as yes.
    assert row == Odd(1, done=done, created="0001-01-01 00:00:00")


def test_what_the_new_one_s_times_cannot_hold_is_cut_as_the_application_cuts_it(
    labs: dict[str, LabDatabase],
) -> None:
    source, target = labs["postgresql"], labs["mysql"]
    make_tables(source)
    make_tables(target)
    source.sql(
        "insert into odd (id, settings, due, created) "
        "values (1, '{}', '2026-01-01 10:00:00.999', now());"
    )
    copy_rows(source.database, target.database)
    assert odd_rows(target)[0].due == "2026-01-01 10:00:00"


@pytest.mark.parametrize(("old", "new"), PAIRS_OF_ENGINES)
def test_what_is_somebody_s_own_stays_and_is_named(
    labs: dict[str, LabDatabase], old: str, new: str
) -> None:
    source, target = labs[old], labs[new]
    fill(source)
    make_tables(target)
    source.sql(
        "create table notes (id integer, note varchar(20)); insert into notes values (1, 'mine');"
        "alter table odd add column color varchar(20); update odd set color = 'red';"
    )
    copied = copy_rows(source.database, target.database)
    assert copied.left_out == ("table notes", "column odd.color")
    assert odd_rows(target) == list(ODD)
    assert counts(source, "notes") == 1


@pytest.mark.parametrize(
    ("new", "change", "said"),
    [
        ("postgresql", "alter table odd alter title set not null", "title"),
        ("mysql", "alter table odd modify title longtext not null", "title"),
        (
            "sqlite",
            "drop table odd; create table odd (id integer, title text not null, created datetime)",
            "odd.title",
        ),
        ("postgresql", "alter table odd alter title type varchar(1000)", "column title"),
        ("mysql", "alter table odd modify title varchar(1000)", "title"),
        ("mysql", "alter table odd modify `group` int", "group"),
    ],
)
def test_what_does_not_fit_is_an_error_that_names_it_and_no_row_is_there(
    labs: dict[str, LabDatabase], new: str, change: str, said: str
) -> None:
    source, target = labs["mysql" if new == "sqlite" else "sqlite"], labs[new]
    fill(source)
    make_tables(target)
    target.sql(f"{change};")
    with pytest.raises(DatabaseError) as refused:
        copy_rows(source.database, target.database)
    assert refused.value.what == "copying table odd failed"
    assert said in "\n".join(refused.value.evidence)
    # No value of a row is in what is shown and logged.
    assert not [line for line in refused.value.evidence if "xxxx" in line or len(line) > 300]
    assert counts(target, "odd") == 0


@pytest.mark.parametrize("new", ["postgresql", "mysql"])
def test_a_character_that_would_end_a_text_is_refused(
    labs: dict[str, LabDatabase], new: str
) -> None:
    source, target = labs["sqlite"], labs[new]
    make_tables(source)
    make_tables(target)
    source.sql(insert(source, "odd", _values(Odd(1, title="a\0b"))) + ";")
    with pytest.raises(DatabaseError) as refused:
        copy_rows(source.database, target.database)
    assert "a character 0 in column title" in "\n".join(refused.value.evidence)


def _values(row: Odd) -> list[Value]:
    return [getattr(row, name) for name in row.__struct_fields__]
