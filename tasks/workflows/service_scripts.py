"""What starts, stops and restarts what serves: a script each in the container, its arguments, and
what becomes of its failure."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from tasks.containers.base import Container
from tasks.desired.release import other
from tasks.errors import DeployError, RollbackFailedError, RolledBackError, UnhealthyError
from tasks.guest.runner import Failure, GuestScript, last_lines
from tasks.guest.websockets import ended
from tasks.model.instance import COLORS, Color, Instance
from tasks.status.guest_facts import Inside, color_units, shared_units

GRACE_SECONDS = 120
"""What a script may take beside what it waits for."""
UNIT_SECONDS = 30
"""What stopping or enabling a unit may take."""

UNHEALTHY = 10
"""With which a script ends where what it has started does not answer."""

_SHARED = ("health", "in-hand", "proxy-log", "websockets", "color", "lifecycle")
START = GuestScript("start", (*_SHARED, "start"))
STOP = GuestScript("stop", (*_SHARED, "stop"))
RESTART = GuestScript("restart", (*_SHARED, "restart"))
RETIRE = GuestScript("retire", (*_SHARED, "retire"))


class Services(Struct, frozen=True):
    """What serves in a running container. inside: the serving color has a release."""

    instance: Instance
    container: Container
    inside: Inside

    @property
    def color(self) -> Color:
        return self.inside.serving

    @property
    def start_timeout(self) -> int:
        return self.instance.vikunja.start_timeout_seconds


def serves_well(services: Services) -> bool:
    """Whether there is something that a request can be lost of."""
    measured = services.inside.measured
    needed = ("nginx.service", *color_units(services.instance, services.color))
    return (
        measured is not None
        and measured.backend.healthy
        and measured.page.code == 200
        and all(services.inside.units.get(unit) == "active" for unit in needed)
    )


def start(services: Services, failure: Failure | None = None) -> None:
    """Start all that the instance needs, and wait until its page answers. Raises what failure
    makes of it where that is not so in time."""
    START.run(
        services.container,
        *start_arguments(services),
        failure=failure or services_failure("it does not serve", services.instance.id),
        timeout=2 * services.start_timeout + GRACE_SECONDS,
    )


def stop(instance: Instance, container: Container, units: Sequence[str]) -> tuple[str, ...]:
    """Stop and disable these, in their order. Returns what there is to log of it."""
    websocket_seconds = instance.update.websocket_seconds
    done = STOP.run(
        container,
        str(websocket_seconds),
        *units,
        failure=services_failure("its services could not be stopped", instance.id),
        timeout=UNIT_SECONDS * len(units) + websocket_seconds + GRACE_SECONDS,
    )
    return tuple(ended(done.stdout))


def restart(services: Services) -> tuple[str, ...]:
    """Start the color anew while a stand-in serves. Returns what there is to log of it. Raises
    RolledBackError where that does not come up, RollbackFailedError where it is all that serves."""
    waits = 2 * (services.start_timeout * 2 + sum(services.instance.update.waits))
    done = RESTART.run(
        services.container,
        *restart_arguments(services),
        failure=restart_failure(services),
        timeout=waits + GRACE_SECONDS,
    )
    return tuple(ended(done.stdout))


def retire(instance: Instance, container: Container) -> tuple[str, ...]:
    """Disable what serves in a running container, which is about to be stopped for good; what was
    enabled until now. Where it fails, that is enabled again."""
    units = serving_units(instance)
    completed = RETIRE.run(
        container,
        *units,
        failure=services_failure("its services could not be disabled", instance.id),
        timeout=UNIT_SECONDS * len(units) + GRACE_SECONDS,
    )
    return tuple(completed.stdout.decode().split())


def enable(instance: Instance, container: Container, units: Sequence[str], *, now: bool) -> None:
    """Let these units start with the container again, after `retire`; now: and run at once."""
    argv = ["systemctl", "-q", "enable", *(["--now"] if now else []), "--", *units]
    timeout = UNIT_SECONDS * len(units) + GRACE_SECONDS
    completed = container.run(argv, timeout=timeout, check=False)
    if completed.returncode != 0:
        failure = services_failure("its services could not be enabled again", instance.id)
        raise failure(completed.returncode, last_lines(completed.stderr))


def start_arguments(services: Services) -> list[str]:
    """Of start.sh: all that the instance needs, what is behind the proxy before the proxy."""
    instance, color = services.instance, services.color
    shared = [unit for unit in shared_units(instance) if unit != "nginx.service"]
    return [
        str(instance.backend_port(color)),
        services.inside.version or "-",
        _mcp_port(instance, color),
        instance.site_origin,
        str(services.start_timeout),
        color,
        *shared,
        *color_units(instance, color),
        "nginx.service",
    ]


def serving_units(instance: Instance) -> list[str]:
    """What serves, the proxy first. Database and redis are not among it: a backup needs them."""
    behind = [unit for color in COLORS for unit in reversed(color_units(instance, color))]
    return ["nginx.service", *behind]


def restart_arguments(services: Services) -> list[str]:
    """Of restart.sh."""
    instance, color = services.instance, services.color
    idle = other(color)
    return [
        *(color, str(instance.backend_port(color)), _mcp_port(instance, color)),
        *(idle, str(instance.backend_port(idle)), _mcp_port(instance, idle)),
        services.inside.version or "-",
        str(services.start_timeout),
        *map(str, instance.update.waits),
    ]


def _mcp_port(instance: Instance, color: Color) -> str:
    return str(instance.mcp_port(color)) if instance.services.mcp.enabled else "-"


def services_failure(what: str, where: str) -> Failure:
    """The script's last line is why, unless what it has started does not answer."""

    def failure(code: int, lines: list[str]) -> DeployError:
        unhealthy = code == UNHEALTHY
        reason = lines[-1] if lines and not unhealthy else ""
        kind = UnhealthyError if unhealthy else DeployError
        hint = f"./doit logs {where} shows why, ./doit status {where} what is down"
        if unhealthy:
            hint += f"; ./doit apply {where} starts anew what runs and does not answer"
        return kind(
            f"{what}: {reason}" if reason else what,
            where=where,
            evidence=lines,
            hint=hint,
        )

    return failure


def restart_failure(services: Services) -> Failure:
    """By restart.sh's exit code: who serves now."""
    where, color = services.instance.id, services.color
    log = f"./doit logs {where}"

    def failure(code: int, lines: list[str]) -> DeployError:
        if code == 11:
            return RolledBackError(
                f"a second {services.inside.version} does not come up; what ran serves on",
                where=where,
                evidence=lines,
                hint=f"{log} shows why",
            )
        if code == 12:
            return RollbackFailedError(
                f"{color} does not come up again; its stand-in serves until the container restarts",
                where=where,
                evidence=lines,
                hint=f"{log} shows why; then: ./doit apply {where}",
            )
        if code == 13:
            return DeployError(
                f"it was not restarted: {lines[-1]}; what ran serves on",
                where=where,
                evidence=lines[:-1],
                hint="Is the container's disk full, or read-only? Then run it again.",
            )
        return services_failure("it could not be restarted", where)(code, lines)

    return failure
