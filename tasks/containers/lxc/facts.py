"""A container folder as found, from the host's files, and its rules of NAT where it needs any."""

from __future__ import annotations

from pathlib import Path

from tasks.containers.base import GIVEN, GIVEN6, ContainerFacts, Refusal
from tasks.containers.lxc import cgroup, config, identity, init, network
from tasks.containers.lxc.ownership import Claim
from tasks.host.process import execute
from tasks.model.instance import DHCP, is_asked

NOTHING = ContainerFacts(exists=False, running=False, owner=None, attributes={})


def observe(
    claim: Claim, owner: str | None, unproven: Refusal | None, noted: str
) -> ContainerFacts:
    """owner: the instance that it is proven to be of. noted: see ownership."""
    folder = claim.folder
    settings = config.parse(claim.text)
    if settings is None:
        running = init.has_monitor(folder)
        return ContainerFacts(True, running, owner=None, attributes={}, unproven=unproven)
    pid = init.running_init(folder)
    return ContainerFacts(
        exists=True,
        running=pid is not None and not init.is_frozen(pid),
        owner=owner,
        attributes={**_attributes(folder, settings, pid), "identity": noted},
        unproven=unproven,
        identity=claim.identity,
        folder=claim.inode,
    )


def _limits(settings: config.Settings, pid: int | None) -> tuple[float | None, int | None]:
    """As enforced while it runs, else as it will start."""
    if pid is not None:
        try:
            return cgroup.group_of_process(pid).limits()
        except (FileNotFoundError, ProcessLookupError):
            pass
    return settings.cpu_cores, settings.memory_mb


def _attributes(folder: Path, settings: config.Settings, pid: int | None) -> dict[str, object]:
    cores, memory = _limits(settings, pid)
    attributes: dict[str, object] = {
        "name": folder.name,
        "instance_id": settings.instance_id,
        "template": settings.template,
        "hostname": settings.hostname,
        "cpu_cores": cores,
        "memory_mb": memory,
        "bridge": settings.bridge,
        "ip_address": settings.ip_address,
        "gateway": settings.gateway,
        "ip6_address": settings.ip6_address or None,
        "gateway6": settings.gateway6 or None,
        "mac_address": settings.mac_address or None,
        "autostart": settings.autostart,
    }
    if settings.bridge_mode == "own" and pid is not None:
        forwards = network.forwards(settings.bridge)
        if forwards is not None:
            attributes["forwarding"] = forwards
    if settings.ip_address == DHCP and pid is not None:
        attributes |= given_address(pid, folder.name, GIVEN)
    if is_asked(settings.ip6_address) and pid is not None:
        attributes |= given_address(pid, folder.name, GIVEN6)
    attributes |= identity.observed_names(folder / "upper", settings)
    nameservers = identity.observed_nameservers(folder / "upper", settings)
    if nameservers is not None:
        attributes["nameservers"] = nameservers
    return attributes


def given_address(pid: int, where: str, which: str) -> dict[str, object]:
    """The address that the container of this first process has now; nothing where it has none.
    which: GIVEN or GIVEN6."""
    family, word = ("-4", "inet") if which == GIVEN else ("-6", "inet6")
    argv = ["nsenter", f"--net=/proc/{pid}/ns/net", "ip", family, "-o", "address", "show"]
    argv += ["dev", "eth0", "scope", "global"]
    if which == GIVEN6:
        argv += ["-temporary", "-deprecated", "-tentative"]
    shown = execute(argv, where=where, check=False, quickly=True).stdout.decode().split()
    return {which: shown[shown.index(word) + 1]} if word in shown else {}
