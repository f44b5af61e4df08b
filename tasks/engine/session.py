"""One run over several instances: what each was found to be, its operation, what came of it.

The steps are doit's tasks; a session is what they share. A step is up to date where the plan
has no entry for it, and performing it does the plan's entries, nothing else.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tasks.containers.base import SILENT, Progress
from tasks.errors import CancelledError, DeployError, UsageError
from tasks.model.instance import Instance
from tasks.model.plan import STEPS, Entry
from tasks.paths import Paths

if TYPE_CHECKING:
    from tasks.effects import Work
    from tasks.look import Look
    from tasks.model.applied import Applied
    from tasks.model.operation_log import OperationName
    from tasks.model.operations import Operation


@dataclass
class Run:
    """One instance in a session. whole: nothing was left out by --target."""

    instance: Instance
    whole: bool = True
    look: Look | None = None
    operation: Operation | None = None
    work: Work | None = None
    applied: Applied | None = None
    before: Applied | None = None
    """What was applied when it began."""
    failure: DeployError | None = None
    begun: float = field(default_factory=time.monotonic)
    ended: float | None = None
    """When its operation ended, by the monotonic clock."""
    touched: bool = False
    """Whether anything of the plan was begun."""
    busy: threading.Lock = field(default_factory=threading.Lock)
    """Held while a step of it is performed."""
    step: str = ""
    """The one that is, or that has failed."""
    done: list[Entry] = field(default_factory=list)


class Session:
    """Instances being applied, by id. Threads may perform different instances at once."""

    def __init__(
        self,
        paths: Paths,
        progress: Callable[[str], Progress] = lambda _: SILENT,
        warn: Callable[[str], None] = lambda _: None,
        done: Callable[[Entry], None] = lambda _: None,
        allow_destroy: bool = False,
    ) -> None:
        self.paths = paths
        self.runs: dict[str, Run] = {}
        self._progress = progress
        self._warn = warn
        self._done = done
        self._allow_destroy = allow_destroy
        self._mutex = threading.Lock()

    def run_of(self, instance: Instance) -> Run:
        """The instance's run; looked at now if it has not been."""
        with self._mutex:
            run = self.runs.setdefault(instance.id, Run(instance))
        if run.look is None:
            from tasks.look import look

            run.look = look(instance, self.paths)
        return run

    def entries(self, instance: Instance, step: str) -> tuple[Entry, ...]:
        """The plan's entries of one step."""
        run = self.run_of(instance)
        assert run.look is not None
        return tuple(entry for entry in run.look.plan.entries if entry.step == step)

    def settled(self, instance: Instance, step: str) -> bool:
        """doit's `uptodate`: whether the plan has nothing for this step."""
        try:
            return not self.entries(instance, step)
        except DeployError:
            # doit has no words for it here: performing the step fails with the same.
            return False

    def perform(self, instance: Instance, step: str) -> None:
        """doit's action: do the plan's entries of this step, each recorded before and after.

        The operation ends with its last step, or the one that fails: no instance's lock waits for
        another's work.
        """
        try:
            with self.keeping_failure(instance):
                entries = self.entries(instance, step)
                if not entries:
                    return
                run = self.run_of(instance)
                self.begin(run)
                with run.busy:
                    if run.work is not None and run.work.stop.is_set():
                        raise CancelledError("cancelled", where=instance.id)
                    run.step = step
                    self._apply(run, step, entries)
                    run.step = ""
        except DeployError:
            if instance.id in self.runs:
                self._end(self.runs[instance.id])
            raise
        later = STEPS[STEPS.index(step) + 1 :]
        if not any(self.entries(instance, one) for one in later):
            self._end(run)
            if run.failure is not None:
                raise run.failure

    def cancel(self) -> None:
        """Let other threads begin nothing more, and wait for those that are about a switch: each
        puts things as they were, or finishes. What the others are at ends with this process."""
        for run in self.runs.values():
            if run.work is not None:
                run.work.stop.set()
        for run in self.runs.values():
            if run.step == "switch":
                with run.busy:
                    pass

    @contextmanager
    def keeping_failure(self, instance: Instance) -> Iterator[None]:
        """Keep in the instance's run why the block failed; doit knows only that it did.

        A defect of ours becomes a DeployError, too: nothing unexpected counts as done.
        """
        run = self.runs.get(instance.id) or Run(instance)
        try:
            yield
        except KeyboardInterrupt:
            run.failure = CancelledError("cancelled", where=instance.id)
            raise
        except DeployError as failure:
            run.failure = failure
            raise
        except Exception as error:
            run.failure = defect(error, instance.id)
            raise run.failure from error

    def begin(self, run: Run, name: OperationName | None = None) -> None:
        """Take the instance's lock and write the start line, once."""
        if run.operation is not None:
            return
        from tasks.effects import Work
        from tasks.model import applied as records
        from tasks.model.operations import operation

        assert run.look is not None
        begun = operation(
            self.paths,
            run.instance.id,
            name or operation_name(run.look),
            warn=self._warn,
        )
        begun.__enter__()
        run.operation = begun
        run.applied = run.before = records.read(self.paths, run.instance.id)

        def done(entry: Entry) -> None:
            run.done.append(entry)
            self._done(entry)

        run.work = Work(
            run.look,
            self.paths,
            self._progress(run.instance.id),
            begun.info,
            run.look.target,
            lambda name: self._write_record(run, name),
            done,
            operation=begun,
        )

    def settle(self, run: Run) -> None:
        """Wait for what a killed run may have left working in the container."""
        assert run.look is not None
        found = run.look.facts.container
        if found is not None and found.running:
            from tasks.resources.running import guarded

            run.look.container.run(["sh", "-c", guarded()], timeout=960)

    def _apply(self, run: Run, step: str, entries: tuple[Entry, ...]) -> None:
        from tasks import effects
        from tasks.effects import switching
        from tasks.model import applied as records

        assert run.work is not None and run.applied is not None
        lost = [entry.full_address for entry in entries if entry.destructive]
        if lost and not self._allow_destroy:
            raise UsageError(
                f"data would be lost by {', '.join(lost)}",
                hint="A step alone never does that. Take a backup first; then:"
                f" ./doit apply {run.instance.id} --allow-destroy",
            )
        resources = [entry.resource for entry in entries if entry.resource is not None]
        gone = [entry.address for entry in entries if entry.action == "delete"]
        wished = [resource for resource in resources if resource.address not in gone]
        run.touched = True
        run.applied = records.announce(run.applied, wished)
        records.write(self.paths, run.instance.id, run.applied)
        try:
            effects.apply(entries, run.work)
        except DeployError as failure:
            outcome = switching.fall_back(failure, run.work)
            self._took_back(run)
            raise outcome from failure
        except KeyboardInterrupt as interrupt:
            outcome = switching.cancelled(run.work)
            self._took_back(run)
            raise outcome from interrupt
        run.applied = records.finish(run.applied, wished, gone)
        if step == STEPS[-1] and run.whole:
            self._conclude(run)
        records.write(self.paths, run.instance.id, run.applied)

    def _took_back(self, run: Run) -> None:
        """Where the configuration's files are those of before, so is what is known of them."""
        from tasks.model import applied as records

        assert run.work is not None and run.applied is not None and run.before is not None
        if run.work.put_back:
            addresses = [entry.address for entry in self.entries(run.instance, "system")]
            run.applied = records.as_before(run.applied, run.before, addresses)
            records.write(self.paths, run.instance.id, run.applied)

    def _write_record(self, run: Run, name: str) -> None:
        """Write one record as things are now."""
        from tasks import record
        from tasks.effects import serving
        from tasks.model import applied as records
        from tasks.model import registry
        from tasks.model.files import write_atomically
        from tasks.model.operation_log import format_time, utc_now

        assert run.work is not None and run.applied is not None and run.operation is not None
        now = format_time(utc_now())
        if name == "registry":
            created = run.applied.created_at or now
            applied = replace(run.applied, created_at=created)
            found = run.work.container.observe()
            registry.add(self.paths, record.entry(run.work.look.instance, applied, found))
        elif name == "log-rotation":
            write_atomically(self.paths.log_rotation, record.log_rotation(self.paths))
        elif name == "state":
            color, line, migrations = serving.serving(run.work)
            run.operation.record(
                container_id=record.found_number(run.work.container.observe()),
                active_color=color,
                deployed_version=line.version if line else None,
                deployed_commit=line.commit if line and line.commit != "-" else None,
            )
            if line is not None:
                serving.remember(line, migrations, run.work)
        else:
            run.applied = replace(
                run.applied, created_at=run.applied.created_at or now, updated_at=now
            )
            records.write(self.paths, run.instance.id, run.applied)
            serving.write_document(run.work, run.applied)

    def _conclude(self, run: Run) -> None:
        """The whole plan is done: what stood as wished before is known as applied, too."""
        from tasks import record
        from tasks.model import applied as records

        assert run.applied is not None and run.look is not None
        # Where the database is to be another one, this may have been a plan with the one of before.
        configuration = record.configuration_digests(run.look.instance)
        run.applied = replace(run.applied, configuration=configuration)
        # What is wished no longer is gone by now: whatever comes in its place is not ours.
        kept = {resource.address for resource in run.look.wishes.resources}
        gone = [address for address in run.applied.resources if address not in kept]
        run.applied = records.finish(run.applied, run.look.wishes.resources, gone)

    def close(self) -> None:
        """End every operation that has not ended: success where the run has no failure."""
        for run in self.runs.values():
            self._end(run)

    def _end(self, run: Run) -> None:
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
            if failure is not None and not run.touched:
                _serve_on(operation)
            operation.__exit__(type(failure) if failure else None, failure, None)
        except DeployError as error:
            run.failure = failure or error


def defect(error: Exception, where: str) -> DeployError:
    """What to say of an error that nobody foresaw: with where it comes from."""
    import traceback

    lines = "".join(traceback.format_exception(error)).splitlines()
    return DeployError(
        f"{type(error).__name__}: {error}",
        where=where,
        evidence=lines[-8:],
        hint="This is a defect of vikunja-deploy: report it. ./doit plan shows what is left to do.",
    )


def _serve_on(operation: Operation) -> None:
    """An update that ended before it began leaves a running instance running."""
    if operation.state is not None and operation.state.status == "updating":
        operation.become("running")


def operation_name(look: Look) -> OperationName:
    """What an apply is called in lock, state and log."""
    facts = look.facts
    if facts.host.get("record:state") is None or "record:registry" not in facts.host:
        return "deploy"
    serves_another = look.plan.update is not None or any(
        entry.address.startswith("release:") for entry in look.plan.entries
    )
    return "update" if serves_another else "reconfigure"
