"""The look at an installation: which one, what it is told, where its data is. Nothing changes."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from tasks.errors import ResourceError
from tasks.imports import front
from tasks.imports.configuration import read_config, read_environment, value_files, with_values
from tasks.imports.found import SQLITE_FILES, Found, FoundDatabase, FoundFiles, Setting
from tasks.imports.installations import Installation, find_installation
from tasks.imports.layouts import ATTACHMENTS, CONFIG_NAMES, VOLUMES
from tasks.imports.settings import bucket_prefix
from tasks.imports.source import Source
from tasks.imports.units import read_variables
from tasks.model.instance import DatabaseType

PORT = 3456
_ENGINES: Mapping[str, DatabaseType] = {
    "sqlite": "sqlite",
    "sqlite3": "sqlite",
    "mysql": "mysql",
    "postgres": "postgresql",
    "postgresql": "postgresql",
}
_DPKG = "/var/lib/dpkg/status"


def look(source: Source, base: str = "", named: str = "") -> Found:
    """What is there. base, named: see find_installation. Raises ResourceError."""
    one = find_installation(source, base, named)
    settings, config = _settings(source, one)
    values, unreadable = _values(source, one, settings)
    settings = with_values(settings, values)
    database = _database(source, one, settings, base)
    site = None
    certificates: Mapping[str, bytes] = {}
    if not base:
        files = source.fetch(front.PATTERNS)
        public = settings.get("service_publicurl")
        host = urlsplit(public.value).hostname if public else ""
        site = front.find_front(files, _port(settings), host or "")
        if site and site.certificate:
            certificates = source.fetch([site.certificate, site.key])
    return Found(
        layout=one.layout.name,
        title=one.layout.title,
        program=one.program,
        version=_version(source, one),
        unit=one.unit,
        settings=settings,
        database=database,
        files=_attachments(source, one, settings, base),
        front=site,
        secrets=certificates,
        unreadable=unreadable,
        config=config,
    )


def _settings(source: Source, one: Installation) -> tuple[dict[str, Setting], str]:
    """Environment over configuration file, and that file's path."""
    variables, origins = dict(one.environment), dict(one.origins)
    wanted = [path.removeprefix("-") for path in one.environment_files]
    contents = source.fetch([one.at(path) for path in wanted]) if wanted else {}
    for path in one.environment_files:
        plain = path.removeprefix("-")
        content = contents.get(one.at(plain))
        if content is None and not path.startswith("-"):
            raise ResourceError(
                f"{plain} is not there, which {one.name} reads its environment from",
                where=source.said,
            )
        for name, value in read_variables((content or b"").decode(errors="replace")).items():
            variables[name], origins[name] = value, plain
    settings = read_environment(variables, origins)
    places = [*_roots(one, settings), "/etc/vikunja"]
    if one.home:
        places.append(f"{one.home}/.config/vikunja")
    paths = [one.at(f"{place}/{name}") for place in places for name in CONFIG_NAMES]
    files = source.fetch(paths)
    for path in paths:
        if path in files:
            return {**read_config(path, files[path], source.said), **settings}, path
    return settings, ""


def _roots(one: Installation, settings: Mapping[str, Setting]) -> list[str]:
    """Folders that relative paths may start at, the likeliest first."""
    said = settings.get("service_rootpath")
    first = [said.value.rstrip("/") or "/"] if said and said.value.startswith("/") else []
    return list(dict.fromkeys([*first, *(root.rstrip("/") or "/" for root in one.roots)]))


def _values(
    source: Source, one: Installation, settings: Mapping[str, Setting]
) -> tuple[dict[str, tuple[str, bytes]], tuple[tuple[str, str], ...]]:
    """Of settings whose values are in files: path and content; and those that are not there."""
    root = (_roots(one, settings) or ["/"])[0]
    paths = {}
    for name, said in value_files(settings).items():
        path = said
        for credential, place in one.credentials.items():
            path = re.sub(
                rf"^\$\{{?CREDENTIALS_DIRECTORY\}}?/{re.escape(credential)}$", place, path
            )
        paths[name] = one.at(posixpath.join(root, path))
    contents = source.fetch(list(paths.values())) if paths else {}
    found = {name: (path, contents[path]) for name, path in paths.items() if path in contents}
    return found, tuple((name, path) for name, path in paths.items() if path not in contents)


def _port(settings: Mapping[str, Setting]) -> int:
    said = settings.get("service_interface")
    found = re.search(r":(\d+)$", said.value) if said else None
    return int(found[1]) if found else PORT


def _version(source: Source, one: Installation) -> str:
    if one.version:
        return one.version
    said = source.version(one.at(one.program)) if one.program else ""
    if not said:
        status = source.fetch([_DPKG]).get(_DPKG, b"").decode(errors="replace")
        for about in re.split(r"\n\n+", status):
            if about.startswith("Package: vikunja\n"):
                found = re.search(r"^Version:\s*(?:\d+:)?(\S+)", about, re.MULTILINE)
                said = found[1] if found else ""
    if not said and one.layout.versions:
        noted = source.fetch(one.layout.versions)
        lines = [noted[path].decode(errors="replace").strip() for path in noted]
        said = next((line for line in lines if re.fullmatch(r"v?\d+\.\d\S*", line)), "")
    return f"v{said}" if re.match(r"\d", said) else said


def _database(
    source: Source, one: Installation, settings: Mapping[str, Setting], base: str
) -> FoundDatabase:
    def value(name: str, otherwise: str) -> str:
        said = settings.get(name)
        return said.value if said and said.value else otherwise

    said = value("database_type", "sqlite").lower()
    if said not in _ENGINES:
        raise ResourceError(
            f'database.type is "{said}", which Vikunja does not know', where=source.said
        )
    engine = _ENGINES[said]
    if engine == "sqlite":
        return _sqlite(source, one, settings, base, value("database_path", "vikunja.db"))
    host, port = value("database_host", "localhost"), 5432 if engine == "postgresql" else 3306
    found = re.fullmatch(r"\[?([^\]]*?)\]?:(\d+)", host)
    if found and not host.startswith("/"):
        host, port = found[1], int(found[2])
    return FoundDatabase(
        engine,
        host="" if host.startswith("/") else host,
        port=port,
        socket=host if host.startswith("/") else "",
        name=value("database_database", "vikunja"),
        user=value("database_user", "vikunja"),
    )


def _sqlite(
    source: Source, one: Installation, settings: Mapping[str, Setting], base: str, path: str
) -> FoundDatabase:
    if path == "memory":
        raise ResourceError(
            "its database is in memory only: there is nothing to move", where=source.said
        )
    places = [posixpath.join(root, path) for root in _roots(one, settings)]
    if one.home:
        places.append(posixpath.join(one.home, ".local/share/vikunja", path))
    if base and one.layout.name != "compose":
        places += [f"{base}/{name}" for name in (*VOLUMES, posixpath.basename(path))]
    real = list(dict.fromkeys(one.at(posixpath.normpath(place)) for place in places))
    sizes = source.sizes([f"{place}{end}" for place in real for end in SQLITE_FILES])
    there = next((place for place in real if place in sizes), None)
    if there is None:
        return FoundDatabase("sqlite", path=real[0])
    # What was written last is beside it.
    return FoundDatabase(
        "sqlite", there, size=sum(sizes.get(f"{there}{end}", 0) for end in SQLITE_FILES)
    )


def _attachments(
    source: Source, one: Installation, settings: Mapping[str, Setting], base: str
) -> FoundFiles:
    kind = settings.get("files_type")
    said = settings.get("files_basepath")
    path = said.value if said and said.value else "files"
    if kind and kind.value == "s3":
        bucket = settings.get("files_s3_bucket", Setting("", "")).value
        endpoint = settings.get("files_s3_endpoint", Setting("", "")).value
        return FoundFiles(bucket_prefix(path), bucket=bucket, endpoint=endpoint)
    places = [posixpath.join(root, path) for root in _roots(one, settings)]
    if base and one.layout.name != "compose":
        places += [f"{base}/{name}" for name in ATTACHMENTS]
    for place in _unique(one.at(posixpath.normpath(place)) for place in places):
        measured = source.measure(place)
        if measured is not None:
            return FoundFiles(place, measured)
    return FoundFiles(one.at(posixpath.normpath(places[0])))


def _unique(paths: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(paths))
