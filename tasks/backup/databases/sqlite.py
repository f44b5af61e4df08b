"""SQLite: a copy while the application writes, back in its place, and what is in it.

Paths are absolute, in the container, and free of quotes. All raise DatabaseError.
"""

from __future__ import annotations

from collections.abc import Mapping

from tasks.backup.databases.base import Table, parse_tables, run_script
from tasks.containers.base import Container

_SCRIPT = "sqlite.sh"


def copy(container: Container, database: str, to: str, timeout: float = 3600) -> int:
    """Write all that was committed when it began to a new file `to`; its size in bytes.

    Whoever writes meanwhile goes on where the database is in WAL mode, and waits otherwise.
    """
    done = run_script(
        container,
        _SCRIPT,
        "copy",
        database,
        to,
        what=f"database {database} could not be copied",
        timeout=timeout,
    )
    return int(done.stdout)


def restore(
    container: Container, copy: str, database: str, owner: str, timeout: float = 3600
) -> None:
    """Put a copy in the place of `database`, which nothing may have open.

    It is checked first. Owner and mode are those of the database that was there, else `owner`
    (`user:group`) and 0640. A database that cannot be read is left beside it as `*.damaged`.
    """
    run_script(
        container,
        _SCRIPT,
        "restore",
        database,
        copy,
        owner,
        what=f"database {database} could not be restored",
        timeout=timeout,
    )


def digest(container: Container, database: str, timeout: float = 3600) -> Mapping[str, Table]:
    """Every table by its name. Of a database that nobody writes to, such as a copy."""
    done = run_script(
        container,
        _SCRIPT,
        "digest",
        database,
        what=f"database {database} could not be read",
        timeout=timeout,
    )
    return parse_tables(done.stdout)
