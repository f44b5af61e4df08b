"""`check` says which ports of the services a connection could have when they start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from instance_samples import sample_instance

from tasks.checks import ports
from tasks.checks.run import EVERY
from tasks.model.finding import World
from tasks.paths import Paths

BLUE, GREEN = "services.backend.port_blue", "services.backend.port_green"
MCP = "services.mcp.port_green"


@pytest.mark.parametrize(
    ("services", "keys"),
    [
        ({}, []),
        ({"backend": {"port_blue": 32767, "port_green": 61000}}, []),
        ({"backend": {"port_blue": 32768, "port_green": 60999}}, [BLUE, GREEN]),
        ({"mcp": {"enabled": True, "port_green": 40000}}, [MCP]),
        ({"mcp": {"enabled": False, "port_green": 40000}}, []),
        ({"frontend": {"ssl_port": 40000}}, []),
    ],
)
def test_one_that_a_connection_may_have_is_a_warning(
    tmp_path: Path, services: dict[str, Any], keys: list[str]
) -> None:
    instance = sample_instance(services=services, redis={"enabled": True})
    found = list(ports.check(World(instance, Paths(tmp_path), lambda: None)))

    assert [one.what.partition(":")[0] for one in found] == keys
    assert all(one.level == "warning" and "32768 to 60999" in one.hint for one in found)
    assert (ports.TOPIC, ports.check) in EVERY
