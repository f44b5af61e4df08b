"""A run of everything names the files whose tests were not in it; other runs are let be."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SUPPORT = Path(__file__).parents[1] / "support"
PASSES = "def test_it():\n    pass\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Two files of tests; one lies where pytest does not look."""
    (tmp_path / "pyproject.toml").write_text('[tool.pytest.ini_options]\ntestpaths = ["tests"]\n')
    for name in ("tests/unit/test_one.py", "tests/unit/build/test_two.py"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(PASSES)
    return tmp_path


def run(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # Of all plugins that are installed, the one that is needed: each takes longer than the tests.
    plugins = ("-p", "whole_suite", "-p", "xdist", "-p", "no:cacheprovider")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "COV"))}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "--disable-plugin-autoload", *plugins, *arguments],
        cwd=tree,
        env=environment | {"PYTHONPATH": str(SUPPORT)},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("workers", [(), ("--numprocesses", "2", "--dist", "loadfile")])
def test_a_whole_run_fails_and_names_the_file_that_was_not_collected(
    tree: Path, workers: tuple[str, ...]
) -> None:
    done = run(tree, *workers)
    assert done.returncode == 1, done.stdout
    assert "1 passed" in done.stdout
    assert "\ntests/unit/build/test_two.py\n" in done.stdout
    assert "test_one.py\n" not in done.stdout


@pytest.mark.parametrize("workers", [(), ("--numprocesses", "2", "--dist", "loadfile")])
def test_a_whole_run_with_every_file_in_it_succeeds(tree: Path, workers: tuple[str, ...]) -> None:
    (tree / "tests/unit/build").rename(tree / "tests/unit/builds")
    done = run(tree, *workers)
    assert done.returncode == 0, done.stdout


def test_a_file_without_a_test_fails_a_whole_run_also_outside_of_the_folder_of_tests(
    tree: Path,
) -> None:
    (tree / "tests/unit/build/test_two.py").unlink()
    (tree / "test_empty.py").write_text("def helper():\n    pass\n")
    done = run(tree)
    assert done.returncode == 1, done.stdout
    assert "\ntest_empty.py\n" in done.stdout


@pytest.mark.parametrize(
    "arguments", [("tests/unit/test_one.py",), ("-k", "it"), ("--collect-only",)]
)
def test_a_run_of_named_or_selected_tests_is_not_held_to_it(
    tree: Path, arguments: tuple[str, ...]
) -> None:
    done = run(tree, *arguments)
    assert done.returncode == 0, done.stdout


def test_a_run_that_was_ended_early_says_only_that(tree: Path) -> None:
    (tree / "tests/unit/test_one.py").write_text("def test_it():\n    assert False\n")
    done = run(tree, "-x")
    assert done.returncode == 1, done.stdout
    assert "test_two" not in done.stdout


def test_what_tools_and_hidden_folders_hold_are_no_tests_of_the_tree(tree: Path) -> None:
    (tree / "tests/unit/build").rename(tree / "tests/unit/builds")
    for folder in (".venv/lib", "build/lib", "mutants/tests", "tests/node_modules/x"):
        (tree / folder).mkdir(parents=True)
        (tree / folder / "test_other.py").write_text("")
    done = run(tree)
    assert done.returncode == 0, done.stdout
