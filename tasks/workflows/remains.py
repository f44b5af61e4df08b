"""What there is of an instance on this machine: its containers, its registry entry, its records."""

from __future__ import annotations

import shutil
from pathlib import Path

from msgspec import Struct

from tasks.containers import container_for
from tasks.containers.base import Container, refuse_foreign
from tasks.containers.drivers import driver_of
from tasks.desired.places import container_at
from tasks.host.files import named
from tasks.model import health, registry
from tasks.model import rebuild as rebuilds
from tasks.model import state as states
from tasks.model.instance import Instance
from tasks.model.last_drill import SUFFIX
from tasks.model.state import State
from tasks.paths import Paths


class Remains(Struct, frozen=True):
    """What there is of an instance. containers: that exist and are proven its own. copies: names
    of others that say so of themselves, and stay. running: names of its containers that run."""

    containers: tuple[Container, ...]
    registered: bool
    state: State | None
    records: tuple[Path, ...]
    copies: tuple[str, ...] = ()
    running: frozenset[str] = frozenset()

    @property
    def nothing(self) -> bool:
        return not (self.containers or self.registered or self.state or self.records)


def inspect_remains(instance: Instance, paths: Paths) -> Remains:
    """What there is to remove. Raises ResourceError where the container's name is taken by one
    that is not proven this instance's, or which is its container is in doubt: nothing at all is
    removed then."""
    containers, running = [], set()
    desired = container_for(instance, paths)
    for container in (desired, *_drill_containers(instance, paths), *_replaced(instance, paths)):
        found = container.observe()
        refuse_foreign(container.spec.instance_id, container.spec.name, found)
        if found.exists:
            containers.append(container)
        if found.running:
            running.add(container.spec.name)
    return Remains(
        tuple(containers),
        registry.find(paths, instance.id) is not None,
        states.read(paths, instance.id),
        tuple(path for path in record_files(instance.id, paths) if path.exists()),
        desired.copies(),
        frozenset(running),
    )


def _drill_containers(instance: Instance, paths: Paths) -> list[Container]:
    """What a killed drill has left on this machine, unless that is another instance."""
    driver = driver_of(instance)
    name, owner = f"{instance.container_name}{SUFFIX}", f"{instance.id}{SUFFIX}"
    if (name, owner) not in driver.list_owned(paths) or registry.find(paths, owner):
        return []
    container = driver.named(name, owner, paths)
    return [container] if container else []


def _replaced(instance: Instance, paths: Paths) -> list[Container]:
    """What a rebuild keeps, and what one that broke off has left beside."""
    found = [one.place for one in rebuilds.kept(paths, instance.id)]
    left = rebuilds.read(paths, instance.id)
    if left is not None:
        found.append(left.new)
    return [container_at(instance, place, paths) for place in found]


def record_files(instance_id: str, paths: Paths) -> tuple[Path, ...]:
    """What the host knows of an instance beside state, registry, log and archives, with what these
    hold: a later instance of the same name must not let the last that holds its data go."""
    return (
        paths.rendered(instance_id),
        paths.applied(instance_id),
        paths.releases(instance_id),
        paths.measured(instance_id),
        paths.last_backup(instance_id),
        paths.last_drill(instance_id),
        paths.drill(instance_id),
        paths.rebuild(instance_id),
        paths.rebuilding(instance_id),
        paths.replaced(instance_id),
        paths.notified(instance_id),
        paths.health(instance_id),
        paths.health_history(instance_id),
    )


def remove_records(instance_id: str, paths: Paths) -> None:
    """Its registry entry and its records; gone already is success."""
    registry.remove(paths, instance_id)
    health.remove(paths, instance_id)
    for path in record_files(instance_id, paths):
        with named(path, "cannot be removed"):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
