"""The lock among the nodes of a cluster: who has it, who may take it, and when it is free."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from tasks.errors import LockedError, NetworkError
from tasks.model import cluster_lock
from tasks.model.lock import Lock
from tasks.paths import Paths

NAME = "vikunja-main"


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """A node of a cluster."""
    made = Paths(tmp_path)
    (made.cluster / "priv/lock").mkdir(parents=True)
    members = {"nodename": "pve", "cluster": {"name": "lab", "quorate": 1}}
    (made.cluster / ".members").write_text(json.dumps(members))
    return made


@pytest.fixture
def folder(paths: Paths) -> Path:
    return paths.cluster / "priv/lock" / f"vikunja-deploy-{NAME}"


def held_by(paths: Paths, folder: Path, node: str) -> None:
    folder.mkdir()
    record = {"node": node, "pid": 1, "operation": "update"}
    (paths.cluster / "priv" / f"vikunja-deploy-{NAME}.holder").write_text(json.dumps(record))


def as_pmxcfs(monkeypatch: pytest.MonkeyPatch, limit: float) -> None:
    """The time 0 asks for removal: refused before `limit` seconds since the last refresh."""
    utime = os.utime

    def asked(path: Any, times: Any = None, **more: Any) -> None:
        if times != (0, 0):
            utime(path, times, **more)
        elif time.time() - os.stat(path).st_mtime < limit:  # noqa: PTH116
            raise PermissionError(13, "Permission denied")
        else:
            os.rmdir(path)  # noqa: PTH106

    monkeypatch.setattr(os, "utime", asked)


def test_the_lock_of_an_instance_is_the_clusters_too(paths: Paths, folder: Path) -> None:
    with Lock.acquire(paths, NAME, "deploy"):
        assert folder.is_dir()
        assert list(folder.iterdir()) == []
        record = json.loads((paths.cluster / f"priv/vikunja-deploy-{NAME}.holder").read_text())
        assert (record["node"], record["operation"]) == ("pve", "deploy")
    assert not folder.exists()
    assert list((paths.cluster / "priv").iterdir()) == [folder.parent]


def test_what_another_node_holds_is_left_to_it(
    paths: Paths, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_pmxcfs(monkeypatch, 120)
    held_by(paths, folder, "pve2")
    with pytest.raises(LockedError, match="locked by node pve2 of the cluster: update"):
        Lock.acquire(paths, NAME, "deploy")
    assert folder.is_dir()
    assert not paths.lock(NAME).exists()


def test_a_lock_that_was_not_refreshed_is_free(
    paths: Paths, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held_by(paths, folder, "pve2")
    os.utime(folder, (time.time() - 121,) * 2)
    as_pmxcfs(monkeypatch, 120)
    with Lock.acquire(paths, NAME, "deploy"):
        assert folder.is_dir()


def test_a_lock_of_a_dead_process_of_this_node_is_free_at_once(
    paths: Paths, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_pmxcfs(monkeypatch, 120)
    held_by(paths, folder, "pve")
    with Lock.acquire(paths, NAME, "deploy"):
        assert folder.is_dir()


def test_a_held_lock_is_refreshed(
    paths: Paths, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_lock, "REFRESH_SECONDS", 0.01)
    with Lock.acquire(paths, NAME, "deploy"):
        os.utime(folder, (0, 0))
        deadline = time.monotonic() + 60
        while folder.stat().st_mtime < 1 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert time.time() - folder.stat().st_mtime < 60


def test_a_lock_that_was_taken_away_is_no_error_when_it_is_given_back(
    paths: Paths, folder: Path
) -> None:
    with Lock.acquire(paths, NAME, "deploy"):
        folder.rmdir()
    assert not paths.lock(NAME).exists()


def test_without_quorum_there_is_no_lock(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    mkdir = Path.mkdir

    def refused(self: Path, *arguments: Any, **named: Any) -> None:
        if self.name.startswith("vikunja-deploy-"):
            raise PermissionError(13, "Permission denied", str(self))
        mkdir(self, *arguments, **named)

    monkeypatch.setattr(Path, "mkdir", refused)
    with pytest.raises(NetworkError, match="takes no changes"):
        Lock.acquire(paths, NAME, "deploy")
    monkeypatch.undo()
    assert not paths.lock(NAME).exists()


@pytest.mark.parametrize("members", [None, '{"nodename": "pve", "version": 0}', "half"])
def test_a_machine_in_no_cluster_has_its_own_lock_only(
    paths: Paths, folder: Path, members: str | None
) -> None:
    file = paths.cluster / ".members"
    file.unlink() if members is None else file.write_text(members)
    with Lock.acquire(paths, NAME, "deploy"):
        assert not folder.exists()
        assert paths.lock(NAME).is_dir()
