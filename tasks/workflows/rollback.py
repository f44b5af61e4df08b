"""Back to the release that the other color keeps: an update with that release as its target.

The plan is that of an apply whose target is the kept release, of which only the switch and the
records are done: whatever else differs from the configuration stays for the next apply. Where a
migration stands between, a backup from before it comes back with that release.
"""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from tasks import builds
from tasks.containers import container_for
from tasks.desired.release import ReleaseTarget, other
from tasks.errors import DatabaseError, ResourceError
from tasks.model import releases
from tasks.model.instance import Color, Instance
from tasks.model.releases import Served
from tasks.model.update import PlannedUpdate, Version
from tasks.paths import Paths
from tasks.planning import inspection as looking
from tasks.planning import migrations
from tasks.planning.inspection import Enclose, Inspection
from tasks.resources.base import Facts, Resource
from tasks.resources.release import ReleaseLine, active_color, released
from tasks.resources.staged import ActivatedRestore, StagedRestore

STEPS = ("release", "switch", "record")
"""What a rollback does of a plan."""

OBSERVE_SECONDS = 1
"""How long the old release is watched: it has served before."""


def look_back(instance: Instance, paths: Paths, identity: Path | None = None) -> Inspection:
    """What a rollback finds and would do. One round trip to the container, no change.

    identity: the file that opens an encrypted archive. Raises ResourceError where no other release
    is kept, the container does not run or something in it is unfinished, DatabaseError where a
    migration stands between and there is no backup from before it.
    """
    container = container_for(instance, paths)
    sources = looking.gather(instance, paths)
    facts = looking.find(sources, container, paths)
    serving, kept = _kept(instance, facts, paths)
    target = ReleaseTarget(kept.commit, kept.key, kept.version, "rolled back")
    planned = migrations.planned(instance, target, serving, facts, paths, kept)
    enclose = _through_restore(instance, target, planned, kept, paths, identity)
    update = replace(
        instance.update, observe_seconds=min(instance.update.observe_seconds, OBSERVE_SECONDS)
    )
    inspection = looking.build_plan(sources, container, target, facts, paths, enclose=enclose)
    if inspection.plan.unseen:
        raise ResourceError(
            "an update or a restore in it is not finished",
            where=instance.id,
            hint=f"./doit apply {instance.id} puts it in order; then roll back.",
        )
    entries = tuple(entry for entry in inspection.plan.entries if entry.step in STEPS)
    return replace(
        inspection,
        instance=replace(instance, update=update),
        plan=replace(inspection.plan, entries=entries),
    )


def restored_by(inspection: Inspection) -> StagedRestore | None:
    """The archive that a rollback brings back; None where it needs none."""
    resources = (entry.resource for entry in inspection.plan.entries)
    return next((one for one in resources if isinstance(one, StagedRestore)), None)


def _kept(instance: Instance, facts: Facts, paths: Paths) -> tuple[ReleaseLine, Served]:
    """The release that serves and the one to go back to."""
    where = instance.id
    if facts.container is None or not facts.container.running:
        raise ResourceError(
            "rollback needs a running container", where=where, hint=f"./doit apply {where}"
        )
    active = active_color(facts)
    serving = released(facts, active)
    if serving is None:
        raise ResourceError(
            "nothing serves that could be rolled back", where=where, hint=f"./doit apply {where}"
        )
    kept = releases.before(releases.read(paths, where), serving.key)
    in_place = released(facts, other(active))
    there = kept and ((in_place and in_place.key == kept.key) or builds.find(paths, kept.key))
    if kept is None or not there:
        raise ResourceError(
            f"no release that served before {serving.version} is kept",
            where=where,
            hint="Set git.branch to a branch or tag that holds the version you want, then"
            f" ./doit apply {where}",
        )
    return serving, kept


def _through_restore(
    instance: Instance,
    target: ReleaseTarget,
    planned: PlannedUpdate,
    kept: Served,
    paths: Paths,
    identity: Path | None,
) -> Enclose | None:
    """What a migration in between puts around the switch; None where none does."""
    if not planned.beyond:
        return None
    beyond = migrations.shown(planned.beyond)
    archive = migrations.backup_of(instance, Version(target.commit, target.version))
    if archive is None:
        raise DatabaseError(
            f"{target.version} does not know {beyond} that the database has been through, and there"
            f" is no backup of {target.version}",
            where=instance.id,
            hint="Migrations cannot be undone. What there is: "
            f"./doit backups {instance.id}, then ./doit restore {instance.id} --from ARCHIVE",
        )
    beside = StagedRestore(
        archive=archive,
        label=target.version,
        known=migrations.known(instance, target, paths) or kept.migrations,
        beyond=beyond,
        identity=identity,
    )

    def enclose(switching: tuple[Resource, ...], color: Color) -> tuple[Resource, ...]:
        swapped = ActivatedRestore(color=color, since=archive.created_at)
        return (beside, swapped, *migrations.going_on(switching, color))

    return enclose
