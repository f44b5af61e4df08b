from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tasks.commands.unlock import Unlock
from tasks.model.holder import inspect, ourselves
from tasks.model.lock import Lock
from tasks.model.operation_log import read_entries
from tasks.model.operations import operation
from tasks.paths import PREFIX_VARIABLE, Paths

NAME = "vikunja-main"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    monkeypatch.setenv(PREFIX_VARIABLE, str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    return Paths(tmp_path)


def lock_by_another_host(paths: Paths, seconds_ago: int) -> str:
    """Returns since when."""
    folder = paths.lock(NAME)
    folder.mkdir(parents=True)
    files = {
        "pid": "5",
        "timestamp": str(int(time.time()) - seconds_ago),
        "owner": "root@elsewhere",
        "operation": "backup",
    }
    for name, text in files.items():
        (folder / name).write_text(text)
    info = inspect(paths, NAME)
    assert info is not None
    return info.since


def test_a_stale_lock_is_removed_shown_and_logged(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    since = lock_by_another_host(paths, 4000)
    assert Unlock().parse_execute(["--yes", NAME]) == 0
    captured = capsys.readouterr()
    holder = f"backup by root@elsewhere (pid 5) since {since}"
    assert captured.err == (
        f"vikunja-main is locked by {holder}. "
        "Whether its process is alive cannot be judged from here.\n"
    )
    assert captured.out == "Unlocked vikunja-main\n"
    assert inspect(paths, NAME) is None
    (entry,) = read_entries(paths, NAME)
    assert (entry.level, entry.operation) == ("WARN", "backup")
    assert entry.message == f"Removed the lock of {holder} by unlock"


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("YES", 0), ("n", 20), ("", 20)])
def test_on_a_terminal_it_asks(
    paths: Paths,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    code: int,
) -> None:
    lock_by_another_host(paths, 4000)
    monkeypatch.setattr(sys, "stdin", Terminal(f"{answer}\n"))
    assert Unlock().parse_execute([NAME]) == code
    assert "Remove the lock of vikunja-main? [y/N] " in capsys.readouterr().err
    assert (inspect(paths, NAME) is None) == (code == 0)


def test_without_a_terminal_it_needs_yes(paths: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    lock_by_another_host(paths, 4000)
    assert Unlock().parse_execute([NAME]) == 3
    assert "./doit unlock --yes vikunja-main" in capsys.readouterr().err
    assert inspect(paths, NAME) is not None


def test_a_live_holder_is_refused_unless_forced(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    user = ourselves()[2]
    lock = Lock.acquire(paths, NAME, "update")
    info = inspect(paths, NAME)
    assert info is not None
    assert Unlock().parse_execute(["--yes", NAME]) == 5
    assert capsys.readouterr().err.splitlines()[0] == (
        f"error: vikunja-main: locked by update by {user} (pid {os.getpid()}) "
        f"since {info.since}, which is alive"
    )
    assert inspect(paths, NAME) == info
    assert Unlock().parse_execute(["--yes", "--force", NAME]) == 0
    assert "Its process is alive." in capsys.readouterr().err
    assert inspect(paths, NAME) is None
    lock.release()


def test_a_holder_that_cannot_be_judged_is_refused_for_an_hour(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    lock_by_another_host(paths, 3000)
    assert Unlock().parse_execute(["--yes", NAME]) == 5
    assert "./doit unlock --force vikunja-main" in capsys.readouterr().err
    assert Unlock().parse_execute(["--yes", "--force", NAME]) == 0
    assert inspect(paths, NAME) is None


def test_the_lock_of_a_killed_process_is_removed(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    child = os.fork()
    if child == 0:
        with operation(paths, NAME, "deploy"):
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert Unlock().parse_execute(["--yes"]) == 0
    captured = capsys.readouterr()
    assert captured.err.endswith("Its process has ended.\n")
    assert captured.out == "Unlocked vikunja-main\n"


def test_an_empty_lock_folder_of_another_tool_is_removed_when_it_is_stale(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    subprocess.run(["mkdir", "-p", paths.lock(NAME)], check=True)
    assert Unlock().parse_execute(["--yes", NAME]) == 5
    os.utime(paths.lock(NAME), (1, time.time() - 4000))
    assert Unlock().parse_execute(["--yes", NAME]) == 0
    assert "an unknown operation by somebody" in capsys.readouterr().err
    assert inspect(paths, NAME) is None
    assert list(read_entries(paths, NAME)) == []


def test_what_is_not_locked_is_left_alone(paths: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    with operation(paths, NAME, "deploy"):
        pass
    assert Unlock().parse_execute([]) == 0
    assert capsys.readouterr().out == "vikunja-main is not locked\n"


def test_without_root_it_says_so_at_once(
    paths: Paths, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lock_by_another_host(paths, 4000)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert Unlock().parse_execute(["--yes", NAME]) == 3
    assert capsys.readouterr().err.startswith("error: unlock needs root\n")
    assert inspect(paths, NAME) is not None


def test_what_stands_in_a_lock_cannot_steer_a_terminal(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    lock_by_another_host(paths, 4000)
    (paths.lock(NAME) / "owner").write_text("root\x1b[2J\x9b@elsewhere")
    assert Unlock().parse_execute(["--yes", NAME]) == 0
    assert "locked by backup by root\\x1b[2J\\u009b@elsewhere (pid 5)" in capsys.readouterr().err
