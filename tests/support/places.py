"""Where lab tests put their containers: a prefix and a network of their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from msgspec.structs import replace
from runs import temporary_folder

from tasks.containers.base import ContainerSpec
from tasks.containers.lxc import ownership
from tasks.containers.lxc.container import LxcContainer
from tasks.host.process import remove_tree
from tasks.model import registry
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
        destroy_all(paths)
        remove_tree(prefix)


def destroy_all(paths: Paths) -> None:
    """Destroy every container of these paths, copies included: each is recorded as its instance's
    for that moment."""
    paths.registry.unlink(missing_ok=True)
    for name, instance_id in LxcContainer.list_owned(paths):
        claim = ownership.read(paths.lxc / name)
        assert claim is not None
        if not claim.at_home:
            # Nothing was ever started from there.
            remove_tree(claim.folder)
            continue
        registry.add(paths, replace(RECORDED, instance_id=instance_id, container_name=name))
        inode, identity = claim.inode, claim.identity or registry.new_identity()
        registry.note_container(paths, instance_id, "lxc", identity=identity, folder=inode)
        LxcContainer(spec_for(name, instance_id), paths).destroy()
        registry.remove(paths, instance_id)


RECORDED = registry.Registered(
    instance_id="",
    driver="lxc",
    node=None,
    container_id=None,
    container_name="",
    ip_address="192.0.2.2/24",
    domain="example.com",
    created_at="2026-01-01T00:00:00Z",
    config="/nowhere",
)


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
