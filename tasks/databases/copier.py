"""Copies what one database holds into the tables that the application has made in another, client
to client in the container, and compares both (copy-rows.sh)."""

from __future__ import annotations

from msgspec import Struct

from tasks.databases.base import Database, script
from tasks.databases.row_copy import RowCopy, Side, differences, read_digests
from tasks.errors import DatabaseError
from tasks.guest.runner import GuestScript, last_line_says
from tasks.host.process import Completed
from tasks.progress import SILENT, Progress
from tasks.resources.files import File
from tasks.resources.landing import put_files
from tasks.resources.migration import HOME

FOLDER = f"{HOME}/copy"
"""In the container: what copy-rows.sh reads."""

COPY_ROWS = GuestScript("copy-rows", ("copy-rows",), shell="bash")

MOST_SECONDS = 3600
"""What copying may take, and comparing."""


class CopiedRows(Struct, frozen=True):
    """left_out: what the application's tables have no room for, and is in the old one only:
    `table notes`."""

    tables: int
    rows: int
    left_out: tuple[str, ...]


def copy_rows(
    old: Database, new: Database, progress: Progress = SILENT, *, frozen: bool = False
) -> CopiedRows:
    """All rows of `old` are in the tables of `new`, and no others. Nobody uses either.

    frozen: within a write freeze. Raises DatabaseError, whatever has arrived by then.
    """
    copy = RowCopy(Side(old.engine, old.catalog()), Side(new.engine, new.catalog()))
    where = old.container.spec.instance_id
    impossible = copy.impossible()
    if impossible:
        raise DatabaseError(
            f"{impossible[0]}: the values cannot be copied", where=where, evidence=impossible[1:]
        )
    _lay(old, new, copy, frozen)
    progress.step(f"copying {len(copy.tables)} tables")
    _run(old, "copy", frozen)
    progress.step("comparing the two databases")
    before, after = read_digests(_run(old, "compare", frozen).stdout.decode())
    wrong = differences(before, after)
    if wrong:
        raise DatabaseError(
            f"not every row arrived as it was: {wrong[0]}", where=where, evidence=wrong[1:]
        )
    rows = sum(one.rows for one in before.values())
    return CopiedRows(len(before), rows, copy.left_out())


def _lay(old: Database, new: Database, copy: RowCopy, frozen: bool) -> None:
    contents = {
        "begin": copy.begin(),
        "rows": copy.rows(),
        "end": copy.end(),
        "old-digests": copy.old_digests(),
        "new-digests": copy.new_digests(),
    }
    for side, database in (("old", old), ("new", new)):
        contents[side] = script(database.engine).text
        contents[f"{side}-connection"] = "".join(f"{word}\n" for word in database.connection)
    files = (
        File(path=f"{FOLDER}/{name}", content=text.encode(), mode="0600")
        for name, text in contents.items()
    )
    put_files(old.container, *files, frozen=frozen)


def _run(old: Database, action: str, frozen: bool) -> Completed:
    failed = {"copy": "the rows could not be copied", "compare": "the rows could not be compared"}
    return COPY_ROWS.run(
        old.container,
        FOLDER,
        action,
        timeout=MOST_SECONDS,
        frozen=frozen,
        failure=last_line_says(
            DatabaseError,
            failed[action],
            where=old.container.spec.instance_id,
            hint="What the new database cannot hold has to be changed in the application.",
        ),
    )
