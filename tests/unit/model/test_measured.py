"""How long updates took: kept for the next plan, and no trouble where it is damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.model.measured import Measured, read, write
from tasks.paths import Paths


def test_what_was_measured_is_read_again(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    assert read(paths, "main") == Measured(None, None)
    write(paths, "main", Measured(2.5, None))
    assert read(paths, "main") == Measured(2.5, None)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"write_stop": 1}'])
def test_a_damaged_record_is_as_good_as_none(tmp_path: Path, text: str) -> None:
    paths = Paths(tmp_path)
    write(paths, "main", Measured(2.5, 7))
    paths.measured("main").write_text(text)
    assert read(paths, "main") == Measured(None, None)


def test_only_numbers_count(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    write(paths, "main", Measured(2.5, 7))
    paths.measured("main").write_text('{"write_stop": true, "way_back": "soon"}')
    assert read(paths, "main") == Measured(None, None)
