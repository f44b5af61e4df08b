"""Effects in the container: files, packages, scripts, units."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.databases.write_freeze import WriteFreeze
from tasks.errors import (
    CertificateError,
    DatabaseError,
    DeployError,
    NetworkError,
    RolledBackError,
    UnhealthyError,
)
from tasks.execution.context import ApplyContext
from tasks.guest.runner import (
    INSTALL_TIMEOUT,
    LAND,
    UNIT_TIMEOUT,
    GuestScript,
    function_name,
    last_line_says,
    last_lines,
)
from tasks.guest.websockets import WEBSOCKETS_ENDED, ended
from tasks.model.instance import COLORS, Color
from tasks.model.plan import PlanEntry
from tasks.planning.inspection import Inspection
from tasks.planning.planner import must_be_there
from tasks.resources.base import HEALTH, Resource
from tasks.resources.files import Absent, Directory, File, Link
from tasks.resources.landing import landing
from tasks.resources.overrides import Override
from tasks.resources.release import active_color
from tasks.resources.system import (
    APPLIED_REVISION,
    OUTDATED,
    Package,
    Script,
    Secret,
    StoppedUnit,
    Unit,
    User,
)

LANDED = (File, Directory, Link, Absent, Override, Secret, User)
"""Kinds that one script brings about, many at once."""

INSTALL = GuestScript("install", ("reach", "install"))
UNIT = GuestScript("unit", ("health", "kept-proxy", "nginx-upgrade", "unit"))
DRAIN = GuestScript("drain", ("health", "in-hand", "proxy-log", "drain"))

CERTIFICATE = GuestScript(
    "acme-certificate", ("acme-certificate",), 'apply_acme_certificate "$@"', guard=False
)
"""It waits for a unit which itself waits for whatever changes something there."""

LOST = 4
"""A script's exit code where what must be there is gone."""


def land(context: ApplyContext, batch: Sequence[PlanEntry], *, frozen: bool = False) -> None:
    """frozen: within a write freeze."""
    resources = [one for entry in batch if isinstance(one := entry.resource, Resource)]
    pending = _behind(batch, context.inspection)
    done = LAND.attempt(context.container, stdin=landing(resources, pending), frozen=frozen)
    if done.returncode != 0:
        landed = done.stdout.count(b"done ") - len(pending)
        failed = batch[min(max(landed, 0), len(batch) - 1)]
        raise DeployError(
            f"{failed.address} could not be landed",
            where=context.where,
            evidence=last_lines(done.stderr),
            hint="Is the container's disk full or read-only? Then run ./doit apply again.",
        )


def _behind(batch: Sequence[PlanEntry], inspection: Inspection) -> list[str]:
    """The units that these files are for, once they have landed: those that serve, too, which are
    to be started anew where nobody takes over from them, but for what comes for the first time:
    nothing that runs has it."""
    landed = {entry.address for entry in batch}
    concerned = [(entry.resource, landed) for entry in inspection.plan.entries]
    move = inspection.plan.database_move
    if move is None or move.first or move.occupied:
        active = active_color(inspection.facts)
        serving = inspection.sources.switch(active, inspection.target).start
        known = {one for one in landed if not inspection.sources.applied.lacks(one)}
        concerned += [(unit, known) for unit in serving]
    # Else what serves goes on with the database that it has, and so it does where that one stays.
    names = (
        unit.unit
        for unit, changed in concerned
        if isinstance(unit, Unit) and not changed.isdisjoint(unit.triggers)
    )
    return list(dict.fromkeys(names))


FURTHER_SOURCES = 8
"""With which install.sh says, in its last line, what is wrong with system.apt_sources."""


def install(context: ApplyContext, batch: Sequence[PlanEntry]) -> None:
    names = [entry.resource.package for entry in batch if isinstance(entry.resource, Package)]
    done = INSTALL.attempt(context.container, *names, timeout=INSTALL_TIMEOUT)
    if done.returncode == NetworkError.exit_code:
        raise NetworkError(
            "the container reaches no archive of packages; nothing was installed",
            where=context.where,
            evidence=last_lines(done.stderr),
            hint="Check network.gateway and network.nameservers, and that the way from there out is"
            " open: ./doit check looks at it. Then run ./doit apply again.",
        )
    if done.returncode == FURTHER_SOURCES:
        *evidence, what = last_lines(done.stderr)
        raise DeployError(
            what,
            where=context.where,
            evidence=evidence,
            hint="Check its addresses, suites and key_file, and that the container reaches it. "
            "Then run ./doit apply again.",
        )
    if done.returncode != 0:
        kind = NetworkError if b"Failed to fetch" in done.stderr else DeployError
        hint = "Can the container reach its package sources? Then run ./doit apply again."
        if b"Held packages" in done.stderr or b"held broken" in done.stderr:
            hint = (
                "`apt-mark showhold` in the container names what is held there: let it go with "
                "`apt-mark unhold`, then run ./doit apply again."
            )
        raise kind(
            f"packages could not be installed: {' '.join(names)}",
            where=context.where,
            evidence=last_lines(done.stderr or done.stdout),
            hint=hint,
        )


def run_script(context: ApplyContext, script: Script, entry: PlanEntry) -> None:
    def failure(code: int, lines: list[str]) -> DeployError:
        kind: type[DeployError] = DatabaseError if "sql" in script.script else DeployError
        if code == NetworkError.exit_code:
            kind = NetworkError
        hint = "Then run ./doit apply again."
        if code == LOST:
            hint = f"./doit plan {context.where} says what is lost, and how it comes back."
        return kind(
            lines[-1] if lines else f"{entry.address} failed",
            where=f"{context.where}/{entry.address}",
            evidence=lines[:-1],
            hint=hint,
        )

    applying(script.script, must_exist=_must_exist(context, script, entry)).run(
        context.container, *script.arguments, failure=failure, timeout=script.timeout
    )


def get_certificate(context: ApplyContext, script: Script, _: PlanEntry) -> None:
    """Let the container's own unit ask an authority for the site's certificate, and wait for it.
    Raises CertificateError: nothing but that is wanting."""
    frontend = context.inspection.instance.services.frontend

    def failure(_: int, lines: list[str]) -> DeployError:
        names = script.arguments[-1].replace(",", ", ")
        if frontend.acme.challenge == "http":
            way = f"The authority has to reach port 80 of {names} here"
        else:
            way = f"{frontend.acme.dns.provider} has to take the records of {names}"
        return CertificateError(
            script.address,
            f"no certificate for {names}: {lines[-1] if lines else 'nothing was said'}",
            where=context.where,
            evidence=lines[:-1],
            hint=f"{way}. The site serves meanwhile; ./doit apply tries again, and so does a timer"
            " in the container, twice a day.",
        )

    CERTIFICATE.run(context.container, *script.arguments, failure=failure, timeout=script.timeout)


def applying(script: str, *, must_exist: bool = False) -> GuestScript:
    """What brings about what one of our scripts knows. must_exist: see _must_exist."""
    call = f'apply_{function_name(script)} "$@"'
    return GuestScript(script, (script,), f"MUST_EXIST=yes\n{call}" if must_exist else call)


def _must_exist(context: ApplyContext, script: Script, entry: PlanEntry) -> bool:
    """Whether there was data at the last apply: unless the plan says that it is lost, nothing empty
    must come in its place."""
    if not script.holds_data or entry.lost:
        return False
    inspection = context.inspection
    return inspection.desired.deployed or must_be_there(script, inspection.sources.applied)


def converge_unit(
    context: ApplyContext, unit: Unit, entry: PlanEntry, freeze: WriteFreeze | None = None
) -> None:
    """freeze: the write freeze that it starts in."""
    names = {change.name for change in entry.changes}
    # `create`: its unit file was gone, yet it may run, with whatever it was started with.
    takes_up = entry.action in ("run", "create") or entry.fired or APPLIED_REVISION in names
    verb: str = unit.on_change if takes_up else "ensure"
    if OUTDATED in names:
        # What only reads its files anew goes on with the libraries that it has.
        verb = "upgrade" if unit.on_change == "reload" else "restart"
    done = UNIT.attempt(
        context.container,
        unit.unit,
        "restart" if HEALTH in names else verb,
        # A new version that has yet to prove that it can migrate starts with no container.
        "yes" if unit.enabled and freeze is None else "no",
        unit.revision,
        *_health(context, unit, freeze),
        timeout=UNIT_TIMEOUT + (freeze.start_seconds if freeze else 0),
        frozen=freeze is not None,
    )
    if done.returncode == RolledBackError.exit_code:
        raise RolledBackError(
            f"{unit.unit} refuses its new files; those of before are back, and it serves on",
            where=context.where,
            evidence=last_lines(done.stderr),
            hint="Correct what the lines above name, then ./doit apply again.",
        )
    if done.returncode != 0:
        unhealthy = done.returncode == UnhealthyError.exit_code
        kind = UnhealthyError if unhealthy else DeployError
        why = done.stderr.decode(errors="replace").strip().partition("\n")[0]
        raise kind(
            f"{unit.unit} {'is not healthy' if unhealthy else 'could not be started'}: {why}",
            where=context.where,
            evidence=last_lines(done.stderr),
            hint=f"Look at it: ./doit logs {context.where}, mend the cause, ./doit apply again.",
        )


def _health(context: ApplyContext, unit: Unit, freeze: WriteFreeze | None) -> tuple[str, ...]:
    """The unit's health check with the version that it must see: known once it is built."""
    if unit.health[:1] != ("backend",):
        return unit.health
    name, port, _, timeout = unit.health
    if freeze is not None:
        return ("migrating", unit.unit, port, context.version, str(freeze.start_seconds))
    return (name, port, context.version, timeout)


def stop_unit(context: ApplyContext, drained: set[Color], unit: StoppedUnit, _: PlanEntry) -> None:
    """Stop a unit; one of a color's when the requests that it has in hand are done.

    drained: colors whose requests have been waited for.
    """
    color = color_of(unit.unit)
    mark: list[str] = []
    if color is not None and color not in drained:
        mark = _drain(context, color, unit.unit)
        drained.add(color)
    failure = last_line_says(DeployError, f"{unit.unit} could not be stopped", where=context.where)
    UNIT.run(context.container, unit.unit, "stop", "no", "-", failure=failure)
    if color is not None and mark:
        for line in ended(WEBSOCKETS_ENDED.attempt(context.container, color, *mark).stdout):
            context.log(line)


def _drain(context: ApplyContext, color: Color, unit: str) -> list[str]:
    """Wait until it has no request in hand, and for WebSockets a little. Returns from where on the
    proxy's log tells how many of these end with it; nothing where none is open."""
    waits = context.inspection.instance.update.waits
    context.progress.step(f"waiting for what {color} has in hand")
    done = DRAIN.run(
        context.container,
        color,
        *map(str, waits),
        unit,
        failure=last_line_says(DeployError, "it cannot be waited for", where=context.where),
        timeout=max(waits) + UNIT_TIMEOUT,
    )
    mark: list[str] = []
    for line in done.stdout.decode().splitlines():
        kind, *values = line.split()
        if kind == "websockets":
            mark = values
        else:
            context.log(f"{color}: {kind} were still in hand when it was stopped")
    return mark


def color_of(unit: str) -> Color | None:
    """`vikunja-backend@blue.service` → `blue`; None for what has no color."""
    name = unit.partition("@")[2].removesuffix(".service")
    return next((color for color in COLORS if color == name), None)


def reload_daemon(context: ApplyContext, *_: object) -> None:
    context.container.run(["systemctl", "daemon-reload"], timeout=UNIT_TIMEOUT)
