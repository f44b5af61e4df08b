"""The data of an installation, as it is reached: its database, its attachments, what serves it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import IO

from msgspec import Struct
from msgspec.structs import replace

from tasks.backup.stream import produced
from tasks.containers.base import Container
from tasks.errors import DatabaseError, DeployError, ResourceError
from tasks.guest.runner import GuestScript, last_lines
from tasks.host.process import DEVNULL, PIPE, Completed, kill_group, start
from tasks.host.process import last_lines as said_last
from tasks.imports.folder import Folder
from tasks.imports.found import SQLITE_FILES, Found, FoundDatabase, FoundFiles
from tasks.imports.live import Live
from tasks.imports.source import LiveSource, Source
from tasks.secret import Secret

DATA = GuestScript("source-data", ("source-data",), guard=False)
READ = GuestScript("source-database", ("source-database",), guard=False, shell="bash")

LONG = 24 * 3600.0


class SourceData(Struct, frozen=True):
    """live: runs programs where it is; paths are as that has them. password: of the database's
    server. files: folder of the attachments. bucket: where they are instead. unit: that serves,
    empty where there is none that could be stopped. service: what is said of it."""

    said: str
    live: LiveSource
    database: FoundDatabase
    password: Secret[str]
    files: str
    unit: str
    service: str
    version: str
    bucket: FoundFiles | None = None

    @property
    def database_files(self) -> list[str]:
        return [f"{self.database.path}{end}" for end in SQLITE_FILES]

    def ask(self, action: str, statements: str = "", stdout: IO[bytes] | None = None) -> Completed:
        """Run source-database.sh. Raises DatabaseError."""
        one = self.database
        argv = READ.argv(
            action, one.type, one.socket or one.host, str(one.port), one.name, one.user
        )
        given = f"{self.password.reveal()}\n{statements}".encode()
        done = self.live.run(argv, stdin=given, stdout=stdout, timeout=LONG, check=False)
        if done.returncode != 0:
            lines = last_lines(done.stderr)
            what = lines[-1] if lines else "no word of why"
            raise DatabaseError(
                f"its database {one.name} cannot be read: {what}",
                where=self.said,
                evidence=lines[:-1],
            )
        return done


def data_of(found: Found, source: Source) -> SourceData:
    """Raises ResourceError where there is none that could be brought along."""
    database, files = found.database, found.files
    if database.type == "sqlite" and database.size is None:
        raise ResourceError(f"its database {database.path} is not there", where=source.said)
    password = found.settings.get("database_password")
    live, folder = _live(source), files.folder
    if isinstance(source, Folder):
        folder = folder if files.bucket else str(source.inside(folder))
        if database.path:
            database = replace(database, path=str(source.inside(database.path)))
        elif database.type != "sqlite":
            raise ResourceError(
                f"its database {database.name} is on a server, which a folder cannot ask",
                where=source.said,
                hint="Import it from where it runs: ssh:USER@HOST or container:NAME.",
            )
    return SourceData(
        said=source.said,
        live=live,
        database=database,
        password=Secret(password.value if password else ""),
        files=folder,
        bucket=files if files.bucket else None,
        unit="" if isinstance(source, Folder) else found.unit,
        service=found.unit or found.title,
        version=found.version,
    )


def _live(source: Source) -> LiveSource:
    if isinstance(source, Folder):
        return Live(source.said, run_here)
    assert isinstance(source, LiveSource)
    return source


def run_here(
    argv: Sequence[str],
    *,
    stdin: bytes | IO[bytes] | None,
    stdout: IO[bytes] | None,
    timeout: float,
) -> Completed:
    """On this machine, with input and output as streams."""
    file = None if isinstance(stdin, bytes) else stdin
    process = start(
        argv,
        stdin=DEVNULL if stdin is None else (file or PIPE),
        stdout=stdout or PIPE,
        folder="/",
    )
    try:
        data = stdin if isinstance(stdin, bytes) else None
        output, errors = process.communicate(data, timeout=timeout)
    except BaseException:
        kill_group(process)
        process.wait()
        raise
    return Completed(tuple(argv), process.returncode, output or b"", errors)


def carry(
    data: SourceData,
    argv: Sequence[str],
    container: Container,
    into: Sequence[str],
    stdin: bytes | None = None,
) -> None:
    """What a program at the source writes, to one in the container. Raises DeployError."""

    def produce(output: IO[bytes]) -> None:
        done = data.live.run(argv, stdin=stdin, stdout=output, timeout=LONG, check=False)
        if done.returncode != 0:
            raise DeployError(
                "what is there could not be read",
                where=data.said,
                evidence=said_last(done.stderr, 5),
            )

    with produced(produce) as stream:
        container.run(into, stdin=stream, timeout=LONG)


def marks(data: SourceData) -> Mapping[str, str]:
    """Of a SQLite database's files: size and time of the last change by name."""
    done = data.live.run(DATA.argv("marks", *data.database_files), timeout=LONG)
    lines = done.stdout.decode(errors="surrogateescape").splitlines()
    return {name: f"{size} {at}" for size, at, name in (line.split("\t", 2) for line in lines)}
