"""Whether the address is free, and bridge and gateway are what they should be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv4Interface
from typing import Literal

from tasks.containers import container_for, spec_for
from tasks.containers.address_check import asked, conflict, evaluate_address, gateway_answers
from tasks.containers.base import ContainerFacts
from tasks.containers.lxc import network
from tasks.errors import DeployError, NetworkError
from tasks.host.arp import is_up, who_has
from tasks.host.routes import Route, overlapping, read_routes
from tasks.model.finding import Finding, World

BridgeMode = Literal["own", "foreign"]


def check(world: World) -> Iterator[Finding]:
    yield from _address(world)
    try:
        mode = network.bridge_mode(world.instance.network.bridge, world.paths)
    except DeployError as error:
        yield world.failed("bridge", error)
        return
    yield from _bridge(world, mode)
    yield from evaluate_nameservers(world, network.host_nameservers())


def evaluate_nameservers(world: World, hosts: Sequence[str]) -> Iterator[Finding]:
    """hosts: this machine's name servers that a container can reach."""
    named = world.instance.network.nameservers
    if named:
        yield world.ok("names", f"the container asks {', '.join(named)}")
    elif hosts:
        yield world.ok("names", f"the container asks this machine's own: {', '.join(hosts)}")
    else:
        yield world.problem(
            "names",
            "this machine asks only itself for names, where a container cannot ask",
            "Set network.nameservers to addresses that the container reaches",
            NetworkError,
        )


def _address(world: World) -> Iterator[Finding]:
    instance, paths = world.instance, world.paths
    if taken_already := conflict(world):
        yield taken_already
        return
    try:
        network.check_free(spec_for(instance), paths)
    except DeployError as error:
        yield world.failed("address", error)
        return
    yield from asked(world)
    if instance.network.is_given:
        return
    interface = instance.network.interface
    if holds_already(world, container_for(instance, paths).observe()):
        yield world.ok("address", f"{interface.ip} is the container's")
        return
    bridge = instance.network.bridge
    is_asked = interface.version == 4 and is_up(bridge)
    taken = who_has(IPv4Address(interface.ip), bridge) if is_asked else None
    yield evaluate_address(world, asked=is_asked, taken=taken)


def holds_already(world: World, found: ContainerFacts) -> bool:
    """Whether its own running container has the address."""
    return found.running and found.attributes.get("ip_address") == world.instance.network.ip_address


def _bridge(world: World, mode: BridgeMode) -> Iterator[Finding]:
    desired = world.instance.network
    try:
        network.refuse_unmade(spec_for(world.instance), mode)
    except DeployError as error:
        yield world.failed("bridge", error)
        return
    if desired.is_given or not isinstance(desired.interface, IPv4Interface):
        yield world.ok("bridge", f"{world.instance.network.bridge} is there and used as it is")
        return
    routes = read_routes()
    if mode == "own":
        yield evaluate_own_bridge(world, routes)
        yield from evaluate_forwarding(world, container_for(world.instance, world.paths).observe())
        return
    gateway = IPv4Address(world.instance.network.gateway or "")
    bridge = world.instance.network.bridge
    answers = gateway_answers(gateway, bridge)
    yield from evaluate_foreign_bridge(world, routes, answers=answers)


def evaluate_own_bridge(world: World, routes: Iterable[Route]) -> Finding:
    """A bridge that is made here needs a network that is reached in no other way."""
    desired = world.instance.network
    try:
        network.refuse_taken_network(spec_for(world.instance), routes)
    except DeployError as error:
        return world.failed("bridge", error)
    return world.ok("bridge", f"{desired.bridge} is made here, for {desired.interface.network}")


def evaluate_forwarding(world: World, found: ContainerFacts) -> Iterator[Finding]:
    """Whether the container that is there is let out."""
    if found.attributes.get("forwarding") is False:
        yield world.warning(
            "forwarding",
            f"this machine lets nobody out of {world.instance.network.bridge}: NAT or forwarding "
            "has been removed",
            f"./doit apply {world.instance.id} brings it back",
        )


def evaluate_foreign_bridge(
    world: World, routes: Iterable[Route], *, answers: bool
) -> Iterator[Finding]:
    """answers: the gateway is this machine's own, or answers on the bridge."""
    desired = world.instance.network
    interface = desired.interface
    assert isinstance(interface, IPv4Interface)
    yield world.ok("bridge", f"{desired.bridge} is there and used as it is")
    if answers:
        yield world.ok("gateway", f"{desired.gateway} answers on {desired.bridge}")
    elif other := overlapping(routes, interface.network, desired.bridge):
        # Given to the bridge, the address would be there twice.
        yield world.problem(
            "gateway",
            f"{desired.gateway} does not answer on {desired.bridge}: this machine reaches "
            f"{other.network} through {other.interface}",
            f"Set network.bridge to {other.interface} if that is a bridge, or network.ip_address "
            f"and network.gateway to the network of {desired.bridge}",
            NetworkError,
        )
    else:
        yield world.problem(
            "gateway",
            f"{desired.gateway} does not answer on {desired.bridge}",
            "Correct network.gateway or network.bridge, or give that address to the bridge",
            NetworkError,
        )
