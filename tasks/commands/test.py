"""`test`: on a fresh machine, everything needed and then all the tests."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from tasks.commands.base import DeployCommand, option
from tasks.errors import UsageError
from tasks.output import console

TEST_PACKAGES = ("chromium", "fonts-dejavu-core", "shellcheck", "shfmt")
MOST_WORKERS = 4
"""Each runs containers of its own."""


class Test(DeployCommand):
    name = "test"
    doc_purpose = "install what the tests need, then run all of them"
    doc_usage = "[PYTEST-ARGUMENT...]"
    needs_root = True
    options = (
        option("clean", bool, False, "run none: remove what runs that are over left here"),
        option("coverage", bool, False, "measure which lines the tests run"),
        option(
            "workers",
            int,
            0,
            "how many files of tests run at once [all of them: one more than cores, 4 at most; "
            "those that are named: 1]",
        ),
    )

    def perform(self, options: Mapping[str, Any], arguments: list[str]) -> int:
        from tasks.containers.drivers import local_driver
        from tasks.host.packages import ensure, ensure_user_ids
        from tasks.paths import ROOT

        if options["clean"]:
            if arguments or options["coverage"]:
                raise UsageError("--clean runs no tests, and takes nothing else")
            os.execv(sys.executable, [sys.executable, str(ROOT / "tests/support/left_behind.py")])
        ensure(("git", *local_driver().packages, *TEST_PACKAGES), console.Lines())
        ensure_user_ids()
        workers = options["workers"] or (
            1 if arguments else min(1 + (os.cpu_count() or 1), MOST_WORKERS)
        )
        os.chdir(ROOT)
        argv = pytest_argv(arguments, workers=workers, coverage=options["coverage"])
        os.execv(sys.executable, [sys.executable, *argv])


def pytest_argv(arguments: Sequence[str], *, workers: int, coverage: bool) -> list[str]:
    """The interpreter's arguments. Tests that share containers stay with one worker: those of a
    file, and of a folder of the lab (tests/support/shared_containers.py)."""
    argv = ["-m", "pytest", *arguments]
    if workers > 1:
        argv += ["--numprocesses", str(workers), "--dist", "loadfile"]
        # In the order of their names: those with containers take longest and come first.
        argv += ["--no-loadscope-reorder"]
    if coverage:
        argv += ["--cov", "--cov-report="]
    return argv
