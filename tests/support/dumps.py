"""A dump as `vikunja dump` writes it, made of a SQLite database and a folder of attachments."""

from __future__ import annotations

import base64
import contextlib
import json
import sqlite3
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tasks.imports.dump_rows import JSON_COLUMNS


def write_dump(
    to: Path, database: Path, files: Mapping[str, bytes], version: str, settings: str = ""
) -> None:
    """settings: what its config.yml holds."""
    with (
        zipfile.ZipFile(to, "w") as dump,
        contextlib.closing(sqlite3.connect(database)) as connection,
    ):
        dump.writestr("VERSION", version)
        if settings:
            dump.writestr("config.yml", settings)
        connection.row_factory = sqlite3.Row
        tables = connection.execute("select name from sqlite_schema where type = 'table'")
        for (table,) in tables.fetchall():
            if table.startswith("sqlite_"):
                continue
            kinds = {
                name: kind
                for _, name, kind, *_ in connection.execute(f"pragma table_info({table})")
            }
            rows = [
                {name: dumped((table, name), kind, row[name]) for name, kind in kinds.items()}
                for row in connection.execute(f'select * from "{table}"')
            ]
            dump.writestr(f"database/{table}.json", json.dumps(rows))
        for name, content in files.items():
            dump.writestr(f"files/{name}", content)


def dumped(where: tuple[str, str], kind: str, value: Any) -> Any:
    """As the application says it: times in RFC 3339, JSON in base64 where another engine had it."""
    if where in JSON_COLUMNS:
        return "" if value is None else base64.b64encode(str(value).encode()).decode()
    if kind.upper() == "DATETIME" and isinstance(value, str):
        when = datetime.fromisoformat(value)
        return when.replace(tzinfo=when.tzinfo or UTC).isoformat().replace("+00:00", "Z")
    return value
