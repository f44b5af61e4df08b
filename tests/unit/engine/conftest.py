from __future__ import annotations

from collections.abc import Iterator

import pytest
from model_site import Site, model_site

from tasks.model import operations


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """One instance on a model of a container, nothing deployed yet."""
    with model_site(monkeypatch) as made:
        yield made


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("VIKUNJA_DEPLOY_CONFIG", "")
    yield
    operations._listeners.clear()
