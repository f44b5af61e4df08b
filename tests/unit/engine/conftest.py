from __future__ import annotations

from collections.abc import Iterator

import pytest
from model_site import Site, model_site


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """One instance on a model of a container, nothing deployed yet."""
    with model_site(monkeypatch) as made:
        yield made
