"""A stand-in cluster of three nodes with real containers behind it, below a prefix of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from places import LabNetwork, temporary_prefix
from pve.cluster import Cluster
from pve.real import SUITE, RealContainers, make_golden
from pve.standin import Standin, standing_in

from tasks.containers.base import ContainerSpec

NODES = ("pve", "pve2", "pve3")

PACKAGES = ["nginx", "openssl", "curl", "ca-certificates", "sqlite3", "logrotate", "tzdata"]
"""What an instance with SQLite installs: templates have it here, so that it is done once."""


@pytest.fixture(scope="session")
def pve_network() -> LabNetwork:
    number = os.getpid()
    subnet = f"10.{10 + number // 250 % 50}.{number % 250}"
    return LabNetwork(bridge=f"vkdpve{number}", subnet=subnet)


@pytest.fixture(scope="session")
def standin(lab_machine: None, pve_network: LabNetwork) -> Iterator[Standin]:
    """Who changes the cluster, puts it back."""
    cluster = Cluster(NODES, duration=0.05)
    for node in cluster.nodes.values():
        node.bridges = (pve_network.bridge,)
    with temporary_prefix() as paths:
        cluster.backend = RealContainers(paths)
        with standing_in(paths, cluster) as made:
            yield made


@pytest.fixture(scope="session")
def golden(standin: Standin, pve_network: LabNetwork) -> Path:
    """From here on, new containers begin with the packages."""
    backend = standin.cluster.backend
    assert isinstance(backend, RealContainers)
    spec = ContainerSpec(
        name=f"vkd-lab-{os.getpid()}-golden",
        instance_id="golden",
        template=SUITE,
        hostname="golden",
        cpu_cores=2,
        memory_mb=1024,
        disk_size_gb=8,
        bridge=pve_network.bridge,
        ip_address=pve_network.free_address(),
        gateway=pve_network.gateway,
    )
    backend.golden = make_golden(
        spec, standin.paths, PACKAGES, standin.paths.prefix / "standin/golden"
    )
    return backend.golden
