"""Whether what listens in the container could find its port taken by a connection."""

from __future__ import annotations

from collections.abc import Iterator

from tasks.model.finding import Finding, World

TOPIC = "ports"
FIRST, LAST = 32768, 60999
"""Linux takes these for outgoing connections, unless net.ipv4.ip_local_port_range says otherwise
(https://docs.kernel.org/networking/ip-sysctl.html)."""


def check(world: World) -> Iterator[Finding]:
    """Of what is started anew while others connect: nginx and the servers listen all the time."""
    backend, mcp = world.instance.services.backend, world.instance.services.mcp
    ports = {
        "services.backend.port_blue": backend.port_blue,
        "services.backend.port_green": backend.port_green,
    }
    if mcp.enabled:
        ports["services.mcp.port_blue"] = mcp.port_blue
        ports["services.mcp.port_green"] = mcp.port_green
    for key, port in ports.items():
        if FIRST <= port <= LAST:
            what = f"{key}: Linux may give {port} to an outgoing connection, and then a start fails"
            yield world.warning(TOPIC, what, f"Choose one that is not in {FIRST} to {LAST}")
