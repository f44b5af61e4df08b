"""A build that comes before its instance's lock: it takes minutes, in which nothing of the instance
changes, and whoever wants the lock meanwhile (a backup, somebody who restarts it) has it."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from tasks.engine.instance_run import InstanceRun, as_failure
from tasks.errors import DeployError
from tasks.host.cancelling import cancellable
from tasks.model.holder import inspect
from tasks.model.lock import refuse_held

if TYPE_CHECKING:
    from tasks.engine.session import Session

LOCK_SECONDS = 600
"""How long whoever has taken the lock during a build is waited for."""
LOOKS_EVERY_SECONDS = 0.2

AFTER_A_BUILD = frozenset({"release", "switch", "record"})


def build_first(session: Session, run: InstanceRun, step: str) -> None:
    """Build where that comes before this step; another thread that does is waited for.

    What would be refused is asked before, so that nothing is built for it. Whatever goes wrong
    is recorded as the operation's that would have begun, under its lock. Raises DeployError.
    """
    with run.turn:
        run.turn.wait_for(lambda: not run.building)
        if run.failure is not None:
            raise run.failure
        with session.keeping_failure(run.instance):
            session.run_of(run.instance)
            # Of an instance that nothing but a build is asked for, there is no operation at all.
            first = run.builds_first or (session.steps == {"build"} and run.operation is None)
            if "build" not in session.steps or not first or not run.left(step):
                return
            session.refuse_loss(run)
            refuse_held(session.paths, run.instance.id)
        stop = session.prepare(run).stop
        run.building = True
        run.threads.append(threading.get_ident())
    failed: BaseException | None = None
    try:
        with cancellable(stop):
            session.refuse(run)
            _build(session, run)
    except (Exception, KeyboardInterrupt) as error:
        failed = error
    with run.turn:
        run.building = False
        run.threads.remove(threading.get_ident())
        run.turn.notify_all()
        if failed is not None:
            _record(session, run, failed)
            assert run.failure is not None
            raise run.failure from failed


def _build(session: Session, run: InstanceRun) -> None:
    from tasks import execution

    run.touched = True
    try:
        execution.apply("build", run.entries("build"), session.prepare(run))
    except DeployError:
        _wait_for_the_lock(session, run)
        raise
    run.performed.add("build")
    # Of the instance's, nothing.
    run.touched = False
    if session.steps & AFTER_A_BUILD:
        _wait_for_the_lock(session, run)


def _wait_for_the_lock(session: Session, run: InstanceRun) -> None:
    progress = session.prepare(run).progress
    until = time.monotonic() + LOCK_SECONDS
    while time.monotonic() < until:
        held = inspect(session.paths, run.instance.id)
        if held is None or held.holder != "alive":
            return
        progress.step(f"waiting for {held.describe()}")
        time.sleep(LOOKS_EVERY_SECONDS)


def _record(session: Session, run: InstanceRun, failed: BaseException) -> None:
    """Let the operation begin and end with what went wrong; where somebody else has the lock, it
    is only said."""
    run.failed, run.failure = failed, as_failure(failed, run.instance)
    try:
        session.open(run)
    except DeployError as unrecorded:
        session.warn(f"{run.instance.id}: not in its log, {unrecorded.what}: {run.failure.what}")
        return
    if run.touched:
        session.put_in_order(run)
    session.end(run)
