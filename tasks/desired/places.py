"""Containers of an instance beside its own: where a rebuild makes them, and keeps them."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from msgspec.structs import replace

from tasks.config.make import make_instance
from tasks.containers import spec_for
from tasks.containers.base import Container
from tasks.containers.drivers import driver_of
from tasks.model.instance import Instance
from tasks.model.rebuild import Place
from tasks.paths import Paths
from tasks.resources.base import Facts
from tasks.resources.container import ReplacedContainer


def declare(facts: Facts) -> Iterator[ReplacedContainer]:
    """That old containers are gone once their time is over."""
    kind = f"{ReplacedContainer.kind}:"
    for address in facts.host:
        if address.startswith(kind):
            yield ReplacedContainer(container=address.removeprefix(kind))


def numbered(instance: Instance, number: int | None) -> Instance:
    """The same with the container of this number."""
    document: dict[str, Any] = deepcopy(dict(instance.document))
    document[instance.driver] |= driver_of(instance).numbered(number)
    return make_instance(document, instance.source)


def container_at(instance: Instance, place: Place, paths: Paths) -> Container:
    """The container that is, or is to be, at a place. What is not the instance's own by that comes
    up by nobody but this tool."""
    document: dict[str, Any] = deepcopy(dict(instance.document))
    driver = driver_of(instance)
    if place.owner != instance.id:
        document[instance.driver] |= driver.double(instance, "")
    document[instance.driver] |= driver.numbered(place.container_id)
    instance = make_instance(document, instance.source)
    spec = replace(
        spec_for(instance),
        name=place.name,
        instance_id=place.owner,
        hostname=place.hostname,
        bridge=place.bridge,
        ip_address=place.ip_address,
        gateway=place.gateway,
        ip6_address=place.ip6_address,
        gateway6=place.gateway6,
        mac_address=place.mac_address,
    )
    if place.owner != instance.id:
        spec = replace(spec, more={**spec.more, "autostart": False})
    return driver.container(spec, instance, paths)
