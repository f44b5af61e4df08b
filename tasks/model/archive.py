"""The archives of an instance: data-model.md's Backup Archive, its names, sidecars and retention.

    <backup.directory>/<instance>/
    ├── 1729338000.tar.gz            the archive; the seconds are those of its beginning
    ├── 1729338000.json              its metadata, with its own size and SHA-256
    ├── 1729338000.tar.gz.sha256     for `sha256sum -c`
    ├── latest -> 1729338000.tar.gz
    └── verified -> 1729338000.tar.gz   the newest that was checked and found whole

An encrypted archive is `1729338000.tar.gz.age`; its sidecars hold no secrets and are plain.

The archive's name is what makes a backup: the sidecars get theirs before it, and lose theirs
after it. What a kill leaves (files aside, sidecars without an archive) is no backup, and
`leftovers` names it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from json import dumps
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct
from msgspec.structs import asdict

from tasks.errors import DeployError
from tasks.host.files import named, read_record, sync_folder
from tasks.model.fields import END, Commit, Count, Sha256, Text, UtcTime
from tasks.model.instance import DatabaseType

BACKUP_VERSION = "1.0.0"
"""Semantic version of the archive's format."""

Trigger = Literal["manual", "scheduled", "update", "restore", "uninstall"]
LinkName = Literal["latest", "verified"]

ENCRYPTED = ".age"

_ARCHIVE = re.compile(r"(0|[1-9]\d{0,11})\.tar\.gz(\.age)?")
_SIDECAR = re.compile(r"(0|[1-9]\d{0,11})(?:\.json|\.tar\.gz(?:\.age)?\.sha256)")
_ASIDE = re.compile(
    r"\.\d{1,12}\.(?:json|tar\.gz(?:\.age)?(?:\.sha256)?)\.new|\.(?:latest|verified)\.new"
)

Version = Annotated[str, Meta(pattern=rf"^\d+\.\d+\.\d+{END}")]


class _Described(Struct, frozen=True, forbid_unknown_fields=True):
    """What both say of an archive."""

    backup_version: Annotated[Version, Meta(description="Semantic version of its format.")]
    instance_id: Annotated[Text, Meta(description="Whose data it is.")]
    created_at: Annotated[
        UtcTime, Meta(description="When the backup began: ISO 8601, UTC, whole seconds.")
    ]
    vikunja_version: Annotated[Text, Meta(description="The version that served.")]
    vikunja_commit: Annotated[
        Commit | None, Meta(description="Its git commit; null for a release archive.")
    ]
    database_type: DatabaseType
    database_size_bytes: Annotated[
        Count, Meta(description="The database's dump as it lies in the archive.")
    ]
    files_count: Annotated[Count, Meta(description="How many attachments.")]
    files_size_bytes: Annotated[Count, Meta(description="All attachments together.")]


class Contents(_Described, frozen=True, omit_defaults=True):
    """What an archive says of itself, inside it: metadata.json but for the list of its files."""

    hostname: Annotated[Text, Meta(description="The instance's domain.")]
    backup_trigger: Annotated[
        Trigger,
        Meta(
            description="What asked for it: a user, cron, or another command that wants a way back."
        ),
    ]
    tables: Annotated[Mapping[str, Count], Meta(description="Table → its rows in the dump.")]
    left_out: Annotated[
        tuple[Text, ...],
        Meta(
            description="What of the database only an administrator of its server may create, and "
            "a restore may leave out: `extension dblink`. Not there where there is nothing of the "
            "kind."
        ),
    ] = ()
    files_elsewhere: Annotated[
        str,
        Meta(
            description="Where attachments are that it does not hold. Not there where it holds "
            "them all."
        ),
    ] = ""


class Metadata(_Described, frozen=True):
    """<backup.directory>/<instance_id>/<epoch>.json: what an archive holds, and its checksum.
    Exactly the fields of data-model.md, in its order."""

    total_size_bytes: Annotated[Count, Meta(description="The archive on disk.")]
    checksum_sha256: Annotated[Sha256, Meta(description="SHA-256 of the whole archive.")]
    hostname: Annotated[Text, Meta(description="The instance's domain.")]
    backup_trigger: Annotated[
        Trigger,
        Meta(
            description="What asked for it: a user, cron, or another command that wants a way back."
        ),
    ]


class Archive(Struct, frozen=True, order=True):
    """One archive by its name; nothing is read."""

    epoch: int
    folder: Path
    encrypted: bool = False

    @property
    def name(self) -> str:
        return f"{self.epoch}.tar.gz{ENCRYPTED if self.encrypted else ''}"

    @property
    def path(self) -> Path:
        return self.folder / self.name

    @property
    def sidecar(self) -> Path:
        return self.folder / f"{self.epoch}.json"

    @property
    def checksum(self) -> Path:
        return self.folder / f"{self.name}.sha256"

    @property
    def root(self) -> str:
        """The folder that everything in the archive lies in."""
        return root_of(self.epoch)

    @property
    def created_at(self) -> str:
        return time_text(self.epoch)


def root_of(epoch: int) -> str:
    return f"vikunja-backup-{epoch}"


def time_text(epoch: int) -> str:
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def aside(path: Path) -> Path:
    """Where a file of this folder is written before it gets its name."""
    return path.with_name(f".{path.name}.new")


def sealed(contents: Contents, size: int, checksum: str) -> Metadata:
    """The sidecar of an archive of so many bytes with this SHA-256 (hex)."""
    inside = ("tables", "left_out", "files_elsewhere")
    known = {name: value for name, value in asdict(contents).items() if name not in inside}
    return Metadata(**known, total_size_bytes=size, checksum_sha256=checksum)


def sidecar_text(metadata: Metadata) -> bytes:
    return f"{dumps(asdict(metadata), indent=2, ensure_ascii=False)}\n".encode()


def checksum_text(archive_name: str, checksum: str) -> bytes:
    """As `sha256sum -c` reads it in the archive's folder."""
    return f"{checksum}  {archive_name}\n".encode()


def read_metadata(archive: Archive) -> Metadata | None:
    """What the sidecar says; None where there is none. Raises DeployError where it is damaged."""
    hint = f"`./doit verify {archive.path}` says whether the archive itself is whole."
    return read_record(archive.sidecar, Metadata, hint)


def archives(folder: Path) -> list[Archive]:
    """The archives in an instance's folder, oldest first; none where there is no folder."""
    found = (archive_of(folder / name) for name in _names(folder))
    return sorted(archive for archive in found if archive is not None)


def newest_meant(folder: Path) -> Archive | None:
    """What `restore --from latest` brings back: the newest archive but those that a restore took of
    what it was about to replace, which are asked for by their names; None where there is none."""
    for archive in reversed(archives(folder)):
        try:
            said = read_metadata(archive)
        except DeployError:
            # Whoever takes it checks it, and says what is damaged.
            return archive
        if said is None or said.backup_trigger != "restore":
            return archive
    return None


def archive_of(path: Path) -> Archive | None:
    """The archive that a file is by its name; None where it is none's."""
    match = _ARCHIVE.fullmatch(path.name)
    return Archive(int(match[1]), path.parent, bool(match[2])) if match else None


def linked(folder: Path, link: LinkName) -> Archive | None:
    """The archive that a link names; None where it names none that is there."""
    with named(folder / link, "cannot be read"):
        try:
            target = (folder / link).readlink().name
        except (FileNotFoundError, NotADirectoryError):
            return None
    archive = archive_of(folder / target)
    return archive if archive is not None and archive.path.is_file() else None


def point(archive: Archive, link: LinkName) -> None:
    """Let a link of the folder name this archive, atomically."""
    path = archive.folder / link
    with named(path, "cannot be written"):
        aside(path).unlink(missing_ok=True)
        aside(path).symlink_to(archive.name)
        aside(path).rename(path)
        sync_folder(archive.folder)


def leftovers(folder: Path) -> list[Path]:
    """What killed backups and removals left: files aside and sidecars without their archive.

    Only who holds the instance's lock may take them away.
    """
    there = {archive.epoch for archive in archives(folder)}
    found = []
    for name in _names(folder):
        match = _SIDECAR.fullmatch(name)
        if _ASIDE.fullmatch(name) or (match and int(match[1]) not in there):
            found.append(folder / name)
    return sorted(found)


def remove(archive: Archive) -> None:
    """Delete an archive with its sidecars, the archive first."""
    for path in (archive.path, archive.sidecar, archive.checksum):
        with named(path, "cannot be deleted"):
            path.unlink(missing_ok=True)
    with named(archive.folder, "cannot be written"):
        sync_folder(archive.folder)


def next_epoch(folder: Path, now: float) -> int:
    """The name of an archive that begins now: after every other's, also if the clock went back."""
    newest = max((archive.epoch for archive in archives(folder)), default=-1)
    return max(int(now), newest + 1)


class Retention(Struct, frozen=True):
    """What is kept: the newest `count`, and the newest of each of the last days, weeks (from
    Monday) and months that have one. Times are UTC."""

    count: int
    daily: int = 0
    weekly: int = 0
    monthly: int = 0

    def __post_init__(self) -> None:
        if self.count < 1:
            raise DeployError("at least one backup has to be kept", hint="Set retention_count.")


def expired(
    epochs: Iterable[int], retention: Retention, verified: int | None = None
) -> tuple[int, ...]:
    """Which of these archives are to be deleted, oldest first.

    Never the newest, and never the last that was verified.
    """
    newest_first = sorted(set(epochs), reverse=True)
    kept = set(newest_first[: retention.count])
    periods: tuple[tuple[int, Callable[[datetime], object]], ...] = (
        (retention.daily, lambda time: time.date()),
        (retention.weekly, lambda time: time.isocalendar()[:2]),
        (retention.monthly, lambda time: (time.year, time.month)),
    )
    for number, period in periods:
        newest_of: dict[object, int] = {}
        for epoch in newest_first:
            newest_of.setdefault(period(datetime.fromtimestamp(epoch, UTC)), epoch)
        kept.update(list(newest_of.values())[:number])
    if verified is not None:
        kept.add(verified)
    return tuple(epoch for epoch in reversed(newest_first) if epoch not in kept)


def _names(folder: Path) -> list[str]:
    with named(folder, "cannot be read"):
        try:
            return [entry.name for entry in folder.iterdir()]
        except FileNotFoundError:
            return []
