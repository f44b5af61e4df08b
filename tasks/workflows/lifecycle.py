"""Starting, stopping and restarting what serves."""

from __future__ import annotations

from collections.abc import Callable

from tasks.containers import container_for
from tasks.containers.base import Container, refuse_foreign
from tasks.errors import ResourceError
from tasks.guest.runner import wait_for_leftovers
from tasks.model.instance import Instance
from tasks.model.operations import Operation, operation
from tasks.paths import Paths
from tasks.progress import SILENT, Progress
from tasks.status.guest_facts import color_units, look_inside
from tasks.status.rules import closed_notes
from tasks.workflows import service_scripts
from tasks.workflows.service_scripts import Services, serves_well, serving_units

Warn = Callable[[str], None]


def _ignore(text: str) -> None:
    pass


def start(
    instance: Instance, paths: Paths, progress: Progress = SILENT, warn: Warn = _ignore
) -> None:
    """Start the container where it is stopped, then everything that serves; healthy at the end.

    What runs already is left alone. Raises UnhealthyError where it does not answer in time.
    """
    with operation(paths, instance.id, "start", warn=warn) as op:
        container = existing_container(instance, paths)
        if not container.observe().running:
            _start_container(container, op, progress)
        _start_services(inspect_services(instance, container), op, progress)


def stop(
    instance: Instance, paths: Paths, progress: Progress = SILENT, warn: Warn = _ignore
) -> None:
    """Stop what serves, and keep it stopped over a restart of the container, which runs on."""
    with operation(paths, instance.id, "stop", warn=warn) as op:
        container = existing_container(instance, paths)
        if not container.observe().running:
            op.info("The container does not run")
            return
        wait_for_leftovers(container)
        progress.step("services stopped")
        for line in service_scripts.stop(instance, container, serving_units(instance)):
            op.info(line)
        op.info("Stopped nginx, backend and MCP server")


def restart(
    instance: Instance, paths: Paths, progress: Progress = SILENT, warn: Warn = _ignore
) -> None:
    """Start backend and MCP server anew, without a request lost where they serve well.

    What does not run is started. Raises RolledBackError where a second one of the same release
    does not come up: then nothing was touched.
    """
    with operation(paths, instance.id, "restart", warn=warn) as op:
        container = existing_container(instance, paths)
        if not container.observe().running:
            _start_container(container, op, progress)
            _start_services(inspect_services(instance, container), op, progress)
            return
        services = inspect_services(instance, container)
        if serves_well(services):
            _restart_behind_standin(services, op, progress)
        else:
            op.warn(f"{instance.id}: it does not serve well, so nothing is kept from failing")
            _stop_color(services)
            _start_services(services, op, progress)


def inspect_services(instance: Instance, container: Container) -> Services:
    """What serves in a running container, once nothing of a killed run changes it any more. Raises
    ResourceError where there is no release that could."""
    wait_for_leftovers(container)
    inside = look_inside(instance, container)
    if not inside.version:
        raise ResourceError(
            f"there is no whole release in {inside.serving}",
            where=instance.id,
            hint=f"./doit apply {instance.id} brings one",
        )
    return Services(instance, container, inside)


def existing_container(instance: Instance, paths: Paths) -> Container:
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


def _start_container(container: Container, op: Operation, progress: Progress) -> None:
    op.info("Starting the container")
    container.start(progress)


def _start_services(services: Services, op: Operation, progress: Progress) -> None:
    progress.step("services started")
    service_scripts.start(services)
    op.info(f"{services.color} ({services.inside.version}) serves")
    _warn_of_closed(services, op)


def _stop_color(services: Services) -> None:
    """Stop backend and MCP server: what hangs does not start anew by being started."""
    units = list(reversed(color_units(services.instance, services.color)))
    service_scripts.stop(services.instance, services.container, units)


def _restart_behind_standin(services: Services, op: Operation, progress: Progress) -> None:
    progress.step(f"{services.color} started anew, behind a stand-in")
    try:
        said = service_scripts.restart(services)
    except KeyboardInterrupt:
        # Its script was killed wherever it was: the stand-in goes, the color serves.
        _start_services(services, op, progress)
        raise
    for line in said:
        op.info(line)
    op.info(f"Restarted {services.color} ({services.inside.version})")
    _warn_of_closed(services, op)


def _warn_of_closed(services: Services, op: Operation) -> None:
    for note in closed_notes(services.instance.id, services.inside):
        op.warn(f"{services.instance.id}: {note.what}. {note.hint}")
