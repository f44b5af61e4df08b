"""Running the steps with doit from within a command."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tasks.engine.session import Session
from tasks.engine.steps import step_creators
from tasks.model.instance import Instance
from tasks.model.plan import STEPS

THREADS = 4
"""Instances that are applied at once, and as many of their builds beside them."""


class Quiet:
    """A doit reporter that leaves the telling to the session's progress."""

    desc = "nothing: the session reports"

    def __init__(self, outstream: Any, options: Any) -> None:
        self.problems: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *_: None

    def runtime_error(self, message: str) -> None:
        self.problems.append(message)


def run_steps(instances: Sequence[Instance], session: Session) -> int:
    """Bring doit to run every step of these instances. Returns doit's own result.

    Failures of steps are in the session; an instance's failure does not stop the others. Ctrl-C is
    one where there is one instance, else it raises KeyboardInterrupt; nothing is under way then.
    """
    from doit.cmd_base import ModuleTaskLoader
    from doit.cmd_run import Run
    from doit.runner import ERROR

    makers = step_creators(instances, session)
    builds = sum(session.run_of(instance).builds_beside for instance in instances)
    threads = min(len(instances), THREADS) + min(builds, THREADS)
    configuration = {
        "GLOBAL": {
            "backend": "write-through",
            "dep_file": str(session.paths.engine_database),
            "reporter": Quiet,
            "verbosity": 2,
            "continue": True,
            "num_process": threads if threads > 1 else 0,
            "par_type": "thread",
        }
    }
    loader = ModuleTaskLoader(makers)
    loader.config = configuration
    command = Run(task_loader=loader, config=configuration)
    wanted = [f"{STEPS[-1]}:{instance.id}" for instance in instances]
    result: int
    try:
        result = command.parse_execute(wanted)
    except KeyboardInterrupt:
        if not session.cancel():
            raise
        result = ERROR
    return result
