"""Effects in the container: files, packages, scripts, units."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from tasks.errors import (
    DatabaseError,
    DeployError,
    NetworkError,
    RolledBackError,
    UnhealthyError,
)
from tasks.execution.context import ApplyContext
from tasks.guest.runner import (
    INSTALL_TIMEOUT,
    SCRIPT,
    UNIT_TIMEOUT,
    function_name,
    guarded,
    last_lines,
    script_text,
)
from tasks.model.plan import InstancePlan, PlanEntry
from tasks.planning.planner import must_be_there
from tasks.resources.base import Resource
from tasks.resources.landing import landing
from tasks.resources.system import APPLIED_REVISION, Package, Script, Unit

LOST = 4
"""A script's exit code where what must be there is gone."""


def land(batch: Sequence[PlanEntry], work: ApplyContext) -> None:
    from tasks.execution import previous_settings, switchover

    serving = switchover.serves_before(work.inspection)
    if serving is not None:
        previous_settings.keep(serving, work)
    resources = [one for entry in batch if isinstance(one := entry.resource, Resource)]
    pending = _behind(batch, work.inspection.plan)
    completed = work.container.run(
        work.closed([SCRIPT, "-c", guarded("land"), "land"]),
        stdin=landing(resources, pending),
        timeout=UNIT_TIMEOUT,
        check=False,
    )
    if completed.returncode != 0:
        landed = completed.stdout.count(b"done ") - len(pending)
        failed = batch[min(max(landed, 0), len(batch) - 1)]
        raise DeployError(
            f"{failed.address} could not be landed",
            where=work.where,
            evidence=last_lines(completed.stderr),
            hint="Is the container's disk full or read-only? Then run ./doit apply again.",
        )


def _behind(batch: Sequence[PlanEntry], plan: InstancePlan) -> list[str]:
    """The units that the plan starts, or reloads, once these have landed."""
    later = plan.entries[plan.entries.index(batch[-1]) + 1 :]
    if plan.database_move is not None and not plan.database_move.first:
        # What names the new database lands in the switch: until then, and where the old one stays,
        # the services run with what they were started with.
        later = tuple(entry for entry in later if entry.step == batch[-1].step)
    return [entry.resource.unit for entry in later if isinstance(entry.resource, Unit)]


def install(batch: Sequence[PlanEntry], work: ApplyContext) -> None:
    names = [entry.resource.package for entry in batch if isinstance(entry.resource, Package)]
    completed = work.container.run(
        [SCRIPT, "-c", guarded("reach", "install"), "install", *names],
        timeout=INSTALL_TIMEOUT,
        check=False,
    )
    if completed.returncode == NetworkError.exit_code:
        raise NetworkError(
            "the container reaches no archive of packages; nothing was installed",
            where=work.where,
            evidence=last_lines(completed.stderr),
            hint="Check network.gateway and network.nameservers, and that the way from there out is"
            " open: ./doit check looks at it. Then run ./doit apply again.",
        )
    if completed.returncode != 0:
        kind = NetworkError if b"Failed to fetch" in completed.stderr else DeployError
        hint = "Can the container reach its package sources? Then run ./doit apply again."
        if b"Held packages" in completed.stderr or b"held broken" in completed.stderr:
            hint = (
                "`apt-mark showhold` in the container names what is held there: let it go with "
                "`apt-mark unhold`, then run ./doit apply again."
            )
        raise kind(
            f"packages could not be installed: {' '.join(names)}",
            where=work.where,
            evidence=last_lines(completed.stderr or completed.stdout),
            hint=hint,
        )


def run_script(batch: Sequence[PlanEntry], work: ApplyContext) -> None:
    for entry in batch:
        assert isinstance(entry.resource, Script)
        desired = entry.resource
        text = "\n".join(
            (
                "MUST_EXIST=yes" if _must_exist(entry, desired, work) else "MUST_EXIST=",
                applying(desired.script),
            )
        )
        completed = work.container.run(
            [SCRIPT, "-c", text, desired.script, *desired.arguments],
            timeout=desired.timeout,
            check=False,
        )
        if completed.returncode != 0:
            kind: type[DeployError] = DatabaseError if "sql" in desired.script else DeployError
            if completed.returncode == NetworkError.exit_code:
                kind = NetworkError
            lines = last_lines(completed.stderr)
            hint = "Then run ./doit apply again."
            if completed.returncode == LOST:
                hint = f"./doit plan {work.where} says what is lost, and how it comes back."
            raise kind(
                lines[-1] if lines else f"{entry.address} failed",
                where=f"{work.where}/{entry.address}",
                evidence=lines[:-1],
                hint=hint,
            )


def applying(script: str) -> str:
    """The text that brings about what one of our scripts knows."""
    function = f'apply_{function_name(script)} "$@"'
    return "\n".join((guarded(), script_text(script), function))


def _must_exist(entry: PlanEntry, desired: Script, work: ApplyContext) -> bool:
    """Whether there was data at the last apply: unless the plan says that it is lost, nothing empty
    must come in its place."""
    if not desired.holds_data or entry.lost:
        return False
    return work.inspection.desired.deployed or must_be_there(
        desired, work.inspection.sources.applied
    )


def converge_unit(batch: Sequence[PlanEntry], work: ApplyContext) -> None:
    for entry in batch:
        assert isinstance(entry.resource, Unit)
        unit = _with_version(entry.resource, work)
        behind = any(change.name == APPLIED_REVISION for change in entry.changes)
        # `create`: its unit file was gone, yet it may run, with whatever it was started with.
        takes_up = entry.action in ("run", "create") or entry.fired or behind
        argv = [
            SCRIPT,
            "-c",
            unit_script(),
            "unit",
            unit.unit,
            unit.on_change if takes_up else "ensure",
            # A new version that has yet to prove that it can migrate starts with no container.
            "yes" if unit.enabled and work.frozen is None else "no",
            unit.revision,
            *unit.health,
        ]
        completed = work.container.run(
            work.closed(argv),
            timeout=UNIT_TIMEOUT + (work.frozen.start_seconds if work.frozen else 0),
            check=False,
        )
        if completed.returncode == 11:
            raise RolledBackError(
                f"{unit.unit} refuses its new files; those of before are back, and it serves on",
                where=work.where,
                evidence=last_lines(completed.stderr),
                hint="Correct what the lines above name, then ./doit apply again.",
            )
        if completed.returncode != 0:
            unhealthy = completed.returncode == 10
            kind = UnhealthyError if unhealthy else DeployError
            why = completed.stderr.decode(errors="replace").strip().partition("\n")[0]
            raise kind(
                f"{unit.unit} {'is not healthy' if unhealthy else 'could not be started'}: {why}",
                where=work.where,
                evidence=last_lines(completed.stderr),
                hint=f"Look at it: ./doit logs {work.where}, mend the cause, ./doit apply again.",
            )


def unit_script() -> str:
    return "\n".join((guarded(), script_text("health"), script_text("unit")))


def _with_version(unit: Unit, work: ApplyContext) -> Unit:
    """The unit with the version that its health check must see: known once it is built."""
    if unit.health[:1] != ("backend",):
        return unit
    name, port, _, timeout = unit.health
    version = work.target.version or "-"
    if work.frozen is not None:
        seconds = str(work.frozen.start_seconds)
        return replace(unit, health=("migrating", unit.unit, port, version, seconds))
    return replace(unit, health=(name, port, version, timeout))


def reload_daemon(batch: Sequence[PlanEntry], work: ApplyContext) -> None:
    work.container.run(["systemctl", "daemon-reload"], timeout=UNIT_TIMEOUT)
