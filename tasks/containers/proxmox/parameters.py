"""From what is desired to the API's parameters, and from a configuration back. Pure.

What a change of an attribute takes, as pve-container does it to a running container:

    cpu_cores, memory_mb, instance_id     live
    bridge, ip_address, gateway,          live: the interface is plugged anew
    ip6_address, gateway6, mac_address
    hostname, nameservers, mtu,           at the next start; pending, or in effect only then
    search_domain, timezone
    disk_size_gb                          grows, live; never shrinks
    node, storage                         a move: migration, move of the volume
    template                              only another container has another
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Interface, IPv6Interface, ip_interface

import msgspec
from msgspec import Struct

from tasks.containers.base import ContainerSpec
from tasks.containers.proxmox.answers import Setting
from tasks.containers.proxmox.api import Value
from tasks.containers.proxmox.desired import DesiredProxmox, Mount
from tasks.containers.proxmox.properties import (
    format_properties,
    format_tags,
    instance_in_notes,
    is_own_tag,
    notes_of,
    parse_gib,
    parse_properties,
    parse_tags,
    parse_whole,
    tag_of,
    template_in_notes,
)
from tasks.containers.proxmox.tags import NO_RULES, TagRules
from tasks.errors import ResourceError
from tasks.model.instance import is_asked

RESTART_FIELDS = frozenset(
    {"hostname", "mtu", "nameservers", "search_domain", "timezone", "nesting"}
)
"""Attributes that a running container takes up at its next start; the MTU is only written down."""

AT_NEXT_START = frozenset({"hostname", "nameserver", "searchdomain", "timezone"})
"""Their settings: a change of them is pending until then."""

MOUNTS = tuple(f"mp{number}" for number in range(256))


class Config(Struct, frozen=True):
    """A container's configuration as found.

    current: what holds. pending: what comes to hold at the next start, None where a setting goes.
    digest: of the configuration, to be given with a change; it was not changed since, then.
    snapshots: their names. tag_rules: those of the cluster.
    """

    current: Mapping[str, str]
    pending: Mapping[str, str | None] = msgspec.field(default_factory=dict)
    digest: str | None = None
    snapshots: tuple[str, ...] = ()
    tag_rules: TagRules = NO_RULES

    @property
    def coming(self) -> dict[str, str]:
        """What holds after the next start."""
        merged = {**self.current, **self.pending}
        return {name: value for name, value in merged.items() if value is not None}


def parse_pending(rows: Iterable[Setting]) -> Config:
    """Of the answer of `GET /nodes/{node}/lxc/{vmid}/pending`."""
    current: dict[str, str] = {}
    pending: dict[str, str | None] = {}
    for row in rows:
        if row.value is not None:
            current[row.key] = str(row.value)
        if row.delete:
            pending[row.key] = None
        elif row.pending is not None:
            pending[row.key] = str(row.pending)
    return Config(current, pending, current.pop("digest", None))


def create_parameters(
    spec: ContainerSpec,
    desired: DesiredProxmox,
    *,
    vmid: int,
    template: str,
    storage: str,
    identity: str,
) -> dict[str, Value]:
    """Parameters of `POST /nodes/{node}/lxc`. template: a volume. storage: of rootfs.

    The container is not started: a failed start would not fail the task.
    """
    parameters: dict[str, Value] = {
        "vmid": vmid,
        "ostemplate": template,
        "rootfs": f"{storage}:{spec.disk_size_gb}",
        "unprivileged": 1,
        "features": "nesting=1",
        "description": notes_of(spec.instance_id, spec.template, identity),
        "net0": net0(spec, desired, {}),
        **_settings(spec, desired),
    }
    if desired.pool:
        parameters["pool"] = desired.pool
    if desired.ssh_keys:
        parameters["ssh-public-keys"] = "\n".join(desired.ssh_keys)
    for name, mount in zip(MOUNTS, desired.mounts, strict=False):
        parameters[name] = _new_mount(mount)
    return parameters


def _settings(spec: ContainerSpec, desired: DesiredProxmox) -> dict[str, Value]:
    """What is simply a value of the configuration."""
    optional = {
        "nameserver": " ".join(spec.nameservers),
        "searchdomain": desired.search_domain,
        "startup": desired.startup,
        "timezone": desired.timezone,
    }
    return {
        "hostname": spec.hostname,
        "cores": spec.cpu_cores,
        "memory": spec.memory_mb,
        "swap": desired.swap_mb,
        "onboot": int(desired.onboot),
        "protection": int(desired.protection),
        **{name: value for name, value in optional.items() if value},
    }


DEFAULTS = {"memory": "512", "swap": "512", "onboot": "0", "protection": "0"}
"""What holds where a configuration says nothing."""

UNSAID = (("firewall", "0"), ("link_down", "0"))
"""Of an interface: what is the same as nothing."""

OPTIONAL = ("nameserver", "searchdomain", "startup", "timezone")
"""Settings that are absent where nothing is desired."""


def net0(
    spec: ContainerSpec,
    desired: DesiredProxmox,
    current: Mapping[str, str],
    recorded: str | None = None,
) -> str:
    """The interface eth0. What it has and is not configured, its MAC above all, is kept.

    recorded: the second address that it was given by an apply before.
    """
    four, six = ("ip", "gw"), ("ip6", "gw6")
    version = 4 if spec.asks else ip_interface(spec.ip_address).version
    (address, gateway), other = (four, six) if version == 4 else (six, four)
    # An address of the other kind that somebody gave it beside ours stays; ours of before goes.
    gone = ("link_down", gateway) if spec.asks else ("link_down",)
    current = {name: value for name, value in current.items() if name not in gone}
    ours = is_second_ours(current.get("ip6"), recorded)
    if version == 6 or "ip" not in current or ours or spec.ip6_address is not None:
        current = {name: value for name, value in current.items() if name not in other}
    interface: dict[str, str | int | None] = {
        "name": "eth0",
        "bridge": spec.bridge,
        address: spec.ip_address,
        gateway: spec.gateway or None,
        "tag": desired.vlan,
        "mtu": desired.mtu,
        "firewall": 1 if desired.firewall else None,
    }
    if spec.mac_address and current.get("hwaddr", "").lower() != spec.mac_address:
        interface["hwaddr"] = spec.mac_address.upper()
    if spec.ip6_address is not None:
        interface |= {"ip6": spec.ip6_address, "gw6": spec.gateway6}
    merged = {**current, **interface}
    return format_properties({name: v for name, v in merged.items() if v is not None})


def is_second_ours(second: str | None, recorded: str | None) -> bool:
    """Whether the address of IPv6 beside another one is of an apply before. recorded: see net0; of
    one that others give, the registry has what they gave."""
    return recorded is not None and (second == recorded or is_asked(second))


def _new_mount(mount: Mount) -> str:
    return f"{mount.storage}:{mount.size_gb},mp={mount.path},backup={int(mount.backup)}"


class Changes(Struct, frozen=True):
    """What brings a container to what is desired, in this order; empty where it is there.

    migrate: node to go to. move: storage for rootfs. settings, deleted: of one change of the
    configuration. grow: GiB that a disk (`rootfs`, `mp0`) is to have.
    """

    migrate: str | None = None
    move: str | None = None
    settings: Mapping[str, Value] = msgspec.field(default_factory=dict)
    deleted: tuple[str, ...] = ()
    grow: Mapping[str, int] = msgspec.field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.migrate or self.move or self.settings or self.deleted or self.grow)


def changes(
    spec: ContainerSpec,
    desired: DesiredProxmox,
    found: Config,
    node: str,
    recorded: str | None = None,
) -> Changes:
    """What is to be done to a container on a node. recorded: see net0. ResourceError where a disk
    would shrink."""
    coming = found.coming
    settings = {
        name: value
        for name, value in _settings(spec, desired).items()
        if coming.get(name, DEFAULTS.get(name)) != str(value)
    }
    settings |= _network_change(spec, desired, coming, recorded)
    settings |= _features_change(coming)
    settings |= tags_change(spec, desired, found)
    mounted = {
        parse_properties(coming[name], "volume").get("mp"): name
        for name in MOUNTS
        if name in coming
    }
    free = (name for name in MOUNTS if name not in coming)
    settings |= {next(free): _new_mount(m) for m in desired.mounts if m.path not in mounted}
    sizes = {mounted[m.path]: m.size_gb for m in desired.mounts if m.path in mounted}
    grow = {
        disk: size
        for disk, size in {"rootfs": spec.disk_size_gb, **sizes}.items()
        if _grows(spec, disk, coming.get(disk, ""), size)
    }
    absent = _settings(spec, desired)
    storage = storage_of(coming)
    return Changes(
        # Where the HA manager has put it, there it belongs.
        migrate=desired.node if desired.node != node and desired.ha is None else None,
        move=desired.storage if desired.storage not in (None, storage) else None,
        settings=settings,
        deleted=tuple(name for name in OPTIONAL if name in coming and name not in absent),
        grow=grow,
    )


def tags_change(spec: ContainerSpec, desired: DesiredProxmox, found: Config) -> dict[str, Value]:
    """The setting `tags`, where those of the instance are missing. What users gave by hand stays.

    Not given at creation: that would take rights on what is not there yet, which no pool gives.
    """
    keys = found.tag_rules.keys
    tags = parse_tags(found.coming.get("tags", ""))
    own = [tag_of(spec.instance_id), *desired.tags]
    kept = [tag for tag in tags if not is_own_tag(tag) and not keys([tag]) & keys(own)]
    wanted = [*kept, *own]
    return {} if keys(wanted) == keys(tags) else {"tags": format_tags(wanted)}


def nests(config: Mapping[str, str]) -> bool:
    """Whether the sandbox of a unit can be set up in it."""
    return parse_properties(config.get("features", "")).get("nesting") == "1"


def is_unprivileged(config: Mapping[str, str]) -> bool:
    """Whether its root is nobody on the node. Nothing changes that of a container that is there."""
    return config.get("unprivileged") == "1"


def _features_change(coming: Mapping[str, str]) -> dict[str, Value]:
    """What somebody added stays."""
    if nests(coming):
        return {}
    features = {**parse_properties(coming.get("features", "")), "nesting": "1"}
    return {"features": format_properties(features)}


def _network_change(
    spec: ContainerSpec,
    desired: DesiredProxmox,
    coming: Mapping[str, str],
    recorded: str | None,
) -> dict[str, Value]:
    """net0 where it differs, its order and Proxmox VE's additions aside."""
    current = parse_properties(coming.get("net0", ""))
    interface = net0(spec, desired, current, recorded)
    current = {name: value for name, value in current.items() if (name, value) not in UNSAID}
    return {} if parse_properties(interface) == current else {"net0": interface}


def _grows(spec: ContainerSpec, disk: str, volume: str, desired: int) -> bool:
    size = parse_gib(parse_properties(volume, "volume").get("size", ""))
    if size is not None and size > desired:
        raise ResourceError(
            f"{disk} has {size:g} GiB and cannot shrink to {desired} GiB",
            where=spec.name,
            hint=f"set it to {size:g} GiB or more; a smaller disk needs a new container",
        )
    return size is not None and size < desired


def hardware_address_of(config: Mapping[str, str]) -> str | None:
    """Of its interface eth0, as it is there; None where it has none."""
    return parse_properties(config.get("net0", "")).get("hwaddr", "").lower() or None


def storage_of(config: Mapping[str, str]) -> str | None:
    """The storage that holds rootfs."""
    volume = parse_properties(config.get("rootfs", ""), "volume").get("volume", "")
    return volume.partition(":")[0] or None


def parse_net(config: Mapping[str, str]) -> list[str]:
    """The static addresses of all its interfaces, without prefix length."""
    interfaces = (parse_properties(config[name]) for name in config if name.startswith("net"))
    found = (one.get(key, "") for one in interfaces for key in ("ip", "ip6"))
    return [str(address.ip) for one in found if (address := _interface(one)) is not None]


def _interface(text: str) -> IPv4Interface | IPv6Interface | None:
    """`dhcp`, `manual` and what somebody wrote by hand are none."""
    try:
        return ip_interface(text) if "/" in text else None
    except ValueError:
        return None


def attributes_of(config: Mapping[str, str]) -> dict[str, object]:
    """Fields of ContainerSpec that a configuration tells, by name."""
    interface = parse_properties(config.get("net0", ""))
    size = parse_gib(parse_properties(config.get("rootfs", ""), "volume").get("size", ""))
    notes = config.get("description", "")
    found: dict[str, object] = {
        "instance_id": instance_in_notes(notes),
        "template": template_in_notes(notes),
        "hostname": config.get("hostname"),
        "cpu_cores": parse_whole(config.get("cores")),
        "memory_mb": parse_whole(config.get("memory", DEFAULTS["memory"])),
        "disk_size_gb": size,
        "bridge": interface.get("bridge"),
        "ip_address": interface.get("ip") or interface.get("ip6"),
        "gateway": interface.get("gw") or interface.get("gw6"),
    }
    known = {name: value for name, value in found.items() if value is not None}
    return {**known, "nameservers": tuple(config.get("nameserver", "").split())}


def interface_addresses(config: Mapping[str, str]) -> tuple[str | None, str | None]:
    """Of IPv4 and of IPv6, of its interface, as configured."""
    interface = parse_properties(config.get("net0", ""))
    return interface.get("ip"), interface.get("ip6")


def interface_of(
    spec: ContainerSpec, config: Mapping[str, str], recorded: str | None = None
) -> dict[str, object]:
    """What a configuration tells of the interface's second address and of its MAC, by name, where
    it is ours to say. recorded: see net0."""
    interface = parse_properties(config.get("net0", ""))
    found: dict[str, object] = {}
    second = interface.get("ip6") if "ip" in interface else None
    if spec.ip6_address is not None or is_second_ours(second, recorded):
        found |= {"ip6_address": second, "gateway6": interface.get("gw6") if second else None}
    if spec.mac_address is not None:
        found["mac_address"] = interface.get("hwaddr", "").lower()
    return found
