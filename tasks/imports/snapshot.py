"""An installation's database, copied into the container of the new instance as a dump that it can
load, and what proves that all of it arrived."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from tempfile import TemporaryFile

from msgspec.structs import replace

from tasks.backup.staging import UNPACKED
from tasks.containers.base import Container
from tasks.databases import Database
from tasks.databases.base import script
from tasks.databases.row_copy import START, RowCopy, Side, TableDigest, differences
from tasks.errors import DatabaseError
from tasks.imports.data import DATA, LONG, READ, SourceData, carry, marks

DUMP = f"{UNPACKED}/database"
RAW = f"{UNPACKED}/source"
"""In the container: the dump, and the files of a SQLite database as they are."""

TRIES = 5
"""Copies of a database that is written to meanwhile, until one of them is whole."""

_DUMPS = {"postgresql": "vikunja.dump", "mysql": "vikunja.sql"}


def snapshot(data: SourceData, container: Container, *, stopped: bool) -> int:
    """Bring the database as a dump into DUMP; how many rows are in it. stopped: nobody writes.

    Raises DatabaseError; nothing changes at the source.
    """
    for _ in range(1 if stopped else TRIES):
        before = _state(data)
        rows = (
            _sqlite(data, container)
            if data.database.type == "sqlite"
            else _server(data, container, before)
        )
        if _state(data) == before:
            return rows
    if stopped:
        raise DatabaseError(
            "its database was written to although it was stopped",
            where=data.said,
            hint="Something else uses it: end that, then run it again.",
        )
    raise DatabaseError(
        "its database is written to all the time: no copy of it is whole",
        where=data.said,
        hint="Run it again when less is going on, or stop it first.",
    )


def _state(data: SourceData) -> Mapping[str, str]:
    """What is another one once something was written."""
    if data.database.type == "sqlite":
        return marks(data)
    lines = data.ask("counts").stdout.decode().splitlines()
    parts = (line.split("\t") for line in lines)
    return {one[0]: one[1] for one in parts}


def _sqlite(data: SourceData, container: Container) -> int:
    carry(data, DATA.argv("copy", *data.database_files), container, DATA.argv("extract", RAW))
    Database(
        container, "sqlite", (_raw(data), "root:root"), f"the copy of {data.database.path}"
    ).dump(DUMP)
    said = container.run(["cat", f"{DUMP}/tables.tsv"]).stdout.decode()
    return sum(int(line.split("\t")[1]) for line in said.splitlines())


def _raw(data: SourceData) -> str:
    return f"{RAW}/{PurePosixPath(data.database.path).name}"


def _server(data: SourceData, container: Container, counts: Mapping[str, str]) -> int:
    one, engine = data.database, data.database.type
    argv = READ.argv("dump", engine, one.socket or one.host, str(one.port), one.name, one.user)
    given = f"{data.password.reveal()}\n".encode()
    carry(data, argv, container, DATA.argv("take", DUMP, _DUMPS[engine]), given)
    listed = "".join(f"{table}\t{rows}\n" for table, rows in sorted(counts.items()))
    DATA.run(container, "write", f"{DUMP}/tables.tsv", stdin=listed.encode())
    return sum(map(int, counts.values()))


def prove(data: SourceData, database: Database, place: str) -> int:
    """Compare every row of what lies in a place of the new instance's server with what is at the
    source, whose writes are stopped; how many tables they are. Raises DatabaseError."""
    there = _at(database, place)
    catalog = there.catalog()
    side = Side(database.engine, catalog)
    statements = RowCopy(side, side).old_digests()
    new = _digests_of(there, statements)
    if database.engine == "sqlite":
        old = _digests_of(replace(there, connection=(_raw(data), "root:root")), statements)
    else:
        with TemporaryFile() as said:
            data.ask("read", statements, said)
            said.seek(0)
            old = digests_in(said)
    wrong = differences(old, new)
    if wrong:
        raise DatabaseError(
            f"not every row arrived as it was: {wrong[0]}",
            where=database.container.spec.instance_id,
            evidence=wrong[1:],
        )
    return len(old)


def _at(database: Database, place: str) -> Database:
    """A place as if it were live."""
    name = database.name(place)
    if database.engine == "sqlite":
        return replace(database, connection=(name, *database.connection[1:]))
    host, port, _, *rest = database.connection
    return replace(database, connection=(host, port, name, *rest))


def _digests_of(database: Database, statements: str) -> Mapping[str, TableDigest]:
    with TemporaryFile() as said:
        database.container.run(
            script(database.engine).argv("read", *database.connection),
            stdin=statements.encode(),
            stdout=said,
            timeout=LONG,
        )
        said.seek(0)
        return digests_in(said)


def digests_in(lines: Iterable[bytes]) -> dict[str, TableDigest]:
    """Of rows by table, as RowCopy's statements write them. In whatever order the rows are: the sum
    of their digests is the table's."""
    begin = START.encode()
    found: dict[str, tuple[int, int]] = {}
    table = ""
    for line in lines:
        if line.startswith(begin):
            table = line[len(begin) :].decode().rstrip("\n")
            found[table] = (0, 0)
            continue
        rows, total = found[table]
        digest = int.from_bytes(hashlib.sha256(line).digest())
        found[table] = (rows + 1, (total + digest) % 2**256)
    return {name: TableDigest(rows, f"{total:064x}") for name, (rows, total) in found.items()}
