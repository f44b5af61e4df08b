"""What was found of an installation, frozen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from tasks.imports.source import Measured
from tasks.model.instance import DatabaseType


class Setting(Struct, frozen=True):
    """A value of Vikunja's, as text, and the file or unit that has it."""

    value: str
    origin: str


Settings = Mapping[str, Setting]
"""By name as a variable has it, in lower case and without prefix: `service_publicurl`."""


SQLITE_FILES = ("", "-wal", "-journal")
"""What a SQLite database is in, behind its path."""


class FoundDatabase(Struct, frozen=True):
    """host: empty for a socket's folder or SQLite; socket: that folder. size: bytes of SQLite's
    files, None where it is not there or a server's."""

    type: DatabaseType
    path: str = ""
    host: str = ""
    port: int = 0
    socket: str = ""
    name: str = ""
    user: str = ""
    size: int | None = None

    @property
    def outside(self) -> bool:
        """Whether its server is another machine."""
        return bool(self.host) and self.host not in ("localhost", "127.0.0.1", "::1")


class FoundFiles(Struct, frozen=True):
    """Attachments: a folder and what is in it, or the name of a bucket, at which server, and what
    names in it begin with."""

    folder: str
    there: Measured | None = None
    bucket: str = ""
    endpoint: str = ""

    @property
    def place(self) -> str:
        """A bucket in words, as the configuration's has it."""
        return f"bucket {self.bucket}, {self.folder}/, at {self.endpoint}"


class Front(Struct, frozen=True):
    """What passes requests on to it. certificate, key: paths, empty where it does not encrypt."""

    program: str
    file: str
    names: tuple[str, ...]
    certificate: str = ""
    key: str = ""
    encrypts: bool = False


class Found(Struct, frozen=True):
    """An installation.

    layout: its name. title: of that in words. unit: that serves, empty where there is none that
    could be stopped. version: as v2.5.0, empty where nothing says it. settings: environment over
    file. mounts: what of the installation's own paths is elsewhere at the source.
    """

    layout: str
    title: str
    program: str
    version: str
    unit: str
    settings: Settings
    database: FoundDatabase
    files: FoundFiles
    front: Front | None
    secrets: Mapping[str, bytes]
    unreadable: tuple[tuple[str, str], ...] = ()
    config: str = ""


Kind = Literal["text", "bool", "number", "secret", "level", "logs"]
