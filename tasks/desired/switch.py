"""Step 7: the wanted color is started, healthy, and what nginx passes requests to."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from tasks.desired import system
from tasks.desired.release import ReleaseTarget, origin_keys, other
from tasks.desired.rendering import Rendered, origin_of
from tasks.desired.units import site_answers
from tasks.model.host_files import HostFiles
from tasks.model.instance import Color, Instance
from tasks.model.layout import MAINTENANCE
from tasks.resources.base import Resource
from tasks.resources.release import ActiveColor, HealthCheck
from tasks.resources.system import StoppedUnit, Unit


def units(
    instance: Instance,
    color: Color,
    rendered: Mapping[str, Rendered],
    host_files: HostFiles,
    target: ReleaseTarget,
) -> tuple[Unit, ...]:
    """The units of a color, in the order of their start."""
    started: tuple[Unit, ...] = (
        system.backend_unit(instance, color, rendered, target.key, target.version, host_files),
    )
    if instance.services.mcp.enabled:
        started += (system.mcp_unit(instance, color, rendered, target.key),)
    return started


def declare(
    instance: Instance,
    color: Color,
    rendered: Mapping[str, Rendered],
    host_files: HostFiles,
    target: ReleaseTarget,
) -> tuple[Resource, ...]:
    """Start, health, switch, and the other color at rest."""
    releasing = origin_of(instance, origin_keys(instance))
    started = tuple(
        replace(
            unit,
            follows=(f"release:{color}",),
            # Laid anew in its own folder, it is taken up by a start.
            triggers=(*unit.triggers, f"release:{color}"),
            origin=unit.origin.merged([releasing]),
            otherwise=target.because,
        )
        for unit in units(instance, color, rendered, host_files, target)
    )
    idle = tuple(
        StoppedUnit(unit=unit.unit, follows=("color:active",))
        for unit in units(instance, other(color), rendered, host_files, target)
    )
    site = HealthCheck(
        domain=instance.network.domain,
        port=instance.services.frontend.ssl_port,
        timeout=instance.vikunja.start_timeout_seconds,
        answers=("nginx.service", *site_answers(instance)),
        triggers=(
            "color:active",
            "unit:nginx.service",
            f"absent:{MAINTENANCE}",
            *(unit.address for unit in started),
        ),
        origin=origin_of(instance, ("network.domain", "services.frontend.ssl_port")),
    )
    active = ActiveColor(color=color, follows=tuple(unit.address for unit in started))
    return (*started, active, site, *idle)
