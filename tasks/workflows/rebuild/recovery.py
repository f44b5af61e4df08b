"""A rebuild that broke off is put in order: undone where the new container has not proven itself,
finished where it has. Each part can be done again after a kill at any point.
"""

from __future__ import annotations

from contextlib import suppress
from shutil import rmtree

from msgspec.structs import replace

from tasks import execution
from tasks.backup.running_instance import inside_run
from tasks.backup.source import STAGING
from tasks.containers import container_for
from tasks.containers.base import Container
from tasks.databases import database_for
from tasks.databases.write_freeze import SAVED
from tasks.databases.write_freeze import recover as recover_freeze
from tasks.desired.places import container_at, numbered
from tasks.desired.release import serving_release
from tasks.engine import recording
from tasks.engine.instance_run import InstanceRun
from tasks.engine.session import Session
from tasks.guest.runner import GuestScript, wait_for_leftovers
from tasks.host.files import named
from tasks.model import applied as applied_records
from tasks.model import rebuild as records
from tasks.model import releases
from tasks.model.instance import Instance
from tasks.model.layout import MAINTENANCE
from tasks.model.operation_log import format_time, utc_now
from tasks.model.operations import Operation
from tasks.model.plan import STEPS
from tasks.model.rebuild import Rebuild, Replaced
from tasks.paths import Paths
from tasks.planning import inspection
from tasks.planning.inputs import gather
from tasks.planning.inspection import Inspection
from tasks.progress import SILENT, Progress
from tasks.resources.release import Record
from tasks.workflows.own_records import OwnRecords

OPEN = GuestScript("open-site", ("open-site",))


def recover(
    instance: Instance, paths: Paths, operation: Operation, progress: Progress = SILENT
) -> str:
    """Put in order what a rebuild has left; what was done, in words, nothing where there was none.

    Under an operation that has been entered. Raises DeployError where it cannot be yet.
    """
    journal = records.read(paths, instance.id)
    if journal is None:
        return ""
    if journal.phase == "committed":
        finish(instance, journal, paths, operation, progress)
        return "The rebuild was done already: the new container serves"
    undo(instance, journal, paths, progress)
    said = "What a rebuild left is removed; the old container serves"
    operation.info(said)
    return said


def undo(instance: Instance, journal: Rebuild, paths: Paths, progress: Progress = SILENT) -> None:
    """The old container serves, and nothing is left of the new one."""
    if journal.phase == "moving":
        # It may have the old one's name and address.
        _remove_in_place(instance, journal, paths, progress)
    _remove_beside(instance, journal, paths, progress)
    if journal.phase != "preparing":
        old = _old_back(instance, journal, paths, progress)
        wait_for_leftovers(old)
        recover_freeze(old, instance.id)
    forget(instance, paths)


def _remove_beside(instance: Instance, journal: Rebuild, paths: Paths, progress: Progress) -> None:
    """The new container, while it is not in the old one's place."""
    own = OwnRecords(paths.prefix, records=paths.rebuild(instance.id))
    new = container_at(instance, journal.new, own)
    identity = journal.new_identity
    if journal.phase == "moving" and identity is not None and new.known_as(identity):
        # It may be half way there.
        new.become(new, identity, progress)
    if new.observe().exists:
        new.destroy(progress)


def _remove_in_place(
    instance: Instance, journal: Rebuild, paths: Paths, progress: Progress
) -> None:
    """The new container, where it is in the old one's place already."""
    real = container_for(numbered(instance, journal.new.container_id), paths)
    if journal.new_identity is not None and real.known_as(journal.new_identity):
        real.destroy(progress)


def _old_back(instance: Instance, journal: Rebuild, paths: Paths, progress: Progress) -> Container:
    """The old container runs in its place."""
    old, identity = container_at(instance, journal.old, paths), journal.old_identity
    if journal.phase == "moving":
        kept = container_at(instance, journal.kept, paths)
        if kept.known_as(identity):
            kept.become(old, identity, progress)
        else:
            if old.observe().running:
                # It was about to rest, and would not come up with the machine any more.
                old.stop(progress)
            old.become(old, identity, progress)
    if not old.observe().running:
        old.start(progress)
    return old


def end_proxy(container: Container) -> None:
    """The proxy, which only says by now that nobody is let in, ends at once: it would wait for
    connections that clients keep."""
    container.run(["systemctl", "kill", "--signal=TERM", "nginx.service"], check=False)


def open_new(instance: Instance, journal: Rebuild, paths: Paths) -> Container:
    """The new container runs, and lets everybody in."""
    real = container_for(numbered(instance, journal.new.container_id), paths)
    if not real.observe().running:
        real.start()
    OPEN.run(real)
    return real


def finish(
    instance: Instance,
    journal: Rebuild,
    paths: Paths,
    operation: Operation,
    progress: Progress = SILENT,
    write_stop: float = 0.0,
) -> None:
    """The new container serves, the old one is kept, and the records say so."""
    real = open_new(instance, journal, paths)
    if instance.database.inside:
        # The empty one that it was set up with.
        database_for(instance, real).drop(SAVED)
    inside_run(real, "end", STAGING)
    kept = Replaced(
        place=journal.kept,
        identity=journal.old_identity,
        template=_template_of(instance, journal, paths),
        since=format_time(utc_now()),
        write_stop=round(write_stop, 1),
    )
    records.keep(paths, instance.id, kept)
    write_records(instance, real, paths, operation)
    forget(instance, paths)


def _template_of(instance: Instance, journal: Rebuild, paths: Paths) -> str:
    kept = container_at(instance, journal.kept, paths).observe()
    return kept.template or "unknown"


def planned(instance: Instance, container: Container, paths: Paths) -> Inspection | None:
    """What is left to be done of what is configured, with the release that the container has; None
    where it has none."""
    from tasks.workflows.rebuild.deployment import same_release

    found = container.observe()
    instance = instance.made_from(found.template)
    inputs = gather(instance, paths)
    facts = inspection.find(inputs, container, paths, found)
    serving = serving_release(facts)
    if serving is None:
        return None
    commit = None if serving.commit == "-" else serving.commit
    target = same_release(instance, serving.version, commit)
    return inspection.build_plan(inputs, container, target, facts, paths)


def start_on_the_database(
    instance: Instance, container: Container, paths: Paths, operation: Operation
) -> None:
    """Do all that the new container was made without, for it would have used a database outside
    beside the old one. Nobody is let in by that."""
    found = planned(instance, container, paths)
    assert found is not None, "its release is there"
    run = _run_within(found, paths, operation)
    assert run.context is not None
    for step in STEPS[:-1]:
        entries = [one for one in run.entries(step) if one.address != f"absent:{MAINTENANCE}"]
        if entries:
            execution.apply(step, entries, run.context)


def write_records(
    instance: Instance, container: Container, paths: Paths, operation: Operation
) -> None:
    """What the host knows of the instance is of the new container, where all in it is as it is
    configured; else the next apply writes it."""
    found = planned(instance, container, paths)
    if found is None:
        return
    serving = serving_release(found.facts)
    assert serving is not None, "what it was planned with"
    before = releases.read(paths, instance.id)
    releases.write(paths, instance.id, releases.rebuilt(before, serving.key))
    left = [entry for entry in found.plan.entries if entry.step != "record"]
    if left:
        operation.warn(
            f"./doit apply {instance.id} is to follow: {', '.join(entry.address for entry in left)}"
        )
        return
    run = _run_within(found, paths, operation)
    for entry in found.plan.entries:
        if isinstance(entry.resource, Record):
            recording.write_record(run, entry.resource.record, paths)
    recording.conclude(run)
    assert run.applied is not None
    applied_records.write(paths, instance.id, run.applied)


def _run_within(found: Inspection, paths: Paths, operation: Operation) -> InstanceRun:
    """A run of the instance within an operation that has begun."""
    run = InstanceRun(found.instance, inspection=found)
    context = Session(paths).prepare(run, operation.name)
    run.context, run.operation = replace(context, operation=operation), operation
    run.applied = applied_records.read(paths, found.instance.id)
    return run


def forget(instance: Instance, paths: Paths) -> None:
    """Neither the records of the new container beside nor the journal are there any more."""
    folder = paths.rebuild(instance.id)
    with named(folder, "cannot be removed"):
        if folder.exists():
            rmtree(folder)
        with suppress(OSError):
            # Of the last rebuild under way.
            folder.parent.rmdir()
    records.remove(paths, instance.id)
