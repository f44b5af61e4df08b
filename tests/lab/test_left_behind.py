"""What a run of the tests leaves behind when it is killed, and who removes it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from left_behind import INTERFACES, bridges_of_the_dead, clean_up, folders_of_the_dead
from places import temporary_prefix
from runs import MARK, our_mark

from tasks.containers.lxc import init
from tasks.model.holder import start_time
from tasks.paths import ROOT

RUN = """
import os, subprocess, sys, time
from pathlib import Path
from places import LabNetwork, spec_for, temporary_prefix
from runs import MARK, our_mark
from small_disk import small_disk
from tasks.containers.lxc.container import LxcContainer

os.environ[MARK] = our_mark()
number = os.getpid()
network = LabNetwork(f"vkdlab{number}", f"10.{100 + number // 250 % 78}.{number % 250}")
with temporary_prefix() as paths, small_disk(paths.prefix / "disk", 10):
    name = f"vkd-lab-{number}-killed"
    container = LxcContainer(spec_for(name, name, network), paths)
    container.create()
    container.start()
    child = subprocess.Popen(["sleep", "3600"], stdout=subprocess.DEVNULL)
    print(paths.prefix, container.folder, child.pid, flush=True)
    time.sleep(3600)
"""


class Run:
    """A process that does what a test with a container does, up to where it waits for its end."""

    def __init__(self) -> None:
        environment = {key: value for key, value in os.environ.items() if key != MARK}
        environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "tests/support")])
        argv = [sys.executable, "-c", RUN]
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=environment)
        assert self.process.stdout is not None
        prefix, container, child = self.process.stdout.readline().split()
        self.prefix, self.container, self.child = Path(prefix), Path(container), int(child)
        self.bridge = f"vkdlab{self.process.pid}"
        self.init = init.running_init(self.container)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def left(self) -> dict[str, bool]:
        return {
            "folder": self.prefix.exists(),
            "mount": str(self.prefix) in Path("/proc/self/mountinfo").read_text(),
            "container": is_there(self.init),
            "child": is_there(self.child),
            "bridge": (INTERFACES / self.bridge).exists(),
            "rules": self.bridge in rules(),
        }


def is_there(pid: int | None) -> bool:
    return pid is not None and start_time(pid) not in (None, "zombie")


def rules() -> str:
    return subprocess.run(["iptables-save"], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def a_run(lab_machine: None) -> Iterator[Run]:
    run = Run()
    yield run
    run.kill()
    clean_up()


def test_nothing_of_a_living_run_is_removed_and_everything_of_one_that_was_killed_is(
    a_run: Run,
) -> None:
    assert set(a_run.left().values()) == {True}
    clean_up()
    assert set(a_run.left().values()) == {True}
    a_run.kill()
    assert set(a_run.left().values()) == {True}
    _, failed = clean_up()
    assert not [what for what in failed if str(a_run.prefix) in what or a_run.bridge in what]
    assert set(a_run.left().values()) == {False}


def test_the_command_cleans_up_and_runs_no_test(a_run: Run) -> None:
    a_run.kill()
    done = subprocess.run(
        [ROOT / "doit", "test", "--clean"], check=True, capture_output=True, text=True
    )
    assert set(a_run.left().values()) == {False}
    assert f"removed: {a_run.prefix}\n" in done.stderr
    assert "passed" not in done.stdout


def test_the_next_run_of_any_test_removes_what_was_left(a_run: Run) -> None:
    a_run.kill()
    argv = [sys.executable, "-m", "pytest", "-q", "tests/unit/test_schemas.py"]
    subprocess.run(argv, cwd=ROOT, check=True, capture_output=True)
    assert set(a_run.left().values()) == {False}


def test_the_rules_of_a_bridge_that_is_gone_already_are_removed(a_run: Run) -> None:
    a_run.kill()
    subprocess.run(["ip", "link", "delete", a_run.bridge], check=True)
    clean_up()
    assert set(a_run.left().values()) == {False}


def test_a_run_that_ends_removes_what_its_fixtures_could_not() -> None:
    with temporary_prefix() as paths:
        assert paths.prefix not in folders_of_the_dead(frozenset())
        assert paths.prefix in folders_of_the_dead({our_mark()})


def test_a_bridge_that_is_not_named_as_a_test_s_is_let_be() -> None:
    name = f"vkdbench{2**22 - 1}"[:15]
    subprocess.run(["ip", "link", "add", name, "type", "bridge"], check=True)
    try:
        assert name not in bridges_of_the_dead(frozenset())
    finally:
        subprocess.run(["ip", "link", "delete", name], check=True)
