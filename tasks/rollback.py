"""Back to the release that the other colour keeps: an update with that release as its target.

The plan is that of an apply whose target is the kept release, of which only the switch and the
records are done: whatever else differs from the configuration stays for the next apply.
"""

from __future__ import annotations

from dataclasses import replace

from tasks import build, migrations
from tasks import look as looking
from tasks.containers import container_for
from tasks.errors import DatabaseError, ResourceError
from tasks.look import Look
from tasks.model import releases
from tasks.model.instance import Instance
from tasks.model.releases import Served
from tasks.paths import Paths
from tasks.release import Target, other
from tasks.resources.base import Facts
from tasks.resources.release import ReleaseLine, active_color, released

STEPS = ("release", "switch", "record")
"""What a rollback does of a plan."""

OBSERVE_SECONDS = 1
"""How long the old release is watched: it has served before."""


def look_back(instance: Instance, paths: Paths) -> Look:
    """What a rollback finds and would do. One round trip to the container, no change.

    Raises ResourceError where no other release is kept or the container does not run,
    DatabaseError where a migration stands between.
    """
    container = container_for(instance, paths)
    sources = looking.gather(instance, paths)
    facts = looking.find(sources, container, paths)
    serving, kept = _kept(instance, facts, paths)
    target = Target(kept.commit, kept.key, kept.version)
    _refuse_migrations(instance, target, serving, facts, paths)
    update = replace(
        instance.update, observe_seconds=min(instance.update.observe_seconds, OBSERVE_SECONDS)
    )
    look = looking.conclude(sources, container, target, facts, paths)
    entries = tuple(entry for entry in look.plan.entries if entry.step in STEPS)
    return replace(
        look,
        instance=replace(instance, update=update),
        plan=replace(look.plan, entries=entries),
    )


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
    there = kept and ((in_place and in_place.key == kept.key) or build.find(paths, kept.key))
    if kept is None or not there:
        raise ResourceError(
            f"no release that served before {serving.version} is kept",
            where=where,
            hint="Set git.branch to a branch or tag that holds the version you want, then"
            f" ./doit apply {where}",
        )
    return serving, kept


def _refuse_migrations(
    instance: Instance, target: Target, serving: ReleaseLine, facts: Facts, paths: Paths
) -> None:
    update = migrations.planned(instance, target, serving, facts, paths)
    if update.beyond:
        raise DatabaseError(
            f"{target.version} does not know {migrations.shown(update.beyond)} that the database "
            "has been through",
            where=instance.id,
            hint="Migrations cannot be undone. Bring back a backup of that version: "
            f"./doit backups {instance.id}, then ./doit restore {instance.id} --from ARCHIVE",
        )
