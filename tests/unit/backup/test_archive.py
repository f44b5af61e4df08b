from __future__ import annotations

import hashlib
import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, ValidationError
from msgspec.structs import asdict, replace

from tasks.errors import DeployError
from tasks.model import archive as model
from tasks.model.archive import Archive, Contents, Metadata, Retention, Trigger, expired
from tasks.model.instance import DatabaseType
from tasks.paths import SCHEMAS

CONTENTS = Contents(
    backup_version="1.0.0",
    instance_id="vikunja-main",
    created_at="2025-10-19T10:00:00Z",
    vikunja_version="v0.23.0",
    vikunja_commit="abc123def456",
    database_type="postgresql",
    database_size_bytes=52428800,
    files_count=1234,
    files_size_bytes=1073741824,
    hostname="vikunja-main.example.com",
    backup_trigger="manual",
    tables={},
)
EXAMPLE = """\
{
  "backup_version": "1.0.0",
  "instance_id": "vikunja-main",
  "created_at": "2025-10-19T10:00:00Z",
  "vikunja_version": "v0.23.0",
  "vikunja_commit": "abc123def456",
  "database_type": "postgresql",
  "database_size_bytes": 52428800,
  "files_count": 1234,
  "files_size_bytes": 1073741824,
  "total_size_bytes": 1126170624,
  "checksum_sha256": "%s",
  "hostname": "vikunja-main.example.com",
  "backup_trigger": "manual"
}
"""
SCHEMA = json.loads((SCHEMAS / "archive-metadata.schema.json").read_text())
DAY = 86400
NOON = int(datetime(2026, 3, 11, 12, tzinfo=UTC).timestamp())

epochs = st.lists(st.integers(NOON - 900 * DAY, NOON), max_size=60)
retentions = st.builds(
    Retention,
    count=st.integers(1, 10),
    daily=st.integers(0, 10),
    weekly=st.integers(0, 10),
    monthly=st.integers(0, 10),
)


def made(folder: Path, *numbers: int) -> list[Archive]:
    folder.mkdir(exist_ok=True)
    found = [Archive(number, folder) for number in numbers]
    for archive in found:
        archive.path.write_bytes(b"archive")
        archive.sidecar.write_bytes(model.sidecar_text(model.sealed(CONTENTS, 7, "a" * 64)))
        archive.checksum.write_bytes(model.checksum_text(archive.name, "a" * 64))
    return found


def test_the_sidecar_is_the_data_models_example_to_the_letter() -> None:
    metadata = model.sealed(CONTENTS, 1126170624, "ab" * 32)
    assert model.sidecar_text(metadata).decode() == EXAMPLE % ("ab" * 32)
    Draft202012Validator(SCHEMA).validate(asdict(metadata))


def test_the_schema_names_exactly_what_the_code_knows() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    names = list(Metadata.__struct_fields__)
    assert SCHEMA["required"] == names
    assert list(SCHEMA["properties"]) == names
    assert SCHEMA["properties"]["database_type"]["enum"] == sorted(get_args(DatabaseType))
    assert SCHEMA["properties"]["backup_trigger"]["enum"] == sorted(get_args(Trigger))


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("backup_version", "1.0"),
        ("created_at", "2025-10-19 10:00"),
        ("vikunja_commit", "main"),
        ("database_type", "oracle"),
        ("files_count", -1),
        ("files_count", True),
        ("total_size_bytes", "7"),
        ("checksum_sha256", "ab"),
        ("backup_trigger", "mood"),
        ("color", "blue"),
    ],
)
def test_schema_and_reader_refuse_the_same_wrong_sidecars(
    tmp_path: Path, field: str, wrong: object
) -> None:
    record = {**asdict(model.sealed(CONTENTS, 7, "a" * 64)), field: wrong}
    with pytest.raises(ValidationError):
        Draft202012Validator(SCHEMA).validate(record)
    archive = Archive(5, tmp_path)
    archive.sidecar.write_text(json.dumps(record))
    with pytest.raises(DeployError, match=rf"5\.json.*{field}"):
        model.read_metadata(archive)


def test_a_sidecar_is_read_as_it_was_written(tmp_path: Path) -> None:
    archive = Archive(5, tmp_path)
    assert model.read_metadata(archive) is None
    metadata = model.sealed(replace(CONTENTS, vikunja_commit=None), 7, "a" * 64)
    archive.sidecar.write_bytes(model.sidecar_text(metadata))
    assert model.read_metadata(archive) == metadata


def test_sha256sum_reads_the_checksum_file(tmp_path: Path) -> None:
    archive = Archive(1729335600, tmp_path)
    archive.path.write_bytes(b"something")
    digest = hashlib.sha256(b"something").hexdigest()
    archive.checksum.write_bytes(model.checksum_text(archive.name, digest))
    check = ["sha256sum", "-c", archive.checksum.name]
    assert subprocess.run(check, cwd=tmp_path, check=False, capture_output=True).returncode == 0
    archive.path.write_bytes(b"somethinh")
    assert subprocess.run(check, cwd=tmp_path, check=False, capture_output=True).returncode == 1


def test_only_archives_are_listed_oldest_first(tmp_path: Path) -> None:
    assert model.archives(tmp_path / "nowhere") == []
    (tmp_path / ".7.tar.gz.new").touch()
    (tmp_path / "notes.tar.gz").touch()
    (tmp_path / "007.tar.gz").touch()
    (tmp_path / "8.json").touch()
    assert model.archives(tmp_path) == []
    made(tmp_path, 20, 3, 100)
    assert [archive.epoch for archive in model.archives(tmp_path)] == [3, 20, 100]


def test_a_link_names_the_archive_it_was_pointed_at(tmp_path: Path) -> None:
    first, second = made(tmp_path, 1, 2)
    assert model.linked(tmp_path, "latest") is None
    for archive in (first, second):
        model.point(archive, "latest")
        assert model.linked(tmp_path, "latest") == archive
        assert str((tmp_path / "latest").readlink()) == archive.name
    assert model.linked(tmp_path, "verified") is None
    model.remove(second)
    assert model.linked(tmp_path, "latest") is None


def test_a_removed_archive_leaves_nothing(tmp_path: Path) -> None:
    first, second = made(tmp_path, 1, 2)
    model.remove(first)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "2.json",
        "2.tar.gz",
        "2.tar.gz.sha256",
    ]
    assert model.archives(tmp_path) == [second]


def test_leftovers_are_what_belongs_to_no_archive(tmp_path: Path) -> None:
    (archive,) = made(tmp_path, 1)
    model.point(archive, "latest")
    left = [".2.tar.gz.new", ".2.json.new", ".2.tar.gz.sha256.new", ".latest.new"]
    left += ["3.json", "3.tar.gz.sha256"]
    for name in [*left, "README", ".hidden", "notes.json"]:
        (tmp_path / name).touch()
    assert [path.name for path in model.leftovers(tmp_path)] == sorted(left)


def test_a_new_archive_comes_after_all_others_even_if_the_clock_went_back(tmp_path: Path) -> None:
    assert model.next_epoch(tmp_path, 1000.9) == 1000
    made(tmp_path, 1000, 5000)
    assert model.next_epoch(tmp_path, 1000.9) == 5001
    assert model.next_epoch(tmp_path, 6000) == 6000


def test_the_newest_are_kept() -> None:
    assert expired([5, 1, 4, 2, 3], Retention(2)) == (1, 2, 3)
    assert expired([], Retention(1)) == ()
    assert expired([1, 2], Retention(5)) == ()


def test_the_newest_of_each_day_week_and_month_is_kept() -> None:
    hours = [NOON - hour * 3600 for hour in range(0, 24 * 100, 6)]
    times = {epoch: datetime.fromtimestamp(epoch, UTC) for epoch in hours}
    gone = expired(hours, Retention(1, daily=3, weekly=2, monthly=4))
    kept = sorted((times[epoch] for epoch in hours if epoch not in gone), reverse=True)
    # 11 March 2026 is a Wednesday; a day's last is at 18:00.
    assert [f"{time:%m-%d %H}" for time in kept] == [
        "03-11 12",
        "03-10 18",
        "03-09 18",
        "03-08 18",
        "02-28 18",
        "01-31 18",
        "12-31 18",
    ]


def test_at_least_one_is_kept() -> None:
    with pytest.raises(DeployError, match="at least one"):
        Retention(0)


@given(epochs, retentions, st.data())
def test_retention_never_deletes_the_newest_or_the_verified(
    numbers: list[int], retention: Retention, data: st.DataObject
) -> None:
    verified = data.draw(st.sampled_from(numbers)) if numbers else None
    gone = expired(numbers, retention, verified)
    assert verified not in gone
    kept = sorted(set(numbers) - set(gone))
    assert kept[-retention.count :] == sorted(set(numbers))[-retention.count :]
    most = retention.count + retention.daily + retention.weekly + retention.monthly + 1
    assert len(kept) <= most
    assert list(gone) == sorted(set(gone))


@given(epochs, retentions)
def test_retention_is_done_after_once(numbers: list[int], retention: Retention) -> None:
    gone = expired(numbers, retention)
    assert expired(set(numbers) - set(gone), retention) == ()


@given(epochs, retentions, st.integers(1, 5))
def test_keeping_more_deletes_no_other(numbers: list[int], retention: Retention, more: int) -> None:
    gone = set(expired(numbers, retention))
    for change in ("count", "daily", "weekly", "monthly"):
        larger = replace(retention, **{change: getattr(retention, change) + more})
        assert set(expired(numbers, larger)) <= gone


@given(epochs, st.integers(1, 10))
def test_each_of_the_last_days_that_has_one_keeps_its_newest(
    numbers: list[int], daily: int
) -> None:
    kept = set(numbers) - set(expired(numbers, Retention(1, daily=daily)))
    day_of = {epoch: datetime.fromtimestamp(epoch, UTC).date() for epoch in numbers}
    days = sorted(set(day_of.values()), reverse=True)[:daily]
    expected = {max(epoch for epoch in numbers if day_of[epoch] == day) for day in days}
    assert kept == expected
