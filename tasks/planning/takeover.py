"""Which color is to serve, why, and what it takes until it does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct
from msgspec.structs import replace

from tasks.desired import proxy, record, release, switch
from tasks.desired.release import ReleaseTarget
from tasks.desired.switch import Switch
from tasks.model.instance import COLORS, Color
from tasks.model.layout import upstream
from tasks.planning.inputs import Inputs
from tasks.resources import overrides
from tasks.resources.base import Facts, Resource
from tasks.resources.release import (
    ActiveColor,
    ReleaseLine,
    active_color,
    damage,
    released,
    whole_release,
)
from tasks.resources.system import STAMPS, Unit, outdated_because


class Takeover(Struct, frozen=True):
    """What it takes until the right color serves.

    takes_over: whether that is another than now. target: with the version that is known of it.
    releasing: its tree in the color's folder; needs_build: it has to be built for that.
    """

    color: Color
    takes_over: bool
    target: ReleaseTarget
    releasing: tuple[Resource, ...]
    needs_build: bool
    switch: Switch


def choose(sources: Inputs, target: ReleaseTarget, facts: Facts) -> Takeover:
    """facts: with the one about the artifact of the target's key."""
    color = color_to_serve(sources, target, facts)
    active = active_color(facts)
    serving = released(facts, active)
    takes_over = serving is not None and color != active
    same = serving is not None and serving.key == target.key
    target = _known(target, serving, whole_release(facts, color))
    damaged = damage(facts, active)
    copied = takes_over and same and not damaged
    because = ""
    if damaged and color != active and (serving is None or same):
        because = f"what {active} runs is not as it was released: {damaged}"
    copy_of = active if copied else None
    releasing = release.declare(sources.instance, target, color, copy_of, because)
    comes = any(desired.difference(facts) for desired in releasing)
    upstreams = [
        one for one in COLORS if not takes_over or one == color or new_upstream(one, facts)
    ]
    parts = sources.switch(color, target, active if takes_over else None, upstreams)
    if copied:
        because = libraries_because(sources, target, facts)
    if because and (copied or not comes):
        # No release comes that would say why.
        parts = replace(parts, start=tuple(switched_because(because, parts.start)))
    if takes_over:
        parts = replace(parts, rest=(*parts.rest, *moved(active, parts.start, sources, facts)))
    return Takeover(color, takes_over, target, releasing, comes and not copied, parts)


def _known(
    target: ReleaseTarget, serving: ReleaseLine | None, in_place: ReleaseLine | None
) -> ReleaseTarget:
    """With the version that it is known by where it serves, or lies in the color's folder, and
    without a reason to be another one where it is none."""
    same = serving is not None and serving.key == target.key
    if serving is None or (serving.commit == target.commit if target.commit else same):
        target = replace(target, because="")
    for line in (in_place, serving):
        if line is not None and line.key == target.key:
            return replace(target, version=line.version)
    return target


def serves(facts: Facts) -> bool:
    """Whether this very container was deployed, as the record in it says that comes last: of one
    that is only being made, or anew in the place of a lost one, nothing is missed yet."""
    return record.DOCUMENT in facts.files


def color_to_serve(sources: Inputs, target: ReleaseTarget, facts: Facts) -> Color:
    """The active color where nothing that it runs with is to be another, or nothing has ever
    served; else the other one, beside what serves."""
    active = active_color(facts)
    backend = facts.units.get(f"vikunja-backend@{active}.service")
    runs = backend is not None and backend.up
    # A first apply that was killed may have started the backend, and nginx has never heard of it.
    heard = f"{STAMPS}/{proxy.UNIT}" in facts.texts
    if release.nothing_released(facts) or not (serves(facts) or (runs and heard)):
        return active
    serving = release.serving_release(facts)
    if serving is None or serving.key != target.key:
        return release.other(active)
    parts = sources.switch(active, replace(target, version=serving.version))
    if any(resource.difference(facts) for resource in parts.settings):
        return release.other(active)
    units = [one for one in parts.start if isinstance(one, Unit) and is_of(one, active)]
    changed = {one.address for one in sources.inside if one.difference(facts) is not None}
    aside = overrides.find(facts, units, sources.named)
    changed.update(one.address for one in aside)
    restarts = (
        one.restarts(facts, changed)
        for one in overrides.put_aside(units, aside)
        if isinstance(one, Unit)
    )
    return release.other(active) if any(restarts) else active


def libraries_because(sources: Inputs, target: ReleaseTarget, facts: Facts) -> str:
    """Why the other color takes over, where only that what serves runs old libraries
    calls for it; empty where something else does."""
    active = active_color(facts)
    units = {name: unit for name, unit in facts.units.items() if f"@{active}." in name}
    found = {package for unit in units.values() for package in unit.outdated}
    current = {name: replace(unit, outdated=()) for name, unit in units.items()}
    without = replace(facts, units={**facts.units, **current})
    if not found or color_to_serve(sources, target, without) != active:
        return ""
    return outdated_because(sorted(found), active)


def switched_because(because: str, start: Iterable[Resource]) -> Iterator[Resource]:
    """The start of a color, whose switch says why it takes over."""
    for one in start:
        yield replace(one, because=because) if isinstance(one, ActiveColor) else one


def is_of(unit: Unit, color: Color) -> bool:
    return unit.unit.endswith(f"@{color}.service")


def moved(
    color: Color, start: Iterable[Resource], sources: Inputs, facts: Facts
) -> tuple[Resource, ...]:
    """What tells nginx that a color which rests from now on is to be elsewhere the next time."""
    place = switch.place(color, sources.rendered)
    if place.path not in facts.files or not place.difference(facts):
        return ()
    nginx = next(one for one in start if isinstance(one, Unit) and one.unit == proxy.UNIT)
    return (place, replace(nginx, triggers=(place.address,), follows=(place.address,)))


def new_upstream(color: Color, facts: Facts) -> bool:
    """Whether nginx does not know yet where this color is."""
    return upstream(color) not in facts.files
