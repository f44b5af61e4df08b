"""An instance's files on this machine, and archives of them."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from backup_samples import EPOCH, OWN, describe, tar_of

from tasks.backup.stream import Produce, write_archive
from tasks.model.archive import Archive, root_of


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A database, and attachments that are text, noise, empty, large and of awkward names."""
    folder = tmp_path / "data"
    files = folder / "files"
    files.mkdir(parents=True)
    (folder / "database").mkdir()
    numbers = random.Random(1)
    rows = (f"insert into tasks values ({n}, {numbers.random()});\n" for n in range(30000))
    (folder / "database/vikunja.db").write_text("".join(rows))
    for number in range(1, 200):
        (files / str(number)).write_bytes(f"attachment {number}\n".encode() * (number % 40))
    (files / "1000").write_bytes(numbers.randbytes(1_500_000))
    (files / "1001").write_bytes(bytes(1_100_000))
    (files / ("n" * 180)).write_text("a long name")
    (files / 'Grüße "quoted" \\ ').write_text("an awkward name")
    (files / "link").symlink_to("1")
    return folder


@pytest.fixture
def backups(tmp_path: Path) -> Path:
    return tmp_path / "backups/vikunja-main"


@pytest.fixture
def back_up(data: Path, backups: Path) -> Callable[..., Archive]:
    """Back the data up; keywords of write_archive replace the usual ones."""

    def make(epoch: int = EPOCH, level: int = 2, produce: Produce | None = None) -> Archive:
        archive = Archive(epoch, backups)
        write_archive(
            archive,
            produce or tar_of(data, root_of(epoch)),
            describe,
            own=OWN,
            level=level,
            expected=4_000_000,
        )
        return archive

    return make


@pytest.fixture
def archive(back_up: Callable[..., Archive]) -> Archive:
    return back_up()
