"""A disk that is full at any page of a backup: no archive, nothing left, the ones before whole."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from backup_samples import EPOCH, OWN, describe, tar_of
from small_disk import SmallDisk, small_disk

from tasks.backup.evaluation import evaluate, mark
from tasks.backup.stream import write_archive
from tasks.backup.verify import verify
from tasks.errors import DeployError
from tasks.model import archive as model
from tasks.model.archive import Archive, root_of

FULL = "No space left on device"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", 256) as made:
        yield made


@pytest.fixture
def little(tmp_path: Path) -> Path:
    """A database and an attachment of some pages, which do not shrink."""
    folder = tmp_path / "little"
    (folder / "files").mkdir(parents=True)
    (folder / "database").mkdir()
    numbers = random.Random(3)
    (folder / "database/vikunja.db").write_bytes(numbers.randbytes(30_000))
    (folder / "files/1").write_bytes(numbers.randbytes(40_000))
    return folder


def back_up(data: Path, archive: Archive) -> None:
    write_archive(
        archive,
        tar_of(data, root_of(archive.epoch)),
        describe,
        own=OWN,
        level=2,
        expected=70_000,
    )


def test_at_whatever_page_the_disk_is_full(disk: SmallDisk, little: Path) -> None:
    folder = disk.folder / "vikunja-main"
    before, archive = Archive(EPOCH, folder), Archive(EPOCH + 1, folder)
    back_up(little, before)
    there = disk.names()
    for pages in count():
        disk.leave(pages)
        try:
            back_up(little, archive)
            break
        except DeployError as failure:
            assert FULL in str(failure)
            assert str(folder) in failure.where
            assert "is its disk full" in failure.hint
        assert disk.names() == there
        assert disk.pages == pages
        assert model.linked(folder, "latest") == before
    # The archive itself, both sidecars: each of them was what did not fit once.
    assert pages >= 70_000 // 4096 + 2
    assert verify(archive).sidecars
    assert model.linked(folder, "latest") == archive
    disk.free()
    assert verify(before).sidecars


def test_a_check_needs_no_room(disk: SmallDisk, little: Path) -> None:
    folder = disk.folder / "vikunja-main"
    archive = Archive(EPOCH, folder)
    back_up(little, archive)
    disk.leave(0)
    assert verify(archive).sidecars
    assert evaluate(archive).failure is None
    mark(archive)
    assert model.linked(folder, "verified") == archive
