"""One look at one instance: what is desired, what is found, and the plan that follows."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from tasks import builds
from tasks.containers import container_for
from tasks.containers.base import Container, ContainerFacts, refuse_foreign
from tasks.desired import (
    acme,
    places,
    provisioning,
    record,
    release,
    system,
)
from tasks.desired.release import ReleaseTarget
from tasks.desired.rendering import origin_of
from tasks.host.text_cache import TextCache
from tasks.model.instance import COLORS, Color, Instance
from tasks.model.layout import environment
from tasks.model.plan import InstancePlan, Lost, PlanEntry
from tasks.model.rebuild import refuse_rebuilding
from tasks.paths import Paths
from tasks.planning import takeover
from tasks.planning.inputs import Inputs, deployed, gather
from tasks.planning.planner import Desired, orphans, plan, reachable
from tasks.planning.target import find_target, notices
from tasks.resources import overrides
from tasks.resources.base import Facts, Resource
from tasks.resources.data_move import QUESTIONS as DATABASE_MOVE
from tasks.resources.data_move import (
    DatabaseRemoved,
    database_address,
    kept_in,
    moves_from,
)
from tasks.resources.files import Absent
from tasks.resources.migration import InterruptedUpdate, emptied, migrations_question
from tasks.resources.observe import Question, observe
from tasks.resources.system import Script, Unit

if TYPE_CHECKING:
    from tasks.builds import Ask
    from tasks.model.database_address import DatabaseAddress
    from tasks.model.database_move import PlannedMove
    from tasks.model.update import PlannedUpdate

Enclose = Callable[[tuple[Resource, ...], Color], tuple[Resource, ...]]

INTERRUPTED_UPDATE = InterruptedUpdate()

COMPUTING = threading.Lock()
"""Held by who computes: of many at once, that all want the interpreter, each would wait longer."""


class Inspection(Struct, frozen=True):
    """What was found of one instance at one moment, and what it calls for.

    asked: the instance that was looked at, where `instance` is that with the database of before.
    """

    instance: Instance
    container: Container
    sources: Inputs
    target: ReleaseTarget
    color: Color
    facts: Facts
    desired: Desired
    plan: InstancePlan
    asked: Instance | None = None


def inspect(
    instance: Instance, paths: Paths, *, sweep: bool = False, ask: Ask = builds.asking
) -> Inspection:
    """Look at an instance: one round trip to its container, one to its git remote or the index
    of published releases, no change.

    sweep: databases that were kept are to go. ask: begins to ask the remote or the index.
    """
    refuse_rebuilding(paths, instance.id)
    container = container_for(instance, paths)
    asked = ask(instance, paths)
    try:
        found = container.observe()
        with COMPUTING:
            instance = instance.made_from(found.template)
            sources = gather(instance, paths)
        facts = find(sources, container, paths, found)
    finally:
        answer = asked()
    before = data_elsewhere(sources, facts)
    if before is not None:
        from tasks.planning import database_move

        return database_move.inspect_move(sources, container, facts, answer, paths, before)
    target = find_target(instance, answer, facts, paths)
    update = find_update(instance, target, facts, paths)
    with COMPUTING:
        return build_plan(sources, container, target, facts, paths, update, sweep=sweep)


def data_elsewhere(sources: Inputs, facts: Facts) -> DatabaseAddress | None:
    """The database that the data is in, where another one is configured."""
    if not deployed(sources, facts):
        return None
    settings = sources.rendered[environment("blue")].content
    return moves_from(sources.instance, settings, facts)


def find_update(
    instance: Instance, target: ReleaseTarget, facts: Facts, paths: Paths
) -> PlannedUpdate | None:
    """What another release than the serving one brings along; None where there is none.

    The git remote is asked once more only for a commit that was never fetched.
    """
    serving = release.serving_release(facts)
    if serving is None or serving.key == target.key:
        return None
    from tasks.planning import migrations

    return migrations.planned(instance, target, serving, facts, paths)


def find(
    sources: Inputs, container: Container, paths: Paths, found: ContainerFacts | None = None
) -> Facts:
    """Facts from the host and, where the container runs, from inside it. found: the container."""
    instance = sources.instance
    found = found or container.observe()
    refuse_foreign(instance.id, container.spec.name, found)
    inside = Facts()
    if found.running:
        with COMPUTING:
            asked = questions(sources, container)
        inside = observe(container, asked)
    return replace(inside, host=record.observe(instance, paths), container=found)


def questions(sources: Inputs, container: Container) -> tuple[Question, ...]:
    """Everything that a plan may need to know, whichever color it will be about."""
    nothing = ReleaseTarget(None, "")
    resources = [*provisioning.declare(sources.instance, container), *sources.inside]
    resources += acme.certificate(sources.instance)
    for color in COLORS:
        resources += release.declare(sources.instance, nothing, color)
        resources += [
            resource
            for resource in sources.switch(color, nothing).resources
            # Of the other color's settings more is asked than whether they are there.
            if not (isinstance(resource, Absent) and resource.was == "file")
        ]
    resources += orphans(sources.applied, {resource.address for resource in resources})
    asked = [question for resource in resources for question in resource.questions()]
    return (
        *asked,
        migrations_question(sources.instance),
        *INTERRUPTED_UPDATE.questions(),
        *DATABASE_MOVE,
        ("file", "=", record.DOCUMENT),
    )


def build_plan(
    sources: Inputs,
    container: Container,
    target: ReleaseTarget,
    facts: Facts,
    paths: Paths,
    update: PlannedUpdate | None = None,
    enclose: Enclose | None = None,
    *,
    move: PlannedMove | None = None,
    sweep: bool = False,
) -> Inspection:
    """Desired and plan from what was found. No effect.

    enclose: puts what else it takes around the start of the color that is to serve; None where that
    is what the update's migrations call for, if anything.
    """
    instance = sources.instance
    observed = facts.index()
    provision = provisioning.declare(instance, container)
    if any(replaces(desired, facts) for desired in provision):
        # What is in the container now goes with it.
        facts = Facts(host=facts.host, container=facts.container)
        update = None
    facts = reachable(facts, sources.inside)
    present = "present" if builds.find(paths, target.key) else "absent"
    facts = with_host(facts, {f"artifact:{target.key}": present})
    chosen = takeover.choose(sources, target, facts)
    color, target, parts = chosen.color, chosen.target, chosen.switch
    aside = overrides.find(facts, sources.inside + parts.resources, sources.named)
    inside, start, rest = (
        overrides.put_aside(part, aside) for part in (sources.inside, parts.start, parts.rest)
    )
    if chosen.takes_over:
        inside = tuple(waiting_for(one, sources) for one in inside)
    if enclose is None and update is not None and update.stops_writes:
        from tasks.planning.migrations import around

        enclose = partial(around, update)
    if enclose is not None:
        start = enclose(start, color)
    used = move.before if move else database_address(instance)
    kept = tuple(i for i in kept_in(facts, used) if not i.database.same(database_address(instance)))
    settings = parts.settings
    if move is not None:
        from tasks.planning import database_move

        if move.occupied:
            settings = database_move.losing(settings)
        else:
            settings = database_move.losing_nothing(settings)
            inside, start = database_move.around(inside, start, move, facts, color)
    elif sweep:
        rest += tuple(
            DatabaseRemoved(item=item, stays=item.database.same_server(database_address(instance)))
            for item in kept
        )
    steps: dict[str, tuple[Resource, ...]] = {
        "provision": provision,
        "system": inside,
        "build": release.declare_build(instance, target) if chosen.needs_build else (),
        "release": chosen.releasing,
        "switch": (*settings, *start, *rest),
    }
    before = [r for resources in steps.values() for r in resources]
    records = record.declare(
        instance, facts, sources.applied, target, color, before, TextCache(paths.documents)
    )
    steps["record"] = (*records, *acme.certificate(instance), *places.declare(facts))
    # Where the data is to move, what it moves to need not be there.
    must_be_there = move is None and takeover.serves(facts)
    desired = Desired(
        instance.id,
        steps,
        sources.colors,
        must_be_there,
        must_be_there and emptied(facts, instance),
    )
    there = facts.container
    unseen = bool(there and there.exists and not there.running)
    if unseen:
        # That it runs again is recorded with the first that is done, whatever comes after.
        steps = {"provision": provision, "switch": record.running(facts)}
        desired = Desired(instance.id, steps, sources.colors)
    elif INTERRUPTED_UPDATE.difference(facts) is not None:
        # What an update that broke off left decides what else there is to do.
        unseen, update, move = True, None, None
        steps = {
            "provision": provision,
            "switch": (INTERRUPTED_UPDATE, *record.running(facts)),
        }
        desired = replace(desired, steps=steps)
    entries = plan(desired, facts, sources.applied)
    observed["git:commit"] = target.commit or ""
    if instance.release and instance.release.channel:
        observed["release:version"] = target.version
    if takeover.serves(facts):
        # A backup writes into it, and moves nothing by that.
        observed[f"file:{record.DOCUMENT}"] = "present"
    instance_plan = InstancePlan(
        instance.id,
        entries,
        record.configuration_digests(instance),
        observed,
        unseen,
        update,
        move,
        kept,
        find_lost(sources, facts, entries, paths),
        notices(target),
    )
    return Inspection(instance, container, sources, target, color, facts, desired, instance_plan)


def waiting_for(resource: Resource, sources: Inputs) -> Resource:
    """What counts at once, and what serves until then does not find any more: redis at its one
    port, and in PostgreSQL tables of the user that it does as."""
    known = {
        f"unit:{system.REDIS}": ("redis.port", "requests that need redis"),
        f"postgresql-database:{sources.instance.database.name}": ("database.user", "requests"),
    }
    if resource.address not in known:
        return resource
    key, what = known[resource.address]
    before = sources.applied.configuration.get(key)
    if before in (None, origin_of(sources.instance, [key]).inputs[key]):
        return resource
    assert isinstance(resource, Unit | Script)
    return replace(resource, interrupts=f"{what}, until the other color serves")


def find_lost(
    sources: Inputs, facts: Facts, entries: Sequence[PlanEntry], paths: Paths
) -> Lost | None:
    """What was deployed and is gone with its data; None where nothing is."""
    there = facts.container
    gone = there is not None and not there.exists and deployed(sources, facts)
    things = tuple(entry.address for entry in entries if entry.lost)
    if not gone and not things:
        return None
    from tasks.model import holdings
    from tasks.model.archive import newest_meant

    instance = sources.instance
    folder = instance.backup.directory / instance.id
    found = newest_meant(folder)
    fuller = holdings.before_a_loss(folder, holdings.read(paths, instance.id))
    return Lost(found.created_at if found else None, things, fuller)


def replaces(desired: Resource, facts: Facts) -> bool:
    difference = desired.difference(facts)
    return difference is not None and difference.action == "replace"


def with_host(facts: Facts, more: Mapping[str, str]) -> Facts:
    """The facts with more that was found on the host."""
    return replace(facts, host={**facts.host, **more})
