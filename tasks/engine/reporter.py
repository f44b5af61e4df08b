"""How steps that are run one by one are reported: as doit does, but for why one has failed."""

from __future__ import annotations

from typing import Any

from doit.exceptions import TaskFailed, UnmetDependency
from doit.reporter import ConsoleReporter


class Reporter(ConsoleReporter):  # type: ignore[misc]
    desc = "console output; the command says why a step has failed"

    def add_failure(self, task: Any, fail: Any) -> None:
        """Why a step has failed the session keeps, and it is said once, at the end; what doit
        itself cannot go on with only doit knows."""
        if not isinstance(fail, (TaskFailed, UnmetDependency)):
            super().add_failure(task, fail)
