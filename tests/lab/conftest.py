"""What the lab tests share: a prefix of their own, a network of their own, real containers.

The root file systems come from the machine's own cache, so each is made once for every run.
Names and subnets come from the process id: several runs live side by side.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml
from journey import Site, new_site
from places import LabNetwork, spec_for, temporary_prefix

from tasks.containers.lxc import PACKAGES
from tasks.containers.lxc.container import LxcContainer
from tasks.containers.lxc.preflight import preflight
from tasks.host.packages import ensure, ensure_user_ids
from tasks.paths import Paths


@pytest.fixture(scope="session")
def lab_machine() -> None:
    """Fails where this machine cannot run containers."""
    if os.geteuid() != 0:
        pytest.fail("lab tests start containers and need root: run `./doit test` as root")
    ensure(PACKAGES)
    ensure_user_ids()
    problems = preflight(Paths())
    if problems:
        pytest.fail("this machine cannot run the lab:\n" + "\n".join(map(str, problems)))


@pytest.fixture(scope="session")
def lab_paths(lab_machine: None) -> Iterator[Paths]:
    """Host paths below a temporary prefix."""
    with temporary_prefix() as paths:
        yield paths


SHARED: list[tuple[Site, dict[str, Any]]] = []
"""The instance that tests share, where it is deployed, with what its file said."""


@pytest.fixture(scope="module", autouse=True)
def put_back() -> Iterator[None]:
    """A module leaves the shared instance as it found it, whatever comes next."""
    yield
    for site, document in SHARED:
        assert yaml.safe_load(site.file.read_text()) == document
        assert site.run("plan").stdout == f"Nothing to do: {site.id} is up to date.\n"
        (last,) = json.loads(site.run("history", "--json", "--lines", "1").stdout)
        assert last["outcome"] == "success", last


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
        SHARED.append((site, yaml.safe_load(site.file.read_text())))
        yield site
        SHARED.clear()


@pytest.fixture(scope="session")
def lab_network() -> LabNetwork:
    # 10.98 is the tool's own, for its builder and the demo.
    number = os.getpid()
    return LabNetwork(
        bridge=f"vkdlab{number}", subnet=f"10.{100 + number // 250 % 78}.{number % 250}"
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
