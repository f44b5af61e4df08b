"""`apply`: plan, show it, ask, do exactly that."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from tasks.commands.base import YES_OPTION, DeployCommand, named, option
from tasks.commands.plan import DIFF_OPTION, TARGET_OPTION, look_at, plan_of, show
from tasks.errors import CancelledError, DeployError, StalePlanError, UsageError
from tasks.output import console

if TYPE_CHECKING:
    from tasks.engine.session import Session
    from tasks.model.instance import Instance
    from tasks.model.operation_log import OperationName
    from tasks.model.plan import Plan
    from tasks.paths import Paths
    from tasks.planning.inspection import Inspection


class Apply(DeployCommand):
    name = "apply"
    doc_purpose = "show what would change, ask, and do exactly that"
    doc_usage = "[ID...]"
    needs_root = True
    changes = True
    options = (
        YES_OPTION,
        option("plan", str, None, "apply this saved plan; refused if anything moved since"),
        option("adopt", bool, False, "first put back what of a container's proof was lost"),
        option("allow_destroy", bool, False, "also do what loses data, and remove kept databases"),
        TARGET_OPTION,
        DIFF_OPTION,
    )

    def perform(self, options: Mapping[str, Any], arguments: list[str]) -> int:
        from tasks.paths import host_paths

        saved = _saved(options, arguments)
        planned = [instance["instance"] for instance in saved["instances"]] if saved else arguments
        instances = self.selected(options, planned)
        request = Request(
            yes=options["yes"],
            allow_destroy=options["allow_destroy"],
            diffs=options["diff"],
            targets=tuple(saved["targets"] if saved else options["target"]),
            saved=saved,
            saved_as=options["plan"] or "",
            adopt=options["adopt"],
            unattended=options["yes"] and not options["target"] and not sys.stderr.isatty(),
        )
        return apply_all(instances, host_paths(), request)


class Request(Struct, frozen=True):
    """How an apply was asked for. saved: a saved plan as data, from the file saved_as. adopt: what
    was lost of the proof that a container is its instance's is put back first. invite: after a
    first deployment it is said how somebody comes to log in. unattended: all of it, and nobody
    looks on: who waits for that is told how it went."""

    yes: bool = False
    allow_destroy: bool = False
    diffs: bool = False
    targets: tuple[str, ...] = ()
    saved: Mapping[str, Any] | None = None
    saved_as: str = ""
    adopt: bool = False
    invite: bool = True
    unattended: bool = False


def apply_all(instances: Sequence[Instance], paths: Paths, request: Request) -> int:
    """Plan, show, ask, do. Returns the exit code: of the first instance that failed, else 0.

    What a stopped container hid is planned, shown and asked for again once it runs. What moved
    between the plan and its lock is planned anew where nobody was to be asked.
    """
    from tasks.notify.ping import pinged

    with pinged(instances, console.warning, wanted=request.unattended) as failures:
        _apply(instances, paths, request, failures)
    failed = [failures[instance.id] for instance in instances if instance.id in failures]
    for failure in failed:
        console.error(failure)
    return failed[0].exit_code if failed else 0


def _apply(
    instances: Sequence[Instance],
    paths: Paths,
    request: Request,
    failures: dict[str, DeployError],
) -> None:
    """As apply_all; what fails of one instance is added to failures."""
    from tasks.engine.session import ROUNDS
    from tasks.planning.refusals import refuse_loss

    refuse_locked(instances, paths)
    failures.update(recover_rebuilds(instances, paths))
    if request.adopt:
        left = tuple(instance for instance in instances if instance.id not in failures)
        failures.update(adopted(left, paths, request))
    left = tuple(instance for instance in instances if instance.id not in failures)
    for number in range(ROUNDS):
        # What is kept goes only by a plan that shows it, as a whole.
        sweep = request.allow_destroy and not request.saved and not request.targets
        looks, not_seen = look_at(left, paths, sweep=sweep)
        failures.update(not_seen)
        plan = plan_of(looks, request.targets)
        if request.saved and number == 0:
            from tasks.model.plan import refuse_if_stale

            refuse_if_stale(
                request.saved, plan, f"Make a new one: ./doit plan --out {request.saved_as}"
            )
        if plan.empty:
            if number == 0 and looks:
                show(plan, {"json": False, "diff": False})
            break
        show(plan, {"json": False, "diff": request.diffs})
        if not request.allow_destroy:
            refuse_loss(plan.instances)
        if not (request.saved or request.yes):
            _confirm()
        again = request.yes and not request.saved and number + 1 < ROUNDS
        rebuilt = {one.instance for one in plan.instances if one.replaces}
        if rebuilt:
            from tasks.commands import rebuild

            failures.update(rebuild.carry_out(looks, plan, paths))
            # What else there is to do is planned with the new container.
            others = tuple(one for one in plan.instances if one.instance not in rebuilt)
            plan = replace(plan, instances=others)
        failed_now = carry_out(
            looks,
            plan,
            paths,
            whole=not request.targets,
            allow_destroy=request.allow_destroy,
            again=again,
        )
        anew = {name for name, why in failed_now.items() if again and _moved_only(why)}
        failures.update({name: why for name, why in failed_now.items() if name not in anew})
        for done in plan.instances if request.invite else ():
            if done.entries and done.instance not in failed_now and not done.unseen:
                _invite(looks[done.instance])
        anew |= {i.instance for i in plan.instances if i.unseen and i.instance not in failures}
        anew |= rebuilt - failures.keys()
        left = tuple(instance for instance in left if instance.id in anew)
        if not left:
            break


def recover_rebuilds(instances: Sequence[Instance], paths: Paths) -> dict[str, DeployError]:
    """What a rebuild that broke off has left is put in order before anything is planned. Returns
    failures by instance."""
    from tasks.commands.rebuild import recover_left

    failures = {}
    for instance in instances:
        try:
            recover_left(instance, paths)
        except DeployError as failure:
            failure.where = failure.where or instance.id
            failures[instance.id] = failure
    return failures


def adopted(
    instances: Sequence[Instance], paths: Paths, request: Request
) -> dict[str, DeployError]:
    """Show what of the proof of which container was lost, ask, put it back. Returns failures by
    instance."""
    from tasks.workflows.adoption import adopt, find_adoptable

    adoptable, failures = find_adoptable(instances, paths)
    for name, what in adoptable.items():
        console.note(f"{name}: {what}")
    if adoptable and not request.yes:
        _confirm("Take it as its own? [y/N] ")
    for instance in instances:
        if instance.id not in adoptable:
            continue
        try:
            adopt(instance, paths, console.Lines(), console.warning)
        except DeployError as failure:
            failures[instance.id] = failure
    return failures


def _saved(options: Mapping[str, Any], arguments: Sequence[str]) -> dict[str, Any] | None:
    if not options["plan"]:
        return None
    if arguments or options["target"]:
        raise UsageError(
            "--plan FILE says what is applied; IDs and --target were chosen when it was made",
            hint="Leave them out, or make another plan: ./doit plan --out FILE",
        )
    if options["adopt"]:
        raise UsageError(
            "--plan FILE says what is applied; there is none of a container that is to be adopted",
            hint="Adopt first: ./doit apply --adopt",
        )
    from tasks.model.plan import read_saved

    return read_saved(Path(options["plan"]))


def _confirm(question: str = "Apply this? [y/N] ") -> None:
    if not console.interactive():
        raise UsageError(
            "apply needs --yes where nobody can be asked", hint="Run: ./doit apply --yes"
        )
    if console.ask(question).lower() not in ("y", "yes"):
        raise CancelledError("cancelled; nothing was changed")


def refuse_locked(instances: Sequence[Instance], paths: Paths) -> None:
    """Raise LockedError where a live operation holds one of the instances."""
    from tasks.model.lock import refuse_held

    for instance in instances:
        refuse_held(paths, instance.id)


def carry_out(
    looks: Mapping[str, Inspection],
    plan: Plan,
    paths: Paths,
    *,
    whole: bool,
    allow_destroy: bool = False,
    again: bool = False,
    name: OperationName | None = None,
    inspection: Callable[[Instance, Paths], Inspection] | None = None,
) -> dict[str, DeployError]:
    """Do the plan. Returns failures by instance; what worked is reported as it is done.

    allow_destroy: also what loses data. again: what moved before it was begun is going to be
    planned anew. name: of the operation, where it is no apply's; look: how the looks were made,
    where not as an apply's.
    """
    from tasks.engine.instance_run import InstanceRun
    from tasks.engine.run import run_steps
    from tasks.engine.session import Session
    from tasks.output.plan_progress import show_plan_progress

    busy = [instance for instance in plan.instances if instance.entries]
    with show_plan_progress(plan) as watcher:
        session = Session(
            paths, watcher.of, console.warning, watcher.done, allow_destroy=allow_destroy
        )
        ready: list[Instance] = []
        try:
            for instance_plan in busy:
                found = replace(looks[instance_plan.instance], plan=instance_plan)
                run = InstanceRun(
                    found.asked or found.instance, whole=whole, inspection=found, inspect=inspection
                )
                session.runs[run.instance.id] = run
                try:
                    session.prepare(run, name)
                    if not run.builds_first:
                        session.begin(run)
                    ready.append(run.instance)
                except DeployError as failure:
                    run.failure = failure
            if ready:
                run_steps(ready, session)
        except KeyboardInterrupt:
            for run in session.runs.values():
                if run.failure is not None and run.failure.what != "cancelled":
                    # What became of it is more than that.
                    console.error(run.failure)
                if run.ended is None:
                    run.failure = run.failure or CancelledError("cancelled", where=run.instance.id)
            raise
        finally:
            session.close()
    return _report(session, again)


def _moved_only(failure: DeployError) -> bool:
    """Whether nothing was begun, for what the plan was made on had changed."""
    return isinstance(failure, StalePlanError)


def _report(session: Session, again: bool) -> dict[str, DeployError]:
    from tasks.output.plan_text import duration

    failures = {}
    for name, run in session.runs.items():
        took = duration((run.ended or time.monotonic()) - run.begun)
        if run.failure is not None:
            failures[name] = run.failure
            if again and _moved_only(run.failure):
                console.note(f"{name}: {run.failure.what}; planned anew")
            else:
                console.note(f"{name}: failed after {took}, {len(run.done)} done")
        elif run.inspection is not None and run.inspection.plan.unseen:
            console.note(f"{name}: so far done after {took}; now for what could not be seen before")
        else:
            console.note(f"{name}: done in {took}: {run.instance.public_url}")
    return failures


def _invite(inspection: Inspection) -> None:
    """Say how somebody comes to log in, where nobody can. inspection: of before it was applied."""
    from tasks.databases import database_for
    from tasks.engine.instance_run import operation_name

    instance = inspection.instance
    settings = instance.vikunja
    if settings.registration or settings.asks_others or operation_name(inspection) != "deploy":
        return
    try:
        users = database_for(instance, inspection.container).counts().get("users")
    except DeployError as unread:
        console.warning(f"{instance.id}: {unread}")
        return
    if users == 0:
        console.note(f"Nobody can log in yet: ./doit user {named(instance)} add NAME --email E")
