"""A pytest plugin: a run of everything fails where a file of tests has no test in it.

A folder that pytest passes over, or a file without a test, would else look like success. Runs of
named files, and those that select tests, are not held to it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

MADE = frozenset({"build", "dist", "mutants", "test-output"})
"""What tools put at the root; hidden folders and node_modules are nobody's tests at any depth."""
SELECTIONS = (
    "keyword",
    "markexpr",
    "deselect",
    "ignore",
    "ignore_glob",
    "lf",
    "stepwise",
    "collectonly",
)
"""pytest's options that leave tests out on purpose."""


def files_of_tests(root: Path) -> Iterator[str]:
    """`test_*.py` of the tree on disk, relative to its root."""
    for folder, folders, files in os.walk(root):
        at_root = folder == str(root)
        folders[:] = [
            name
            for name in folders
            if not (name.startswith(".") or name == "node_modules" or (at_root and name in MADE))
        ]
        for name in files:
            if name.startswith("test_") and name.endswith(".py"):
                yield (Path(folder) / name).relative_to(root).as_posix()


class WholeSuite:
    """Where the tests are run, or distributed to workers: notes each file that had one."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.ran: set[str] = set()
        self.missing: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.ran.add(report.nodeid.partition("::")[0])

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        stopped = session.shouldstop or session.shouldfail
        ended = (
            pytest.ExitCode.OK,
            pytest.ExitCode.TESTS_FAILED,
            pytest.ExitCode.NO_TESTS_COLLECTED,
        )
        if stopped or exitstatus not in ended:
            return
        self.missing = sorted(set(files_of_tests(self.root)) - self.ran)
        if self.missing:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.missing:
            terminalreporter.section("files of tests without a test in this run", red=True)
            for name in self.missing:
                terminalreporter.line(name)


def pytest_configure(config: pytest.Config) -> None:
    selects = any(config.getoption(name, None) for name in SELECTIONS)
    is_worker = hasattr(config, "workerinput")
    if config.args_source is not config.ArgsSource.ARGS and not selects and not is_worker:
        config.pluginmanager.register(WholeSuite(config.rootpath))
