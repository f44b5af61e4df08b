"""Values of a column as an expression in the SQL of their database: the same text for the same
value, whichever engine holds it. Escaped as PostgreSQL's COPY writes it where the engine's client
does not do that. Pure.

What is written is what the other database's column takes: that is decided by both columns' kinds.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from tasks.databases.catalog import Column
from tasks.model.instance import DatabaseType

ZERO = "0000-00-00 00:00:00"
"""No date at all, as MySQL writes it in a column that must have one."""

FIRST = "0001-01-01 00:00:00"
"""No date at all, as Go writes it."""

SECONDS = 19
"""Characters of a date and a time in whole seconds."""

ESCAPES = {8: "b", 9: "t", 10: "n", 11: "v", 12: "f", 13: "r"}
"""Characters that COPY writes with a backslash and a letter."""

_UNITS = "9007199254740992e0"
"""In one: 2^53."""


def name_of(engine: DatabaseType, name: str) -> str:
    """An identifier, quoted."""
    mark = "`" if engine == "mysql" else '"'
    return f"{mark}{name.replace(mark, 2 * mark)}{mark}"


def literal(text: str) -> str:
    """A text, quoted, where a backslash is a character like any other."""
    return "'" + text.replace("'", "''") + "'"


def copied(engine: DatabaseType, source: Column, into: DatabaseType, target: Column) -> str:
    """The value of a column of `engine` as `target`, a column of `into`, takes it; NULL where it is
    none."""
    name = name_of(engine, source.name)
    if target.kind == "boolean" and source.kind == "integer":
        return f"case when {name} <> 0 then 1 when {name} = 0 then 0 end"
    found = _TEXT[engine](name, source)
    if target.kind in ("json", "parsed json"):
        return _as_json(engine, found, target)
    if source.kind in ("timestamp", "zoned timestamp", "date"):
        return _as_time(engine, found, source, into, target)
    return found


def compared(
    engine: DatabaseType,
    column: Column,
    into: DatabaseType,
    target: Column,
    kinds: Collection[str],
) -> str:
    """The same for comparison only. kinds: of both databases' columns."""
    if "float" in kinds or "decimal" in kinds:
        return _binary(engine, name_of(engine, column.name))
    found = copied(engine, column, into, target)
    if "parsed json" in kinds:
        # A server that writes it in its own way has no common text with the others.
        return f"case when {found} is null then null else 'json' end"
    return found


def _as_json(engine: DatabaseType, found: str, target: Column) -> str:
    """An empty text is no JSON, and a column that must have some has its `null`."""
    found = f"nullif({found}{'::text' if engine == 'postgresql' else ''}, '')"
    return found if target.nullable else f"coalesce({found}, 'null')"


def _as_time(
    engine: DatabaseType, found: str, source: Column, into: DatabaseType, target: Column
) -> str:
    digits = min(source.precision, target.precision)
    if target.kind == "date":
        found = f"substr({found}, 1, 10)"
    elif source.kind == "date" and target.kind != "text":
        found = f"{found} || ' 00:00:00'"
    elif digits == 0:
        found = f"substr({found}, 1, {SECONDS})"
    elif digits < source.precision:
        shorter = f"substr({found}, 1, {SECONDS + 1 + digits})"
        short = _trimmed(engine, shorter)
        found = f"case when length({found}) > {SECONDS} then {short} else {found} end"
    if engine == "postgresql" or (engine, into) == ("mysql", "mysql"):
        return found
    none = "null" if target.nullable else literal(FIRST)
    return (
        f"case when ({found}) in ('', {literal(ZERO)}, '0000-00-00') then {none} else {found} end"
    )


def _trimmed(engine: DatabaseType, found: str) -> str:
    """Without zeros at the end of a fraction."""
    if engine == "mysql":
        return f"trim(trailing '.' from trim(trailing '0' from {found}))"
    return f"rtrim(rtrim({found}, '0'), '.')"


def _postgresql(name: str, column: Column) -> str:
    match column.kind:
        case "boolean":
            return f"{name}::int"
        case "float":
            return f"{name}::float8"
        case "timestamp" | "date":
            return f"{name}::text"
        case "zoned timestamp":
            return f"({name} at time zone 'UTC')::text"
    return name


def _mysql(name: str, column: Column) -> str:
    match column.kind:
        case "integer" | "decimal":
            return name
        case "float":
            return f"{name} + 0e0"
        case "bytes":
            return f"concat('\\x', lower(hex({name})))"
        case "timestamp" if column.precision:
            return _trimmed("mysql", f"cast({name} as char)")
        case "timestamp" | "date":
            return f"cast({name} as char)"
    return name


def _sqlite(name: str, column: Column) -> str:
    match column.kind:
        case "integer":
            return name
        case "float" | "decimal":
            return (
                f"case when typeof({name}) = 'real' then printf('%!.17g', {name}) else {name} end"
            )
        case "bytes":
            return f"case when {name} is not null then '\\\\x' || lower(hex({name})) end"
        case "timestamp":
            return _sqlite_time(name)
    # Its client would cut the text there. What it says of the path is why.
    why = f"{literal(f'a character 0 in column {column.name}')} || substr({name}, 1, 0)"
    escaped = f"replace({name}, '\\', '\\\\')"
    for code, letter in ESCAPES.items():
        escaped = f"replace({escaped}, char({code}), '\\{letter}')"
    return f"case when instr({name}, char(0)) then json_extract('{{}}', {why}) else {escaped} end"


def _sqlite_time(name: str) -> str:
    """As its other drivers read it: a zone is counted in, a number is seconds since 1970."""
    first = f"substr({name}, 1, {SECONDS})"
    zone = f"ltrim(substr({name}, {SECONDS + 1}), '.0123456789')"
    part = f"substr({name}, {SECONDS + 1}, length({name}) - {SECONDS} - length({zone}))"
    fraction = f"case when {part} <> '' then {_trimmed('sqlite', part)} else '' end"
    return (
        f"case when typeof({name}) = 'integer' then datetime({name}, 'unixepoch') "
        f"when length({name}) = {SECONDS} and substr({name}, 11, 1) = ' ' then {name} "
        f"when length({name}) > {SECONDS} "
        f"then coalesce(datetime({first} || {zone}) || {fraction}, {name}) "
        f"else coalesce(datetime(nullif({name}, '')), {name}) end"
    )


def _binary(engine: DatabaseType, name: str) -> str:
    """A number by its whole part and what is left of it in units of 2^-53: nothing is rounded."""
    number = {"postgresql": "{}::float8", "mysql": "({} + 0e0)", "sqlite": "cast({} as real)"}[
        engine
    ]
    whole = {
        "postgresql": "trunc({})::int8",
        "mysql": "cast(truncate({}, 0) as signed)",
        "sqlite": "cast({} as integer)",
    }[engine]
    found = number.format(name)
    rest = f"({found} - {whole.format(found)}) * {_UNITS}"
    text = f"{whole.format(found)} || '+' || {whole.format(rest)}"
    return (
        f"case when {name} is null then null when abs({found}) < 9e18 then {text} else 'large' end"
    )


_TEXT: Mapping[DatabaseType, Callable[[str, Column], str]] = {
    "postgresql": _postgresql,
    "mysql": _mysql,
    "sqlite": _sqlite,
}
