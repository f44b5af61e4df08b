"""Ctrl-C at any moment while a program is started, runs or is killed: none is left running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from tasks.containers.lxc import attach as module
from tasks.containers.lxc.attach import attach
from tasks.errors import DeployError
from tasks.host import interrupts, process
from tasks.host.interrupts import PutOff

STAND_IN = """#!/bin/sh
# Becomes the program, as lxc-attach starts it.
while [ "$1" != -- ]; do shift; done
shift
exec "$@"
"""
WATCHED = {module.__file__, interrupts.__file__, process.__file__, subprocess.__file__}
LEFT_OUT = {"_processes", "communicate", "_communicate", "wait", "_wait", "_internal_poll"}
"""How many lines these take depends on what else runs; or Python waits a while for the program."""
LIMIT = 60


@pytest.fixture
def lxc_attach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in in PATH; its file."""
    file = tmp_path / "bin/lxc-attach"
    file.parent.mkdir()
    file.write_text(STAND_IN)
    file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{file.parent}:{os.environ['PATH']}")
    return file


def running(word: str) -> list[int]:
    """Processes that have this word among their arguments."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                words = (folder / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if word.encode() in words:
                found.append(int(folder.name))
    return found


def interrupted_at(line: int, argv: list[str]) -> bool:
    """Attach, with SIGINT before the line-th line of what starts, awaits and kills programs.
    Whether there were so many."""
    left = line
    # Of whoever measures which lines the tests run.
    before = sys.gettrace()

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        code = frame.f_code
        if code.co_filename not in WATCHED or code.co_name in LEFT_OUT:
            return None
        if event == "line":
            left -= 1
            if left == 0:
                sys.settrace(None)
                signal.raise_signal(signal.SIGINT)
        return trace

    sys.settrace(trace)
    try:
        attach("box", Path("/nowhere"), argv, stdin=None, stdout=None, timeout=0.03, check=True)
    finally:
        sys.settrace(before)
    raise AssertionError("the program ended by itself")


def test_an_interrupt_at_any_moment_leaves_no_program_running(lxc_attach: Path) -> None:
    word = f"600.{os.getpid()}"
    interrupted = 0
    # Every third: the gaps that matter are wider, and each costs a look through all processes.
    for line in count(1, 3):
        try:
            interrupted_at(line, ["sleep", word])
        except KeyboardInterrupt:
            interrupted += 1
        except DeployError as late:
            assert "did not finish" in late.what
            assert running(word) == []
            break
        assert running(word) == [], f"line {line}"
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert interrupted > 100


LEADER = """
import subprocess, sys, time
program, go = sys.argv[1:]
print("ready", flush=True)
with open(go) as pipe:
    pipe.read()
subprocess.run(["sleep", program], start_new_session=True)
"""


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_what_was_not_started_yet_when_it_is_killed_never_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    word = f"601.{os.getpid()}"
    go = tmp_path / "go"
    os.mkfifo(go)
    leader = subprocess.Popen(
        [sys.executable, "-c", LEADER, word, str(go)],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert leader.stdout is not None and leader.stdout.readline() == b"ready\n"
    descriptor = os.open(go, os.O_RDWR)
    look = module._processes

    def look_then_go() -> list[module.Seen]:
        # Just after it was looked for, the program would start.
        nonlocal descriptor
        found = look()
        if descriptor >= 0:
            os.close(descriptor)
            descriptor = -1
            until = time.monotonic() + LIMIT
            while state(leader.pid) != "T" and not running(word):
                assert time.monotonic() < until
                time.sleep(0.01)
        return found

    monkeypatch.setattr(module, "_processes", look_then_go)
    module._kill(leader)
    assert leader.wait() == -signal.SIGKILL
    assert running(word) == []
    leader.stdout.close()


def test_all_that_a_program_started_is_killed_and_it_ends_by_itself() -> None:
    word = f"602.{os.getpid()}"
    inside = f"setsid sleep {word} & sleep {word} & echo ready; wait"
    leader = subprocess.Popen(["sh", "-c", inside], stdout=subprocess.PIPE, start_new_session=True)
    assert leader.stdout is not None and leader.stdout.readline() == b"ready\n"
    module._kill(leader)
    # As lxc-attach has to: it collects what it started.
    assert leader.wait() >= 0
    assert running(word) == []
    leader.stdout.close()


def test_an_interrupt_is_put_off_and_comes_once() -> None:
    reached = []
    with pytest.raises(KeyboardInterrupt), PutOff() as held:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        reached.append("held")
        with held.let_through():
            reached.append("never")
    assert reached == ["held"]
    with pytest.raises(KeyboardInterrupt), PutOff():
        signal.raise_signal(signal.SIGINT)
        reached.append("to the end")
    assert reached == ["held", "to the end"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_once_let_through_it_comes_at_once() -> None:
    with pytest.raises(KeyboardInterrupt), PutOff() as held, held.let_through():
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("never")


def test_who_ignores_interrupts_goes_on_to_and_threads_are_not_concerned() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with PutOff() as held:
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
            with held.let_through():
                pass
    finally:
        signal.signal(signal.SIGINT, before)
    done: list[bool] = []

    def elsewhere() -> None:
        with PutOff() as held, held.let_through():
            done.append(True)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert done == [True]
