from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tasks.backup.space import SPARE, needed, require_space
from tasks.errors import ResourceError


def test_attachments_count_whole_and_a_dump_for_half() -> None:
    assert needed(0, 0) == SPARE
    assert needed(1_000_000, 500) == SPARE + 500_000 + 500


def test_enough_space_is_enough_even_for_a_folder_to_be_made(tmp_path: Path) -> None:
    require_space(tmp_path / "not/there/yet", 1000, 1000)


def test_too_little_space_is_told_with_both_figures(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    with pytest.raises(ResourceError, match=r"may need .* GB, and .* are free") as raised:
        require_space(tmp_path / "vikunja-main", 0, free + 10**12)
    assert "backup.directory" in raised.value.hint
    assert raised.value.where == str(tmp_path / "vikunja-main")
