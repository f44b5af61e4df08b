from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from build_trees import Repository

from tasks.paths import Paths


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")


@pytest.fixture
def paths() -> Iterator[Paths]:
    """A prefix that the build's unprivileged user can reach, which pytest's folders are not."""
    prefix = Path(tempfile.mkdtemp(prefix="vikunja-deploy-build-"))
    prefix.chmod(0o755)
    yield Paths(prefix)
    shutil.rmtree(prefix)
