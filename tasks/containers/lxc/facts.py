"""A container folder as found, from the host's files, and its rules of NAT where it needs any."""

from __future__ import annotations

from pathlib import Path

from tasks.containers.base import ContainerFacts
from tasks.containers.lxc import cgroup, config, identity, init, network, ownership

NOTHING = ContainerFacts(exists=False, running=False, owner=None, attributes={})


def read_config(folder: Path) -> str | None:
    """Text of the container's configuration; None where there is no container."""
    try:
        return (folder / "config").read_text(errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return None


def observe(folder: Path) -> ContainerFacts:
    text = read_config(folder)
    if text is None:
        return NOTHING
    settings = config.parse(text)
    if settings is None:
        running = init.has_monitor(folder)
        return ContainerFacts(exists=True, running=running, owner=None, attributes={})
    pid = init.running_init(folder)
    return ContainerFacts(
        exists=True,
        running=pid is not None and not init.is_frozen(pid),
        owner=ownership.proven_owner(folder, text),
        attributes=_attributes(folder, settings, pid),
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
        "autostart": settings.autostart,
    }
    if settings.bridge_mode == "own" and pid is not None:
        forwards = network.forwards(settings.bridge)
        if forwards is not None:
            attributes["forwarding"] = forwards
    nameservers = identity.observed_nameservers(folder / "upper", settings)
    if nameservers is not None:
        attributes["nameservers"] = nameservers
    return attributes
