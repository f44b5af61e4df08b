"""A container's name and resolvers, as files in it."""

from __future__ import annotations

from pathlib import Path

from tasks.containers.lxc import guest_files, network
from tasks.containers.lxc.config import Settings


def hosts_file(hostname: str) -> str:
    """The name resolves without the network and whatever the address is, as Debian does it."""
    short = hostname.split(".")[0]
    names = hostname if short == hostname else f"{hostname} {short}"
    return f"127.0.0.1 localhost\n127.0.1.1 {names}\n::1 localhost ip6-localhost ip6-loopback\n"


def resolver_file(nameservers: tuple[str, ...]) -> str:
    servers = nameservers or network.host_nameservers()
    return "".join(f"nameserver {server}\n" for server in servers)


AS_WRITTEN = "as vikunja-deploy writes it"


NAME_FILES = ("/etc/hostname", "/etc/hosts")


def name_files(hostname: str) -> dict[str, str]:
    """What says the container's name: path → text."""
    return dict(zip(NAME_FILES, (f"{hostname}\n", hosts_file(hostname)), strict=True))


def observed_names(upper: Path, settings: Settings) -> dict[str, str]:
    """Of each of these files, whether it is so."""
    found = {}
    for path, text in name_files(settings.hostname).items():
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
    for path, text in files.items():
        guest_files.write(root, path, text.encode(), owner)


def observed_nameservers(upper: Path, settings: Settings) -> tuple[str, ...] | None:
    """As its resolv.conf has them, empty where those are the host's and are meant to be.

    None where something in the container has put a link there and manages it.
    """
    data = guest_files.read(upper, "etc/resolv.conf")
    if data is None:
        return None
    found = network.resolvers(data.decode(errors="replace"))
    if not settings.nameservers and found == network.host_nameservers():
        return ()
    return found
