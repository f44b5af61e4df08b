"""Starting, stopping and restarting what serves: one script each in the container."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from tasks.containers import container_for
from tasks.containers.base import Container, refuse_foreign
from tasks.desired.release import other
from tasks.errors import (
    DeployError,
    ResourceError,
    RollbackFailedError,
    RolledBackError,
    UnhealthyError,
)
from tasks.guest.runner import guarded, wait_for_leftovers
from tasks.host.process import Completed
from tasks.model.instance import COLORS, Color, Instance
from tasks.model.operation_log import OperationName
from tasks.model.operations import Operation, operation
from tasks.paths import Paths
from tasks.progress import SILENT, Progress
from tasks.status.guest_facts import Inside, color_units, look_inside, shared_units

GRACE_SECONDS = 120
"""What a script may take beside what it waits for."""


Warn = Callable[[str], None]


def _ignore(text: str) -> None:
    pass


class RunningInstance(Struct, frozen=True):
    """What an operation is about. found: its inside; the serving color has a release."""

    instance: Instance
    container: Container
    found: Inside

    @property
    def color(self) -> Color:
        return self.found.serving

    @property
    def patience(self) -> int:
        return self.instance.vikunja.start_timeout_seconds


def script(name: str) -> str:
    """The text of one of the scripts here, behind the guard and what they share."""
    return guarded("health", "in-hand", "color", "lifecycle", name)


def start_arguments(subject: RunningInstance) -> list[str]:
    """Of start.sh: all that the instance needs, what is behind the proxy before the proxy."""
    instance, color = subject.instance, subject.color
    shared = [unit for unit in shared_units(instance) if unit != "nginx.service"]
    return [
        str(instance.backend_port(color)),
        subject.found.version or "-",
        _mcp_port(instance, color),
        instance.network.domain,
        str(instance.services.frontend.ssl_port),
        str(subject.patience),
        color,
        *shared,
        *color_units(instance, color),
        "nginx.service",
    ]


def stop_arguments(instance: Instance) -> list[str]:
    """Of stop.sh: what serves. Database and redis go on: a backup needs them."""
    behind = [unit for color in COLORS for unit in reversed(color_units(instance, color))]
    return ["nginx.service", *behind]


def restart_arguments(subject: RunningInstance) -> list[str]:
    """Of restart.sh."""
    instance, color = subject.instance, subject.color
    idle = other(color)
    return [
        *(color, str(instance.backend_port(color)), _mcp_port(instance, color)),
        *(idle, str(instance.backend_port(idle)), _mcp_port(instance, idle)),
        subject.found.version or "-",
        str(subject.patience),
        str(instance.update.drain_seconds),
        str(instance.update.upload_wait_seconds),
    ]


def _mcp_port(instance: Instance, color: Color) -> str:
    return str(instance.mcp_port(color)) if instance.services.mcp.enabled else "-"


def start(
    instance: Instance, paths: Paths, progress: Progress = SILENT, warn: Warn = _ignore
) -> None:
    """Start the container where it is stopped, then everything that serves; healthy at the end.

    What runs already is left alone. Raises UnhealthyError where it does not answer in time.
    """
    with _begun(instance, paths, "start", warn) as op:
        container = _container(instance, paths)
        if not container.observe().running:
            op.info("Starting the container")
            container.start(progress)
        _start(_subject(instance, container), op, progress)


def stop(
    instance: Instance, paths: Paths, progress: Progress = SILENT, warn: Warn = _ignore
) -> None:
    """Stop what serves, and keep it stopped over a restart of the container, which runs on."""
    with _begun(instance, paths, "stop", warn) as op:
        container = _container(instance, paths)
        if not container.observe().running:
            op.info("The container does not run")
            return
        wait_for_leftovers(container)
        progress.step("services stopped")
        units = stop_arguments(instance)
        completed = _run(container, "stop", units, 30 * len(units))
        if completed.returncode != 0:
            raise _failure(completed, instance.id, "its services could not be stopped")
        op.info("Stopped nginx, backend and MCP server")


def retire(instance: Instance, container: Container) -> tuple[str, ...]:
    """Disable what serves in a running container, which is about to be stopped for good; what was
    enabled until now. Where it fails, that is enabled again."""
    units = stop_arguments(instance)
    completed = _run(container, "retire", units, 30 * len(units))
    if completed.returncode != 0:
        raise _failure(completed, instance.id, "its services could not be disabled")
    return tuple(completed.stdout.decode().split())


def enable(instance: Instance, container: Container, units: Sequence[str], *, now: bool) -> None:
    """Let these units start with the container again, after `retire`; now: and run at once."""
    argv = ["systemctl", "-q", "enable", *(["--now"] if now else []), "--", *units]
    completed = container.run(argv, timeout=30 * len(units) + GRACE_SECONDS, check=False)
    if completed.returncode != 0:
        raise _failure(completed, instance.id, "its services could not be enabled again")


def restart(
    instance: Instance, paths: Paths, progress: Progress = SILENT, warn: Warn = _ignore
) -> None:
    """Start backend and MCP server anew, without a request lost where they serve well.

    What does not run is started. Raises RolledBackError where a second one of the same release
    does not come up: then nothing was touched.
    """
    with _begun(instance, paths, "restart", warn) as op:
        container = _container(instance, paths)
        if not container.observe().running:
            op.info("Starting the container")
            container.start(progress)
            _start(_subject(instance, container), op, progress)
            return
        subject = _subject(instance, container)
        if not _serves(subject):
            op.warn(f"{instance.id}: it does not serve well, so nothing is kept from failing")
            _stop_behind(subject)
            _start(subject, op, progress)
            return
        progress.step(f"{subject.color} started anew, behind a stand-in")
        update = instance.update
        waits = 2 * (subject.patience * 2 + update.drain_seconds + update.upload_wait_seconds)
        try:
            completed = _run(container, "restart", restart_arguments(subject), waits)
        except KeyboardInterrupt:
            # Its script was killed wherever it was: the stand-in goes, the color serves.
            _start(subject, op, progress)
            raise
        if completed.returncode != 0:
            raise _not_restarted(completed, subject)
        op.info(f"Restarted {subject.color} ({subject.found.version})")


def _begun(instance: Instance, paths: Paths, name: OperationName, warn: Warn) -> Operation:
    return operation(paths, instance.id, name, warn=warn)


def _container(instance: Instance, paths: Paths) -> Container:
    """The instance's container. Raises ResourceError where it is not there, or not ours."""
    container = container_for(instance, paths)
    found = container.observe()
    refuse_foreign(instance.id, container.spec.name, found)
    if not found.exists:
        raise ResourceError(
            f"there is no container {container.spec.name}",
            where=instance.id,
            hint=f"./doit apply {instance.id} makes one, ./doit restore {instance.id} fills it",
        )
    return container


def _subject(instance: Instance, container: Container) -> RunningInstance:
    # What a killed run has left working may be about to change what is looked at.
    wait_for_leftovers(container)
    found = look_inside(instance, container)
    if not found.version:
        raise ResourceError(
            f"there is no whole release in {found.serving}",
            where=instance.id,
            hint=f"./doit apply {instance.id} brings one",
        )
    return RunningInstance(instance, container, found)


def _start(subject: RunningInstance, op: Operation, progress: Progress) -> None:
    progress.step("services started")
    instance = subject.instance
    waits = subject.patience * 2
    completed = _run(subject.container, "start", start_arguments(subject), waits)
    if completed.returncode != 0:
        raise _failure(completed, instance.id, "it does not serve")
    op.info(f"{subject.color} ({subject.found.version}) serves")


def _serves(subject: RunningInstance) -> bool:
    """Whether there is something that a request can be lost of."""
    measured = subject.found.measured
    units = subject.found.units
    needed = ("nginx.service", *color_units(subject.instance, subject.color))
    return (
        measured is not None
        and measured.backend.healthy
        and measured.page.code == 200
        and all(units.get(unit) == "active" for unit in needed)
    )


def _stop_behind(subject: RunningInstance) -> None:
    """Stop backend and MCP server: what hangs does not start anew by being started."""
    units = list(reversed(color_units(subject.instance, subject.color)))
    completed = _run(subject.container, "stop", units, 30 * len(units))
    if completed.returncode != 0:
        raise _failure(completed, subject.instance.id, "its services could not be stopped")


def _run(container: Container, name: str, arguments: list[str], waits: int) -> Completed:
    return container.run(
        ["sh", "-c", script(name), name, *arguments], timeout=waits + GRACE_SECONDS, check=False
    )


def _failure(completed: Completed, where: str, what: str) -> DeployError:
    lines = completed.stderr.decode(errors="replace").strip().splitlines()
    reason = lines[-1] if lines and completed.returncode != 10 else ""
    kind = UnhealthyError if completed.returncode == 10 else DeployError
    return kind(
        f"{what}: {reason}" if reason else what,
        where=where,
        evidence=lines[-12:],
        hint=f"./doit logs {where} shows why, ./doit status {where} what is down",
    )


def _not_restarted(completed: Completed, subject: RunningInstance) -> DeployError:
    where, color = subject.instance.id, subject.color
    lines = completed.stderr.decode(errors="replace").strip().splitlines()[-12:]
    log = f"./doit logs {where}"
    if completed.returncode == 11:
        return RolledBackError(
            f"a second {subject.found.version} does not come up; what ran serves on",
            where=where,
            evidence=lines,
            hint=f"{log} shows why",
        )
    if completed.returncode == 12:
        return RollbackFailedError(
            f"{color} does not come up again; its stand-in serves until the container restarts",
            where=where,
            evidence=lines,
            hint=f"{log} shows why; then: ./doit apply {where}",
        )
    if completed.returncode == 13:
        return DeployError(
            f"it was not restarted: {lines[-1]}; what ran serves on",
            where=where,
            evidence=lines[:-1],
            hint="Is the container's disk full, or read-only? Then run it again.",
        )
    return _failure(completed, where, "it could not be restarted")
