"""What is written down of one instance in a session: what was applied, and the records."""

from __future__ import annotations

from msgspec.structs import replace

from tasks.engine.instance_run import InstanceRun
from tasks.model.applied import Applied, with_resources
from tasks.paths import Paths
from tasks.resources.base import Resource


def marked(run: InstanceRun, step: str) -> tuple[list[Resource], list[str]]:
    """What a step brings about, and the addresses of what it takes away."""
    entries = run.entries(step)
    resources = [one for entry in entries if isinstance(one := entry.resource, Resource)]
    gone = [entry.address for entry in entries if entry.action == "delete"]
    return [resource for resource in resources if resource.address not in gone], gone


def write_record(run: InstanceRun, name: str, paths: Paths) -> None:
    """Write one record as things are now."""
    from tasks.containers.registry_entry import entry, found_number
    from tasks.desired import record
    from tasks.execution import release_changes
    from tasks.host.files import write_atomically
    from tasks.model import applied as records
    from tasks.model import registry
    from tasks.model.operation_log import format_time, utc_now

    assert run.context is not None and run.applied is not None and run.operation is not None
    now = format_time(utc_now())
    if name == "registry":
        created = run.applied.created_at or now
        applied = replace(run.applied, created_at=created)
        found = run.context.container.observe()
        registry.add(paths, entry(run.context.inspection.instance, applied, found))
    elif name == "log-rotation":
        write_atomically(paths.log_rotation, record.log_rotation(paths))
    elif name == "state":
        color, line, migrations = release_changes.serving(run.context)
        run.operation.record(
            container_id=found_number(run.context.container.observe()),
            active_color=color,
            deployed_version=line.version if line else None,
            deployed_commit=line.commit if line and line.commit != "-" else None,
        )
        if line is not None:
            release_changes.remember(line, migrations, run.context)
    else:
        run.applied = replace(run.applied, created_at=run.applied.created_at or now, updated_at=now)
        records.write(paths, run.instance.id, run.applied)
        release_changes.write_document(run.context, run.applied)


def conclude(run: InstanceRun) -> None:
    """The whole plan is done: what stood as desired before is known as applied, too."""
    from tasks.desired import record
    from tasks.resources.applied import mark_applied

    assert run.applied is not None and run.inspection is not None
    # Where the database is to be another one, this may have been a plan with the one of before.
    configuration = record.configuration_digests(run.inspection.instance)
    run.applied = replace(run.applied, configuration=configuration)
    # What is no longer configured is gone by now: whatever comes in its place is not ours.
    desired = run.inspection.desired
    kept = desired.colors.union(resource.address for resource in desired.resources)
    gone = [address for address in run.applied.resources if address not in kept]
    run.applied = mark_applied(run.applied, desired.resources, gone)


def still_pending(applied: Applied, before: Applied, address: str) -> Applied:
    """The record with one resource as it was before the others were done: it is still to come."""
    resources = {**applied.resources, address: before.resources[address]}
    return with_resources(applied, resources)
