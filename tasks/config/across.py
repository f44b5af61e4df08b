"""What several files may not share: ids, containers, addresses; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from ipaddress import ip_interface
from typing import Any

from tasks.config.finding import Finding, Key, parse, value_at

_ID = parse("deployment.instance_id")
_NAME = parse("lxc.name")
_NODES = parse("proxmox.ha.nodes")
_HINT = "Choose another one in one of the two."


def across_findings(
    documents: Sequence[tuple[Mapping[str, Any], Mapping[Key, int], str]],
) -> Iterator[tuple[int, int, Finding]]:
    """The number of a document, that of one before it, and what they share.

    documents: values, lines and name of each file; wrong values have been taken out.
    """
    seen: dict[tuple[str, str], tuple[int, str]] = {}
    nodes: dict[tuple[str, str], tuple[frozenset[str], int, str]] = {}
    for number, (document, lines, file) in enumerate(documents):
        same_id = False
        for key, what, identity in _identities(document):
            # A container that has its name from the instance id is no second problem.
            if same_id and key == _NAME and key not in lines:
                continue
            where = f"{file}:{lines[key]}" if key in lines else file
            first, there = seen.setdefault((what, identity.casefold()), (number, where))
            if there is not where:
                same_id = same_id or key == _ID
                yield number, first, Finding(key, f"{identity} is {what} in {there} too", _HINT)
        yield from _other_nodes(number, document, lines, file, nodes)


def _other_nodes(
    number: int,
    document: Mapping[str, Any],
    lines: Mapping[Key, int],
    file: str,
    seen: dict[tuple[str, str], tuple[frozenset[str], int, str]],
) -> Iterator[tuple[int, int, Finding]]:
    """A group of high availability that another file wants on other nodes: each would undo the
    other's."""
    group = value_at(document, "proxmox.ha.group")
    nodes = value_at(document, "proxmox.ha.nodes")
    if not group or not nodes:
        return
    host = str(value_at(document, "proxmox.connection.host"))
    where = f"{file}:{lines[_NODES]}" if _NODES in lines else file
    mine = frozenset(str(node).removesuffix(":0") for node in nodes)
    theirs, first, there = seen.setdefault((host, str(group)), (mine, number, where))
    if theirs != mine:
        what = f"group {group} has other nodes in {there}"
        yield number, first, Finding(_NODES, what, "Give it the same in both.")


def _identities(document: Mapping[str, Any]) -> Iterator[tuple[Key, str, str]]:
    instance_id = value_at(document, "deployment.instance_id")
    if instance_id is not None:
        yield _ID, "the instance id", instance_id
    number = value_at(document, "proxmox.container_id")
    if number is not None:
        # Of one cluster: two that are reached through different hosts may both have it.
        host = value_at(document, "proxmox.connection.host")
        what = f"the container id at {host}" if host else "the container id"
        yield parse("proxmox.container_id"), what, str(number)
    name = value_at(document, "lxc.name")
    if name is not None:
        yield _NAME, "the container name", name
    address = value_at(document, "network.ip_address")
    if address not in (None, "dhcp"):
        yield parse("network.ip_address"), "the address", address.partition("/")[0]
    second = value_at(document, "network.ip6_address")
    if second not in (None, "auto", "dhcp"):
        # However it is written, it is one address.
        with suppress(ValueError):
            yield parse("network.ip6_address"), "the address", str(ip_interface(second).ip)
    hardware = value_at(document, "network.mac_address")
    if hardware is not None:
        yield parse("network.mac_address"), "the hardware address", hardware.lower()
