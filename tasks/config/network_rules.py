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

from tasks.config.finding import Finding, Key, parse, quoted, value_at

_ADDRESS = parse("network.ip_address")
_GATEWAY = parse("network.gateway")
_ADDRESS6 = parse("network.ip6_address")
_GATEWAY6 = parse("network.gateway6")
_MAC = parse("network.mac_address")


def network(document: Mapping[str, Any]) -> Iterator[Finding]:
    first = value_at(document, "network.ip_address")
    if first == "dhcp":
        if value_at(document, "network.gateway") is not None:
            what = "does not go with dhcp, which tells the gateway as well"
            yield Finding(_GATEWAY, what, "Remove the line, or give network.ip_address an address.")
    else:
        # One that is wrong is not there at all.
        if first is not None and document["network"].get("gateway", "") is None:
            yield Finding(_GATEWAY, "is missing", "For example: gateway: 192.168.1.1")
        yield from _pair(_ADDRESS, first, _GATEWAY, value_at(document, "network.gateway"))
    yield from _second(document, first)
    yield from _hardware_address(value_at(document, "network.mac_address"))
    for index, text in enumerate(value_at(document, "network.nameservers") or ()):
        if isinstance(server := _address(text), str):
            yield Finding(
                ("network", "nameservers", index),
                f"{quoted(server)} is not an address, such as 192.168.1.1",
            )


def _pair(key: Key, address: object, gateway_key: Key, gateway: object) -> Iterator[Finding]:
    """An address and the gateway that goes with it."""
    interface = _interface(key, address)
    router = _address(gateway)
    if isinstance(interface, Finding):
        yield interface
    elif interface is not None:
        yield from _address_findings(key, interface)
    if isinstance(router, str):
        yield Finding(gateway_key, f"{quoted(router)} is not an address, such as 192.168.1.1")
    elif router is not None and not isinstance(interface, Finding | None) and _fit(interface):
        yield from _gateway_findings(key, interface, gateway_key, router)


def _second(document: Mapping[str, Any], first: object) -> Iterator[Finding]:
    """The IPv6 address beside one of IPv4."""
    address, gateway = (value_at(document, f"network.{key}") for key in ("ip6_address", "gateway6"))
    if address is None and gateway is not None:
        yield Finding(
            _GATEWAY6,
            "network.ip6_address is missing, whose gateway it would be",
            "Give that as well, or remove this line.",
        )
        return
    asked = address in ("auto", "dhcp")
    if asked and gateway is not None:
        what = f"does not go with {address}: the gateway is the one that a router announces"
        yield Finding(_GATEWAY6, what, "Remove the line, or give network.ip6_address an address.")
        return
    if isinstance(address, str) and ":" not in address and not asked:
        what = f"{quoted(address)} is no IPv6 address with its prefix length"
        yield Finding(_ADDRESS6, what, "An address of IPv4 goes to network.ip_address.")
        return
    if isinstance(address, str) and isinstance(first, str) and ":" in first:
        yield Finding(
            _ADDRESS6,
            "network.ip_address is of IPv6 as well: one of the two is of IPv4",
            "Remove this line, or give network.ip_address an IPv4 address.",
        )
        return
    if not asked:
        yield from _pair(_ADDRESS6, address, _GATEWAY6, gateway)


def _hardware_address(text: object) -> Iterator[Finding]:
    if not isinstance(text, str):
        return
    if int(text[:2], 16) & 1:
        yield Finding(
            _MAC,
            f"{text} is an address of a group, not of one interface",
            "The first two digits have to be even, as in BC:24:11:2A:3B:4C.",
        )
    elif not int(text.replace(":", ""), 16):
        yield Finding(_MAC, f"{text} is no address that an interface can have")


def _interface(key: Key, text: object) -> IPv4Interface | IPv6Interface | Finding | None:
    if not isinstance(text, str):
        return None
    try:
        return ip_interface(text)
    except ValueError:
        example = "192.168.1.50/24" if key == _ADDRESS else "2001:db8:1::50/64"
        message = f"is not an address with its prefix length, such as {example}"
        return Finding(key, f"{quoted(text)} {message}")


def _address(text: object) -> IPv4Address | IPv6Address | str | None:
    """The address; the text itself where it is none."""
    if not isinstance(text, str):
        return None
    try:
        return ip_address(text)
    except ValueError:
        return text


def _address_findings(key: Key, interface: IPv4Interface | IPv6Interface) -> Iterator[Finding]:
    subnet = interface.network
    if not _fit(interface):
        yield Finding(key, f"{interface.ip} is no address that a container can have")
        return
    # Subnets of one or two addresses have neither a network nor a broadcast address.
    if subnet.num_addresses <= 2:
        return
    if interface.ip == subnet.network_address:
        yield Finding(key, f"{interface.ip} is the network address of {subnet}")
    elif subnet.version == 4 and interface.ip == subnet.broadcast_address:
        yield Finding(key, f"{interface.ip} is the broadcast address of {subnet}")


def _fit(interface: IPv4Interface | IPv6Interface) -> bool:
    return not (interface.is_loopback or interface.is_multicast or interface.is_unspecified)


def on_link(interface: IPv4Interface | IPv6Interface, gateway: IPv4Address | IPv6Address) -> bool:
    """Whether a gateway is reached without its subnet: by an address of its own (a prefix of 32 or
    128, as hosters give them), or by IPv6's link-local addresses."""
    return interface.network.num_addresses == 1 or (gateway.version == 6 and gateway.is_link_local)


def _gateway_findings(
    key: Key,
    interface: IPv4Interface | IPv6Interface,
    gateway_key: Key,
    gateway: IPv4Address | IPv6Address,
) -> Iterator[Finding]:
    subnet, name = interface.network, ".".join(map(str, key))
    if gateway == interface.ip:
        yield Finding(gateway_key, f"{gateway} is the container's own address ({name})")
    elif gateway.version != subnet.version:
        yield Finding(
            gateway_key,
            f"{gateway} is IPv{gateway.version}, {name} is IPv{subnet.version}",
        )
    elif on_link(interface, gateway):
        return
    elif gateway not in subnet:
        yield Finding(
            gateway_key,
            f"{gateway} is not in the subnet {subnet} of {name}",
            "Check both addresses and the prefix length.",
        )
    elif subnet.num_addresses > 2 and gateway == subnet.network_address and subnet.version == 4:
        yield Finding(gateway_key, f"{gateway} is the network address of {subnet}")
    elif subnet.num_addresses > 2 and gateway == subnet.broadcast_address and subnet.version == 4:
        yield Finding(gateway_key, f"{gateway} is the broadcast address of {subnet}")
