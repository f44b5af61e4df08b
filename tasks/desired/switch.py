"""Step 7: a color is prepared, started, healthy, and what nginx passes requests to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from tasks.desired import color as colors
from tasks.desired import proxy, system
from tasks.desired.release import ReleaseTarget, origin_keys, other
from tasks.desired.rendering import Rendered, origin_of
from tasks.model.host_files import HostFiles
from tasks.model.instance import COLORS, Color, Instance
from tasks.model.layout import ENVIRONMENT, MAINTENANCE, UNITS, environment
from tasks.resources.base import Resource
from tasks.resources.files import Absent, File, Link
from tasks.resources.release import ActiveColor, HealthCheck
from tasks.resources.system import DaemonReload, StoppedUnit


class Switch(Struct, frozen=True):
    """The switch step in its parts. settings: a color is prepared beside what serves. start: it
    serves. rest: what served before is at rest."""

    settings: tuple[Resource, ...]
    start: tuple[Resource, ...]
    rest: tuple[Resource, ...]

    @property
    def resources(self) -> tuple[Resource, ...]:
        return (*self.settings, *self.start, *self.rest)


def declare(
    instance: Instance,
    color: Color,
    rendered: Mapping[str, Rendered],
    host_files: HostFiles,
    target: ReleaseTarget,
    serving: Color | None = None,
    upstreams: Iterable[Color] = COLORS,
) -> Switch:
    """A color with its settings serves. serving: the other one, where that does until then.
    upstreams: the colors that nginx is told anew where they are."""
    releasing = origin_of(instance, origin_keys(instance))
    settings = colors.settings(instance, color, rendered, serving)
    reload = DaemonReload(
        of=color,
        triggers=tuple(one.address for one in settings if one.path.startswith(f"{UNITS}/")),
    )
    started = tuple(
        replace(
            unit,
            follows=(f"release:{color}",),
            # Laid anew in its own folder, it is taken up by a start.
            triggers=(*unit.triggers, f"release:{color}"),
            origin=unit.origin.merged([releasing]),
            otherwise=target.because,
        )
        for unit in colors.units(instance, color, rendered, host_files, target.key, target.version)
    )
    own = system.own_files(instance, host_files)
    places = (place(one, rendered) for one in upstreams)
    nginx = proxy.declare(instance, rendered, host_files, own, places)
    active = ActiveColor(color=color, follows=tuple(unit.address for unit in started))
    site = HealthCheck(
        site=instance.site_origin,
        timeout=instance.vikunja.start_timeout_seconds,
        answers=("nginx.service", *proxy.site_answers(instance)),
        triggers=(
            "color:active",
            "unit:nginx.service",
            f"absent:{MAINTENANCE}",
            *(unit.address for unit in started),
        ),
        origin=origin_of(instance, ("network.domain", "services.frontend.ssl_port")),
    )
    name = environment(color).rpartition("/")[2]
    link = Link(path=ENVIRONMENT, target=name, follows=("color:active",))
    idle = tuple(
        StoppedUnit(unit=unit.unit, follows=("color:active",))
        for unit in colors.units(instance, other(color), rendered, host_files, target.key)
    )
    # Nothing is kept of settings that serve no longer: they may hold what is secret.
    retired = tuple(
        Absent(path=one.path, was="file", follows=("color:active",))
        for one in colors.settings(instance, other(color), rendered)
        if one.sensitive or "environment" in one.path
    )
    return Switch(
        (*settings, colors.secrets(instance, color, serving), reload),
        (*started, *nginx, active, site),
        (link, *idle, *retired, colors.retired_secrets(instance, other(color))),
    )


def place(color: Color, rendered: Mapping[str, Rendered]) -> File:
    """Where nginx finds a color."""
    return colors.templated_file(colors.upstream_file(color), rendered)
