"""How a running site on Proxmox VE gets its addresses, changed: from a fixed one to what a DHCP
server and a router give, to another one of theirs, and back."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from places import LabNetwork
from pve.standin import Standin
from pve_site import PveSite, new_pve_site
from router import Router, routing

from tasks.host.packages import ensure
from tasks.model import registry

NUMBER = os.getpid() % 10000
BRIDGE, SUBNET = f"vkdpad{NUMBER}", f"10.{20 + NUMBER // 250}.{NUMBER % 250}"
PREFIX = f"2001:db8:{NUMBER:x}:2::"
MADE = f"{PREFIX[:-1]}be24:11ff:fe00:8"


@pytest.fixture
def router(lab_machine: None, tmp_path: Path) -> Iterator[Router]:
    ensure(["dnsmasq-base"])
    with routing(BRIDGE, SUBNET, tmp_path) as router:
        yield router


@pytest.fixture
def site(
    standin: Standin, golden: Path, pve_network: LabNetwork, router: Router
) -> Iterator[PveSite]:
    standin.be_node("pve")
    node = standin.cluster.nodes["pve"]
    before = node.bridges
    node.bridges = (*before, BRIDGE)
    site = new_pve_site(standin, pve_network, 8, "local", "pve")
    fixed = {"ip_address": f"{SUBNET}.30/24", "gateway": f"{SUBNET}.1"}
    site.edit({"network": {"bridge": BRIDGE, "mac_address": "bc:24:11:00:00:08", **fixed}})
    yield site
    standin.clear()
    node.bridges = before


def served_at(site: PveSite, *every: str) -> None:
    """By each of these, and all that the tool says and keeps is of them."""
    for address in (one.partition("/")[0] for one in every):
        url = f"https://{f'[{address}]' if ':' in address else address}/api/v1/info"
        argv = ["curl", "-sk", "--noproxy", "*", "--max-time", "10", "-w", "%{http_code}", url]
        found = subprocess.run(
            [*argv, "-o", "/dev/null"], capture_output=True, text=True, check=True
        )
        assert found.stdout == "200", address
    entry = registry.find(site.paths, site.id)
    assert entry is not None and entry.addresses == every
    (shown,) = json.loads(site.run("status", "--json").stdout)
    named = [shown["address"], *shown["further_addresses"]]
    assert named == [one.partition("/")[0] for one in every]
    assert site.addresses() == []


def test_from_a_fixed_address_to_those_that_are_given_and_back(
    site: PveSite, router: Router
) -> None:
    names = "/etc/vikunja/nginx/given.conf"
    site.run("apply", "--yes")
    served_at(site, f"{SUBNET}.30/24")
    router.serve(21, PREFIX)
    fixed = {name: site.document["network"][name] for name in ("ip_address", "gateway")}
    asks = {"ip_address": "dhcp", "gateway": None, "ip6_address": "auto"}
    site.edit({"network": asks})
    site.run("apply", "--yes")
    served_at(site, f"{SUBNET}.21/24", f"{MADE}/64")
    assert "ip=dhcp" in site.config["net0"] and "ip6=auto" in site.config["net0"]
    assert f"{SUBNET}.21" in site.inside("cat", names)

    router.serve(22, PREFIX)
    site.inside("networkctl", "reconfigure", "eth0")
    site.inside(
        "sh", "-c", f"until ip -4 -o a show dev eth0 | grep -q {SUBNET}.22; do sleep 0.1; done"
    )
    assert f"given-names:{names}" in site.addresses()
    site.run("apply", "--yes")
    served_at(site, f"{SUBNET}.22/24", f"{MADE}/64")

    site.edit({"network": {**fixed, "ip6_address": None}})
    assert f"absent:{names}" in site.addresses()
    site.run("apply", "--yes")
    served_at(site, f"{SUBNET}.30/24")
    assert "ip6=" not in site.config["net0"]
    assert "gone" in site.inside("sh", "-c", f"[ -e {names} ] || echo gone")
