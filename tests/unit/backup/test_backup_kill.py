"""`kill -9` while an archive is written: what has an archive's name is whole, always."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from tasks.backup.verify import verify
from tasks.errors import DeployError
from tasks.model import archive as model
from tasks.model.archive import Archive
from tasks.paths import ROOT

WRITERS = tuple(
    str(ROOT / "tasks" / name)
    for name in ("backup/stream.py", "model/archive.py", "model/files.py", "host/locks.py")
)
EPOCH = 1729335600
EVERY = 5


def killed_at(number: int, work: Callable[[], object]) -> bool:
    """Whether a child that does the work died before the number-th line of the writers."""
    child = os.fork()
    if child == 0:
        try:
            sys.settrace(_killer(number))
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return True
    assert os.WEXITSTATUS(status) == 0
    return False


def _killer(number: int) -> Callable[[FrameType, str, Any], Any]:
    left = number

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        if frame.f_code.co_filename not in WRITERS:
            return None
        if event == "line":
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    return trace


@pytest.fixture
def data(data: Path) -> Path:
    """Little of it: every run is a whole backup."""
    for path in (data / "files").iterdir():
        if path.name.startswith("1") and len(path.name) > 1:
            path.unlink()
    (data / "database/vikunja.db").write_bytes(b"database " * 1000)
    return data


def test_a_backup_killed_anywhere_leaves_a_whole_archive_or_none(
    back_up: Callable[..., Archive], backups: Path
) -> None:
    first = back_up(EPOCH)
    outcomes = set()
    number = 1
    epoch = EPOCH + 1
    while killed_at(number, lambda: back_up(epoch)):
        there = model.archives(backups)
        for archive in there:
            assert verify(archive).sidecars
        latest = model.linked(backups, "latest")
        assert latest in there
        left = model.leftovers(backups)
        outcomes.add((len(there), latest == first, bool(left)))
        for path in left:
            path.unlink()
        assert model.leftovers(backups) == []
        for archive in there[1:]:
            model.remove(archive)
        model.point(first, "latest")
        names = {first.name, first.sidecar.name, first.checksum.name, "latest"}
        assert {path.name for path in backups.iterdir()} == names
        number += EVERY
    assert number > 20 * EVERY
    # Before the archive has its name, and after it; between those a sidecar may be left.
    assert (1, True, True) in outcomes
    assert any(count == 2 for count, _, _ in outcomes)


def test_a_backup_after_a_killed_one_needs_no_cleaning_up(
    back_up: Callable[..., Archive], backups: Path
) -> None:
    number = 1
    while killed_at(number, lambda: back_up(EPOCH)):
        if model.archives(backups):
            with pytest.raises(DeployError, match="of this name is there"):
                back_up(EPOCH)
            # Only the link may be missing, or half made, until the next one.
            model.remove(back_up(EPOCH + 1))
        else:
            assert verify(back_up(EPOCH)).sidecars
        assert model.leftovers(backups) == []
        model.remove(Archive(EPOCH, backups))
        number += 4 * EVERY
