"""The configuration file of a container: written whole from a Settings, read back into one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from ipaddress import ip_interface
from pathlib import Path
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from tasks.containers.base import ContainerSpec
from tasks.containers.lxc.cgroup import Layout, limit_lines, parse_limits
from tasks.host.user_ids import IdMap
from tasks.model.instance import DHCP, is_asked
from tasks.model.registry import parse_identity

INSTANCE = "# vikunja-deploy: instance"
IDENTITY = "# vikunja-deploy: identity"
TEMPLATE = "# vikunja-deploy: template"
NAMESERVERS = "# vikunja-deploy: nameservers"
HOST_NAMESERVERS = "host"
ASKED = "# vikunja-deploy: address"
"""What the container asks for its address, where LXC sets none."""
ASKED6 = "# vikunja-deploy: second address"
"""How it gets its second address, where LXC sets none."""


class Settings(Struct, frozen=True):
    """A container as its configuration file has it.

    lower: its root file system. bridge_mode: `own`, a bridge that is made where it is missing
    and goes with the last container; `foreign`, one that is used as it is. mtu: bytes.
    ip6_address, gateway6: empty for none. mac_address: empty for the one that follows from its
    folder. nameservers: empty means the host's own. cpu_cores, memory_mb: None without a limit.
    autostart: the host's boot starts it. identity: what the registry knows it by, None for none.
    ip_address: empty for a container that is in no network.
    """

    instance_id: str
    template: str
    hostname: str
    cpu_cores: float | None
    memory_mb: int | None
    bridge: str
    bridge_mode: Literal["own", "foreign"]
    mtu: int
    ip_address: str
    gateway: str
    nameservers: tuple[str, ...]
    lower: Path
    autostart: bool = True
    identity: str | None = None
    ip6_address: str = ""
    gateway6: str = ""
    mac_address: str = ""

    @property
    def asks_within(self) -> bool:
        """Whether systemd-networkd in the container asks a server for an address. What follows from
        a router's announcement alone, the kernel sees to."""
        return DHCP in (self.ip_address, self.ip6_address)


def from_spec(
    spec: ContainerSpec,
    *,
    lower: Path,
    bridge_mode: Literal["own", "foreign"],
    mtu: int,
    identity: str | None = None,
) -> Settings:
    return Settings(
        instance_id=spec.instance_id,
        template=spec.template,
        hostname=spec.hostname,
        cpu_cores=spec.cpu_cores,
        memory_mb=spec.memory_mb,
        bridge=spec.bridge,
        bridge_mode=bridge_mode,
        mtu=mtu,
        ip_address=spec.ip_address,
        gateway=spec.gateway,
        nameservers=tuple(spec.nameservers),
        lower=lower,
        autostart=bool(spec.more.get("autostart", True)),
        identity=identity,
        ip6_address=spec.ip6_address or "",
        gateway6=spec.gateway6 or "",
        mac_address=spec.mac_address or "",
    )


def place_of(spec: ContainerSpec, settings: Settings) -> ContainerSpec:
    """The spec with the network that a container has, whatever is desired."""
    return replace(
        spec,
        bridge=settings.bridge,
        ip_address=settings.ip_address,
        gateway=settings.gateway,
        ip6_address=settings.ip6_address or None,
        gateway6=settings.gateway6 or None,
    )


def hardware_address(folder: Path) -> str:
    """An address of the container's own, the same at every start (in the range of Xen's)."""
    digest = hashlib.sha256(str(folder).encode()).hexdigest()
    return ":".join(("00:16:3e", digest[0:2], digest[2:4], digest[4:6]))


def gateway_interface(settings: Settings) -> str:
    """The gateway's address with the subnet's prefix length."""
    return f"{settings.gateway}/{ip_interface(settings.ip_address).network.prefixlen}"


def _address_line(ip_address: str) -> str:
    """With the broadcast address where there is one: LXC's own guess is wrong."""
    interface = ip_interface(ip_address)
    if interface.version == 6 or interface.network.prefixlen > 30:
        return ip_address
    return f"{ip_address} {interface.network.broadcast_address}"


def _address_lines(settings: Settings) -> list[str]:
    if settings.ip_address == DHCP:
        return []
    family = "ipv6" if ip_interface(settings.ip_address).version == 6 else "ipv4"
    return [
        f"lxc.net.0.{family}.address = {_address_line(settings.ip_address)}",
        f"lxc.net.0.{family}.gateway = {settings.gateway}",
    ]


def _interface_lines(settings: Settings, folder: Path) -> list[str]:
    if not settings.ip_address:
        return ["lxc.net.0.type = empty"]
    second = settings.ip6_address
    return [
        "lxc.net.0.type = veth",
        f"lxc.net.0.link = {settings.bridge}",
        "lxc.net.0.name = eth0",
        f"lxc.net.0.hwaddr = {settings.mac_address or hardware_address(folder)}",
        f"lxc.net.0.mtu = {settings.mtu}",
        "lxc.net.0.flags = up",
        *_address_lines(settings),
        *([f"lxc.net.0.ipv6.address = {second}"] if second and not is_asked(second) else []),
        *([f"lxc.net.0.ipv6.gateway = {settings.gateway6}"] if settings.gateway6 else []),
    ]


def network_arguments(settings: Settings, lock: Path) -> list[str]:
    """What the hook's `network-up` takes."""
    if not settings.ip_address:
        # Nothing is made for what is in no network.
        return [str(lock), "foreign", settings.bridge, "-", "-"]
    place = [str(lock), settings.bridge_mode, settings.bridge]
    if settings.ip_address == DHCP:
        return [*place, "-", "-"]
    return [*place, gateway_interface(settings), str(ip_interface(settings.ip_address).network)]


def render(
    settings: Settings, *, folder: Path, lock: Path, ids: IdMap, layout: Layout, apparmor: bool
) -> str:
    """The configuration file of the container in `folder`.

    lock: the file whose lock guards the host's network. apparmor: whether the host uses it.
    """
    hook, second = folder / "hook", settings.ip6_address
    network = " ".join(network_arguments(settings, lock))
    nameservers = " ".join(settings.nameservers) or HOST_NAMESERVERS
    # The nested profile lets systemd inside mount what its units' sandboxes are made of.
    profile = (
        ["lxc.apparmor.profile = generated", "lxc.apparmor.allow_nesting = 1"]
        if apparmor
        else ["lxc.apparmor.profile = unconfined"]
    )
    lines = [
        f"{INSTANCE}={settings.instance_id}",
        *([f"{IDENTITY}={settings.identity}"] if settings.identity else []),
        f"{TEMPLATE}={settings.template}",
        f"{NAMESERVERS}={nameservers}",
        *([f"{ASKED}={DHCP}"] if settings.ip_address == DHCP else []),
        *([f"{ASKED6}={second}"] if is_asked(second) else []),
        "# Written by vikunja-deploy; the next apply writes it again.",
        "lxc.include = /usr/share/lxc/config/common.conf",
        "lxc.include = /usr/share/lxc/config/userns.conf",
        f"lxc.uts.name = {settings.hostname}",
        f"lxc.rootfs.path = dir:{folder / 'rootfs'}",
        f"lxc.idmap = u 0 {ids.uids} 65536",
        f"lxc.idmap = g 0 {ids.gids} 65536",
        *profile,
        "lxc.mount.auto =",
        "lxc.mount.auto = proc:mixed sys:ro cgroup:mixed",
        "lxc.tty.max = 0",
        "lxc.signal.halt = SIGRTMIN+3",
        f"lxc.start.auto = {int(settings.autostart)}",
        *_interface_lines(settings, folder),
        *limit_lines(layout, settings.cpu_cores, settings.memory_mb),
        "lxc.hook.version = 1",
        f"lxc.hook.pre-start = {hook} pre-start {folder} {settings.lower} {network}",
        f"lxc.hook.start-host = {hook} start-host {folder}",
        f"lxc.hook.post-stop = {hook} post-stop {folder}",
    ]
    return "\n".join(lines) + "\n"


def keys(text: str) -> dict[str, str]:
    """Every key of a configuration file with its last value."""
    found = {}
    for line in text.splitlines():
        if not line.lstrip().startswith("#") and "=" in line:
            name, _, value = line.partition("=")
            found[name.strip()] = value.strip()
    return found


def _comment(text: str, name: str) -> str | None:
    lines = text.split("\n")
    return next(
        (line[len(name) + 1 :].strip() for line in lines if line.startswith(f"{name}=")), None
    )


def owner_of(text: str) -> str | None:
    """The instance that the file says the container belongs to."""
    return _comment(text, INSTANCE)


def identity_of(text: str) -> str | None:
    """What the file says the container is known by."""
    return parse_identity(_comment(text, IDENTITY) or "")


def written_for(text: str) -> Path | None:
    """The folder that `render` wrote the file for; None where it did not."""
    hook = _hook(keys(text))
    return Path(hook[2]) if hook else None


def _hook(values: Mapping[str, str]) -> list[str]:
    """The words of the start hook, empty where it is not the one of `render`."""
    hook = values.get("lxc.hook.pre-start", "").split(" ")
    return hook if len(hook) == 9 else []


def addresses_of(values: Mapping[str, str]) -> list[str]:
    """The addresses with prefix length that LXC sets, of any container's keys, IPv4 first."""
    found = (values.get(f"lxc.net.0.ipv{version}.address", "") for version in (4, 6))
    # LXC allows a broadcast address after the address.
    return [value.split(" ")[0] for value in found if value]


def _hardware_address_of(values: Mapping[str, str], folder: Path) -> str:
    found = values.get("lxc.net.0.hwaddr", "").lower()
    return "" if found == hardware_address(folder) else found


def _suite_of(lower: Path) -> str:
    """What a root file system is of, by its name: see Recipe.key."""
    return lower.name.rpartition("-")[0]


def parse(text: str) -> Settings | None:
    """The Settings of a file that `render` wrote, whatever was edited in it since.

    None where it was not written by it.
    """
    owner = owner_of(text)
    if owner is None:
        return None
    values = keys(text)
    hook = _hook(values)
    if not hook:
        return None
    cores, memory = parse_limits(values)
    named = (_comment(text, NAMESERVERS) or HOST_NAMESERVERS).split()
    mtu = values.get("lxc.net.0.mtu", "")
    address, second = (*addresses_of(values), "", "")[:2]
    if "lxc.net.0.ipv4.address" not in values and _comment(text, ASKED) == DHCP:
        address, second = DHCP, address
    asked = _comment(text, ASKED6) or ""
    if is_asked(asked) and "lxc.net.0.ipv6.address" not in values:
        second = asked
    gateways = [values.get(f"lxc.net.0.ipv{version}.gateway", "") for version in (4, 6)]
    parted = values.get("lxc.net.0.type") == "empty"
    # Only one of IPv6 stands alone.
    gateway, gateway6 = gateways if ":" not in address else (gateways[1], "")
    return Settings(
        instance_id=owner,
        template=_comment(text, TEMPLATE) or _suite_of(Path(hook[3])),
        hostname=values.get("lxc.uts.name", ""),
        cpu_cores=cores,
        memory_mb=memory,
        bridge=hook[6] if parted else values.get("lxc.net.0.link", ""),
        bridge_mode="foreign" if hook[5] == "foreign" else "own",
        mtu=int(mtu) if mtu.isdigit() else 0,
        ip_address=address,
        gateway=gateway,
        nameservers=() if named == [HOST_NAMESERVERS] else tuple(named),
        lower=Path(hook[3]),
        autostart=values.get("lxc.start.auto") == "1",
        identity=identity_of(text),
        ip6_address=second,
        gateway6=gateway6,
        mac_address=_hardware_address_of(values, Path(hook[2])),
    )
