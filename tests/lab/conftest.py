"""What the lab tests share: a prefix of their own, a network of their own, real containers.

The root file systems come from the machine's own cache, so one debootstrap serves every run.
Names and subnets come from the process id: several runs live side by side.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from journey import Site, new_site

from tasks.containers.base import ContainerSpec
from tasks.containers.lxc.driver import LxcContainer
from tasks.containers.lxc.host import remove_tree
from tasks.containers.lxc.preflight import preflight
from tasks.host_packages import LXC, ensure, ensure_user_ids
from tasks.paths import Paths

MACHINE_CACHE = Paths().cache
SUITE = "bookworm"


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


@pytest.fixture(scope="session")
def lab_machine() -> None:
    """Fails where this machine cannot run containers."""
    if os.geteuid() != 0:
        pytest.fail("lab tests start containers and need root: run `./doit test` as root")
    ensure(LXC)
    ensure_user_ids()
    problems = preflight(Paths())
    if problems:
        pytest.fail("this machine cannot run the lab:\n" + "\n".join(map(str, problems)))


@contextmanager
def temporary_prefix() -> Iterator[Paths]:
    """Host paths of their own, but for the cache; every container made there is destroyed."""
    # Not pytest's own folder: it is for its owner only, and root of a container is somebody else.
    prefix = Path(tempfile.mkdtemp(prefix="vkd-lab-"))
    prefix.chmod(0o755)
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


@pytest.fixture(scope="session")
def lab_paths(lab_machine: None) -> Iterator[Paths]:
    """Host paths below a temporary prefix."""
    with temporary_prefix() as paths:
        yield paths


@pytest.fixture(scope="session")
def deployed(lab_machine: None) -> Iterator[Site]:
    """One sample instance, deployed by `apply` as a user does it, with records, bridge and subnet
    of its own. Who changes it, puts it back."""
    number = os.getpid()
    network = LabNetwork(
        bridge=f"vkddep{number}", subnet=f"10.{180 + number // 250 % 70}.{number % 250}"
    )
    with temporary_prefix() as paths:
        site = new_site(paths, network, "dep")
        site.run("apply", "--yes")
        yield site


@pytest.fixture(scope="session")
def lab_network() -> LabNetwork:
    number = os.getpid()
    return LabNetwork(
        bridge=f"vkdlab{number}", subnet=f"10.{78 + number // 250 % 100}.{number % 250}"
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


@pytest.fixture(scope="session")
def make_container(
    lab_paths: Paths, lab_network: LabNetwork
) -> Iterator[Callable[..., LxcContainer]]:
    """Makes a container object `vkd-lab-<process id>-<suffix>` (nothing on the host yet), that
    is destroyed at the end of the session whatever became of it."""
    made: list[LxcContainer] = []

    def make(name_suffix: str, memory_mb: int = 512) -> LxcContainer:
        name = f"vkd-lab-{os.getpid()}-{name_suffix}"
        made.append(LxcContainer(spec_for(name, name, lab_network, memory_mb), lab_paths))
        return made[-1]

    yield make
    for container in made:
        container.destroy()
