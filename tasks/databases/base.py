"""What can be done with an instance's database, whatever its engine and wherever its server.

An engine is a script of this folder that knows all the actions; this is what calls it. Places
are databases beside the live one, on the same server (for SQLite: files beside it). Their names
begin with `vikunja-deploy-`, so that nothing else is ever taken for one of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from tasks.containers.base import Container
from tasks.databases.catalog import Catalog, read_catalog
from tasks.databases.outlook import Outlook, read_outlook
from tasks.errors import DatabaseError, DeployError, NetworkError
from tasks.guest.runner import GuestScript, run
from tasks.host.process import Completed
from tasks.model.database_address import server_name
from tasks.model.instance import DatabaseType, is_socket

LIVE = "live"
"""The database that the application uses."""

HOUR = 3600.0

_EVIDENCE = 5
_REFUSED = 7
"""A script's exit code where the last line of its stderr is what to tell the user."""
_UNREACHED = re.compile(
    r"could not translate host name|"
    r"connection to server (?:at|on) .* failed: (?!FATAL|server closed|.*(?:SSL|certificate))|"
    r"(?:ERROR|Got error:) 20(?:02|03|05)\b"
)
"""What the engines' programs say where no server answers them."""
_NOT_TRUSTED = re.compile(
    r"connection to server at .* failed: (?:FATAL: *)?(?P<postgresql>.*(?:SSL|certificate).*)|"
    r'(?:ERROR|Got error:) 2026\b.*?error: ?(?P<mysql>[^"]*)'
)
"""What they say where TLS does not come about, with why."""


class Database(Struct, frozen=True):
    """One instance's database, as its container reaches it. Making this touches nothing.

    connection: the script's arguments that say where the database is; no secrets, which lie in
    the container. timeout: seconds, for each of the long actions. within: makes of every action's
    command the one that is run. A place is a word of small
    letters. Every method raises DatabaseError, before anything is written where what is needed
    (room, rights, a client that is new enough) is missing, and NetworkError where a server outside
    does not answer; all can be called again after a kill.
    """

    container: Container
    engine: DatabaseType
    connection: tuple[str, ...]
    title: str
    timeout: float = HOUR
    within: Callable[[Sequence[str]], Sequence[str]] = list

    # What is there

    def size(self) -> int:
        """Bytes that the live database takes."""
        return int(self._text("size", "cannot be measured"))

    def counts(self, place: str = LIVE) -> Mapping[str, int]:
        """The rows of every table, by its name."""
        return counts_in("\n".join(self._lines("counts", "cannot be read", place)))

    def catalog(self) -> Catalog:
        """The live database's tables and their columns."""
        return read_catalog(self.engine, self._lines("columns", "cannot be read"))

    def migrations(self, place: str = LIVE) -> tuple[str, ...]:
        """Ids in the application's table `migration`, sorted; none where there is no table."""
        return self._lines("migrations", "cannot be read", place)

    def places(self) -> tuple[str, ...]:
        """Which places there are, in no order."""
        return self._lines("places", "cannot be read")

    def name(self, place: str = LIVE) -> str:
        """What the application calls a place: a database on its server, or SQLite's path."""
        return self._text("name", "cannot be read", place)

    def occupied(self) -> bool:
        """Whether there are tables in the live database; without one there are none. Raises
        DatabaseError where that cannot be asked: it may well hold something."""
        return self._text("occupied", "cannot be read") == "yes"

    # What is no longer wanted

    def wipe(self) -> None:
        """No table is left in the live database. Nobody uses it."""
        self._run("wipe", "could not be emptied")

    def remove(self) -> None:
        """The live database is gone; gone already is success. Nobody uses it."""
        self._run("remove", "could not be removed")

    # Copies

    def outlook(self) -> Outlook:
        """What stands against copies of the live database, and what no copy brings back."""
        return read_outlook(self._lines("outlook", "cannot be looked at"))

    def require_rights(self) -> None:
        """Whether places can be made at all: refused where a user of the server may not."""
        self._run("rights", "cannot be copied or restored")

    def dump(self, folder: str) -> int:
        """Write all that is committed when it begins to a new folder in the container, while
        the application writes; the dump's size in bytes.

        The folder then holds the dump (`vikunja.db`, `.dump` or `.sql`) and `tables.tsv`, the
        rows of every table as they are in it; on a server also `apart.tsv`, what only an
        administrator of it could create anew. A folder that was there goes.
        """
        return int(self._text("dump", "could not be copied", folder))

    def load(self, folder: str, place: str) -> tuple[str, ...]:
        """Bring a dump's folder into a new place, and prove that every row arrived; what was left
        out, for only an administrator of the server may create it: `extension dblink`.

        A place that was there goes, also where this fails.
        """
        return self._lines("load", "could not be loaded", folder, place)

    def copy(self, place: str) -> None:
        """Make a place that holds what is live, while the application writes, and that the
        application's own user may use. A place that was there goes."""
        self._run("copy", "could not be copied", place)

    def save(self, place: str) -> None:
        """Like `copy`, with services stopped: to be swapped in where the live one fails."""
        self._run("save", "could not be saved", place)

    def swap(self, place: str, aside: str) -> None:
        """What is in `place` becomes live, what was live is in `aside`, and `place` is gone:
        all of it at once or nothing. Services are stopped. A database that was in `aside` goes;
        where nothing was live, there is no `aside` after it."""
        self._run("swap", "could not be swapped", place, aside)

    def drop(self, place: str) -> None:
        """Gone already is success."""
        self._run("drop", "could not be dropped", place)

    # Scripts

    def _run(self, action: str, failed: str, *arguments: str) -> Completed:
        argv = script(self.engine).argv(action, *self.connection, *arguments)
        return run(
            self.container,
            self.within(argv),
            failure=lambda code, lines: self._failure(f"{self.title} {failed}", code, lines),
            timeout=self.timeout,
        )

    def _failure(self, what: str, code: int, lines: list[str]) -> DeployError:
        host = "" if self.engine == "sqlite" else self.connection[0]
        server = f"{host} port {self.connection[1]}" if host else ""
        way = "its firewall and the way there from the container"
        if is_socket(host):
            server = server_name(self.engine, host, int(self.connection[1]))
            way = "and that its socket is there in the container"
        if host and any(_UNREACHED.search(line) for line in lines):
            return NetworkError(
                f"{what}: {server} was waited for and does not answer",
                where=self.container.spec.instance_id,
                evidence=lines[-_EVIDENCE:],
                hint=f"Nothing that is live was changed. Check that the server runs, {way}; "
                "then run the command again.",
            )
        refused = next(filter(None, map(_NOT_TRUSTED.search, lines)), None) if host else None
        if refused:
            why = refused["postgresql"] or refused["mysql"]
            return DatabaseError(
                f"{what}: {server} is not reached over TLS: {why}",
                where=self.container.spec.instance_id,
                evidence=lines[-_EVIDENCE:],
                hint="Nothing that is live was changed. Put database.tls, or the server's "
                "certificate, right; then run the command again.",
            )
        if code == _REFUSED and lines:
            what = f"{what}: {lines.pop()}"
        return DatabaseError(
            what,
            where=self.container.spec.instance_id,
            evidence=lines[-_EVIDENCE:],
            hint="Nothing that is live was changed. Put this right and run the command again.",
        )

    def _text(self, action: str, failed: str, *arguments: str) -> str:
        return self._run(action, failed, *arguments).stdout.decode().strip()

    def _lines(self, action: str, failed: str, *arguments: str) -> tuple[str, ...]:
        return tuple(self._run(action, failed, *arguments).stdout.decode().splitlines())


def script(engine: DatabaseType) -> GuestScript:
    """All that is done with databases of an engine. Arguments: ACTION CONNECTION… ARGUMENT…"""
    shared = () if engine == "sqlite" else ("database-login",)
    parts = ("database", *shared, f"database-{engine}")
    return GuestScript(engine, parts, guard=False, shell="bash")


def counts_in(text: str) -> Mapping[str, int]:
    """Of a `tables.tsv`: lines of `NAME<tab>ROWS`."""
    return {name: int(rows) for name, rows in (line.split("\t") for line in text.splitlines())}
