from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from backup_samples import EPOCH

from tasks.backup.listing import age_text, document, listing, size_text, table
from tasks.model import archive as model
from tasks.model.archive import Archive

NOW = datetime.fromtimestamp(EPOCH + 3 * 3600, UTC)


def test_archives_are_listed_newest_first(back_up: Callable[..., Archive], backups: Path) -> None:
    first, second = back_up(EPOCH), back_up(EPOCH + 7200)
    model.point(first, "verified")
    listed = listing(backups)
    assert [one.archive for one in listed] == [second, first]
    size = size_text(first.path.stat().st_size)
    lines = [line.split() for line in table(listed, NOW).splitlines()]
    assert len(lines[0]) == 10
    assert lines[2] == [
        *f"2024-10-19T11:00:00Z 3 h {size} v0.24.6 sqlite 203 manual yes -".split(),
        f"{EPOCH}.tar.gz",
    ]
    shown = document(listed[0])
    assert (shown["verified"], shown["encrypted"], shown["problem"]) == (False, False, None)
    assert shown["size_bytes"] == second.path.stat().st_size


def test_a_damaged_or_missing_sidecar_hides_nothing(
    back_up: Callable[..., Archive], backups: Path
) -> None:
    back_up(EPOCH).sidecar.write_text("{")
    back_up(EPOCH + 1).sidecar.unlink()
    bare, damaged = listing(backups)
    assert (bare.metadata, bare.problem) == (None, None)
    assert damaged.problem is not None
    assert "./doit verify" in damaged.problem.hint
    assert table([bare, damaged], NOW).count("?") == 8


def test_no_folder_is_no_archives(tmp_path: Path) -> None:
    assert listing(tmp_path / "none") == ()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (7199, "1 h"),
        (172_799, "47 h"),
        (172_800, "2 days"),
    ],
)
def test_ages_read_as_people_say_them(seconds: int, text: str) -> None:
    assert age_text(EPOCH, datetime.fromtimestamp(EPOCH + seconds, UTC)) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (123_456, "123 kB"), (5_400_000_000, "5.4 GB")],
)
def test_sizes_read_as_people_say_them(size: int, text: str) -> None:
    assert size_text(size) == text
