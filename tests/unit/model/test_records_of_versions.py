"""Records that earlier versions of the tool wrote are read: a folder for each format since 0.1.0.

What is in it was written by that version, of a real deployment, an edit, a backup and a drill. It
is never edited: a record that changes its form gets a folder more.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tasks.backup.verify import verify
from tasks.model import (
    applied,
    health,
    holdings,
    last_backup,
    last_drill,
    measured,
    pins,
    registry,
    releases,
    state,
)
from tasks.model.archive import archives, read_metadata
from tasks.model.health_document import HealthDocument
from tasks.model.operation_log import read_entries
from tasks.notify import notified
from tasks.paths import Paths

VERSIONS = sorted((Path(__file__).parent / "records").iterdir())
NAME = "vikunja-old"
COMMIT = "38f7be2472e07f7873ecf96319ab7858e9df3f89"


@pytest.fixture(params=VERSIONS, ids=lambda path: path.name)
def paths(request: pytest.FixtureRequest, tmp_path: Path) -> Paths:
    prefix = tmp_path / "host"
    shutil.copytree(request.param, prefix, symlinks=True)
    return Paths(prefix)


def health_document(paths: Paths) -> str:
    return msgspec.convert(health.read(paths, NAME), HealthDocument).overall_status


READ: dict[str, tuple[Callable[[Paths], Any], Any]] = {
    "instances.json": (lambda p: [one.instance_id for one in registry.read(p)], [NAME]),
    "state": (lambda p: (found := state.read(p, NAME)) and found.deployed_commit, COMMIT),
    "health": (health_document, "healthy"),
    "told": (lambda p: list(notified.read(p, NAME)), ["change"]),
    "holdings": (lambda p: holdings.read(p, NAME), {1796007621: 9}),
    "last-backup": (lambda p: last_backup.read(p, NAME), "2026-11-30T03:00:21Z"),
    "last-drill": (lambda p: (found := last_drill.read(p, NAME)) and found.rows, 9),
    "measured": (lambda p: measured.read(p, NAME).rollback, 3.4),
    "published.json": (lambda p: [one.version for one in pins.read(p)], ["v2.5.0"]),
    "releases": (lambda p: [one.commit for one in releases.read(p, NAME).served], [COMMIT]),
    "applied": (lambda p: applied.read(p, NAME).updated_at, "2026-11-30T03:00:21Z"),
}
"""Name in the library → its own reader, and what it must say."""


@pytest.mark.parametrize("record", READ)
def test_each_record_is_read(paths: Paths, record: str) -> None:
    read, expected = READ[record]
    assert (paths.library / record).exists()
    assert read(paths) == expected


def test_no_record_is_left_out(paths: Paths) -> None:
    assert {one.name for one in paths.library.iterdir()} == set(READ)
    assert len(health.history(paths, NAME)) == 1


def test_what_was_applied_is_known_thing_by_thing(paths: Paths) -> None:
    found = applied.read(paths, NAME)
    assert found.configuration and len(found.resources) > 50
    assert not any(one.pending for one in found.resources.values())
    assert found.resources["package:nginx"].inputs == {}


def test_the_operation_log_is_read(paths: Paths) -> None:
    ended = [one.operation for one in read_entries(paths, NAME) if one.level == "SUCCESS"]
    assert ended == ["deploy", "reconfigure", "backup", "drill"]


def test_the_archive_is_verified(paths: Paths) -> None:
    (archive,) = archives(paths.prefix / "var/backups/vikunja" / NAME)
    metadata = read_metadata(archive)
    assert metadata is not None and metadata.instance_id == NAME
    checked = verify(archive)
    assert checked.sidecars and sum(checked.contents.tables.values()) == 9
