"""A container's name and resolvers, as files in it."""

from __future__ import annotations

from pathlib import Path

from tasks.containers.lxc import guest_files, network
from tasks.containers.lxc.config import Settings
from tasks.model.instance import DHCP, is_asked


def hosts_file(hostname: str) -> str:
    """The name resolves without the network and whatever the address is, as Debian does it."""
    short = hostname.split(".")[0]
    names = hostname if short == hostname else f"{hostname} {short}"
    return f"127.0.0.1 localhost\n127.0.1.1 {names}\n::1 localhost ip6-localhost ip6-loopback\n"


def resolver_file(nameservers: tuple[str, ...]) -> str:
    servers = nameservers or network.host_nameservers()
    return "".join(f"nameserver {server}\n" for server in servers)


NO_NAMESERVER = ("no name server",)

AS_WRITTEN = "as vikunja-deploy writes it"


NAME_FILES = ("/etc/hostname", "/etc/hosts")


NETWORK_FILE = "/etc/systemd/network/10-vikunja.network"
NETWORKD = "systemd-networkd.service"
WANTED = f"/etc/systemd/system/multi-user.target.wants/{NETWORKD}"


def network_file(settings: Settings) -> str:
    """How systemd-networkd asks for the addresses; what LXC sets besides is said as well, or it
    would take that away."""
    asks, asks6 = settings.ip_address == DHCP, settings.ip6_address == DHCP
    lines = [
        "# Written by vikunja-deploy.",
        "[Match]",
        "Name=eth0",
        "[Network]",
        f"DHCP={'yes' if asks and asks6 else 'ipv4' if asks else 'ipv6'}",
    ]
    # The same client of a container that is made anew with the same hardware address.
    if asks:
        if settings.ip6_address and not is_asked(settings.ip6_address):
            lines.append(f"Address={settings.ip6_address}")
        if settings.gateway6:
            lines.append(f"Gateway={settings.gateway6}")
        lines += ["[DHCPv4]", "ClientIdentifier=mac", "UseHostname=no"]
    else:
        lines += [f"Address={settings.ip_address}"]
        lines += ["[Route]", f"Gateway={settings.gateway}", "GatewayOnLink=yes"]
    if asks6:
        lines += ["[IPv6AcceptRA]", "UseAutonomousPrefix=no"]
        lines += ["[DHCPv6]", "DUIDType=link-layer", "UseHostname=no"]
    return "\n".join(lines) + "\n"


def name_files(hostname: str) -> dict[str, str]:
    """What says the container's name: path → text."""
    return dict(zip(NAME_FILES, (f"{hostname}\n", hosts_file(hostname)), strict=True))


def observed_names(upper: Path, settings: Settings) -> dict[str, str]:
    """Of each of these files, whether it is so."""
    found = {}
    files = name_files(settings.hostname)
    if settings.asks_within:
        files[NETWORK_FILE] = network_file(settings)
    for path, text in files.items():
        data = guest_files.read(upper, path)
        edited = "missing" if data is None else "edited"
        found[path] = AS_WRITTEN if data == text.encode() else edited
    return found


def write_identity(root: Path, settings: Settings, owner: tuple[int, int]) -> None:
    """root: the container's file system as the host sees it; owner: its root's ids."""
    files = {
        **name_files(settings.hostname),
        "/etc/resolv.conf": resolver_file(settings.nameservers),
    }
    if settings.asks_within:
        files[NETWORK_FILE] = network_file(settings)
    for path, text in files.items():
        guest_files.write(root, path, text.encode(), owner)
    if settings.asks_within:
        # Its root file system masks what sets a network from inside.
        for path in (f"/etc/systemd/system/{NETWORKD}", WANTED):
            guest_files.link(root, path, f"/usr/lib/systemd/system/{NETWORKD}", owner)
    elif guest_files.read(root, NETWORK_FILE) is not None:
        guest_files.link(root, f"/etc/systemd/system/{NETWORKD}", "/dev/null", owner)
        for path in (WANTED, NETWORK_FILE):
            guest_files.remove(root, path)


def observed_nameservers(upper: Path, settings: Settings) -> tuple[str, ...] | None:
    """As its resolv.conf has them, empty where those are the host's and are meant to be.

    None where something in the container has put a link there and manages it.
    """
    data = guest_files.read(upper, "etc/resolv.conf")
    if data is None and guest_files.is_there(upper, "etc/resolv.conf"):
        return None
    found = network.resolvers((data or b"").decode(errors="replace"))
    if not settings.nameservers and found == network.host_nameservers():
        return ()
    # None is not the same as nobody in particular.
    return found or NO_NAMESERVER
