from __future__ import annotations

import os
from pathlib import Path

import pytest

from tasks.backup import flushing
from tasks.backup.flushing import AT_ONCE, Flusher


def test_what_is_written_is_begun_to_be_put_on_disk_piece_by_piece(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun: list[tuple[int, int, int, int]] = []
    monkeypatch.setattr(flushing, "_sync_file_range", lambda: lambda *asked: begun.append(asked))
    flusher = Flusher(7)
    for size in (1, AT_ONCE - 1, AT_ONCE, AT_ONCE + 5, 3 * AT_ONCE, 3 * AT_ONCE + 1):
        flusher.written(size)
    assert begun == [(7, 0, AT_ONCE, 2), (7, AT_ONCE, 2 * AT_ONCE, 2)]


def test_the_system_takes_it_and_the_file_is_what_was_written(tmp_path: Path) -> None:
    begin = flushing._sync_file_range()
    assert begin is not None
    data = os.urandom(1 << 20) * 9
    with (tmp_path / "file").open("wb", buffering=0) as file:
        file.write(data)
        assert begin(file.fileno(), 0, len(data), 2) == 0
        Flusher(file.fileno()).written(len(data))
    assert (tmp_path / "file").read_bytes() == data


def test_where_the_system_cannot_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flushing, "_sync_file_range", lambda: None)
    Flusher(-1).written(AT_ONCE)
    monkeypatch.undo()
    # A pipe, or what else is no disk.
    reading, writing = os.pipe()
    Flusher(writing).written(AT_ONCE)
    os.close(reading)
    os.close(writing)
