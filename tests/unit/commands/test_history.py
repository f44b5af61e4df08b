from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tasks.commands.history import History
from tasks.errors import BuildError
from tasks.model.operation_log import append, parse_line
from tasks.model.operations import operation
from tasks.paths import PREFIX_VARIABLE, Paths

NAME = "vikunja-main"

LOG = """\
[2025-10-19T10:30:00Z] [INFO] [deploy] Starting deployment of vikunja-main
[2025-10-19T10:35:00Z] [SUCCESS] [deploy] Deployment completed in 5m 0s
[2025-10-20T10:00:00Z] [INFO] [update] Starting update of vikunja-main
[2025-10-20T10:00:05Z] [WARN] [update] slow mirror
[2025-10-20T10:01:30Z] [ERROR] [update] Update failed after 1m 30s with exit code 9: pnpm: no\\nb
[2025-10-21T10:00:00Z] [INFO] [backup] Starting backup of vikunja-main
[2025-10-22T10:00:00Z] [INFO] [stop] Starting shutdown of vikunja-main
[2025-10-22T10:00:03Z] [ERROR] [stop] Shutdown cancelled after 3s with exit code 20: cancelled
"""

TABLE = """\
STARTED               OPERATION    DURATION    OUTCOME         REASON
2025-10-19T10:30:00Z  deploy       5m 0s       success
2025-10-20T10:00:00Z  update       1m 30s      failure (9)     pnpm: no
2025-10-21T10:00:00Z  backup       -           interrupted
2025-10-22T10:00:00Z  stop         3s          cancelled (20)  cancelled
"""


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    monkeypatch.setenv(PREFIX_VARIABLE, str(tmp_path))
    return Paths(tmp_path)


@pytest.fixture
def logged(paths: Paths) -> Paths:
    for line in LOG.splitlines():
        entry = parse_line(line)
        assert entry is not None
        append(paths, NAME, entry)
    return paths


@pytest.mark.usefixtures("logged")
def test_the_table_shows_every_operation_and_how_it_ended(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert History().parse_execute([NAME]) == 0
    shown = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert shown == TABLE.splitlines()


@pytest.mark.usefixtures("logged")
def test_lines_limits_it_to_the_newest_operations(capsys: pytest.CaptureFixture[str]) -> None:
    assert History().parse_execute(["--lines", "2", NAME]) == 0
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()[1:]] == [
        "backup",
        "stop",
    ]
    assert History().parse_execute(["-n", "0", NAME]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 5
    assert History().parse_execute(["--lines", "-1", NAME]) == 3
    assert capsys.readouterr().err == "error: --lines -1: less than the minimum 0\n"


@pytest.mark.usefixtures("logged")
def test_json_holds_everything_of_an_operation(capsys: pytest.CaptureFixture[str]) -> None:
    assert History().parse_execute(["--json", NAME]) == 0
    documents = json.loads(capsys.readouterr().out)
    assert [one["outcome"] for one in documents] == [
        "success",
        "failure",
        "interrupted",
        "cancelled",
    ]
    assert documents[1] == {
        "operation": "update",
        "started": "2025-10-20T10:00:00Z",
        "duration_seconds": 90,
        "outcome": "failure",
        "exit_code": 9,
        "reason": "pnpm: no\nb",
        "warnings": ["slow mirror"],
    }
    assert (documents[2]["duration_seconds"], documents[2]["exit_code"]) == (None, None)


def test_an_operation_under_way_is_in_progress_and_a_killed_one_interrupted(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    child = os.fork()
    if child == 0:
        with operation(paths, NAME, "deploy"):
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert History().parse_execute([]) == 0
    assert capsys.readouterr().out.split()[-4:][1:] == ["deploy", "-", "interrupted"]
    with operation(paths, NAME, "deploy"):
        assert History().parse_execute(["--json"]) == 0
        outcomes = [one["outcome"] for one in json.loads(capsys.readouterr().out)]
    assert outcomes == ["interrupted", "in_progress"]


def test_an_instance_of_which_nothing_was_logged_has_no_history(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(BuildError), operation(paths, NAME, "deploy"):
        raise BuildError("no")
    paths.log(NAME).unlink()
    assert History().parse_execute([]) == 0
    assert capsys.readouterr().err == "Nothing was done to vikunja-main yet\n"
    assert History().parse_execute(["--json"]) == 0
    assert capsys.readouterr().out == "[]\n"


def test_an_unknown_instance_is_an_error(paths: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    assert not list(paths.prefix.iterdir())
    assert History().parse_execute(["nobody"]) == 4
    assert capsys.readouterr().err == (
        "error: no instance 'nobody' on this host\n       There is none yet\n"
    )
