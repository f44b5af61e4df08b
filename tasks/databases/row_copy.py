"""What copies the rows of one database into the tables of another, and what compares them: the
statements of either side, from both catalogs. Pure.

The old database's client writes a script that the new one's client reads: for every table that both
have, a statement, and behind it the rows, as PostgreSQL's COPY has them. Where the new one is no
PostgreSQL, `rows_as_inserts` (database.sh) makes INSERTs of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from msgspec import Struct

from tasks.databases.canonical_sql import compared, copied, literal, name_of
from tasks.databases.catalog import Catalog, Column
from tasks.model.instance import DatabaseType

MIGRATIONS = "migration"
"""The application's own table of what it has been through: it writes that one itself."""

START, END = "\\= ", "\\."
"""Lines in front of a table's rows, and behind them: none of them begins so."""

_READ: Mapping[DatabaseType, str] = {
    "postgresql": "set timezone = 'UTC'; set datestyle = 'ISO, YMD';\n"
    "set intervalstyle = 'postgres'; set bytea_output = 'hex';\n"
    "set extra_float_digits = 1; set statement_timeout = 0;\n",
    "mysql": "set session sql_mode = 'NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT';\n"
    "set session time_zone = '+00:00';\n",
    "sqlite": "",
}

_WRITE: Mapping[DatabaseType, str] = {
    "postgresql": "set timezone = 'UTC'; set datestyle = 'ISO, YMD';\n"
    "set statement_timeout = 0;\nbegin;\n",
    "mysql": "set session sql_mode = 'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO';\n"
    "set session time_zone = '+00:00'; set foreign_key_checks = 0; set unique_checks = 0;\n"
    "begin;\n",
    "sqlite": "begin;\n",
}


class Side(Struct, frozen=True):
    """One of the two databases."""

    engine: DatabaseType
    catalog: Catalog

    def name(self, name: str) -> str:
        return name_of(self.engine, name)

    def say(self, text: str) -> str:
        """A statement that writes this line, or lines, among the rows."""
        # Behind MySQL's client, rows begin with `=` or NULL (rows_as_copy in database-mysql.sh).
        return f"select {literal(('#' if self.engine == 'mysql' else '') + text)};\n"

    def select(self, table: str, values: Iterable[str]) -> str:
        """A statement that writes these values of every row."""
        rows = f"from {self.name(table)}"
        if self.engine == "postgresql":
            return f"copy (select {', '.join(values)} {rows}) to stdout;\n"
        shown = "concat('=', {})" if self.engine == "mysql" else "ifnull({}, '\\N')"
        return f"select {', '.join(shown.format(value) for value in values)} {rows};\n"


class RowCopy(Struct, frozen=True):
    """From one database to another, which has the application's empty tables."""

    old: Side
    new: Side

    @property
    def tables(self) -> tuple[str, ...]:
        """What is copied: the tables that both have."""
        return tuple(name for name in self._everywhere if name in self.old.catalog)

    @property
    def _everywhere(self) -> tuple[str, ...]:
        return tuple(sorted(self.new.catalog.keys() - {MIGRATIONS}))

    def left_out(self) -> tuple[str, ...]:
        """What the application's tables have no room for, and stays: `table notes`,
        `column tasks.color`."""
        tables = sorted(self.old.catalog.keys() - self.new.catalog.keys() - {MIGRATIONS})
        columns = (
            f"column {table}.{column}"
            for table in self.tables
            for column in self.old.catalog[table].keys() - self.new.catalog[table].keys()
        )
        return (*(f"table {table}" for table in tables), *sorted(columns))

    def impossible(self) -> tuple[str, ...]:
        """Columns whose values the new one cannot hold, whatever they are."""
        return tuple(
            f"{table}.{source.name} holds {source.kind} and is to hold {target.kind}"
            for table in self.tables
            for source, target in self._columns(table)
            if (source.kind == "bytes") != (target.kind == "bytes")
        )

    def _columns(self, table: str) -> list[tuple[Column, Column]]:
        old, new = self.old.catalog[table], self.new.catalog[table]
        return [(old[name], new[name]) for name in new if name in old]

    # What is copied

    def begin(self) -> str:
        """For the new one, first: nothing is in its tables."""
        tables = [self.new.name(table) for table in self._everywhere]
        first = _WRITE[self.new.engine]
        if self.new.engine == "postgresql":
            return f"{first}truncate {', '.join(tables)};\n" if tables else first
        return first + "".join(f"delete from {table};\n" for table in tables)

    def rows(self) -> str:
        """For the old one: it writes what the new one reads."""
        return _READ[self.old.engine] + "".join(
            f"{self.old.say(self._head(table))}"
            f"{self.old.select(table, self._copied(table))}"
            f"{self.old.say(END)}"
            for table in self.tables
        )

    def end(self) -> str:
        """For the new one, last: what counts by itself goes on where the old one is."""
        return "".join(self._counters()) + "commit;\n"

    def _head(self, table: str) -> str:
        """The table's name, which the new one's client repeats, and what takes its rows."""
        targets = [target for _, target in self._columns(table)]
        names = ", ".join(self.new.name(target.name) for target in targets)
        into = f"{self.new.name(table)} ({names})"
        said = f"select {literal(table)};"
        if self.new.engine == "postgresql":
            return f"{said}\ncopy {into} from stdin;"
        numbers = "".join(f",{at}" for at, one in enumerate(targets, 1) if one.kind == "bytes")
        return f"{said}\n{START}{numbers}, insert into {into} values"

    def _copied(self, table: str) -> list[str]:
        old, new = self.old.engine, self.new.engine
        return [copied(old, source, new, target) for source, target in self._columns(table)]

    def _counters(self) -> Iterator[str]:
        for table in self._everywhere:
            for target in self.new.catalog[table].values():
                if target.counter is not None:
                    source = self.old.catalog.get(table, {}).get(target.name)
                    yield self._counter(table, target.name, (source and source.counter) or 1)

    def _counter(self, table: str, column: str, number: int) -> str:
        name = self.new.name(table)
        if self.new.engine == "mysql":
            # It keeps above what is there by itself.
            return f"alter table {name} auto_increment = {number};\n"
        if self.new.engine == "sqlite":
            said = literal(table)
            return (
                f"insert into sqlite_sequence (name, seq) select {said}, 0 where not exists "
                f"(select 1 from sqlite_sequence where name = {said});\n"
                f"update sqlite_sequence set seq = {number - 1} where name = {said} and "
                f"seq < {number - 1};\n"
            )
        last = f"greatest({number - 1}, (select max({self.new.name(column)}) from {name}))"
        return (
            f"select setval(pg_get_serial_sequence({literal(name)}, {literal(column)}), "
            f"greatest({last}, 1), {last} > 0) \\g /dev/null\n"
        )

    # What is compared

    def old_digests(self) -> str:
        """For the old one: every row as the new one is to hold it."""
        return self._digests(self.old, lambda source, target: source)

    def new_digests(self) -> str:
        """For the new one: every row as it holds it."""
        return self._digests(self.new, lambda source, target: target)

    def _digests(self, side: Side, which: Callable[[Column, Column], Column]) -> str:
        into = self.new.engine
        return _READ[side.engine] + "".join(
            side.say(START + table)
            + side.select(
                table,
                [
                    compared(
                        side.engine,
                        which(source, target),
                        into,
                        target,
                        (source.kind, target.kind),
                    )
                    for source, target in self._columns(table)
                ],
            )
            for table in self.tables
        )


class TableDigest(Struct, frozen=True):
    """What a database holds in a table. digest: of all its rows, in whatever order they are."""

    rows: int
    digest: str


def read_digests(text: str) -> tuple[dict[str, TableDigest], dict[str, TableDigest]]:
    """The old one's and the new one's, from lines of `SIDE<tab>TABLE<tab>ROWS<tab>DIGEST`."""
    found: dict[str, dict[str, TableDigest]] = {"old": {}, "new": {}}
    for line in text.splitlines():
        side, table, rows, digest = line.split("\t")
        found[side][table] = TableDigest(int(rows), digest)
    return found["old"], found["new"]


def differences(old: Mapping[str, TableDigest], new: Mapping[str, TableDigest]) -> list[str]:
    """In which tables the two differ, and how."""
    found = []
    for table, one in sorted(old.items()):
        other = new.get(table, TableDigest(0, ""))
        if one.rows != other.rows:
            found.append(f"{table}: {one.rows} rows, {other.rows} arrived")
        elif one != other:
            found.append(f"{table}: {one.rows} rows, of which some have other values")
    return found
