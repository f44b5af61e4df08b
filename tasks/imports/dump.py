"""The application's own dump, a zip: settings, tables as JSON, attachments."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.errors import ResourceError
from tasks.imports.configuration import read_config, read_environment
from tasks.imports.found import Found, FoundDatabase, FoundFiles, Setting
from tasks.imports.source import MOST_BYTES, Measured
from tasks.imports.units import read_variables

VERSION, ENVIRONMENT = "VERSION", ".env"
TABLES, FILES = "database/", "files/"


@contextmanager
def opened(said: str, path: Path) -> Iterator[zipfile.ZipFile]:
    """A dump. Raises ResourceError where it is none."""
    try:
        with zipfile.ZipFile(path) as dump:
            yield dump
    except FileNotFoundError:
        raise ResourceError("no such file", where=said, hint="Name one: dump:FILE.zip") from None
    except (zipfile.BadZipFile, OSError) as error:
        raise ResourceError(f"is no dump of Vikunja's: {error}", where=said) from error


def look_at_dump(said: str, path: Path) -> Found:
    """What is in it. Raises ResourceError."""
    with opened(said, path) as dump:
        names = [info for info in dump.infolist() if not info.is_dir()]
        tables = [info for info in names if info.filename.startswith(TABLES)]
        if VERSION not in dump.namelist() or not tables:
            raise ResourceError(
                f"is no dump of Vikunja's: it has no {VERSION} and {TABLES}",
                where=said,
                hint="`vikunja dump` writes one.",
            )
        version = dump.read(VERSION).decode(errors="replace").strip()
        settings: dict[str, Setting] = {}
        for info in names:
            if info.filename.startswith("config") and info.file_size <= MOST_BYTES:
                settings |= read_config(info.filename, dump.read(info), said)
        if ENVIRONMENT in dump.namelist():
            variables = read_variables(dump.read(ENVIRONMENT).decode(errors="replace"))
            settings |= read_environment(variables, dict.fromkeys(variables, ENVIRONMENT))
        attached = [info for info in names if info.filename.startswith(FILES)]
        return Found(
            layout="dump",
            title="a dump that the application wrote",
            program="",
            version=f"v{version}" if version[:1].isdigit() else version,
            unit="",
            settings=settings,
            # Whatever it was, its rows go into a SQLite database first.
            database=FoundDatabase(
                "sqlite", path=TABLES, size=sum(one.file_size for one in tables)
            ),
            files=FoundFiles(
                FILES, Measured(len(attached), sum(info.file_size for info in attached))
            ),
            front=None,
            secrets={},
        )
