"""Proxmox VE, of which this machine is a node, or which is reached over the network:
tasks.containers.base.Driver."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tasks.containers.base import ContainerSpec, DiskNeed
    from tasks.containers.proxmox.container import ProxmoxContainer
    from tasks.containers.proxmox.section import Proxmox
    from tasks.model.finding import Concern, Finding
    from tasks.model.instance import DriverName, Instance
    from tasks.paths import Paths

PVEVERSION = Path("/usr/bin/pveversion")
"""Every node has it."""


class ProxmoxDriver:
    """See tasks.containers.base.Driver."""

    name: DriverName = "proxmox"
    keys: tuple[str, ...] = (
        "proxmox.template",
        "proxmox.node",
        "proxmox.storage",
        "proxmox.swap_mb",
        "proxmox.vlan",
        "proxmox.mtu",
        "proxmox.firewall",
        "proxmox.search_domain",
        "proxmox.timezone",
        "proxmox.onboot",
        "proxmox.startup",
        "proxmox.protection",
        "proxmox.tags",
        "proxmox.mounts",
        "proxmox.ha",
        "proxmox.replication",
    )
    moving: tuple[str, ...] = ("node", "storage")
    makes_networks = False

    @property
    def section(self) -> type[Proxmox]:
        from tasks.containers.proxmox.section import Proxmox

        return Proxmox

    def is_here(self) -> bool:
        return PVEVERSION.exists()

    def more_of(self, instance: Instance) -> Mapping[str, object]:
        from tasks.containers.proxmox.attributes import more_of
        from tasks.containers.proxmox.desired import desired_of

        return more_of(desired_of(section_of(instance)))

    def container(self, spec: ContainerSpec, instance: Instance, paths: Paths) -> ProxmoxContainer:
        from tasks.containers.proxmox.cluster import cluster_of
        from tasks.containers.proxmox.container import ProxmoxContainer
        from tasks.containers.proxmox.desired import desired_of

        section = section_of(instance)
        return ProxmoxContainer(
            spec,
            desired_of(section),
            cluster_of(section, paths),
            lock_limit=section.lock_wait_seconds,
            download=section.download,
            paths=paths,
        )

    def named(self, name: str, instance_id: str, paths: Paths) -> None:
        """How its cluster is reached stands in the configuration alone."""

    def list_owned(self, paths: Paths) -> Sequence[tuple[str, str]]:
        return ()

    def location(self, instance: Instance) -> tuple[str, int | None]:
        section = section_of(instance)
        return section.node, section.container_id

    def double(self, instance: Instance, suffix: str) -> Mapping[str, Any]:
        return {
            "container_id": None,
            "onboot": False,
            "protection": False,
            "ha": None,
            "replication": [],
        }

    def numbered(self, number: int | None) -> Mapping[str, Any]:
        return {"container_id": number}

    def next_number(self, instance: Instance, paths: Paths) -> int:
        from tasks.containers.proxmox.api import ask
        from tasks.containers.proxmox.cluster import cluster_of

        return ask(cluster_of(section_of(instance), paths).session, "/cluster/nextid", int)

    # What `check` asks

    def check_machine(self, paths: Paths) -> Iterable[Finding]:
        return ()

    def disk_needs(self, instances: Sequence[Instance], paths: Paths) -> Iterable[DiskNeed]:
        return ()

    @property
    def reach_checks(self) -> tuple[tuple[str, Concern], ...]:
        from tasks.containers.proxmox import checks

        return (("node", checks.node), ("privileges", checks.privileges))

    @property
    def container_checks(self) -> tuple[tuple[str, Concern], ...]:
        from tasks.containers.proxmox import availability_check, checks

        return (
            ("address", checks.address),
            ("template", checks.template),
            ("storage", checks.storage),
            ("bridge", checks.bridge),
            ("ha", availability_check.check),
        )

    def grants(self, instances: Sequence[Instance]) -> Sequence[str]:
        from tasks.containers.proxmox.checks import grants

        return grants(instances)

    def unfinished(self) -> Sequence[str]:
        tasks = sys.modules.get("tasks.containers.proxmox.tasks")
        return tasks.waited_for() if tasks else ()


def section_of(instance: Instance) -> Proxmox:
    """What the configuration says of Proxmox VE; it does of an instance of this driver."""
    from tasks.containers.proxmox.section import Proxmox

    assert isinstance(instance.placement, Proxmox)
    return instance.placement


DRIVER = ProxmoxDriver()
