"""Containers of this machine by name, and on a node of Proxmox VE by number or host name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tasks.containers import elsewhere
from tasks.containers.elsewhere import in_container
from tasks.errors import ResourceError
from tasks.host.process import Completed
from tasks.paths import Paths

NOTHING: dict[str, Any] = {"stdin": None, "stdout": None, "timeout": 9.0}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Path]]:
    """Which containers were asked, and where they are."""
    found: list[tuple[str, Path]] = []

    def attach(name: str, folder: Path, argv: Any, **_: Any) -> Completed:
        found.append((name, folder))
        return Completed(tuple(argv), 0, b"", b"")

    monkeypatch.setattr(elsewhere, "attach", attach)
    return found


@pytest.fixture
def node(tmp_path: Path) -> Path:
    folder = tmp_path / "pve/lxc"
    folder.mkdir(parents=True)
    (folder / "105.conf").write_text("arch: amd64\nhostname: todo\n\n[before]\nhostname: other\n")
    (folder / "106.conf").write_text("hostname: todo-2\n")
    return folder.parent


@pytest.mark.parametrize("name", ["105", "todo"])
def test_a_node_knows_its_containers(
    name: str, node: Path, tmp_path: Path, asked: list[tuple[str, Path]]
) -> None:
    in_container(f"container:{name}", name, Paths(tmp_path), node)(["true"], **NOTHING)
    assert asked == [("105", Path("/var/lib/lxc"))]


def test_a_machine_without_proxmox_knows_them_by_name(
    tmp_path: Path, asked: list[tuple[str, Path]]
) -> None:
    folder = Paths(tmp_path).lxc
    (folder / "todo").mkdir(parents=True)
    (folder / "todo/config").touch()
    in_container("container:todo", "todo", Paths(tmp_path), tmp_path / "pve")(["true"], **NOTHING)
    assert asked == [("todo", folder)]


def test_those_that_are_there_are_named(node: Path, tmp_path: Path) -> None:
    with pytest.raises(ResourceError) as caught:
        in_container("container:107", "107", Paths(tmp_path), node)
    assert str(caught.value) == "container:107: no container 107 on this machine"
    assert caught.value.hint == "There are: 105, 106"


def test_one_that_does_not_run_is_said(
    node: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = b"lxc-attach: 105: ../src/lxc/attach.c: get_attach_context: 406 - Failed to get init pid"

    def attach(*_: Any, **__: Any) -> Completed:
        return Completed(("sh",), 1, b"", said)

    monkeypatch.setattr(elsewhere, "attach", attach)
    run = in_container("container:105", "105", Paths(tmp_path), node)
    with pytest.raises(ResourceError) as caught:
        run(["true"], **NOTHING)
    assert str(caught.value) == "container:105: container 105 does not run"
