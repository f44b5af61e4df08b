"""doit's record of what is up to date, written through.

doit's own backends write at the end of a run: a kill loses the whole run, and two runs in one
folder lose each other's records. Here each task's record is one committed SQLite row as soon as
the task is done.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from doit.exceptions import InvalidDodoFile

from tasks.errors import DeployError
from tasks.host.locks import locked

LAST_OF_A_TASK = "deps:"
"""What doit saves last for a task that succeeded: from here on its record is whole."""

ALONE = frozenset({"ignore:", LAST_OF_A_TASK})

WAIT_SECONDS = 30.0


class Unusable(DeployError, InvalidDodoFile):  # type: ignore[misc]
    """For our commands an error of ours, for doit's own one that it shows in one line."""


class WriteThrough:
    """A doit DB backend. Safe for several processes and for doit's threads."""

    desc = "SQLite, each task's record committed when the task is done"

    def __init__(self, name: str, codec: Any, *, module_name: str | None = None) -> None:
        self.name = name
        self.codec = codec
        self._lock = threading.RLock()
        self._cache: dict[str, dict[str, Any]] = {}
        self._known: dict[str, str] = {}
        with self._usable():
            folder = Path(name).parent
            folder.mkdir(parents=True, exist_ok=True)
            # SQLite waits for nobody where two begin with its write-ahead log at once.
            with locked(folder):
                self._open_or_renew()

    @contextmanager
    def _usable(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise Unusable(
                f"doit's database cannot be used: {error}",
                where=self.name,
                hint="Look at its folder: is its disk full, read-only or not mounted? The file"
                " holds nothing that cannot be made again.",
            ) from error

    def _open_or_renew(self) -> None:
        try:
            self._open()
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            # Damaged. It holds nothing that is not found out again.
            Path(self.name).rename(f"{self.name}.damaged")
            self._open()

    def _open(self) -> None:
        self._connection = sqlite3.connect(
            self.name, timeout=WAIT_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            self._connection.execute("pragma journal_mode = wal")
            self._connection.execute("pragma synchronous = normal")
            self._connection.execute(
                "create table if not exists task (name text primary key, record text not null)"
            )
            self._known = dict(self._connection.execute("select name, record from task"))
        except sqlite3.Error:
            self._connection.close()
            raise

    def _record(self, task_id: str) -> dict[str, Any]:
        if task_id not in self._cache:
            text = self._known.get(task_id)
            self._cache[task_id] = self.codec.decode(text) if text else {}
        return self._cache[task_id]

    def get(self, task_id: str, dependency: str) -> Any:
        with self._lock:
            return self._record(task_id).get(dependency)

    def set(self, task_id: str, dependency: str, value: Any) -> None:
        with self._lock:
            record = self._record(task_id)
            record[dependency] = value
            if dependency in ALONE:
                with self._usable():
                    self._connection.execute(
                        "insert into task values (?, ?)"
                        " on conflict (name) do update set record = excluded.record",
                        (task_id, self.codec.encode(record)),
                    )

    def in_(self, task_id: str) -> bool:
        with self._lock:
            return bool(self._record(task_id))

    def remove(self, task_id: str) -> None:
        with self._lock:
            self._cache[task_id] = {}
            self._known.pop(task_id, None)
            with self._usable():
                self._connection.execute("delete from task where name = ?", (task_id,))

    def remove_all(self) -> None:
        with self._lock:
            self._cache.clear()
            self._known.clear()
            with self._usable():
                self._connection.execute("delete from task")

    def dump(self) -> None:
        """doit's end of a run: everything is written already."""
        with self._lock:
            self._connection.close()
