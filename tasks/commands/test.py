"""`test`: on a fresh machine, everything needed and then all the tests."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

from tasks import console
from tasks.commands.base import DeployCommand, option

TEST_PACKAGES = ("chromium", "fonts-dejavu-core")


class Test(DeployCommand):
    name = "test"
    doc_purpose = "install what the tests need, then run all of them"
    doc_usage = "[PYTEST-ARGUMENT...]"
    needs_root = True
    options = (option("coverage", bool, False, "measure which lines the tests run"),)

    def perform(self, options: Mapping[str, Any], arguments: list[str]) -> int:
        from tasks.host_packages import LXC, ensure, ensure_user_ids
        from tasks.paths import ROOT

        ensure(("git", *LXC, *TEST_PACKAGES), console.Lines())
        ensure_user_ids()
        pytest = ["-m", "pytest", *arguments]
        measured = ["-m", "coverage", "run", *pytest]
        os.chdir(ROOT)
        argv = [sys.executable, *(measured if options["coverage"] else pytest)]
        os.execv(sys.executable, argv)
