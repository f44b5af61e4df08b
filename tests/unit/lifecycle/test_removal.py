"""An uninstall that keeps the data: in which order, and what is put back where a step fails."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from instance_samples import sample_instance

from tasks.containers.base import ContainerFacts, ContainerSpec
from tasks.errors import DeployError
from tasks.host.process import Completed
from tasks.model import registry
from tasks.paths import Paths
from tasks.progress import SILENT, Progress
from tasks.workflows.service_scripts import RETIRE
from tasks.workflows.uninstall import UninstallRequest, uninstall

NAME = "vikunja-main"


class Box:
    """A container that writes down what is done to it, and fails where it is told to."""

    def __init__(self, running: bool, failing: str = "") -> None:
        self.spec = ContainerSpec(NAME, NAME, "trixie", NAME, 1, 512, 8, "br0", "", "")
        self.running = running
        self.serving = running
        self.enabled = True
        self.failing = failing
        self.did: list[str] = []

    def observe(self) -> ContainerFacts:
        return ContainerFacts(True, self.running, NAME, {})

    def copies(self) -> tuple[str, ...]:
        return ()

    def require_removable(self, *, kept: bool = False) -> None:
        self._do(f"removable {kept}")

    def _do(self, what: str) -> None:
        self.did.append(what)
        if what == self.failing:
            raise DeployError(f"{what} failed")

    def start(self, progress: Progress = SILENT) -> None:
        self._do("start")
        self.running, self.serving = True, self.enabled

    def stop(self, progress: Progress = SILENT) -> None:
        self._do("stop")
        self.running = self.serving = False

    def retire(self, progress: Progress = SILENT) -> None:
        if self.failing == "after the stop":
            self.running = self.serving = False
            raise DeployError("refused")
        self._do("retire")
        self.running = self.serving = False

    def run(self, argv: Sequence[str], **_: Any) -> Completed:
        if argv[:2] == ["sh", "-c"]:
            assert argv[2] == RETIRE.text
            self._do("disable")
            self.enabled = False
            return Completed(tuple(argv), 0, b"nginx.service vikunja-backend@blue.service\n", b"")
        assert argv[:3] == ["systemctl", "-q", "enable"]
        assert argv[-2:] == ["nginx.service", "vikunja-backend@blue.service"]
        self._do("enable")
        self.enabled = True
        self.serving = self.serving or "--now" in argv
        return Completed(tuple(argv), 0, b"", b"")


def keep(box: Box, paths: Paths, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What it warned of."""
    monkeypatch.setattr("tasks.workflows.remains.container_for", lambda *_: box)
    warned: list[str] = []
    request = UninstallRequest(backup=False, keep_data=True)
    uninstall(sample_instance(), paths, request, warn=warned.append)
    return warned


def test_how_much_its_archives_hold_stays_known_with_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = Paths(tmp_path)
    for path in (paths.holdings(NAME), paths.last_backup(NAME)):
        path.parent.mkdir(parents=True)
        path.write_text("{}")
    keep(Box(True), paths, monkeypatch)
    assert paths.holdings(NAME).exists()
    assert not paths.last_backup(NAME).exists()


def test_a_running_one_is_disabled_and_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = Box(running=True)
    assert keep(box, Paths(tmp_path), monkeypatch) == []
    assert box.did == ["removable True", "disable", "retire"]


def test_a_stopped_one_is_started_for_what_is_in_it_to_be_disabled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = Box(running=False)
    assert keep(box, Paths(tmp_path), monkeypatch) == []
    assert box.did == ["removable True", "start", "disable", "retire"]
    assert (box.running, box.enabled) == (False, False)


def test_a_stopped_one_that_cannot_be_started_says_what_is_left_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = Box(running=False, failing="start")
    (warned,) = keep(box, Paths(tmp_path), monkeypatch)
    assert box.did == ["removable True", "start", "retire"]
    assert "what served in it is still enabled (start failed)" in warned
    assert "disable nginx and vikunja-backend@… in it" in warned


@pytest.mark.parametrize("running", [True, False])
@pytest.mark.parametrize("failing", ["disable", "retire", "after the stop"])
def test_a_step_that_fails_leaves_it_as_it_was(
    running: bool, failing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box, paths = Box(running, failing), Paths(tmp_path)
    with pytest.raises(DeployError):
        keep(box, paths, monkeypatch)
    box.failing = ""
    assert (box.running, box.serving) == (running, running)
    assert box.enabled
    assert registry.find(paths, NAME) is None
