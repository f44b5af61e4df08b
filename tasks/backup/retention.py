"""Which of an instance's archives stay, and that the others go."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from tasks.host.files import named
from tasks.model import archive as model
from tasks.model.archive import Archive, Retention
from tasks.model.holdings import Rows, fuller
from tasks.model.instance import Backup

NOT_NOTED: Rows = {}


def retention_of(desired: Backup) -> Retention:
    return Retention(
        desired.retention_count, desired.keep_daily, desired.keep_weekly, desired.keep_monthly
    )


def prune(
    folder: Path, retention: Retention, spare: Collection[Archive] = (), rows: Rows = NOT_NOTED
) -> tuple[Archive, ...]:
    """Delete what is not to be kept; what was deleted, oldest first.

    spare: never deleted, nor are the newest, the last verified, the last that holds more than the
    newest does, and those from before a loss: where data was lost and nobody has noticed, one of
    these has it. rows: of the archives, as far as they are known. The caller holds the instance's
    lock.
    """
    there = {archive.epoch: archive for archive in model.archives(folder)}
    verified = model.linked(folder, "verified")
    epochs = model.expired(there, retention, verified.epoch if verified else None)
    spared = {archive.path.resolve() for archive in spare}
    if epochs:
        spared |= {archive.path.resolve() for archive in fuller(folder, rows)}
    gone = [there[epoch] for epoch in epochs if there[epoch].path.resolve() not in spared]
    for archive in gone:
        model.remove(archive)
    return tuple(gone)


def remove_partial(folder: Path) -> tuple[Path, ...]:
    """Delete what killed backups left. The caller holds the instance's lock."""
    left = model.leftovers(folder)
    for path in left:
        with named(path, "cannot be deleted"):
            path.unlink(missing_ok=True)
    return tuple(left)
