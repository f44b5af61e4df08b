"""What a backup is of: the instance as it serves, which may not be as it is configured by now."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from tasks.backup import configuration
from tasks.backup.configuration import DOCUMENT, FOLDER, Gathered
from tasks.containers.base import Container, refuse_foreign
from tasks.conversion import convert
from tasks.errors import ResourceError
from tasks.guest.runner import GuestScript
from tasks.host.process import Completed
from tasks.model.application import Files
from tasks.model.database_address import DatabaseAddress
from tasks.model.instance import (
    COLORS,
    Color,
    Database,
    DatabaseTls,
    Instance,
    read_tls,
)
from tasks.model.layout import DATA, attachments, environment
from tasks.paths import Paths
from tasks.resources.data_move import database_address, in_use
from tasks.resources.observe import observe
from tasks.resources.release import GREEN_MARKER, active_color, binary, release_file, released

CONTENTS = GuestScript("backup-contents", ("backup-contents",), guard=False)
"""What a backup needs done. Arguments hold no secrets: ACTION PATH…"""

_PATHS = ("password_file", "admin_password_file")
_SIZES_TIMEOUT = 900


class RunningInstance(Struct, frozen=True):
    """instance: with the database that it was deployed with. version: of what serves, `unknown`
    where nothing does; commit: None where it has none. files_bytes: of the attachments."""

    instance: Instance
    color: Color
    version: str
    commit: str | None
    gathered: Gathered
    files_bytes: int


def require_running(container: Container, instance: Instance) -> None:
    """Raise ResourceError where there is nothing to back up, or not of this instance."""
    found = container.observe()
    name = instance.id
    refuse_foreign(name, container.spec.name, found)
    if not found.exists:
        raise ResourceError(
            "there is no container, so nothing to back up",
            where=name,
            hint=f"./doit apply {name} makes it; ./doit backups {name} lists what there is.",
        )
    if not found.running:
        raise ResourceError(
            "its container is stopped",
            where=name,
            hint=f"Start it, then try again: ./doit start {name}",
        )


def find(instance: Instance, container: Container, paths: Paths) -> RunningInstance:
    """Look at the running container: three round trips, no change."""
    facts = observe(
        container,
        [
            ("file", "-", GREEN_MARKER),
            # No file has this digest: the settings come with their contents.
            *(("file", "0" * 64, environment(color)) for color in COLORS),
            *(("text", release_file(color)) for color in COLORS),
            *(("file", "-", binary(color)) for color in COLORS),
        ],
    )
    color = active_color(facts)
    release = released(facts, color)
    inside = inside_run(container, "configuration", FOLDER).stdout
    gathered = configuration.gather(instance, paths, inside)
    serving = as_it_serves(instance, gathered.files.get(DOCUMENT, b""), in_use(facts))
    size = inside_run(container, "size", attachments(serving), timeout=_SIZES_TIMEOUT).stdout
    return RunningInstance(
        instance=serving,
        color=color,
        version=release.version if release else "unknown",
        commit=release.commit if release and release.commit != "-" else None,
        gathered=gathered,
        files_bytes=int(size),
    )


def inside_run(container: Container, *arguments: str, timeout: float = 120) -> Completed:
    """Run backup-contents.sh in the container. Raises DeployError."""
    return CONTENTS.run(container, *arguments, timeout=timeout)


def as_it_serves(instance: Instance, document: bytes, used: DatabaseAddress | None) -> Instance:
    """The instance with the database that serves: as the record in its container names it, where
    that is still the one in use; an apply that was killed may have moved the data since."""
    recorded = as_deployed(instance, document)
    if used is None or database_address(recorded).same(used):
        return recorded
    database = Database(
        used.type, used.host, used.port or None, used.name or "vikunja", used.user or None,
        None, None, None, read_tls(used.tls),
    )  # fmt: skip
    return replace(recorded, database=database)


def _tls(section: Mapping[str, Any]) -> DatabaseTls:
    nothing = dict.fromkeys(DatabaseTls.__struct_fields__)
    return convert({**nothing, **section}, DatabaseTls, dec_hook=lambda _, path: Path(path))


def as_deployed(instance: Instance, document: bytes) -> Instance:
    """The instance with the database, and the place of attachments, that the record in its
    container names.

    An edit that was not applied yet must not change where a backup looks.
    """
    import yaml

    try:
        record = yaml.safe_load(document)
        desired: Mapping[str, Any] = record["database"]
        # Where nothing is said of TLS, there is no such section.
        section = {"tls": {}, **desired}
        known = {name: section[name] for name in Database.__struct_fields__}
        for name in _PATHS:
            known[name] = None if known[name] is None else Path(known[name])
        known["tls"] = _tls(section["tls"])
        where = record.get("vikunja", {}).get("files")
        # What deployed it may have known no other place.
        files = convert(where, Files, dec_hook=_path) if where else Files(DATA)
        settings = replace(instance.vikunja, files=files)
        return replace(instance, database=Database(**known), vikunja=settings)
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, msgspec.ValidationError):
        # No record, or one that was edited: what is desired is the best guess.
        return instance


def _path(_: type, value: str) -> Path:
    return Path(value)
