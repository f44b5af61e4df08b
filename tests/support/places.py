"""Where lab tests put their containers: a prefix and a network of their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from runs import temporary_folder

from tasks.containers.base import ContainerSpec
from tasks.containers.lxc.driver import LxcContainer
from tasks.containers.lxc.host import remove_tree
from tasks.paths import Paths

MACHINE_CACHE = Paths().cache
SUITE = "trixie"


@dataclass
class LabNetwork:
    """A bridge and subnet of this run; addresses are handed out once each, with prefix length."""

    bridge: str
    subnet: str
    _next: int = field(default=10, repr=False)

    @property
    def gateway(self) -> str:
        return f"{self.subnet}.1"

    def free_address(self) -> str:
        self._next += 1
        return f"{self.subnet}.{self._next}/24"


@contextmanager
def temporary_prefix() -> Iterator[Paths]:
    """Host paths of their own, but for the cache; every container made there is destroyed."""
    prefix = temporary_folder()
    paths = Paths(prefix)
    MACHINE_CACHE.mkdir(parents=True, exist_ok=True)
    paths.cache.parent.mkdir(parents=True)
    paths.cache.symlink_to(MACHINE_CACHE)
    try:
        yield paths
    finally:
        for name, instance_id in LxcContainer.list_owned(paths):
            LxcContainer(spec_for(name, instance_id), paths).destroy()
        remove_tree(prefix)


def spec_for(
    name: str, instance_id: str, network: LabNetwork | None = None, memory_mb: int = 512
) -> ContainerSpec:
    """A small container; without a network it can only be looked at and destroyed."""
    return ContainerSpec(
        name=name,
        instance_id=instance_id,
        template=SUITE,
        hostname=name,
        cpu_cores=1,
        memory_mb=memory_mb,
        disk_size_gb=8,
        bridge=network.bridge if network else "",
        ip_address=network.free_address() if network else "",
        gateway=network.gateway if network else "",
    )
