"""All concerns of all instances, at once, in one order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from tasks import builds
from tasks.checks import (
    apt_sources,
    backup,
    certificate,
    container,
    database,
    disk,
    host,
    lock,
    plan,
    ports,
    settings,
    source,
)
from tasks.containers.drivers import by_driver, driver_of
from tasks.errors import DeployError, ResourceError
from tasks.host.background import in_background
from tasks.model.finding import MACHINE, Concern, Finding, World, from_error
from tasks.model.instance import Git, Instance
from tasks.paths import Paths

EVERY: tuple[tuple[str, Concern], ...] = (
    ("git", source.check),
    (apt_sources.TOPIC, apt_sources.check),
    (ports.TOPIC, ports.check),
    ("certificate", certificate.check),
    ("database", database.check),
    ("backups", backup.check),
    ("settings", settings.check),
    ("lock", lock.check),
    ("plan", plan.check),
)
"""Of every instance, whatever its driver."""

THREADS = 8


def concerns(instance: Instance) -> tuple[tuple[str, Concern], ...]:
    """By the topic of a check that cannot be made."""
    driver = driver_of(instance)
    return (
        *driver.reach_checks,
        ("container", container.check),
        *driver.container_checks,
        *EVERY,
    )


def check_all(instances: Sequence[Instance], paths: Paths) -> list[Finding]:
    """Everything that is found: of this machine first, then instance by instance."""
    worlds = worlds_of(instances, paths)
    jobs: list[Callable[[], list[Finding]]] = [
        lambda: attempt(MACHINE, "host", lambda: host.check(instances, paths)),
        lambda: attempt(MACHINE, "disk", lambda: disk.check(worlds, paths)),
    ]
    for world in worlds:
        for topic, concern in concerns(world.instance):
            jobs.append(job(world, topic, concern))
    with ThreadPoolExecutor(THREADS) as pool:
        found = [one for findings in pool.map(lambda work: work(), jobs) for one in findings]
    return [one for one in found if one.topic != "plan" or not said_already(one, found)]


def role(instances: Sequence[Instance]) -> list[str]:
    """Commands that grant these instances' credentials what they need. ResourceError where none of
    them has any."""
    lines = [line for driver, own in by_driver(instances) for line in driver.grants(own)]
    if not lines:
        raise ResourceError(
            "no instance of the configuration lives on Proxmox VE",
            hint="Roles are for the API tokens of proxmox.connection",
        )
    return lines


def said_already(finding: Finding, found: Sequence[Finding]) -> bool:
    """Whether another concern says why there is no plan, or none that may be done."""
    return any(
        one.what == finding.what and one.topic != finding.topic and one.where == finding.where
        for one in found
    )


def job(world: World, topic: str, concern: Concern) -> Callable[[], list[Finding]]:
    return lambda: attempt(world.instance.id, topic, lambda: concern(world))


def attempt(where: str, topic: str, look_at: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """What was found; an error becomes the last finding, and what came before it stays."""
    found: list[Finding] = []
    try:
        # Not extend: it would lose what was found before an error.
        for finding in look_at():
            found.append(finding)
    except DeployError as error:
        found.append(from_error(where, topic, error))
    return found


def worlds_of(instances: Sequence[Instance], paths: Paths) -> list[World]:
    """Their worlds; each distinct branch is being asked for from now on, once."""
    desired = [instance.git for instance in instances if instance.git]
    answers = in_background(lambda: builds.resolve_many(desired))

    def commit_of(git: Git | None) -> Callable[[], str | None]:
        def commit() -> str | None:
            if git is None:
                return None
            answer = answers()[git]
            if isinstance(answer, DeployError):
                raise answer
            return answer

        return commit

    return [World(instance, paths, commit_of(instance.git)) for instance in instances]
