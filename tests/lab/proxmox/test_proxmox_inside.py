"""Programs in a container as on a Proxmox VE node: a container whose name is its number."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from tasks.containers.base import MARKER_PATH
from tasks.containers.lxc.container import LxcContainer
from tasks.containers.proxmox.guest_access import Inside
from tasks.errors import DeployError, ResourceError
from tasks.paths import Paths

MakeContainer = Callable[[str], LxcContainer]


@pytest.fixture(scope="module")
def numbered(make_container: MakeContainer, lab_paths: Paths) -> Iterator[LxcContainer]:
    desired = make_container("numbered").spec
    container = LxcContainer(replace(desired, name=str(100_000 + os.getpid())), lab_paths)
    container.create()
    container.start()
    yield container
    container.destroy()


@pytest.fixture
def box(numbered: LxcContainer, lab_paths: Paths) -> Inside:
    spec = numbered.spec
    return Inside(int(spec.name), spec.instance_id, "vikunja-main", lab_paths.lxc)


def test_a_program_runs_as_it_would_without_the_proof(box: Inside) -> None:
    odd = ["a b", "$HOME", "'", '"', "*", "--name=x", "ä", "", "a\nb", "-n"]
    done = box.run(["printf", "%s\\0", *odd])
    assert done.stdout.decode().split("\0")[:-1] == odd
    assert done.argv[0] == "printf"
    assert box.run(["pwd"]).stdout == b"/\n"
    assert box.run(["cat"], stdin=bytes(range(256))).stdout == bytes(range(256))


def test_files_go_in_and_out(box: Inside, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(os.urandom(1 << 20))
    with (tmp_path / "in").open("rb") as source, (tmp_path / "out").open("wb") as target:
        box.run(["cat"], stdin=source, stdout=target)
    assert (tmp_path / "out").read_bytes() == (tmp_path / "in").read_bytes()


@pytest.mark.parametrize("code", [0, 1, 113, 127, 255])
def test_exit_codes_are_the_programs(box: Inside, code: int) -> None:
    assert box.run(["sh", "-c", f"exit {code}"], check=False).returncode == code


def test_a_failure_names_the_program(box: Inside) -> None:
    with pytest.raises(DeployError, match="vikunja-main: ls failed with exit code 2") as caught:
        box.run(["ls", "/nowhere"])
    assert "No such file" in caught.value.evidence[-1]
    with pytest.raises(DeployError, match=r"sleep did not finish in 0\.5 s and was killed"):
        box.run(["sleep", "1000"], timeout=0.5)
    assert b"sleep" not in box.run(["sh", "-c", "cat /proc/[0-9]*/comm"]).stdout


def test_another_instances_container_is_left_alone(box: Inside) -> None:
    foreign = replace(box, instance_id="vikunja-other")
    for act in (lambda: foreign.run(["touch", "/root/foreign"]), foreign.mark):
        with pytest.raises(ResourceError, match="not proven to be instance vikunja-other's") as no:
            act()
        assert no.value.evidence == (f"{MARKER_PATH} in the container says: {box.instance_id}",)
    assert box.run(["test", "-e", "/root/foreign"], check=False).returncode == 1


def test_a_container_without_a_marker_is_ours_only_once_it_is_marked(box: Inside) -> None:
    box.run(["rm", MARKER_PATH])
    try:
        with pytest.raises(ResourceError, match="not proven") as caught:
            box.run(["true"])
    finally:
        box.mark()
    assert caught.value.evidence == (f"{MARKER_PATH} in the container says: nothing",)
    box.mark()
    shown = box.run(["stat", "--format=%a %U %s", MARKER_PATH]).stdout.decode()
    assert shown == f"644 root {len(box.instance_id) + 1}\n"


def test_a_container_that_is_not_here_or_does_not_run_is_told(box: Inside) -> None:
    with pytest.raises(ResourceError, match="container 99 does not run on its node"):
        replace(box, vmid=99).run(["true"])
