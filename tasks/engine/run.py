"""Running the steps with doit from within a command."""

from __future__ import annotations

import queue
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from tasks.engine.session import Session
from tasks.engine.steps import step_creators
from tasks.errors import DeployError
from tasks.model.instance import Instance
from tasks.model.plan import STEPS

THREADS = 4
"""Instances that are applied at once, and as many of their builds beside them."""


class WakingQueue(queue.Queue[Any]):
    """A queue whose reader looks up every second. A Ctrl-C that comes in the moment before Python
    waits for a lock is seen only when that wait ends: the main thread's would last as long as what
    another thread is at."""

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        if not block or timeout is not None:
            return super().get(block, timeout)
        while True:
            with suppress(queue.Empty):
                return super().get(timeout=1)


class Quiet:
    """A doit reporter that leaves the telling to the session's progress."""

    desc = "nothing: the session reports"

    def __init__(self) -> None:
        self.problems: dict[str, str] = {}
        """What doit itself could not go on with, by the instance."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *_: None

    def add_failure(self, task: Any, fail: Any) -> None:
        from doit.exceptions import TaskFailed, UnmetDependency

        if not isinstance(fail, (TaskFailed, UnmetDependency)):
            self.problems[task.name.partition(":")[2]] = fail.get_msg()


def run_steps(instances: Sequence[Instance], session: Session) -> None:
    """Bring doit to run every step of these instances.

    Failures of steps are in the session; an instance's failure does not stop the others. Ctrl-C is
    one where there is one instance, else it raises KeyboardInterrupt; nothing is under way then.
    """
    from doit.cmd_base import ModuleTaskLoader
    from doit.cmd_run import Run
    from doit.runner import MThreadRunner

    from tasks.engine.backend import WriteThrough

    class WithoutPlugins(Run):  # type: ignore[misc]
        """It needs no look through all installed packages for backends and reporters."""

        def get_backends(self) -> dict[str, Any]:
            return {"write-through": WriteThrough}

        def get_reporters(self) -> dict[str, Any]:
            return {}

    MThreadRunner.Queue = staticmethod(WakingQueue)
    quiet = Quiet()
    makers = step_creators(instances, session)
    runs = [session.run_of(instance) for instance in instances]
    # Where a build comes first, another step of the same instance waits for it.
    builds = sum(run.builds_beside or (len(runs) > 1 and run.builds_first) for run in runs)
    threads = min(len(runs), THREADS) + min(builds, THREADS)
    configuration = {
        "GLOBAL": {
            "backend": "write-through",
            "dep_file": str(session.paths.engine_database),
            "reporter": quiet,
            "verbosity": 2,
            "continue": True,
            "num_process": threads if threads > 1 else 0,
            "par_type": "thread",
        }
    }
    loader = ModuleTaskLoader(makers)
    loader.config = configuration
    command = WithoutPlugins(task_loader=loader, config=configuration)
    wanted = [f"{STEPS[-1]}:{instance.id}" for instance in instances]
    try:
        command.parse_execute(wanted)
    except KeyboardInterrupt:
        if not session.cancel():
            raise
    for name, problem in quiet.problems.items():
        run = session.runs[name]
        run.failure = run.failure or DeployError(problem.strip(), where=name)
