"""Every wrong configuration of bad_inputs.yaml gives exactly its messages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from configuration_samples import data_of

from tasks.config import load_instances
from tasks.errors import ConfigError

CASES = yaml.safe_load(Path(__file__).with_name("bad_inputs.yaml").read_text())


def messages(error: ConfigError, folder: Path) -> list[str]:
    return [
        str(problem).replace(str(folder), "FOLDER")
        + (f" => {problem.hint.replace(str(folder), 'FOLDER')}" if problem.hint else "")
        for problem in error.problems
    ]


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_a_wrong_configuration_gives_exactly_these_messages(
    case: dict[str, Any], folder: Path
) -> None:
    (folder / "config.yaml").write_bytes(data_of(case))

    with pytest.raises(ConfigError) as caught:
        load_instances([Path("config.yaml")])

    assert messages(caught.value, folder) == case["expect"]
    assert "hunter2" not in str(messages(caught.value, folder))


def test_there_are_at_least_120_different_problems() -> None:
    assert len({tuple(case["expect"]) for case in CASES}) >= 120
