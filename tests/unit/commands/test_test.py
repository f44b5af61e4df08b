from __future__ import annotations

import pytest

from tasks.commands.test import Test as Command
from tasks.commands.test import pytest_argv


def test_tests_run_side_by_side_a_file_at_a_time() -> None:
    assert pytest_argv([], workers=2, coverage=True) == [
        *("-m", "pytest", "--numprocesses", "2", "--dist", "loadfile"),
        "--no-loadscope-reorder",
        *("--cov", "--cov-report="),
    ]


def test_one_worker_is_plain_pytest() -> None:
    argv = pytest_argv(["tests/unit", "-x"], workers=1, coverage=False)
    assert argv == ["-m", "pytest", "tests/unit", "-x"]


def test_cleaning_up_runs_no_tests_and_takes_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert Command().parse_execute(["--clean", "tests/unit"]) == 3
    assert "--clean runs no tests, and takes nothing else" in capsys.readouterr().err
