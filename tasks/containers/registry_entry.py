"""What the registry has of an instance and its container."""

from __future__ import annotations

from tasks.containers.base import GIVEN, GIVEN6, ContainerFacts
from tasks.containers.drivers import driver_of
from tasks.model.applied import Applied
from tasks.model.instance import Instance, is_asked
from tasks.model.registry import Registered


def entry(instance: Instance, applied: Applied, found: ContainerFacts | None = None) -> Registered:
    """The instance's line in the registry. found: its container, once it is there."""
    node, number = driver_of(instance).location(instance)
    if node is not None and found is not None:
        node = str(found.attributes.get("node") or node)
    network = instance.network
    given = given_address(found) if network.is_given else None
    given6 = given_address(found, GIVEN6) if is_asked(network.ip6_address) else None
    return Registered(
        instance_id=instance.id,
        driver=instance.driver,
        node=node,
        container_id=found_number(found) or number,
        container_name=instance.container_name,
        # What was given before it was configured is nobody's any more.
        ip_address=given or network.ip_address,
        ip6_address=given6 or network.ip6_address,
        domain=instance.network.domain,
        created_at=applied.created_at,
        config=str(instance.source),
        identity=found.identity if found else None,
        folder=found.folder if found else None,
    )


def found_number(found: ContainerFacts | None) -> int | None:
    """The number that a cluster gave the container; None where containers have but names."""
    number = found.attributes.get("container_id") if found else None
    return number if isinstance(number, int) else None


def given_address(found: ContainerFacts | None, which: str = GIVEN) -> str | None:
    """The address with prefix length that others have given it. which: GIVEN or GIVEN6."""
    given = found.attributes.get(which) if found else None
    return given if isinstance(given, str) else None
