"""Effects of the switch: the color is flipped and watched, the other one drained and stopped.

Up to the confirmation every failure leaves the color of before serving: `fall_back` puts it in
order and says so with exit code 11.
"""

from __future__ import annotations

from collections.abc import Sequence

from tasks.desired.release import other
from tasks.errors import (
    CancelledBackError,
    CancelledError,
    DeployError,
    LockedError,
    RollbackFailedError,
    RolledBackError,
    UnhealthyError,
    UsageError,
)
from tasks.execution import previous_settings
from tasks.execution.context import ApplyContext
from tasks.execution.guest_changes import unit_script
from tasks.guest.runner import SCRIPT, UNIT_TIMEOUT, guarded, last_lines
from tasks.model.instance import COLORS, Color
from tasks.model.plan import PlanEntry
from tasks.planning.inspection import Inspection
from tasks.resources.release import ActiveColor, released
from tasks.resources.system import StoppedUnit, Unit

CONFIRM = b"confirm"
"""Last line of flip.sh where its switch has to be confirmed."""

SITE_SECONDS = 60
"""More than flip.sh takes beside watching."""


def switch_color(batch: Sequence[PlanEntry], work: ApplyContext) -> None:
    for entry in batch:
        assert isinstance(entry.resource, ActiveColor)
        color = entry.resource.color
        seconds = work.inspection.instance.update.observe_seconds
        completed = work.container.run(
            work.closed([SCRIPT, "-c", flip_script(), "flip", *_flip_arguments(color, work)]),
            timeout=seconds + SITE_SECONDS,
            check=False,
        )
        lines = completed.stdout.strip().splitlines()
        if completed.returncode != 0:
            raise _not_switched(completed.returncode, completed.stderr, color, work.where)
        if lines[-1:] == [CONFIRM]:
            work.log("; ".join(line.decode() for line in lines[:-1]) or f"{color} serves")
            try:
                _confirm(color, work)
            except KeyboardInterrupt:
                # It may have been confirmed, and all is well.
                work.finish_late()
                _confirm(color, work)
        work.switched = True


def flip_script() -> str:
    return guarded("health", "color", "flip")


def _flip_arguments(color: Color, work: ApplyContext) -> tuple[str, ...]:
    instance = work.inspection.instance
    return (
        color,
        str(instance.backend_port(color)),
        work.target.version or "-",
        str(instance.mcp_port(color)) if instance.services.mcp.enabled else "-",
        str(instance.backend_port(other(color))),
        instance.network.domain,
        str(instance.services.frontend.ssl_port),
        str(instance.update.observe_seconds),
    )


def _not_switched(code: int, stderr: bytes, color: Color, where: str) -> DeployError:
    evidence = last_lines(stderr)
    reason = evidence[0] if evidence else "it could not be switched to"
    if code == 12:
        return RollbackFailedError(
            f"{color} does not serve well, and {other(color)} does not serve either: {reason}",
            where=where,
            evidence=evidence[1:],
            hint=f"./doit status {where} and ./doit logs {where} show how things are.",
        )
    what = f"{color} did not serve well" if code == 11 else f"{color} could not be switched to"
    return UnhealthyError(
        f"{what}: {reason}",
        where=where,
        evidence=evidence[1:],
        hint=f"Look at it: ./doit logs {where}, mend the cause, ./doit apply again.",
    )


def confirm_script() -> str:
    return guarded("color", "confirm")


def _confirm(color: Color, work: ApplyContext) -> None:
    completed = work.container.run(
        [SCRIPT, "-c", confirm_script(), "confirm", color], timeout=UNIT_TIMEOUT, check=False
    )
    if completed.returncode != 0:
        raise UnhealthyError(
            f"the switch to {color} was not confirmed in time: {other(color)} serves again",
            where=work.where,
            evidence=last_lines(completed.stderr),
            hint="Run ./doit apply again.",
        )


def stop_unit(batch: Sequence[PlanEntry], work: ApplyContext) -> None:
    """Stop a unit; one of a color's when the requests that it has in hand are done."""
    for entry in batch:
        assert isinstance(entry.resource, StoppedUnit)
        unit = entry.resource.unit
        color = color_of(unit)
        if color is not None and color not in work.drained:
            _drain(color, unit, work)
            work.drained.add(color)
        work.container.run(
            [SCRIPT, "-c", unit_script(), "unit", unit, "stop", "no", "-"], timeout=UNIT_TIMEOUT
        )


def color_of(unit: str) -> Color | None:
    """`vikunja-backend@blue.service` → `blue`; None for what has no color."""
    name = unit.partition("@")[2].removesuffix(".service")
    return next((color for color in COLORS if color == name), None)


def drain_script() -> str:
    return guarded("health", "in-hand", "drain")


def _drain(color: Color, unit: str, work: ApplyContext) -> None:
    update = work.inspection.instance.update
    work.progress.step(f"waiting for what {color} has in hand")
    completed = work.container.run(
        [
            SCRIPT,
            "-c",
            drain_script(),
            "drain",
            color,
            str(update.drain_seconds),
            str(update.upload_wait_seconds),
            unit,
        ],
        timeout=max(update.drain_seconds, update.upload_wait_seconds) + UNIT_TIMEOUT,
    )
    for line in completed.stdout.decode().splitlines():
        work.log(f"{color}: {line} when it was stopped")


def fall_back(failure: DeployError, work: ApplyContext) -> DeployError:
    """What a failure becomes: RolledBackError where another version serves on, once it is made
    sure of, with the configuration that it had; RollbackFailedError where it does not; the failure
    itself where nothing served."""
    outcome = _fall_back(failure, work)
    if isinstance(outcome, RolledBackError):
        why_not = previous_settings.put_back(work)
        if why_not:
            outcome.evidence += (f"The new configuration's files stay: {why_not}",)
    return outcome


def _fall_back(failure: DeployError, work: ApplyContext) -> DeployError:
    if work.frozen is not None:
        from tasks.execution import database_migration

        return database_migration.fall_back(failure, work)
    if work.going_back is not None and not work.switched:
        from tasks.execution import staged_restore

        staged_restore.forget(work)
    before = serves_before(work.inspection)
    if before is None or work.switched or isinstance(failure, _AS_THEY_ARE):
        return failure
    idle = _started(work.inspection)
    serving = other(work.inspection.color)
    line = released(work.inspection.facts, serving)
    name = f"{serving} ({line.version})" if line else serving
    port = str(work.inspection.instance.backend_port(serving))
    try:
        completed = work.container.run(
            [SCRIPT, "-c", back_script(), "back", serving, port, *idle],
            timeout=UNIT_TIMEOUT,
            check=False,
        )
    except DeployError as unseen:
        return _failed_back(failure, name, str(unseen))
    if completed.returncode == SERVES:
        work.switched = True
        return failure
    if completed.returncode != 0:
        return _failed_back(failure, name, " ".join(last_lines(completed.stderr)[-1:]))
    return RolledBackError(
        f"{failure.what}; {name} serves on",
        where=failure.where or work.where,
        evidence=failure.evidence,
        hint=failure.hint,
    )


def cancelled(work: ApplyContext) -> DeployError:
    """What a cancellation becomes: a CancelledError once things are in order, as after a failure;
    RollbackFailedError where they are not."""
    work.progress.step("cancelled: putting things as they were")
    outcome = fall_back(DeployError("cancelled", where=work.where), work)
    if isinstance(outcome, RollbackFailedError):
        return outcome
    kind = CancelledBackError if isinstance(outcome, RolledBackError) else CancelledError
    hint = f"./doit plan {work.where} shows what is left to do."
    return kind(outcome.what, where=outcome.where, hint=hint)


SERVES = 13
"""back.sh's exit code where the new version serves for good."""


def back_script() -> str:
    return guarded("health", "color", "back")


_AS_THEY_ARE = (UsageError, LockedError, CancelledError, RolledBackError, RollbackFailedError)


def serves_before(inspection: Inspection) -> Color | None:
    """The color that the plan switches away from; None where it switches from nothing."""
    if not any(isinstance(entry.resource, ActiveColor) for entry in inspection.plan.entries):
        return None
    before = other(inspection.color)
    running = inspection.facts.units.get(f"vikunja-backend@{before}.service")
    if released(inspection.facts, before) is None or not (running and running.up):
        return None
    return before


def _started(inspection: Inspection) -> list[str]:
    """The units of the color that was to serve."""
    desired = [entry.resource for entry in inspection.plan.entries if entry.step == "switch"]
    units = [resource.unit for resource in desired if isinstance(resource, Unit)]
    return [unit for unit in units if color_of(unit) == inspection.color]


def _failed_back(failure: DeployError, name: str, why: str) -> RollbackFailedError:
    return RollbackFailedError(
        f"{failure.what}; and {name} does not serve: {why}",
        where=failure.where,
        evidence=failure.evidence,
        hint=f"./doit status {failure.where.partition('/')[0]} shows how things are.",
    )
