"""Fixtures of the records' tests."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from killed_lines import killed_at

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
