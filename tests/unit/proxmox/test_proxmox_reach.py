"""Which way leads to a node, from a node and from a workstation."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from tasks.containers.proxmox.access import Https, Local, OpenSsh
from tasks.containers.proxmox.reach import Reach
from tasks.containers.proxmox.section import Connection, Ssh
from tasks.containers.proxmox.view import Member
from tasks.errors import NetworkError

CONTROL = Path("/run/vikunja-deploy/ssh")
ON_A_NODE = Reach(Connection("local", None, 8006, None, None, None), Ssh("root", 22, {}), CONTROL)
OVER_HTTPS = replace(
    ON_A_NODE,
    connection=Connection("https", "pve.example.com", 8006, Path("/token"), "C0" * 32, None),
)
OVER_SSH = replace(
    ON_A_NODE, connection=Connection("openssh", "pve.example.com", 8006, None, None, None)
)
PVE = OpenSsh("pve.example.com", CONTROL)
OTHER = Member("pve2", True, "192.0.2.2")


def test_the_way_to_the_api_is_the_connections() -> None:
    assert ON_A_NODE.api == Local()
    assert OVER_SSH.api == PVE
    assert OVER_HTTPS.api == Https("pve.example.com", Path("/token"), 8006, None, "C0" * 32)


def test_a_node_is_looked_at_where_the_connection_leads() -> None:
    assert ON_A_NODE.entry(is_node=True) == Local()
    assert ON_A_NODE.entry(is_node=False) == Local()
    assert OVER_HTTPS.entry(is_node=False) == PVE
    # This machine may be a node of quite another cluster.
    assert OVER_HTTPS.entry(is_node=True) == PVE
    here = replace(OVER_HTTPS, connection=replace(OVER_HTTPS.connection, host="localhost"))
    assert here.entry(is_node=True) == Local()
    assert here.entry(is_node=False) == OpenSsh("localhost", CONTROL)


def test_another_node_is_reached_by_the_clusters_address_or_the_users() -> None:
    assert OVER_SSH.node(Member("pve", True, "192.0.2.1"), PVE, "pve") == PVE
    assert OVER_SSH.node(OTHER, PVE, "pve") == OpenSsh("192.0.2.2", CONTROL)
    named = replace(OVER_SSH, ssh=Ssh("admin", 2222, {"pve2": "pve2.example.com"}))
    found = named.node(OTHER, PVE, "pve")
    assert found == OpenSsh("pve2.example.com", CONTROL, "admin", 2222)


def test_between_nodes_the_cluster_knows_each_others_keys_by_name() -> None:
    found = ON_A_NODE.node(OTHER, Local(), "pve")
    assert found == OpenSsh("192.0.2.2", CONTROL, options=("HostKeyAlias=pve2",))


def test_a_node_that_is_down_is_told_instead_of_waited_for() -> None:
    with pytest.raises(NetworkError, match="node pve2 is down"):
        OVER_SSH.node(replace(OTHER, online=False), PVE, "pve")
