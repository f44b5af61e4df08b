"""nginx passes requests to another color, watched; and back to the one of before.

Up to the confirmation every failure leaves the color of before serving: `fall_back` puts it in
order and says so with exit code 11.
"""

from __future__ import annotations

from tasks.desired.release import other
from tasks.errors import (
    CancelledBackError,
    CancelledError,
    CertificateError,
    DeployError,
    LockedError,
    RollbackFailedError,
    RolledBackError,
    UnhealthyError,
    UsageError,
)
from tasks.execution.context import ApplyContext
from tasks.execution.guest_changes import color_of
from tasks.guest.runner import GuestScript, last_lines
from tasks.model.instance import Color
from tasks.planning.inspection import Inspection
from tasks.resources.release import ActiveColor, listening_port, released
from tasks.resources.system import Unit

FLIP = GuestScript("flip", ("health", "color", "proxy-log", "flip"))
CONFIRM = GuestScript("confirm", ("color", "kept-proxy", "confirm"))
BACK = GuestScript("back", ("health", "color", "kept-proxy", "back"))

TO_BE_CONFIRMED = b"confirm"
"""Last line of flip.sh where its switch has to be confirmed."""

SITE_SECONDS = 60
"""More than flip.sh takes beside watching."""

SERVES = 13
"""back.sh's exit code where the new version serves for good."""


def flip(context: ApplyContext, color: Color, *, frozen: bool) -> bool:
    """Have nginx pass requests to a color, and watch it. Returns whether it is to be confirmed.

    frozen: within a write freeze.
    """
    instance = context.inspection.instance
    seconds = _observe_seconds(context.inspection)
    done = FLIP.run(
        context.container,
        color,
        str(instance.backend_port(color)),
        context.version,
        str(instance.mcp_port(color)) if instance.services.mcp.enabled else "-",
        str(listening_port(context.inspection.facts, instance, other(color))),
        instance.site_origin,
        str(seconds),
        failure=lambda code, lines: _not_switched(code, lines, color, context.where),
        timeout=seconds + SITE_SECONDS,
        frozen=frozen,
    )
    lines = done.stdout.strip().splitlines()
    if lines[-1:] != [TO_BE_CONFIRMED]:
        return False
    context.log("; ".join(line.decode() for line in lines[:-1]) or f"{color} serves")
    return True


def _observe_seconds(inspection: Inspection) -> int:
    update = inspection.instance.update
    before = released(inspection.facts, other(inspection.color))
    edited = before is not None and before.key == inspection.target.key
    return update.edit_observe_seconds if edited else update.observe_seconds


def _not_switched(code: int, evidence: list[str], color: Color, where: str) -> DeployError:
    reason = evidence[0] if evidence else "it could not be switched to"
    if code == RollbackFailedError.exit_code:
        return RollbackFailedError(
            f"{color} does not serve well, and {other(color)} does not serve either: {reason}",
            where=where,
            evidence=evidence[1:],
            hint=f"./doit status {where} and ./doit logs {where} show how things are.",
        )
    went_back = code == RolledBackError.exit_code
    what = f"{color} did not serve well" if went_back else f"{color} could not be switched to"
    return UnhealthyError(
        f"{what}: {reason}",
        where=where,
        evidence=evidence[1:],
        hint=f"Look at it: ./doit logs {where}, mend the cause, ./doit apply again.",
    )


def confirm(context: ApplyContext, color: Color) -> None:
    """It is not gone back to the color of before any more."""

    def failure(_: int, lines: list[str]) -> DeployError:
        return UnhealthyError(
            f"the switch to {color} was not confirmed in time: {other(color)} serves again",
            where=context.where,
            evidence=lines,
            hint="Run ./doit apply again.",
        )

    CONFIRM.run(context.container, color, failure=failure)


def fall_back(failure: DeployError, context: ApplyContext) -> DeployError:
    """What a failure before the confirmation becomes: RolledBackError where another version serves
    on, once it is made sure of; RollbackFailedError where it does not; the failure itself where
    nothing served."""
    serving = serves_before(context.inspection)
    if serving is None or isinstance(failure, _AS_THEY_ARE):
        return failure
    inspection = context.inspection
    line = released(inspection.facts, serving)
    name = f"{serving} ({line.version})" if line else serving
    port = str(listening_port(inspection.facts, inspection.instance, serving))
    try:
        done = BACK.attempt(context.container, serving, port, *_started(inspection))
    except DeployError as unseen:
        return _failed_back(failure, name, str(unseen))
    if done.returncode == SERVES:
        return failure
    if done.returncode != 0:
        return _failed_back(failure, name, " ".join(last_lines(done.stderr)[-1:]))
    return RolledBackError(
        f"{failure.what}; {name} serves on",
        where=failure.where or context.where,
        evidence=failure.evidence,
        hint=failure.hint,
    )


def cancelled(outcome: DeployError, context: ApplyContext) -> DeployError:
    """What a cancellation is told as. outcome: what became of it, as of a failure."""
    if isinstance(outcome, RollbackFailedError):
        return outcome
    kind = CancelledBackError if isinstance(outcome, RolledBackError) else CancelledError
    hint = f"./doit plan {context.where} shows what is left to do."
    return kind(outcome.what, where=outcome.where, hint=hint)


def cancellation(context: ApplyContext) -> DeployError:
    """A cancellation as the failure that it is put in order as."""
    context.progress.step("cancelled: putting things as they were")
    return DeployError("cancelled", where=context.where)


_AS_THEY_ARE = (
    UsageError,
    LockedError,
    CancelledError,
    RollbackFailedError,
    CertificateError,
)


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
