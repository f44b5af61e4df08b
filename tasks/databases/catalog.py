"""Which tables and columns a database has, and what kind of values they hold. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from msgspec import Struct

from tasks.model.instance import DatabaseType

Kind = Literal[
    "boolean",
    "integer",
    "float",
    "decimal",
    "text",
    "json",
    "parsed json",
    "timestamp",
    "zoned timestamp",
    "date",
    "bytes",
]
"""`json` is a text that is checked, `parsed json` one that the server writes in its own way."""

_EXACT: Mapping[DatabaseType, Mapping[str, Kind]] = {
    "postgresql": {
        "bool": "boolean",
        **dict.fromkeys(("int2", "int4", "int8"), "integer"),
        **dict.fromkeys(("float4", "float8"), "float"),
        "numeric": "decimal",
        "json": "json",
        "jsonb": "parsed json",
        "timestamp": "timestamp",
        "timestamptz": "zoned timestamp",
        "date": "date",
        "bytea": "bytes",
    },
    "mysql": {
        **dict.fromkeys(("tinyint", "smallint", "mediumint", "int", "bigint", "year"), "integer"),
        **dict.fromkeys(("float", "double"), "float"),
        "decimal": "decimal",
        "checked json": "json",
        "json": "parsed json",
        **dict.fromkeys(("datetime", "timestamp"), "timestamp"),
        "date": "date",
        **dict.fromkeys(("binary", "varbinary"), "bytes"),
        **dict.fromkeys(("tinyblob", "blob", "mediumblob", "longblob"), "bytes"),
    },
}
"""By the type's name in the server's catalog; all others are text."""

_DECLARED: tuple[tuple[str, Kind], ...] = (
    ("bool", "integer"),
    ("int", "integer"),
    ("datetime", "timestamp"),
    ("timestamp", "timestamp"),
    ("date", "date"),
    ("char", "text"),
    ("clob", "text"),
    ("text", "text"),
    ("blob", "bytes"),
    ("real", "float"),
    ("floa", "float"),
    ("doub", "float"),
    ("numeric", "decimal"),
    ("decimal", "decimal"),
)
"""SQLite takes any words for a type, and looks for parts of them, as this does."""


class Column(Struct, frozen=True):
    """precision: digits of a second that it holds. counter: the next number where it counts by
    itself."""

    name: str
    kind: Kind
    nullable: bool = True
    precision: int = 6
    counter: int | None = None


Catalog = Mapping[str, Mapping[str, Column]]
"""Table → its columns, by their names, in order."""


def read_catalog(engine: DatabaseType, lines: Iterable[str]) -> Catalog:
    """From what an engine's script says (`columns`)."""
    found: dict[str, dict[str, Column]] = {}
    for line in lines:
        table, name, declared, nullable, precision, counter = line.split("\t")
        found.setdefault(table, {})[name] = Column(
            name,
            kind_of(engine, declared),
            nullable == "1",
            int(precision),
            int(counter) if counter else None,
        )
    return found


def kind_of(engine: DatabaseType, declared: str) -> Kind:
    """What kind of values a type holds, by its name in the engine's catalog."""
    name = declared.lower()
    if engine != "sqlite":
        return _EXACT[engine].get(name, "text")
    return next((kind for part, kind in _DECLARED if part in name), "text")
