"""What a check found of one archive, and that the newest whole one is remembered as such."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from tasks.age import Key
from tasks.backup.verify import verify, verify_sealed
from tasks.errors import DeployError
from tasks.model import archive as model
from tasks.model.archive import Archive, Metadata
from tasks.progress import SILENT, Progress


class Evaluation(Struct, frozen=True):
    """found: what it is, in words. note: what could not be checked, and how it could be.

    failure: why it is not whole; then metadata is None and found empty.
    """

    archive: Archive
    found: str = ""
    note: str = ""
    metadata: Metadata | None = None
    failure: DeployError | None = None


def evaluate(archive: Archive, keys: Sequence[Key] = (), progress: Progress = SILENT) -> Evaluation:
    """Check an archive, as far as the keys at hand allow; where it is whole, mark it.

    Raises DeployError where marking it fails; what is wrong with the archive is returned.
    """
    if archive.encrypted and not keys:
        return _judge_sealed(archive, progress)
    try:
        checked = verify(archive, progress, keys)
    except DeployError as failure:
        return Evaluation(archive, failure=failure)
    mark(archive)
    metadata = checked.metadata
    rows = sum(checked.contents.tables.values())
    found = (
        f"whole: Vikunja {metadata.vikunja_version} on {metadata.database_type}, "
        f"{rows} rows in {len(checked.contents.tables)} tables, {metadata.files_count} files"
    )
    note = "" if checked.sidecars else "Its sidecars are missing; it stands for itself."
    return Evaluation(archive, found, note, metadata)


def mark(archive: Archive) -> None:
    """Let `verified` name the newest archive that was found whole.

    In a folder where backups are taken; one that holds copies is left as it is.
    """
    if model.linked(archive.folder, "latest") is None:
        return
    before = model.linked(archive.folder, "verified")
    if before is None or before.epoch < archive.epoch:
        model.point(archive, "verified")


def _judge_sealed(archive: Archive, progress: Progress) -> Evaluation:
    try:
        metadata = verify_sealed(archive, progress)
    except DeployError as failure:
        return Evaluation(archive, failure=failure)
    return Evaluation(
        archive,
        "as it was written, to the byte; it is encrypted",
        "What is in it was not checked; with its key it can be: --identity FILE",
        metadata,
    )
