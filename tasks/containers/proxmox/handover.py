"""A container takes another's place: host name, network, and what says whose it is. In one change
of its configuration, while it is stopped; its number stays.

Its marker, which only a running container can be given, still names the instance of before: the
notes say so until the next start, which writes the new one.
"""

from __future__ import annotations

from collections.abc import Mapping

from tasks.containers.base import ContainerSpec
from tasks.containers.proxmox.api import Value
from tasks.containers.proxmox.desired import DesiredProxmox
from tasks.containers.proxmox.parameters import Config, net0
from tasks.containers.proxmox.properties import (
    format_properties,
    format_tags,
    handed_over,
    is_own_tag,
    parse_properties,
    parse_tags,
    tag_of,
)

ADDRESSES = ("ip", "gw", "ip6", "gw6")


def change_to(spec: ContainerSpec, desired: DesiredProxmox, found: Config) -> dict[str, Value]:
    """The settings of a container that takes this place. Pure."""
    current = parse_properties(found.current.get("net0", ""))
    tags = parse_tags(found.current.get("tags", ""))
    others = [tag for tag in tags if not is_own_tag(tag)]
    settings: dict[str, Value] = {
        "hostname": spec.hostname,
        "description": handed_over(found.current.get("description", ""), spec.instance_id),
        "tags": format_tags([*others, tag_of(spec.instance_id)]),
        "net0": net0(spec, desired, current) if spec.ip_address else _parted(current),
        "onboot": int(desired.onboot),
        "protection": int(desired.protection),
    }
    return settings | ({"digest": found.digest} if found.digest else {})


def _parted(current: Mapping[str, str]) -> str:
    """An interface without an address, whose cable is out: another container has both now."""
    left = {name: value for name, value in current.items() if name not in ADDRESSES}
    return format_properties({**left, "link_down": 1})
