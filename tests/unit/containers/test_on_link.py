"""Gateways that are reached without a subnet."""

from __future__ import annotations

from typing import Any

import pytest
from instance_samples import sample_instance

from tasks.config.network_rules import network
from tasks.containers import spec_for
from tasks.containers.lxc.network import refuse_unmade
from tasks.errors import ResourceError


@pytest.mark.parametrize(
    ("address", "gateway"),
    [
        ("203.0.113.7/32", "203.0.113.1"),
        ("2001:db8::7/128", "2001:db8:1::1"),
        ("2001:db8::7/64", "fe80::1"),
    ],
)
def test_a_gateway_outside_the_subnet_is_taken(address: str, gateway: str) -> None:
    section: dict[str, Any] = {"ip_address": address, "gateway": gateway, "domain": "a.lan"}
    assert list(network({"network": section})) == []


def test_no_bridge_is_made_for_a_single_address() -> None:
    section = {
        **sample_instance().document["network"],
        "ip_address": "203.0.113.7/32",
        "gateway": "203.0.113.1",
    }
    spec = spec_for(sample_instance(network=section))
    with pytest.raises(ResourceError, match="none is made for"):
        refuse_unmade(spec, "own")
    refuse_unmade(spec, "foreign")
