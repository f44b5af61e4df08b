"""Networks that this machine reaches through interfaces of its own."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from msgspec import Struct

ROUTES = Path("/proc/net/route")


class Route(Struct, frozen=True):
    """A network that this machine reaches through an interface of its own."""

    interface: str
    network: IPv4Network


def read_routes() -> list[Route]:
    """As the kernel has them now."""
    return parse_routes(ROUTES.read_text())


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
