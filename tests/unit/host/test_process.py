"""Programs of this machine: what comes of them, and what is left when they are cut short."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tasks.errors import DeployError, ResourceError
from tasks.host.process import (
    Completed,
    TimedOut,
    ends_within,
    execute,
    kill_group,
    run,
    run_by_line,
    run_quickly,
    start,
)
from tasks.paths import ROOT

EVERY_BYTE = bytes(range(256))
LIMIT = 60
Runner = Callable[..., Completed]


def quickly(argv: list[str], timeout: float = LIMIT) -> Completed:
    return run_quickly(argv, environment=dict(os.environ), timeout=timeout)


def in_a_group(argv: list[str], timeout: float = LIMIT) -> Completed:
    return run(argv, timeout=timeout, group=True)


QUICKLY_OR_NOT = pytest.mark.parametrize("quickly", [False, True])
EITHER = pytest.mark.parametrize("runner", [run, in_a_group, quickly])


def sh(script: str, *arguments: object) -> list[str]:
    return ["sh", "-c", script, "sh", *map(str, arguments)]


def running(pid: int) -> bool:
    """Not one that has ended and waits for whoever adopted it to collect it."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def soon(true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + LIMIT
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def read_pid(file: Path) -> int:
    assert soon(lambda: file.exists() and file.read_text().endswith("\n"))
    return int(file.read_text())


# What comes back


@EITHER
def test_output_is_byte_for_byte_what_was_written(runner: Runner, tmp_path: Path) -> None:
    file = tmp_path / "bytes"
    file.write_bytes(EVERY_BYTE * 20_000)
    done = runner(sh('cat "$1"; cat "$1" "$1" >&2', file))
    assert done.returncode == 0
    assert done.stdout == file.read_bytes()
    assert done.stderr == file.read_bytes() * 2


@EITHER
@pytest.mark.parametrize(("script", "code"), [("exit 255", 255), ("kill -KILL $$", -9)])
def test_any_end_is_a_code(runner: Runner, script: str, code: int) -> None:
    done = runner(sh(f"echo said; {script}"))
    assert (done.returncode, done.stdout) == (code, b"said\n")


@EITHER
def test_there_is_nothing_to_read_where_nothing_is_given(runner: Runner) -> None:
    assert runner(["cat"]).stdout == b""


def test_input_is_byte_for_byte_what_is_given() -> None:
    assert run(["cat"], stdin=EVERY_BYTE * 5000).stdout == EVERY_BYTE * 5000
    assert run(["true"], stdin=EVERY_BYTE * 5000).returncode == 0


def test_arguments_are_words_whatever_is_in_them() -> None:
    words = ["", " ", "*", "--a=b", "a\nb", "ü", "$HOME"]
    done = run(["printf", "%s\\0", *words])
    assert done.stdout.decode().split("\0")[:-1] == words
    assert done.argv == ("printf", "%s\\0", *words)


def test_what_is_said_on_both_is_one_in_its_order() -> None:
    done = run(sh("echo one; echo two >&2; echo three"), merge=True)
    assert (done.stdout, done.stderr) == (b"one\ntwo\nthree\n", b"")


def test_it_runs_where_and_with_what_it_is_told(tmp_path: Path) -> None:
    (tmp_path / "only-here").write_text('#!/bin/sh\npwd; echo "$A:${B-none}"\n')
    (tmp_path / "only-here").chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "A": "a b"}
    os.environ["B"] = "ours"
    try:
        done = run(["only-here"], environment=environment, folder=str(tmp_path))
        assert done.stdout.decode() == f"{tmp_path}\na b:none\n"
        assert run(sh("pwd; echo $B")).stdout == b"/\nours\n"
    finally:
        del os.environ["B"]


def test_what_it_leaves_running_is_not_waited_for(tmp_path: Path) -> None:
    done = run(sh('sleep 600 & echo $! >"$1"; echo done', tmp_path / "pid"))
    assert done.stdout == b"done\n"
    os.kill(read_pid(tmp_path / "pid"), signal.SIGKILL)


# What cannot be started


@EITHER
def test_what_is_not_there_cannot_be_started(runner: Runner, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as raised:
        runner(["no-such-program"])
    assert (raised.value.filename, raised.value.strerror) == (
        "no-such-program",
        "No such file or directory",
    )


@EITHER
def test_nor_what_is_no_program(runner: Runner, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("echo a script without a first line that says so\n")
    with pytest.raises(PermissionError):
        runner([str(file)])
    file.chmod(0o755)
    with pytest.raises(OSError, match="Exec format error"):
        runner([str(file)])


def test_nor_anything_in_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        run(["true"], folder=str(tmp_path / "gone"))


# Errors with what, where, evidence and hint


@QUICKLY_OR_NOT
def test_a_program_that_is_missing_is_named(quickly: bool) -> None:
    with pytest.raises(ResourceError, match="no-such-program is not installed") as raised:
        execute(["no-such-program", "word"], where="there", quickly=quickly)
    assert raised.value.where == "there"
    assert "./doit check" in raised.value.hint


@QUICKLY_OR_NOT
def test_a_failure_has_its_last_lines_as_evidence(quickly: bool) -> None:
    with pytest.raises(DeployError, match=r"sh failed with exit code 3$") as raised:
        script = sh("echo out; seq 1 30 >&2; exit 3")
        execute(script, where="there", hint="do this", quickly=quickly)
    assert raised.value.evidence == tuple(str(number) for number in range(11, 31))
    assert (raised.value.where, raised.value.hint) == ("there", "do this")
    with pytest.raises(DeployError) as raised:
        execute(sh("echo out; exit 3"), quickly=quickly)
    assert raised.value.evidence == ("out",)
    assert execute(sh("exit 3"), check=False, quickly=quickly).returncode == 3


@QUICKLY_OR_NOT
def test_one_that_takes_too_long_is_killed_with_its_last_words_as_evidence(
    quickly: bool, tmp_path: Path
) -> None:
    script = 'echo $$ >"$1"; echo waiting >&2; exec sleep 600'
    with pytest.raises(DeployError, match="sh did not finish in 2 s") as raised:
        argv = sh(script, tmp_path / "pid")
        execute(argv, timeout=2, where="there", hint="do this", quickly=quickly)
    assert raised.value.evidence == ("waiting",)
    assert (raised.value.where, raised.value.hint) == ("there", "do this")
    assert not running(read_pid(tmp_path / "pid"))


# What is cut short


@pytest.mark.parametrize("runner", [in_a_group, quickly])
def test_a_group_that_takes_too_long_ends_with_all_that_it_started(
    runner: Runner, tmp_path: Path
) -> None:
    script = 'sleep 600 & echo $! >"$1"; echo waiting; wait'
    with pytest.raises(TimedOut) as raised:
        runner(sh(script, tmp_path / "pid"), timeout=2)
    assert raised.value.output == b"waiting\n"
    assert soon(lambda: not running(read_pid(tmp_path / "pid")))


INTERRUPTED = """
import sys
from tasks.host.process import run, run_quickly
how, *argv = sys.argv[1:]
try:
    if how == "quickly":
        run_quickly(argv, environment=dict(), timeout=60)
    else:
        run(argv, group=how == "group")
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.fixture
def interrupted(tmp_path: Path) -> Iterator[Callable[..., tuple[int, str]]]:
    """Runs a script in a process of its own, presses Ctrl-C once it runs; the program's process,
    and what was printed."""

    def press(how: str, script: str, *, whole: bool) -> tuple[int, str]:
        file = tmp_path / "pid"
        argv = ["/bin/sh", "-c", f'echo $$ >"$1"; {script}', "sh", str(file)]
        process = subprocess.Popen(
            [sys.executable, "-c", INTERRUPTED, how, *argv],
            stdout=subprocess.PIPE,
            cwd=ROOT,
            text=True,
            start_new_session=True,
        )
        pid = read_pid(file)
        # A terminal's goes to all that are in its group.
        os.killpg(process.pid, signal.SIGINT) if whole else process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=LIMIT)
        return pid, said

    yield press


@pytest.mark.parametrize("how", ["plain", "group", "quickly"])
def test_no_program_outlives_a_ctrl_c(
    how: str, interrupted: Callable[..., tuple[int, str]]
) -> None:
    pid, said = interrupted(how, "trap '' INT; while :; do sleep 0.1; done", whole=False)
    assert said == "interrupted\n"
    assert not running(pid)


def test_a_program_of_the_terminal_may_end_by_itself_at_a_ctrl_c(
    tmp_path: Path, interrupted: Callable[..., tuple[int, str]]
) -> None:
    script = f"trap 'echo >{tmp_path}/tidied; exit' INT; while :; do sleep 0.01; done"
    pid, said = interrupted("plain", script, whole=True)
    assert said == "interrupted\n"
    assert (tmp_path / "tidied").exists()
    assert not running(pid)


def test_a_ctrl_c_while_a_program_is_started_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setsid = os.setsid

    def interrupt() -> None:
        (tmp_path / "pid").write_text(f"{os.getpid()}\n")
        os.kill(os.getppid(), signal.SIGINT)
        setsid()

    monkeypatch.setattr(os, "setsid", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(["sleep", "600"], group=True)
    assert not running(read_pid(tmp_path / "pid"))


BEFORE_EXEC = """
import os, signal
from tasks.host.process import run
setsid = os.setsid
def interrupt():
    os.kill(os.getpid(), signal.SIGINT)
    setsid()
os.setsid = interrupt
try:
    print(run(["sleep", "600"], group=True).returncode, flush=True)
finally:
    print("end", flush=True)
"""


def test_a_ctrl_c_between_fork_and_exec_ends_the_child_and_nothing_else() -> None:
    """The child is a copy of its parent until then: it must not go on as one."""
    done = subprocess.run(
        [sys.executable, "-c", BEFORE_EXEC], stdout=subprocess.PIPE, cwd=ROOT, timeout=LIMIT
    )
    assert done.stdout.split() == [b"-2", b"end"]


def test_a_program_hears_signals_as_it_does_from_anybody() -> None:
    def theirs(argv: list[str]) -> list[bytes]:
        status = run(argv).stdout.splitlines()
        return [line for line in status if line.startswith((b"SigBlk", b"SigIgn", b"SigCgt"))]

    expected = subprocess.run(["cat", "/proc/self/status"], stdout=subprocess.PIPE, check=True)
    lines = theirs(["cat", "/proc/self/status"])
    assert len(lines) == 3
    assert all(line in expected.stdout.splitlines() for line in lines)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        ignored = dict(line.split() for line in theirs(["cat", "/proc/self/status"]))
    finally:
        signal.signal(signal.SIGHUP, before)
    assert int(ignored[b"SigIgn:"], 16) & 1 << signal.SIGHUP - 1


def test_this_process_hears_signals_as_before() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    run(["true"])
    with pytest.raises(FileNotFoundError):
        run(["no-such-program"])
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


# Descriptors


def test_a_program_holds_a_lock_that_it_is_given_and_nothing_else(tmp_path: Path) -> None:
    lock = os.open(tmp_path / "lock", os.O_CREAT | os.O_RDWR)
    other = os.open(tmp_path / "other", os.O_CREAT | os.O_RDWR)
    os.set_inheritable(other, True)
    try:
        done = execute(["ls", "-l", "/proc/self/fd"], lock=lock)
        held = done.stdout.decode()
        assert str(tmp_path / "lock") in held
        assert str(tmp_path / "other") not in held
        assert not os.get_inheritable(lock)
        assert str(tmp_path) not in execute(["ls", "-l", "/proc/self/fd"]).stdout.decode()
    finally:
        os.close(lock)
        os.close(other)


# Line by line


def test_lines_come_as_they_are_said(tmp_path: Path) -> None:
    go = tmp_path / "go"
    script = (
        'echo one; until [ -e "$1" ]; do sleep 0.01; done; printf "two\\377\\nthree" >&2; exit 5'
    )
    seen: list[str] = []

    def show(line: str) -> None:
        assert threading.current_thread() is threading.main_thread()
        seen.append(line)
        go.touch()

    with (tmp_path / "given").open("w+b") as given:
        code = run_by_line(sh(script, go), show, stdin=given, environment=dict(os.environ))
    assert (code, seen) == (5, ["one\n", "two\N{REPLACEMENT CHARACTER}\n", "three"])


def test_whoever_shows_a_line_may_end_it(tmp_path: Path) -> None:
    def show(line: str) -> None:
        raise KeyboardInterrupt

    script = 'echo $$ >"$1"; cat; exec sleep 600'
    (tmp_path / "given").write_text("given\n")
    with (tmp_path / "given").open("rb") as given, pytest.raises(KeyboardInterrupt):
        run_by_line(sh(script, tmp_path / "pid"), show, stdin=given, environment=dict(os.environ))
    assert not running(read_pid(tmp_path / "pid"))


# Streams


def test_what_is_started_leads_a_session_that_is_killed_as_a_whole(tmp_path: Path) -> None:
    process = start(sh('sleep 600 & echo $! >"$1"; wait', tmp_path / "pid"), folder="/")
    with process:
        assert os.getsid(process.pid) == process.pid
        child = read_pid(tmp_path / "pid")
        assert not ends_within(process.pid, 0.01)
        kill_group(process)
        assert ends_within(process.pid, LIMIT)
    kill_group(process)
    assert soon(lambda: not running(child))
    assert ends_within(process.pid, 0)


# Nothing else starts programs


def test_programs_are_started_in_one_module() -> None:
    starting = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "tasks").rglob("*.py")
        if {"subprocess", "sh"} & _imported(path)
    }
    assert starting == {"tasks/host/process.py"}


def _imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {one.name.partition(".")[0] for one in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
    return found


def test_sh_is_imported_by_the_first_program_and_not_before() -> None:
    code = (
        "import sys; from tasks.host.process import run, run_quickly\n"
        "run_quickly(['true'], environment={}, timeout=60); print('sh' in sys.modules)\n"
        "run(['true']); print('sh' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "True"]
