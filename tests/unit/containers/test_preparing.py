"""What a machine lacks is brought about before anything is made, or nothing is made."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from tasks.containers.lxc import PACKAGES, preparing
from tasks.containers.lxc.preflight import Lack, missing_packages
from tasks.errors import ResourceError
from tasks.host import packages as machine
from tasks.paths import Paths
from tasks.progress import SILENT, Progress

Done = list[tuple[str, Sequence[str]]]


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> Done:
    """What is installed and configured, in order; nothing of it is done."""
    calls: Done = []

    def ensure(packages: Sequence[str], _: Progress = SILENT) -> list[str]:
        calls.append(("packages", packages))
        return list(packages)

    def ids() -> list[Path]:
        calls.append(("ids", ()))
        return []

    monkeypatch.setattr(machine, "ensure", ensure)
    monkeypatch.setattr(machine, "ensure_user_ids", ids)
    monkeypatch.setattr(preparing, "preflight", lambda _: [])
    return calls


def lack(monkeypatch: pytest.MonkeyPatch, *programs: str) -> None:
    there = shutil.which("sh")
    monkeypatch.setattr(shutil, "which", lambda name: None if name in programs else there)


def test_a_node_of_proxmox_ve_gets_mmdebstrap_alone(
    monkeypatch: pytest.MonkeyPatch, done: Done, tmp_path: Path
) -> None:
    lack(monkeypatch, "mmdebstrap")
    assert missing_packages() == ["mmdebstrap"]
    preparing.prepare_machine(Paths(tmp_path))
    assert done == [("packages", ["mmdebstrap"]), ("ids", ())]


def test_a_machine_without_lxc_gets_all_that_it_is_better_with(
    monkeypatch: pytest.MonkeyPatch, done: Done, tmp_path: Path
) -> None:
    lack(monkeypatch, "lxc-start", "lxc-attach", "newuidmap")
    preparing.prepare_machine(Paths(tmp_path))
    assert done[0] == ("packages", PACKAGES)


def test_nothing_is_asked_of_apt_where_all_is_there(
    monkeypatch: pytest.MonkeyPatch, done: Done, tmp_path: Path
) -> None:
    lack(monkeypatch)
    preparing.prepare_machine(Paths(tmp_path))
    assert done == [("ids", ())]


def test_what_cannot_be_brought_about_is_named(
    monkeypatch: pytest.MonkeyPatch, done: Done, tmp_path: Path
) -> None:
    lack(monkeypatch)
    kernel = Lack("the kernel has no overlay file system", "load the module overlay")
    other = Lack("another thing", "do that")
    monkeypatch.setattr(preparing, "preflight", lambda _: [kernel, other])
    with pytest.raises(ResourceError, match="the kernel has no overlay file system") as caught:
        preparing.prepare_machine(Paths(tmp_path))
    assert caught.value.hint == "load the module overlay; nothing of the instance was made"
    assert list(caught.value.evidence) == [str(other)]
    assert done == []


def test_what_is_only_better_with_it_keeps_nobody(
    monkeypatch: pytest.MonkeyPatch, done: Done, tmp_path: Path
) -> None:
    lack(monkeypatch)
    limits = Lack("no control groups", "mount them", needed=False)
    packages = Lack("packages are missing", "./doit apply", mended=True)
    monkeypatch.setattr(preparing, "preflight", lambda _: [limits, packages])
    preparing.prepare_machine(Paths(tmp_path))
    assert done == [("ids", ())]
