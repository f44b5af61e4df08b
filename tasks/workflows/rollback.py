"""Back to the release that the other color keeps: an update with that release as its target.

The plan is that of an apply whose target is the kept release: a color is a release and its
configuration, so the old release serves with the configuration as it is now. Only the container
itself, and another database, stay for the next apply. Where a migration stands between, a backup
from before it comes back with that release.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from msgspec.structs import replace

from tasks import builds
from tasks.containers import container_for
from tasks.desired.release import ReleaseTarget, other
from tasks.errors import DatabaseError, ResourceError
from tasks.model import releases
from tasks.model.instance import Color, Instance
from tasks.model.releases import Served
from tasks.model.update import PlannedUpdate
from tasks.paths import Paths
from tasks.planning import database_move, inspection, migrations
from tasks.planning.inputs import gather
from tasks.planning.inspection import Inspection
from tasks.resources.base import Facts, Resource
from tasks.resources.release import ReleaseLine, active_color, released
from tasks.resources.staged import ActivatedRestore, StagedRestore

STEPS = ("system", "release", "switch", "record")
"""What a rollback does of a plan."""

OBSERVE_SECONDS = 1
"""How long the old release is watched: it has served before."""


def inspect_rollback(instance: Instance, paths: Paths, identity: Path | None = None) -> Inspection:
    """What a rollback finds and would do. One round trip to the container, no change; three where
    another database is configured than the one that serves, which goes on serving.

    identity: the file that opens an encrypted archive. Raises ResourceError where no other release
    is kept, the container does not run or something in it is unfinished, DatabaseError where a
    migration stands between and there is no backup from before it.
    """
    container = container_for(instance, paths)
    found = container.observe()
    instance = instance.made_from(found.template)
    inputs = gather(instance, paths)
    facts = inspection.find(inputs, container, paths, found)
    asked, before = None, inspection.data_elsewhere(inputs, facts)
    if before is not None:
        inputs = database_move.as_it_is(inputs, container, facts, before, paths)
        asked, instance = instance, inputs.instance
        facts = inspection.find(inputs, container, paths)
    serving = _serving_release(instance, facts)
    kept = _kept_release(instance, serving, facts, paths)
    target = ReleaseTarget(kept.commit, kept.key, kept.version, "rolled back")
    update = migrations.planned(instance, target, serving, facts, paths, kept)
    enclose = None
    if update.beyond:
        known = migrations.known(instance, target, paths) or kept.migrations
        enclose = partial(_around_switch, _staged_restore(instance, update, known, identity))
    planned = inspection.build_plan(inputs, container, target, facts, paths, enclose=enclose)
    _refuse_unfinished(planned)
    return replace(_switch_and_records(planned), asked=asked)


def restored_by(planned: Inspection) -> StagedRestore | None:
    """The archive that a rollback brings back; None where it needs none."""
    resources = (entry.resource for entry in planned.plan.entries)
    return next((one for one in resources if isinstance(one, StagedRestore)), None)


def _serving_release(instance: Instance, facts: Facts) -> ReleaseLine:
    where = instance.id
    if facts.container is None or not facts.container.running:
        raise ResourceError(
            "rollback needs a running container", where=where, hint=f"./doit apply {where}"
        )
    serving = released(facts, active_color(facts))
    if serving is None:
        raise ResourceError(
            "nothing serves that could be rolled back", where=where, hint=f"./doit apply {where}"
        )
    return serving


def _kept_release(instance: Instance, serving: ReleaseLine, facts: Facts, paths: Paths) -> Served:
    """The one that served before, which the idle color or the cache still has."""
    kept = releases.before(releases.read(paths, instance.id), serving.key)
    idle = released(facts, other(active_color(facts)))
    if kept is not None and ((idle and idle.key == kept.key) or builds.find(paths, kept.key)):
        return kept
    raise ResourceError(
        f"no release that served before {serving.version} is kept",
        where=instance.id,
        hint=f"{_key(instance)} that you want, then ./doit apply {instance.id}",
    )


def _key(instance: Instance) -> str:
    if instance.release is None:
        return "Set git.branch to a branch or tag of the version"
    if instance.release.url is None:
        return "Set release.version to the version"
    return "Set release.url, release.sha256 and release.version to the archive"


def _staged_restore(
    instance: Instance,
    update: PlannedUpdate,
    known: tuple[str, ...] | None,
    identity: Path | None,
) -> StagedRestore:
    """The newest backup of the kept version, which knows the database's migrations no more."""
    version, beyond = update.after.version, migrations.shown(update.beyond)
    archive = migrations.backup_of(instance, update.after)
    if archive is None:
        raise DatabaseError(
            f"{version} does not know {beyond} that the database has been through, and there"
            f" is no backup of {version}",
            where=instance.id,
            hint="Migrations cannot be undone. What there is: "
            f"./doit backups {instance.id}, then ./doit restore {instance.id} --from ARCHIVE",
        )
    return StagedRestore(
        archive=archive, label=version, known=known, beyond=beyond, identity=identity
    )


def _around_switch(
    staged: StagedRestore, switching: tuple[Resource, ...], color: Color
) -> tuple[Resource, ...]:
    """The switch with the archive staged before it, which becomes live while nobody writes."""
    activated = ActivatedRestore(color=color, since=staged.archive.created_at)
    return (staged, activated, *migrations.going_on(switching, color))


def _refuse_unfinished(planned: Inspection) -> None:
    if planned.plan.unseen:
        where = planned.instance.id
        raise ResourceError(
            "an update or a restore in it is not finished",
            where=where,
            hint=f"./doit apply {where} puts it in order; then roll back.",
        )


def _switch_and_records(planned: Inspection) -> Inspection:
    """Of a plan only what a rollback does, watched no longer than it takes."""
    update = planned.instance.update
    seconds = min(update.observe_seconds, OBSERVE_SECONDS)
    return replace(
        planned,
        instance=replace(planned.instance, update=replace(update, observe_seconds=seconds)),
        plan=replace(
            planned.plan,
            entries=tuple(entry for entry in planned.plan.entries if entry.step in STEPS),
        ),
    )
