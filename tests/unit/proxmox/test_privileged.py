"""A container whose configuration has lost that it is unprivileged."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from pve.calls import answer
from pve.cluster import Cluster, Guest, Refused

from tasks.containers.base import ContainerFacts, ContainerSpec
from tasks.containers.proxmox.attributes import more_of, observed
from tasks.containers.proxmox.desired import DesiredProxmox
from tasks.containers.proxmox.parameters import Config, changes, create_parameters
from tasks.containers.proxmox.refusals import refusals
from tasks.errors import ResourceError
from tasks.resources.base import Facts
from tasks.resources.container import DesiredContainer

SPEC = ContainerSpec(
    name="vikunja-main",
    instance_id="vikunja-main",
    template="debian-12-standard",
    hostname="vikunja-main",
    cpu_cores=2,
    memory_mb=2048,
    disk_size_gb=20,
    bridge="vmbr0",
    ip_address="192.0.2.10/24",
    gateway="192.0.2.1",
)
DESIRED = DesiredProxmox(node="pve", storage="local-lvm", tags=("Web",))
IDENTITY = "11111111-2222-3333-4444-555555555555"


def config(**changed: str | None) -> Config:
    made = create_parameters(
        SPEC, DESIRED, vmid=100, template="a:b", storage="local-lvm", identity=IDENTITY
    )
    more = {
        "rootfs": "local-lvm:vm-100-disk-0,size=20G",
        "tags": "vikunja-deploy.vikunja-main;web",
        **changed,
    }
    merged = {**made, **more}
    return Config({name: str(value) for name, value in merged.items() if value is not None})


def difference(found: Config) -> object:
    seen = observed(DESIRED, found, "pve", 100, None, ())
    facts = ContainerFacts(
        True, True, SPEC.instance_id, seen, refusals=refusals(100, "pve", found, ())
    )
    desired = DesiredContainer(spec=replace(SPEC, more=more_of(DESIRED)))
    return desired.difference(Facts(container=facts))


def test_it_is_refused_with_what_brings_it_back_and_nothing_else_is_tried() -> None:
    assert difference(config()) is None
    assert not changes(SPEC, DESIRED, config(), "pve")
    lost = config(unprivileged=None)
    assert not changes(SPEC, DESIRED, lost, "pve")
    with pytest.raises(ResourceError, match="container 100 counts as privileged") as refused:
        difference(lost)
    assert "/etc/pve/nodes/pve/lxc/100.conf; nothing in it is lost" in refused.value.hint
    assert "loses what came after that archive" in refused.value.hint


@pytest.mark.parametrize("parameters", [{"unprivileged": "1"}, {"delete": "unprivileged"}])
def test_proxmox_ve_changes_it_of_no_container_that_is_there(parameters: dict[str, str]) -> None:
    where = Cluster(duration=0)
    where.guests[100] = Guest(100, "pve", {"memory": 512, "unprivileged": 1})
    with pytest.raises(Refused, match="read-only option: 'unprivileged'"):
        answer(where, "root@pam", "PUT", "/nodes/pve/lxc/100/config", parameters)
    assert where.guests[100].config["unprivileged"] == 1
