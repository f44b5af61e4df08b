"""Networks and hosts as people publish them are taken, each with its right value."""

from __future__ import annotations

from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest
import yaml
from configuration_samples import data_of

from tasks.config import load_instances

CASES = yaml.safe_load(Path(__file__).with_name("published_networks.yaml").read_text())


def plain(value: Any, folder: Path) -> Any:
    """As YAML has it."""
    if isinstance(value, tuple):
        return [plain(one, folder) for one in value]
    return str(value).replace(str(folder), "FOLDER") if isinstance(value, Path) else value


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_it_gives_what_is_meant(case: dict[str, Any], folder: Path) -> None:
    (folder / "config.yaml").write_bytes(data_of(case))
    (instance,) = load_instances([Path("config.yaml")])
    found = {key: plain(attrgetter(key)(instance), folder) for key in case["gives"]}
    assert found == case["gives"]
