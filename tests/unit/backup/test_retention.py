from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from backup_samples import EPOCH

from tasks.backup.evaluation import evaluate
from tasks.backup.retention import prune, remove_partial, retention_of
from tasks.model import archive as model
from tasks.model.archive import Archive, Retention
from tasks.model.instance import Backup, Encrypt

Make = Callable[..., Archive]
DAY = 86400


@pytest.fixture
def three(back_up: Make) -> list[Archive]:
    return [back_up(EPOCH + number * DAY) for number in range(3)]


def test_only_the_newest_stay_and_their_sidecars(three: list[Archive], backups: Path) -> None:
    assert prune(backups, Retention(2)) == (three[0],)
    assert model.archives(backups) == three[1:]
    assert model.leftovers(backups) == []
    assert len(list(backups.iterdir())) == 2 * 3 + 1


def test_the_last_verified_one_is_never_deleted(three: list[Archive], backups: Path) -> None:
    model.point(three[0], "verified")
    assert prune(backups, Retention(1)) == (three[1],)
    assert model.archives(backups) == [three[0], three[2]]


def test_what_is_being_restored_is_spared(three: list[Archive], backups: Path) -> None:
    # Named through a link, as a user may.
    (backups.parent / "link").symlink_to(backups)
    spare = Archive(three[0].epoch, backups.parent / "link")
    assert prune(backups, Retention(1), [spare]) == (three[1],)


def test_days_weeks_and_months_come_from_the_configuration() -> None:
    desired = Backup(Path("/b"), False, None, 3, 7, 4, 12, 2, "copy", Encrypt((), None), (), 60)
    assert retention_of(desired) == Retention(3, 7, 4, 12)


def test_daily_ones_stay_besides_the_newest(three: list[Archive], backups: Path) -> None:
    assert prune(backups, Retention(1, daily=2)) == (three[0],)


def test_what_killed_backups_left_is_swept_and_nothing_else(
    three: list[Archive], backups: Path
) -> None:
    before = {path.name for path in backups.iterdir()}
    left = {".5.tar.gz.new", ".5.tar.gz.age.new", ".5.json.new", "5.json", "5.tar.gz.age.sha256"}
    kept = {"notes.txt", "5.tar.gz.part"}
    for name in left | kept:
        (backups / name).write_text("x")
    assert {path.name for path in remove_partial(backups)} == left
    assert {path.name for path in backups.iterdir()} == before | kept


def test_the_newest_whole_one_is_remembered(three: list[Archive], backups: Path) -> None:
    assert evaluate(three[1]).failure is None
    assert model.linked(backups, "verified") == three[1]
    evaluate(three[0])
    assert model.linked(backups, "verified") == three[1]
    three[2].path.write_bytes(b"x")
    assert evaluate(three[2]).failure is not None
    assert model.linked(backups, "verified") == three[1]


def test_a_folder_of_copies_is_left_as_it_is(back_up: Make, backups: Path) -> None:
    archive = back_up()
    (backups / "latest").unlink()
    before = sorted(backups.iterdir())
    assert evaluate(archive).failure is None
    assert sorted(backups.iterdir()) == before
