"""Fixtures of the records' tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from kept_folders import lay
from killed_lines import KilledAnywhere, killed_at, left_by_lines

from tasks.paths import ROOT, Paths

WATCHED = (str(ROOT / "tasks" / "model"), str(ROOT / "tasks" / "host"))

KillAt = Callable[[int, Callable[[], object]], bool]


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path)


@pytest.fixture
def kill_at() -> KillAt:
    """kill_at(n, work): run `work` in a child that dies before the nth line of tasks/model or
    tasks/host that it runs. True if it died, False if it ended before that."""
    return partial(killed_at, WATCHED)


@pytest.fixture
def killed_anywhere(tmp_path: Path) -> KilledAnywhere:
    """killed_anywhere(work): at each step, the test's folder is as `work` leaves it that was killed
    before a line of tasks/model or tasks/host; lines that leave the same are one step."""

    def each(work: Callable[[], object]) -> Iterator[None]:
        for left in left_by_lines(WATCHED, tmp_path, work):
            lay(tmp_path, left.files)
            yield

    return each
