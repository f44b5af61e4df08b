"""A folder with the files that configurations of these tests name."""

from __future__ import annotations

from pathlib import Path

import pytest
from configuration_samples import make_folder


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("configuration")
    make_folder(folder)
    return folder


@pytest.fixture
def folder(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of a test; `config.yaml` in it is the test's own."""
    monkeypatch.chdir(prepared)
    (prepared / "config.yaml").unlink(missing_ok=True)
    return prepared
