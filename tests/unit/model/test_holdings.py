"""Which archive holds more than the newest does: by rows where they are noted, else by size."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.backup.retention import prune
from tasks.model import archive as model
from tasks.model import holdings
from tasks.model.archive import BACKUP_VERSION, Archive, Contents, Retention
from tasks.model.holdings import Holding
from tasks.paths import Paths

EPOCH = 1729338000


def made(folder: Path, number: int, size: int = 1000, files: int = 3) -> Archive:
    archive = Archive(EPOCH + number, folder)
    folder.mkdir(exist_ok=True)
    archive.path.write_bytes(b"")
    contents = Contents(
        backup_version=BACKUP_VERSION,
        instance_id="vikunja-main",
        created_at=archive.created_at,
        vikunja_version="v1.0.0",
        vikunja_commit=None,
        database_type="sqlite",
        database_size_bytes=size,
        files_count=files,
        files_size_bytes=0,
        hostname="tasks.example.com",
        backup_trigger="scheduled",
        tables={},
    )
    archive.sidecar.write_bytes(model.sidecar_text(model.sealed(contents, 0, "0" * 64)))
    return archive


@pytest.mark.parametrize(
    ("one", "other", "more"),
    [
        (Holding(10, 1, 0), Holding(9, 100, 0), True),
        (Holding(9, 100, 0), Holding(10, 1, 0), False),
        (Holding(9, 1, 2), Holding(10, 1, 1), True),
        (Holding(None, 100, 0), Holding(10, 99, 0), True),
        (Holding(None, 100, 0), Holding(10, 100, 0), False),
    ],
)
def test_rows_count_where_both_are_known_and_attachments_always(
    one: Holding, other: Holding, more: bool
) -> None:
    assert one.more_than(other) == more


def test_the_last_one_with_more_outlives_what_is_kept(tmp_path: Path) -> None:
    archives = [made(tmp_path, number) for number in range(6)]
    rows = dict(zip((one.epoch for one in archives), (500, 400, 450, 20, 21, 22), strict=True))
    assert holdings.last_with_more(tmp_path, rows) == archives[2]
    assert prune(tmp_path, Retention(2), (), rows) == (archives[0], archives[1], archives[3])
    # However many come after it, and until the database holds as much again.
    for number in range(6, 12):
        last = made(tmp_path, number)
        rows[last.epoch] = 20 + number
        prune(tmp_path, Retention(2), (), rows)
        assert model.archives(tmp_path)[0] == archives[2]
    rows[made(tmp_path, 12).epoch] = 450
    prune(tmp_path, Retention(2), (), rows)
    assert len(model.archives(tmp_path)) == 2


def test_what_was_lost_is_kept_however_the_rest_goes_up_and_down(tmp_path: Path) -> None:
    # Lost, begun anew, something deleted, lost once more.
    counts = (500, 300, 5, 80, 75, 9, 8)
    rows, made_so_far = {}, []
    for number, count in enumerate(counts):
        made_so_far.append(made(tmp_path, number))
        rows[made_so_far[-1].epoch] = count
        prune(tmp_path, Retention(1), (), rows)
    kept = [rows[one.epoch] for one in model.archives(tmp_path)]
    assert kept == [500, 300, 75, 9, 8]
    assert holdings.before_losses(tmp_path, rows) == (
        made_so_far[4],
        made_so_far[1],
        made_so_far[0],
    )
    # A database that shrinks bit by bit keeps no more than one.
    for number in range(10, 30):
        rows[made(tmp_path, number).epoch] = 600 - number
        prune(tmp_path, Retention(1), (), rows)
    assert [rows[one.epoch] for one in model.archives(tmp_path)] == [572, 571]


def test_one_that_holds_rows_and_attachments_outlives_two_that_hold_one_of_them(
    tmp_path: Path,
) -> None:
    whole, no_rows = made(tmp_path, 0, files=9), made(tmp_path, 1, files=9)
    no_files = made(tmp_path, 2, files=0)
    rows = {whole.epoch: 150, no_rows.epoch: 5, no_files.epoch: 160}
    assert prune(tmp_path, Retention(1), (), rows) == ()
    assert model.archives(tmp_path) == [whole, no_rows, no_files]


def test_lost_attachments_are_kept_as_well(tmp_path: Path) -> None:
    archives = [made(tmp_path, number, files=9 if number == 0 else 0) for number in range(4)]
    assert prune(tmp_path, Retention(1)) == tuple(archives[1:3])


def test_a_database_that_only_grows_keeps_nothing_more(tmp_path: Path) -> None:
    archives = [made(tmp_path, number, size=1000 + number) for number in range(4)]
    assert holdings.last_with_more(tmp_path, {}) is None
    assert prune(tmp_path, Retention(1)) == tuple(archives[:3])


def test_without_its_sidecar_nothing_is_known_of_an_archive(tmp_path: Path) -> None:
    first, second = made(tmp_path, 0, files=9), made(tmp_path, 1)
    assert holdings.last_with_more(tmp_path, {}) == first
    first.sidecar.unlink()
    assert holdings.last_with_more(tmp_path, {}) is None
    second.sidecar.write_text("{")
    assert holdings.last_with_more(tmp_path, {}) is None
    assert holdings.last_with_more(tmp_path / "nowhere", {}) is None


def test_what_is_noted_is_read_and_what_is_gone_forgotten(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    first, second = made(tmp_path / "b", 0), made(tmp_path / "b", 1)
    assert holdings.note(paths, "one", first, 7) == {first.epoch: 7}
    model.remove(first)
    assert holdings.note(paths, "one", second, 8) == {second.epoch: 8}
    assert holdings.read(paths, "one") == {second.epoch: 8}


@pytest.mark.parametrize("text", ["", "[]", "{", '{"x": 1, "5": "six"}', "null"])
def test_a_damaged_note_is_made_anew(tmp_path: Path, text: str) -> None:
    paths = Paths(tmp_path)
    archive = made(tmp_path / "b", 0)
    paths.holdings("one").parent.mkdir(parents=True)
    paths.holdings("one").write_text(text)
    assert holdings.read(paths, "one") == {}
    assert holdings.note(paths, "one", archive, 5) == {archive.epoch: 5}


def test_a_backup_with_less_than_half_of_the_one_before_it_says_so(tmp_path: Path) -> None:
    archives = [made(tmp_path, number) for number in range(4)]
    rows = dict(zip((one.epoch for one in archives), (500, 250, 120, 90), strict=True))
    assert [bool(holdings.shrunk(one, rows)) for one in archives] == [False, False, True, False]
    assert holdings.shrunk(archives[2], rows) == (
        f"{archives[2].name} holds 120 rows and 3 attachments, {archives[1].name} before it "
        "250 rows and 3 attachments: was something lost?"
    )


def test_a_backup_that_is_to_hold_no_attachments_has_lost_none(tmp_path: Path) -> None:
    archives = [made(tmp_path, 0, files=9), made(tmp_path, 1, files=0)]
    rows = dict(zip((one.epoch for one in archives), (100, 90), strict=True))
    assert holdings.shrunk(archives[1], rows) != ""
    assert holdings.shrunk(archives[1], rows, elsewhere=True) == ""
    fewer = {**rows, archives[1].epoch: 20}
    assert "20 rows and 0 attachments" in holdings.shrunk(archives[1], fewer, elsewhere=True)
