"""Bridges and addresses of the host's containers."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, ip_interface
from pathlib import Path
from typing import Literal

from tasks.containers.base import ContainerSpec
from tasks.containers.lxc import config
from tasks.errors import NetworkError, ResourceError
from tasks.host.locks import locked
from tasks.host.process import Completed, execute
from tasks.host.routes import Route, overlapping, read_routes
from tasks.paths import Paths

HOOK = Path(__file__).with_name("hook.sh")
DEFAULT_MTU = 1500
IPTABLES = ("iptables", "iptables-nft", "iptables-legacy")
"""As hook.sh tries them: the first that can read the table of NAT is the one in use."""

INTERFACES = Path("/sys/class/net")


def lock_path(paths: Paths) -> Path:
    """Guards what all containers of a host share: addresses, bridges, NAT rules."""
    return paths.library / "lxc-network.lock"


def alias_of(paths: Paths) -> str:
    """What a bridge that was made here says in its alias; other prefixes' bridges are not ours."""
    return f"vikunja-deploy:{lock_path(paths)}"


def bridge_mode(
    bridge: str, paths: Paths, interfaces: Path = INTERFACES
) -> Literal["own", "foreign"]:
    """foreign: it exists and was not made here. ResourceError where it is no bridge at all."""
    interface = interfaces / bridge
    if not interface.exists():
        return "own"
    if not (interface / "bridge").is_dir():
        raise ResourceError(
            f"the network interface {bridge} exists and is not a bridge",
            hint="set network.bridge to a bridge, or to a name that is free",
        )
    return "own" if _alias(interface) == alias_of(paths) else "foreign"


def _alias(interface: Path) -> str:
    try:
        return (interface / "ifalias").read_text().strip()
    except OSError:
        return ""


def default_interface(routes: str) -> str | None:
    """Name of the interface that /proc/net/route sends everything else to."""
    for line in routes.splitlines()[1:]:
        fields = line.split()
        if len(fields) > 7 and fields[1] == "00000000" and fields[7] == "00000000":
            return fields[0]
    return None


def packet_size(bridge: str, mode: str, interfaces: Path = INTERFACES) -> int:
    """Largest packet, bytes, that passes the container's way out."""
    name: str | None = bridge
    if mode == "own":
        name = default_interface(Path("/proc/net/route").read_text())
    try:
        return int((interfaces / (name or bridge) / "mtu").read_text())
    except OSError:
        return DEFAULT_MTU


def configurations(paths: Paths) -> dict[str, str]:
    """Text of the configuration file of every container on this host, ours or not, by name."""
    found = {}
    for file in sorted(paths.lxc.glob("[!.]*/config")):
        try:
            found[file.parent.name] = file.read_text(errors="replace")
        except (FileNotFoundError, NotADirectoryError):
            continue
    return found


def conflict(spec: ContainerSpec, others: Mapping[str, str]) -> tuple[str, str] | None:
    """A desired address that another container has, and its name; from all configurations."""
    wanted = {ip_interface(text).ip: text for text in spec.addresses}
    for name, text in others.items():
        taken = {_ip(one) for one in config.addresses_of(config.keys(text))}
        for address, desired in wanted.items():
            if name != spec.name and address in taken:
                return desired, name
    return None


def _ip(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_interface(text).ip
    except ValueError:
        return None


def check_free(spec: ContainerSpec, paths: Paths) -> None:
    """ResourceError where another container or the host itself has an address of the container."""
    taken = conflict(spec, configurations(paths))
    if taken is not None:
        text, other = taken
        raise ResourceError(
            f"the address {text} is taken by the container {other}",
            where=spec.name,
            hint=f"set {spec.key_of(text)} to an address that is free",
        )
    for text in spec.addresses:
        address = str(ip_interface(text).ip)
        local = execute(["ip", "-o", "address", "show", "to", address], where=spec.name).stdout
        if local.strip():
            raise ResourceError(
                f"the address {address} is this machine's own",
                where=spec.name,
                hint=f"set {spec.key_of(text)} to an address that is free",
                evidence=local.decode().splitlines(),
            )


def preflight(spec: ContainerSpec, paths: Paths) -> None:
    """Raise what would keep a bridge from being there as the container needs it; no change."""
    mode = bridge_mode(spec.bridge, paths)
    refuse_unmade(spec, mode)
    if mode == "own":
        refuse_taken_network(spec, read_routes())


def refuse_unmade(spec: ContainerSpec, mode: str) -> None:
    """ResourceError where the bridge would have to be made for what is made for nobody: IPv6, or a
    gateway outside the subnet, which is somebody else's."""
    there = (INTERFACES / spec.bridge).exists()
    lacks = "was made" if there else "does not exist, and none is made"
    if mode != "own":
        return
    if spec.asks:
        only = "addresses of the configuration" if there else "DHCP: nobody would answer there"
        raise ResourceError(
            f"the bridge {spec.bridge} {lacks} for {only}",
            where=spec.name,
            hint="Set network.bridge to one that a DHCP server is on, or network.ip_address to an "
            "address",
        )
    interface = ip_interface(spec.ip_address)
    if interface.network.num_addresses == 1:
        raise ResourceError(
            f"the bridge {spec.bridge} does not exist, and none is made for {spec.ip_address} "
            f"alone",
            where=spec.name,
            hint="Set network.bridge to the one that the gateway is reached through.",
        )
    if interface.version == 6 or spec.ip6_address:
        only = "IPv4 alone" if there else "IPv6"
        raise ResourceError(
            f"the bridge {spec.bridge} {lacks} for {only}",
            where=spec.name,
            hint="make a bridge that has a route, or use an IPv4 address",
        )


def refuse_taken_network(spec: ContainerSpec, routes: Iterable[Route]) -> None:
    """ResourceError where the network of a bridge that is made here is reached in another way:
    answers to the containers of one would go to the other's."""
    interface = ip_interface(spec.ip_address)
    if not isinstance(interface, IPv4Interface):
        return
    other = overlapping(routes, interface.network, spec.bridge)
    if other is not None:
        raise ResourceError(
            f"{spec.bridge} would be made for {interface.network}, but this machine reaches "
            f"{other.network} through {other.interface}",
            where=spec.name,
            hint=f"Set network.bridge to {other.interface} if that is a bridge, or "
            "network.ip_address and network.gateway to another network",
        )


def bring_up(settings: config.Settings, paths: Paths, where: str) -> None:
    """Bridge and NAT as a container of these settings needs them; preflight has refused what
    cannot be. Idempotent."""
    lock = lock_path(paths)
    lock.parent.mkdir(parents=True, exist_ok=True)
    arguments = config.network_arguments(settings, lock)
    completed = execute(["sh", str(HOOK), "network-up", *arguments], where=where, check=False)
    if completed.returncode != 0:
        raise NetworkError(
            f"the network on the bridge {settings.bridge} could not be set up",
            where=where,
            hint="`./doit check` looks at what the kernel and iptables of this machine offer",
            evidence=completed.stderr.decode(errors="replace").splitlines()[-10:],
        )


def forwards(bridge: str) -> bool | None:
    """Whether this machine lets the containers on a bridge that was made here out, as hook.sh sets
    it up; None where its rules cannot be read."""
    if Path("/proc/sys/net/ipv4/ip_forward").read_text().strip() != "1":
        return False
    with contextlib.suppress(ResourceError):
        # Nearly always all is there: one program says so in half the time that two take.
        if _lets_out(bridge, lines(execute(["iptables-save"], check=False, quickly=True))):
            return True
    for program in IPTABLES:
        try:
            nat, forward = (
                execute([program, "-w", *table, "-S", chain], check=False, quickly=True)
                for table, chain in ((("-t", "nat"), "POSTROUTING"), ((), "FORWARD"))
            )
        except ResourceError:
            continue
        if nat.returncode == 0 and forward.returncode == 0:
            return _lets_out(bridge, lines(nat) + lines(forward))
    return None


def _lets_out(bridge: str, rules: Iterable[str]) -> bool:
    """Whether hook.sh's rules of a bridge are among those that iptables shows."""
    mark = f"vikunja-deploy:{bridge}"
    ours = [words for rule in rules if mark in (words := rule.replace('"', "").split())]
    return all(
        any(words <= set(rule) for rule in ours)
        for words in ({"MASQUERADE"}, {"-i", bridge, "ACCEPT"}, {"-o", bridge, "ACCEPT"})
    )


def lines(completed: Completed) -> list[str]:
    return completed.stdout.decode(errors="replace").splitlines()


def own_bridges(paths: Paths, interfaces: Path = INTERFACES) -> list[str]:
    return sorted(
        interface.name
        for interface in interfaces.iterdir()
        if (interface / "bridge").is_dir() and _alias(interface) == alias_of(paths)
    )


def used_bridges(others: Mapping[str, str]) -> set[str]:
    found = set()
    for text in others.values():
        values = config.keys(text)
        found |= {
            value for key, value in values.items() if re.fullmatch(r"lxc\.net\.\d+\.link", key)
        }
    return found


def remove_unused(paths: Paths, where: str = "") -> None:
    """Remove the bridges that were made here, with their rules, when nobody uses them.

    A bridge with a port, or one that another container's configuration names, stays.
    """
    with locked(lock_path(paths)):
        used = used_bridges(configurations(paths))
        for bridge in own_bridges(paths):
            ports = INTERFACES / bridge / "brif"
            if bridge not in used and not any(ports.iterdir()):
                execute(["sh", str(HOOK), "network-down", bridge], where=where)


def resolvers(text: str) -> tuple[str, ...]:
    """Nameservers of a resolv.conf."""
    return tuple(re.findall(r"^\s*nameserver\s+(\S+)", text, re.MULTILINE))


def host_nameservers() -> tuple[str, ...]:
    """The host's nameservers, as far as a container can reach them."""
    for file in (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf")):
        if file.is_file():
            found = tuple(
                server
                for server in resolvers(file.read_text(errors="replace"))
                if not server.startswith("127.") and server != "::1"
            )
            if found:
                return found
    return ()
