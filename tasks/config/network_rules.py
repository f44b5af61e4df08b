"""Addresses that fit each other; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv6Address,
    IPv6Interface,
    ip_address,
    ip_interface,
)
from typing import Any

from tasks.config.finding import Finding, parse, quoted, value_at

_ADDRESS = parse("network.ip_address")
_GATEWAY = parse("network.gateway")


def network(document: Mapping[str, Any]) -> Iterator[Finding]:
    interface = _interface(value_at(document, "network.ip_address"))
    gateway = _address(value_at(document, "network.gateway"))
    if isinstance(interface, Finding):
        yield interface
    elif interface is not None:
        yield from _address_findings(interface)
    if isinstance(gateway, str):
        yield Finding(_GATEWAY, f"{quoted(gateway)} is not an address, such as 192.168.1.1")
    elif gateway is not None and not isinstance(interface, Finding | None) and _fit(interface):
        yield from _gateway_findings(interface, gateway)
    for index, text in enumerate(value_at(document, "network.nameservers") or ()):
        if isinstance(server := _address(text), str):
            yield Finding(
                ("network", "nameservers", index),
                f"{quoted(server)} is not an address, such as 192.168.1.1",
            )


def _interface(text: object) -> IPv4Interface | IPv6Interface | Finding | None:
    if not isinstance(text, str):
        return None
    try:
        return ip_interface(text)
    except ValueError:
        message = "is not an address with its prefix length, such as 192.168.1.50/24"
        return Finding(_ADDRESS, f"{quoted(text)} {message}")


def _address(text: object) -> IPv4Address | IPv6Address | str | None:
    """The address; the text itself where it is none."""
    if not isinstance(text, str):
        return None
    try:
        return ip_address(text)
    except ValueError:
        return text


def _address_findings(interface: IPv4Interface | IPv6Interface) -> Iterator[Finding]:
    subnet = interface.network
    if not _fit(interface):
        yield Finding(_ADDRESS, f"{interface.ip} is no address that a container can have")
        return
    # Subnets of one or two addresses have neither a network nor a broadcast address.
    if subnet.num_addresses <= 2:
        return
    if interface.ip == subnet.network_address:
        yield Finding(_ADDRESS, f"{interface.ip} is the network address of {subnet}")
    elif subnet.version == 4 and interface.ip == subnet.broadcast_address:
        yield Finding(_ADDRESS, f"{interface.ip} is the broadcast address of {subnet}")


def _fit(interface: IPv4Interface | IPv6Interface) -> bool:
    return not (interface.is_loopback or interface.is_multicast or interface.is_unspecified)


def on_link(interface: IPv4Interface | IPv6Interface, gateway: IPv4Address | IPv6Address) -> bool:
    """Whether a gateway is reached without its subnet: by an address of its own (a prefix of 32 or
    128, as hosters give them), or by IPv6's link-local addresses."""
    return interface.network.num_addresses == 1 or (gateway.version == 6 and gateway.is_link_local)


def _gateway_findings(
    interface: IPv4Interface | IPv6Interface, gateway: IPv4Address | IPv6Address
) -> Iterator[Finding]:
    subnet = interface.network
    if gateway == interface.ip:
        yield Finding(_GATEWAY, f"{gateway} is the container's own address (network.ip_address)")
    elif gateway.version != subnet.version:
        yield Finding(
            _GATEWAY,
            f"{gateway} is IPv{gateway.version}, network.ip_address is IPv{subnet.version}",
        )
    elif on_link(interface, gateway):
        return
    elif gateway not in subnet:
        yield Finding(
            _GATEWAY,
            f"{gateway} is not in the subnet {subnet} of network.ip_address",
            "Check both addresses and the prefix length.",
        )
    elif subnet.num_addresses > 2 and gateway == subnet.network_address and subnet.version == 4:
        yield Finding(_GATEWAY, f"{gateway} is the network address of {subnet}")
    elif subnet.num_addresses > 2 and gateway == subnet.broadcast_address and subnet.version == 4:
        yield Finding(_GATEWAY, f"{gateway} is the broadcast address of {subnet}")
