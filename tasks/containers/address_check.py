"""What the drivers' checks of an address have in common."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address

from tasks.containers.registry_entry import entry
from tasks.errors import DeployError
from tasks.host.arp import is_up, who_has
from tasks.host.process import execute
from tasks.model import registry
from tasks.model.applied import NOTHING_APPLIED
from tasks.model.finding import Finding, World
from tasks.model.instance import DHCP, is_asked


def conflict(world: World) -> Finding | None:
    """What another instance of this host has already; None where there is nothing."""
    desired = entry(world.instance, NOTHING_APPLIED)
    try:
        registry.refuse_conflicts(desired, registry.read(world.paths))
    except DeployError as error:
        return world.failed("registry", error)
    return None


def asked(world: World) -> Iterator[Finding]:
    """Who gives what is not configured; that nobody does, only a start shows."""
    network = world.instance.network
    if network.is_given:
        yield world.ok("address", f"a DHCP server on {network.bridge} is asked for it")
    if is_asked(network.ip6_address):
        who = "a DHCPv6 server" if network.ip6_address == DHCP else "what a router announces"
        yield world.ok("address", f"{who} on {network.bridge} gives the one of IPv6")


def evaluate_address(world: World, *, asked: bool, taken: str | None) -> Finding:
    """asked: the bridge was there to be asked; taken: the hardware address that answered."""
    address, bridge = world.instance.network.interface.ip, world.instance.network.bridge
    if taken:
        what = f"{address} is in use on {bridge}, by {taken}"
        return world.problem("address", what, "Set network.ip_address to an address that is free")
    how = f"nobody on {bridge} answers for it" if asked else "no container and no registry has it"
    return world.ok("address", f"{address} is free: {how}")


def gateway_answers(gateway: IPv4Address, bridge: str) -> bool:
    """Whether it is this machine's own, or answers on the bridge."""
    own = bool(execute(["ip", "-o", "address", "show", "to", str(gateway)]).stdout.strip())
    return own or (is_up(bridge) and who_has(gateway, bridge) is not None)
