"""How much an instance's archives hold: the last that holds more than the database does now is told
from those that time has made worthless.

    paths.holdings(<instance>)   {"1729338000": 12345}   the archive's seconds → rows

Archives of another host, or of before this was noted, are told by the sizes in their sidecars.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import replace

from tasks.errors import DeployError
from tasks.host.files import recalled, write_json
from tasks.model import archive as model
from tasks.model.archive import Archive
from tasks.model.fields import END
from tasks.paths import Paths

Epoch = Annotated[str, Meta(pattern=f"^[0-9]+{END}")]

Rows = Mapping[int, int]
"""The seconds in an archive's name → how many rows its database has."""


class Holding(Struct, frozen=True):
    """rows: None where they are not known. database_bytes: of the dump. files: attachments."""

    rows: int | None
    database_bytes: int
    files: int

    def more_than(self, other: Holding) -> bool:
        """Of rows or of attachments; where rows are not known of both, the dumps' sizes count."""
        if self.rows is None or other.rows is None:
            return self.database_bytes > other.database_bytes or self.files > other.files
        return self.rows > other.rows or self.files > other.files

    def half_of(self, other: Holding) -> bool:
        """Whether it has less than half of the other's rows, or of its attachments."""
        return self._below(other, 1, 2)

    def shrunk_from(self, other: Holding) -> bool:
        """Whether it has less than three quarters of the other's rows, or of its attachments."""
        return self._below(other, 3, 4)

    def _below(self, other: Holding, parts: int, whole: int) -> bool:
        mine, theirs = self.rows, other.rows
        if mine is None or theirs is None:
            mine, theirs = self.database_bytes, other.database_bytes
        return whole * mine < parts * theirs or whole * self.files < parts * other.files

    def __str__(self) -> str:
        rows = f"{self.database_bytes} bytes of database" if self.rows is None else None
        return f"{rows or f'{self.rows} rows'} and {self.files} attachments"


def read(paths: Paths, instance_id: str) -> dict[int, int]:
    """None of them where the record is missing or damaged: it is made anew, backup by backup."""
    found = recalled(paths.holdings(instance_id), dict[Epoch, int]) or {}
    return {int(epoch): rows for epoch, rows in found.items()}


def note(paths: Paths, instance_id: str, archive: Archive, rows: int) -> dict[int, int]:
    """Note an archive that was just made, and forget those that are gone. Returns what is noted."""
    there = {one.epoch for one in model.archives(archive.folder)}
    known = {**read(paths, instance_id), archive.epoch: rows}
    kept = {epoch: count for epoch, count in sorted(known.items()) if epoch in there}
    write_json(paths.holdings(instance_id), {str(epoch): count for epoch, count in kept.items()})
    return kept


def held(archive: Archive, rows: Rows) -> Holding | None:
    """What an archive holds; None where nothing tells."""
    try:
        said = model.read_metadata(archive)
    except DeployError:
        # `backups` and `verify` name what is damaged.
        return None
    if said is None:
        return None
    return Holding(rows.get(archive.epoch), said.database_size_bytes, said.files_count)


def shrunk(archive: Archive, rows: Rows, *, elsewhere: bool = False) -> str:
    """What is to be said where an archive holds less than half of the one before it; else
    nothing. elsewhere: attachments are, and it is meant to hold none."""
    earlier = [one for one in model.archives(archive.folder) if one.epoch < archive.epoch]
    now, then = held(archive, rows), held(earlier[-1], rows) if earlier else None
    if now is None or then is None:
        return ""
    if not (replace(now, files=then.files) if elsewhere else now).half_of(then):
        return ""
    name = earlier[-1].name
    return f"{archive.name} holds {now}, {name} before it {then}: was something lost?"


def fuller(folder: Path, rows: Rows) -> tuple[Archive, ...]:
    """What time must not take: the last archive that holds more than the newest, and those from
    before losses; newest first."""
    last = last_with_more(folder, rows)
    found = {*before_losses(folder, rows), *(() if last is None else (last,))}
    return tuple(sorted(found, reverse=True))


def last_with_more(folder: Path, rows: Rows) -> Archive | None:
    """The newest archive that holds more than the newest of all; None where none does."""
    found = _held(folder, rows)
    return next((one for one, then in found[1:] if then.more_than(found[0][1])), None)


def before_losses(folder: Path, rows: Rows) -> tuple[Archive, ...]:
    """The last archive from before what is there now had shrunk by more than a quarter, the last
    from before that had, and so on; newest first.

    What little a database gains and loses after a loss changes nothing in it.
    """
    found = _held(folder, rows)
    kept = found[:1]
    for archive, then in found[1:]:
        # One that has the rows and another that has the attachments stand for neither.
        if all(having.shrunk_from(then) for _, having in kept):
            kept.append((archive, then))
    return tuple(archive for archive, _ in kept[1:])


def before_a_loss(folder: Path, rows: Rows) -> tuple[str, str, str] | None:
    """Name of the newest archive that holds more than twice of what the newest of all does, what
    it holds, and what that one does; None where none does."""
    newest = next(iter(_held(folder, rows)), None)
    for before in before_losses(folder, rows):
        then = held(before, rows)
        if newest is not None and then is not None and newest[1].half_of(then):
            return before.name, str(then), str(newest[1])
    return None


def _held(folder: Path, rows: Rows) -> list[tuple[Archive, Holding]]:
    """What the archives hold of which it is known, newest first; none where it is not known of the
    newest."""
    newest_first = [(one, held(one, rows)) for one in model.archives(folder)[::-1]]
    if not newest_first or newest_first[0][1] is None:
        return []
    return [(one, then) for one, then in newest_first if then is not None]
