from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from build_trees import Repository
from runs import temporary_folder

from tasks.paths import Paths


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")


@pytest.fixture
def paths() -> Iterator[Paths]:
    """A prefix that the build's unprivileged user can reach, which pytest's folders are not."""
    prefix = temporary_folder()
    yield Paths(prefix)
    shutil.rmtree(prefix)
