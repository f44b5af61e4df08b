"""What is known of an instance without looking at its container."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property

from msgspec import Struct

from tasks.desired import release, rendering, switch, system
from tasks.desired.record import DOCUMENT
from tasks.desired.release import ReleaseTarget
from tasks.desired.rendering import Rendered
from tasks.desired.switch import Switch
from tasks.model import applied as applied_records
from tasks.model.applied import Applied
from tasks.model.host_files import HostFiles
from tasks.model.instance import COLORS, Color, Instance
from tasks.paths import Paths
from tasks.resources.base import Facts, Resource


class Inputs(Struct, frozen=True, dict=True):
    """Everything about an instance that is known without looking at its container."""

    instance: Instance
    rendered: Mapping[str, Rendered]
    host_files: HostFiles
    applied: Applied

    @cached_property
    def inside(self) -> tuple[Resource, ...]:
        """The system step's resources."""
        return system.declare(self.instance, self.rendered, self.host_files)

    def switch(
        self,
        color: Color,
        target: ReleaseTarget,
        serving: Color | None = None,
        upstreams: Iterable[Color] = COLORS,
    ) -> Switch:
        """The switch step, see switch.declare."""
        asked = (color, target, serving, tuple(upstreams))
        if asked not in self.switches:
            self.switches[asked] = switch.declare(
                self.instance, color, self.rendered, self.host_files, target, serving, asked[3]
            )
        return self.switches[asked]

    @cached_property
    def switches(self) -> dict[object, Switch]:
        """Those that were asked for: a plan wants the same one more than once."""
        return {}

    @cached_property
    def colors(self) -> frozenset[str]:
        """Addresses of what either color may have of its own: the one that rests keeps it."""
        nothing = ReleaseTarget(None, "")
        return frozenset(
            resource.address
            for color in COLORS
            for resource in (
                *release.declare(self.instance, nothing, color),
                *self.switch(color, nothing).resources,
            )
        )

    @cached_property
    def named(self) -> frozenset[str]:
        """Addresses of what is of the configuration though it may not be desired now: the other
        color's, and what the last apply brought about."""
        return self.colors.union(self.applied.resources)


def gather(instance: Instance, paths: Paths, host_files: HostFiles | None = None) -> Inputs:
    """What the host knows: renderings, given files (read where there are none), the last apply."""
    return Inputs(
        instance,
        rendering.recall(instance, system.templated(instance), paths),
        system.read_host_files(instance) if host_files is None else host_files,
        applied_records.read(paths, instance.id),
    )


def deployed(sources: Inputs, facts: Facts) -> bool:
    """Whether an apply was ever done: the container or the host has its record."""
    return DOCUMENT in facts.files or bool(sources.applied.created_at)
