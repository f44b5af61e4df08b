"""A pytest plugin: who runs tests at once gives those that share containers to one worker.

The files of a folder below tests/lab do, by the fixtures of its conftest.py; else those of a file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from xdist.scheduler import LoadFileScheduling

if TYPE_CHECKING:
    from xdist.remote import Producer

LAB = "tests/lab/"


class BySharedContainers(LoadFileScheduling):  # type: ignore[misc] # xdist has no types
    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        folder = file.rpartition("/")[0]
        return folder if folder.startswith(LAB) else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> BySharedContainers | None:
    return BySharedContainers(config, log) if config.getoption("dist") == "loadfile" else None
