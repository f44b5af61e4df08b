"""One run over several instances: what each was found to be, its operation, what came of it.

The steps are doit's tasks; a session is what they share. A step is up to date where the plan
has no entry for it, and performing it does the plan's entries, nothing else.
All that must keep them from being done is asked here, whichever command the steps are of.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from msgspec.structs import replace

from tasks.engine import recording
from tasks.engine.build_first import build_first
from tasks.engine.instance_run import (
    InstanceRun,
    as_failure,
    operation_name,
    rest_unserved,
    serve_on,
)
from tasks.errors import (
    CancelledError,
    CertificateError,
    DeployError,
    RolledBackError,
    StalePlanError,
)
from tasks.host.caller import add_system_folders, require_root
from tasks.host.cancelling import CancellableProgress, cancellable
from tasks.model.instance import Instance
from tasks.model.plan import STEPS, PlanEntry
from tasks.paths import Paths
from tasks.progress import SILENT, Progress

if TYPE_CHECKING:
    from tasks.execution import ApplyContext
    from tasks.model.operation_log import OperationName
    from tasks.planning.inspection import Inspection


ROUNDS = 4
"""How often what a stopped container hid, what moved meanwhile, or what comes before another
database is planned anew."""


class Session:
    """Instances being applied, by id. Threads may perform different instances at once."""

    def __init__(
        self,
        paths: Paths,
        progress: Callable[[str], Progress] = lambda _: SILENT,
        warn: Callable[[str], None] = lambda _: None,
        done: Callable[[PlanEntry], None] = lambda _: None,
        allow_destroy: bool = False,
    ) -> None:
        self.paths = paths
        self.runs: dict[str, InstanceRun] = {}
        self.progress = progress
        self.warn = warn
        self._done = done
        self.steps = frozenset(STEPS)
        """Those that are to be done."""
        self._allow_destroy = allow_destroy
        self._mutex = threading.Lock()

    def run_of(self, instance: Instance) -> InstanceRun:
        """The instance's run; inspected now if it has not been. Raises DeployError."""
        run = self._run(instance)
        with run.turn:
            if run.uninspected is not None:
                raise run.uninspected
            try:
                run.inspection = run.inspection or self._inspect(run)
            except DeployError as failure:
                # What could not be seen for one step is not tried again for the next.
                run.uninspected = failure
                raise
        return run

    def _run(self, instance: Instance) -> InstanceRun:
        with self._mutex:
            return self.runs.setdefault(instance.id, InstanceRun(instance))

    def _inspect(self, run: InstanceRun) -> Inspection:
        add_system_folders()
        require_root("a step", f"{STEPS[-1]}:{run.instance.id}")
        from tasks.planning.inspection import inspect

        return (run.inspect or inspect)(run.instance, self.paths)

    def settled(self, instance: Instance, step: str) -> bool:
        """doit's `uptodate`: whether the plan has nothing for this step that is not done."""
        try:
            return not self.run_of(instance).left(step)
        except DeployError:
            # doit has no words for it here: performing the step fails with the same.
            return False

    def perform(self, instance: Instance, step: str) -> None:
        """doit's action: do the plan's entries of this step, each recorded before and after. Where
        the session plans anew what it has planned itself, those of the steps before it, too.

        The operation ends with its last step, or the one that fails: no instance's lock waits for
        another's work. Two threads may perform steps of one instance that do not stand on each
        other. Where one of them fails, the other does the step that it is at to its end, and
        begins no other; then it is put in order what has to be, and the operation ends.
        """
        for number in range(ROUNDS):
            if not self._perform(instance, step, again=number + 1 < ROUNDS):
                break

    def _perform(self, instance: Instance, step: str, *, again: bool) -> bool:
        """One plan's part of it. Returns whether there is another plan to go on with."""
        run = self._run(instance)
        try:
            steps = self._enter(run, step)
            if not steps:
                return False
            failed: BaseException | None = None
            try:
                assert run.context is not None
                with cancellable(run.context.stop):
                    for one in steps:
                        self._do(run, one)
            except (Exception, KeyboardInterrupt) as error:
                failed = error
            return self._leave(run, step, failed) and again
        except StalePlanError as moved:
            if run.plans and again:
                self.warn(f"{instance.id}: {moved.what}; planned anew")
                self._forget(run)
                return True
            raise

    def _enter(self, run: InstanceRun, step: str) -> list[str]:
        """Begin the operation where nobody has, and to perform. Returns the steps that are to be
        done; none where all are. Raises DeployError: nothing has been changed by it then."""
        build_first(self, run, step)
        with run.turn:
            if run.failure is not None:
                raise run.failure
            try:
                with self.keeping_failure(run.instance):
                    steps = self.run_of(run.instance).left(step)
                    if steps:
                        self.begin(run)
            except DeployError:
                self.end(run)
                raise
            if steps:
                run.threads.append(threading.get_ident())
            return steps

    def _leave(self, run: InstanceRun, step: str, failed: BaseException | None) -> bool:
        """Leave off performing, with what went wrong. The last one who does ends what is over.

        Returns whether what comes next is planned anew. Raises DeployError for what went wrong.
        """
        with run.turn:
            run.threads.remove(threading.get_ident())
            run.turn.notify_all()
            if failed is not None:
                self._keep(run, failed)
            if run.threads:
                if failed is None:
                    if step != "build" and run.context is not None:
                        run.context.progress.step("")
                    return False
                assert run.failure is not None
                raise run.failure from failed
            if run.failed is not None:
                self.put_in_order(run)
                self.end(run)
                if failed is None:
                    return False
                assert run.failure is not None
                raise run.failure from run.failed
            if run.later(step):
                return False
            self.end(run)
            if run.failure is not None:
                raise run.failure
            assert run.inspection is not None
            unseen = run.plans and run.inspection.plan.unseen
            if unseen:
                self._forget(run)
            return unseen

    def _keep(self, run: InstanceRun, failed: BaseException) -> None:
        """Keep what went wrong first, and tell what else did."""
        assert run.context is not None
        failure = as_failure(failed, run.instance)
        if run.failed is None:
            run.failed, run.failure = failed, failure
            if run.threads:
                run.context.progress.step(f"failed: {failure.what}; what is under way ends")
        elif run.operation is not None and not isinstance(failure, CancelledError):
            run.operation.warn(str(failure))

    def put_in_order(self, run: InstanceRun) -> None:
        """What became of what went wrong, once nothing of the instance is performed any more."""
        from tasks.execution import switchover

        assert run.context is not None
        with self.keeping_failure(run.instance):
            if isinstance(run.failed, KeyboardInterrupt):
                cancellation = switchover.cancellation(run.context)
                outcome = switchover.fall_back(cancellation, run.context)
                run.failure = switchover.cancelled(outcome, run.context)
            elif isinstance(run.failed, DeployError) and not isinstance(
                run.failed, RolledBackError
            ):
                run.failure = switchover.fall_back(run.failed, run.context)

    def _do(self, run: InstanceRun, step: str) -> None:
        if run.context is not None and run.context.stop.is_set():
            raise CancelledError("cancelled", where=run.instance.id)
        self._apply(run, step)
        with run.turn:
            run.performed.add(step)

    def _forget(self, run: InstanceRun) -> None:
        """What comes next is planned anew, as an operation of its own."""
        run.inspection = run.context = run.failure = run.failed = run.ended = run.uninspected = None
        run.touched = False
        run.anew = True
        run.performed.clear()

    def cancel(self) -> bool:
        """Let other threads begin nothing more, interrupt them as Ctrl-C does the main one, and
        wait until each has put things in order. Returns whether that is all: the only run has
        ended, as it would have in the main thread."""
        runs = list(self.runs.values())
        for run in runs:
            if run.context is not None:
                run.context.stop.set()
        for run in runs:
            with run.turn:
                run.turn.wait_for(run.works_alone)
        return len(runs) == 1 and runs[0].ended is not None and not runs[0].continues

    @contextmanager
    def keeping_failure(self, instance: Instance) -> Iterator[None]:
        """Keep in the instance's run why the block failed; doit knows only that it did.

        A defect of ours becomes a DeployError, too: nothing unexpected counts as done.
        """
        run = self._run(instance)
        try:
            yield
        except KeyboardInterrupt as interrupt:
            run.failure = as_failure(interrupt, instance)
            raise
        except DeployError as failure:
            run.failure = failure
            raise
        except Exception as error:
            run.failure = as_failure(error, instance)
            raise run.failure from error

    def begin(self, run: InstanceRun, name: OperationName | None = None) -> None:
        """Take the instance's lock, write the start line, and refuse what must not be done, once.

        Raises LockedError; StalePlanError where the plan was made on what is not so any more;
        UsageError where data would be lost that may not be; whatever `refusals.refuse` raises.
        Nothing has been changed then.
        """
        if run.operation is not None:
            return
        self.refuse_loss(run)
        self.open(run, name)
        self._admit(run)

    def refuse_loss(self, run: InstanceRun) -> None:
        """The plan alone says it: no operation begins for that."""
        from tasks.planning import refusals

        assert run.inspection is not None
        refusals.refuse_replacing(run.inspection.plan)
        if not self._allow_destroy:
            refusals.refuse_loss([run.inspection.plan])

    def prepare(self, run: InstanceRun, name: OperationName | None = None) -> ApplyContext:
        """What is done to it is given this, once. Its operation has not begun by that."""
        from tasks.execution import ApplyContext
        from tasks.model.operations import operation

        def done(entry: PlanEntry) -> None:
            with run.turn:
                run.done.append(entry)
                self._done(entry)

        assert run.inspection is not None
        name = name or operation_name(run.inspection)
        run.context = run.context or ApplyContext(
            inspection=run.inspection,
            paths=self.paths,
            operation=operation(self.paths, run.instance.id, name, warn=self.warn),
            progress=self._shown(run),
            write_record=lambda name: recording.write_record(run, name, self.paths),
            done=done,
        )
        return run.context

    def open(self, run: InstanceRun, name: OperationName | None = None) -> None:
        """Take the instance's lock and write the start line."""
        from tasks.model import applied as records
        from tasks.resources.applied import mark_applied

        begun = self.prepare(run, name).operation
        begun.__enter__()
        run.operation = begun
        run.applied = records.read(self.paths, run.instance.id)
        if "build" in run.performed:
            run.applied = mark_applied(run.applied, *recording.marked(run, "build"))

    def _shown(self, run: InstanceRun) -> Progress:
        """A way to say how far one thread is with an instance."""
        return CancellableProgress(self.progress(run.instance.id))

    def _admit(self, run: InstanceRun) -> None:
        """Under the lock: nothing is working, the plan's ground still holds, nothing forbids it."""
        from tasks.desired.provisioning import prepare_machine

        assert run.inspection is not None and run.context is not None
        self.refuse(run)
        # The last before the first effect: nothing of the instance's has been made.
        prepare_machine(
            run.instance,
            run.inspection.container,
            run.inspection.plan.entries,
            self.paths,
            run.context.progress,
        )

    def refuse(self, run: InstanceRun) -> None:
        """Raise DeployError where what a killed run left is working for ever, the plan's ground has
        moved, or something forbids what is left of it."""
        from tasks.guest.runner import wait_for_leftovers
        from tasks.model.plan import refuse_moved
        from tasks.planning import refusals

        assert run.inspection is not None and run.context is not None
        plan, found = run.inspection.plan, run.inspection.facts.container
        if found is not None and found.running:
            wait_for_leftovers(run.inspection.container)
        refuse_moved(plan, self._inspect(run).plan)
        entries = tuple(entry for entry in plan.entries if entry.step not in run.performed)
        left = replace(run.inspection, plan=replace(plan, entries=entries))
        refusals.refuse(left, self.paths, run.context.progress)

    def _apply(self, run: InstanceRun, step: str) -> None:
        from tasks import execution
        from tasks.model import applied as records
        from tasks.resources.applied import mark_applied, mark_pending

        entries = run.entries(step)
        desired, gone = recording.marked(run, step)
        with run.turn:
            assert run.context is not None and run.applied is not None
            context = run.context
            beside = step == "build" and run.builds_beside
            if beside:
                context = replace(context, progress=self._shown(run))
            run.touched = True
            run.applied = mark_pending(run.applied, desired)
            records.write(self.paths, run.instance.id, run.applied)
        wanting: CertificateError | None = None
        try:
            execution.apply(step, entries, context)
        except CertificateError as failure:
            wanting = failure
        finally:
            if beside:
                context.progress.step("")
        with run.turn:
            before = run.applied
            run.applied = mark_applied(run.applied, desired, gone)
            if step == STEPS[-1] and run.whole:
                recording.conclude(run)
            if wanting is not None:
                run.applied = recording.still_pending(run.applied, before, wanting.address)
            records.write(self.paths, run.instance.id, run.applied)
        if wanting is not None:
            raise wanting

    def close(self) -> None:
        """End every operation that has not ended: success where the run has no failure."""
        for run in self.runs.values():
            self.end(run)

    def end(self, run: InstanceRun) -> None:
        """End its operation, once.

        Where its records cannot be written (a full disk), that becomes the run's failure, and keeps
        no other from its end.
        """
        if run.operation is None:
            return
        operation, run.operation = run.operation, None
        run.ended = time.monotonic()
        failure = run.failure
        try:
            if failure is None:
                rest_unserved(run, operation)
            elif not run.touched:
                serve_on(operation)
        except DeployError as error:
            failure = failure or error
        try:
            operation.__exit__(type(failure) if failure else None, failure, None)
        except DeployError as error:
            failure = failure or error
        run.failure = failure
