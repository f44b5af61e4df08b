"""Whether the address is free, and bridge and gateway are what they should be."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path
from typing import Literal

from tasks import record
from tasks.checks.arp import is_up, who_has
from tasks.checks.finding import Finding, World
from tasks.containers import container_for, spec_for
from tasks.containers.base import ContainerFacts
from tasks.containers.lxc import network
from tasks.containers.lxc.host import execute
from tasks.errors import DeployError, NetworkError, ResourceError
from tasks.model import registry
from tasks.model.applied import NOTHING_APPLIED

ROUTES = Path("/proc/net/route")

BridgeMode = Literal["own", "foreign"]


@dataclass(frozen=True)
class Route:
    """A network that this machine reaches through an interface of its own."""

    interface: str
    network: IPv4Network


def check(world: World) -> Iterator[Finding]:
    yield from _address(world)
    try:
        mode = network.bridge_mode(world.instance.network.bridge, world.paths)
    except DeployError as error:
        yield world.failed("bridge", error)
        return
    yield from _bridge(world, mode)
    yield from judge_nameservers(world, network.host_nameservers())


def judge_nameservers(world: World, hosts: Sequence[str]) -> Iterator[Finding]:
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
    try:
        registry.refuse_conflicts(record.entry(instance, NOTHING_APPLIED), registry.read(paths))
    except DeployError as error:
        yield world.failed("registry", error)
        return
    try:
        network.check_free(spec_for(instance), paths)
    except DeployError as error:
        yield world.failed("address", error)
        return
    interface = instance.network.interface
    if holds_already(world, container_for(instance, paths).observe()):
        yield world.ok("address", f"{interface.ip} is the container's")
        return
    bridge = instance.network.bridge
    asked = interface.version == 4 and is_up(bridge)
    taken = who_has(IPv4Address(interface.ip), bridge) if asked else None
    yield judge_address(world, asked=asked, taken=taken)


def holds_already(world: World, found: ContainerFacts) -> bool:
    """Whether its own running container has the address."""
    return found.running and found.attributes.get("ip_address") == world.instance.network.ip_address


def judge_address(world: World, *, asked: bool, taken: str | None) -> Finding:
    """asked: the bridge was there to be asked; taken: the hardware address that answered."""
    address, bridge = world.instance.network.interface.ip, world.instance.network.bridge
    if taken:
        what = f"{address} is in use on {bridge}, by {taken}"
        return world.problem("address", what, "Set network.ip_address to an address that is free")
    how = f"nobody on {bridge} answers for it" if asked else "no container and no registry has it"
    return world.ok("address", f"{address} is free: {how}")


def _bridge(world: World, mode: BridgeMode) -> Iterator[Finding]:
    interface = world.instance.network.interface
    if not isinstance(interface, IPv4Interface):
        yield judge_six(world, mode)
        return
    routes = parse_routes(ROUTES.read_text())
    if mode == "own":
        yield judge_own_bridge(world, routes)
        yield from judge_forwarding(world, container_for(world.instance, world.paths).observe())
        return
    gateway = IPv4Address(world.instance.network.gateway)
    bridge = world.instance.network.bridge
    own = bool(execute(["ip", "-o", "address", "show", "to", str(gateway)]).stdout.strip())
    answers = own or (is_up(bridge) and who_has(gateway, bridge) is not None)
    yield from judge_foreign_bridge(world, routes, answers=answers)


def judge_six(world: World, mode: BridgeMode) -> Finding:
    bridge = world.instance.network.bridge
    if mode == "foreign":
        return world.ok("bridge", f"{bridge} is there and used as it is")
    return world.problem(
        "bridge",
        f"{bridge} does not exist, and none is made for IPv6",
        "Make a bridge that has a route, or use an IPv4 address",
        NetworkError,
    )


def parse_routes(text: str) -> list[Route]:
    """The networks of /proc/net/route that are on an interface, without the way to all others."""
    found = []
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 8 or fields[1] == "00000000" or fields[2] != "00000000":
            continue
        destination, mask = (
            IPv4Address(struct.pack("=I", int(fields[column], 16))) for column in (1, 7)
        )
        found.append(Route(fields[0], IPv4Network(f"{destination}/{mask}", strict=False)))
    return found


def overlapping(routes: Iterable[Route], subnet: IPv4Network, bridge: str) -> Route | None:
    """A network of another interface that shares addresses with the bridge's."""
    for route in routes:
        if route.interface != bridge and route.network.overlaps(subnet):
            return route
    return None


def judge_own_bridge(world: World, routes: Iterable[Route]) -> Finding:
    """A bridge that is made here needs a network that is reached in no other way."""
    wished = world.instance.network
    interface = wished.interface
    assert isinstance(interface, IPv4Interface)
    other = overlapping(routes, interface.network, wished.bridge)
    if other is None:
        return world.ok("bridge", f"{wished.bridge} is made here, for {interface.network}")
    return world.problem(
        "bridge",
        f"{wished.bridge} would be made for {interface.network}, but this machine reaches "
        f"{other.network} through {other.interface}",
        f"Set network.bridge to {other.interface} if that is a bridge, or network.ip_address and "
        "network.gateway to another network",
        ResourceError,
    )


def judge_forwarding(world: World, found: ContainerFacts) -> Iterator[Finding]:
    """Whether the container that is there is let out."""
    if found.attributes.get("forwarding") is False:
        yield world.warning(
            "forwarding",
            f"this machine lets nobody out of {world.instance.network.bridge}: NAT or forwarding "
            "has been removed",
            f"./doit apply {world.instance.id} brings it back",
        )


def judge_foreign_bridge(
    world: World, routes: Iterable[Route], *, answers: bool
) -> Iterator[Finding]:
    """answers: the gateway is this machine's own, or answers on the bridge."""
    wished = world.instance.network
    interface = wished.interface
    assert isinstance(interface, IPv4Interface)
    yield world.ok("bridge", f"{wished.bridge} is there and used as it is")
    if answers:
        yield world.ok("gateway", f"{wished.gateway} answers on {wished.bridge}")
    elif other := overlapping(routes, interface.network, wished.bridge):
        # Given to the bridge, the address would be there twice.
        yield world.problem(
            "gateway",
            f"{wished.gateway} does not answer on {wished.bridge}: this machine reaches "
            f"{other.network} through {other.interface}",
            f"Set network.bridge to {other.interface} if that is a bridge, or network.ip_address "
            f"and network.gateway to the network of {wished.bridge}",
            NetworkError,
        )
    else:
        yield world.problem(
            "gateway",
            f"{wished.gateway} does not answer on {wished.bridge}",
            "Correct network.gateway or network.bridge, or give that address to the bridge",
            NetworkError,
        )
