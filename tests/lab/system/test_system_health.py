"""Each component of a real instance stopped in turn: its finding, and what to type."""

from __future__ import annotations

import pytest
from health_lab import NOW, findings, look, standing, wait_until_well
from system_lab import VERSION, Site

from tasks.status.health import document


def test_everything_is_measured_in_one_round_trip(site: Site) -> None:
    wait_until_well(site)
    before = site.inside.container.round_trips
    inside = look(site)
    assert site.inside.container.round_trips == before + 1
    found = document(standing(site.instance, inside), (), NOW)
    components = found["components"]
    backend, frontend, mcp = (components[name] for name in ("backend", "frontend", "mcp"))
    assert (backend["http_code"], backend["version"]) == (200, VERSION)
    assert (frontend["http_code"], frontend["nginx_status"]) == (200, "active")
    assert frontend["certificate_until"] is not None
    assert mcp["http_code"] == 200 and mcp["version"]
    assert min(one["response_time_ms"] for one in (backend, frontend, mcp)) > 0
    assert backend["checks"] == {
        "database": "connected",
        "redis": "connected",
        "filesystem": "writable",
    }
    assert components["database"]["type"] == "sqlite" and components["database"]["size_mb"] > 0
    assert all(value is not None for value in found["resources"].values())
    assert found["resources"]["memory_used_mb"] < site.instance.resources.memory_mb
    assert backend["uptime_seconds"] is not None


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        (
            "nginx.service",
            {"frontend": ["nginx is inactive → ./doit start", "nginx does not answer: "]},
        ),
        (
            "redis-server.service",
            {
                "redis": ["redis-server is inactive → ./doit start", "redis does not answer: "],
                "backend": ["the backend (blue) answers /health with 500 → ./doit logs"],
                "mcp": ["the MCP server (blue) answers /health with 503, redis is disconnected"],
            },
        ),
        (
            "vikunja-backend@blue.service",
            {
                "backend": [
                    "vikunja-backend@blue is inactive → ./doit start",
                    "the backend (blue) does not answer: ",
                ]
            },
        ),
        (
            "vikunja-mcp@blue.service",
            {
                "mcp": [
                    "vikunja-mcp@blue is inactive → ./doit start",
                    "the MCP server (blue) does not answer: ",
                ]
            },
        ),
    ],
)
def test_what_was_stopped_is_found_with_what_to_type(
    site: Site, unit: str, expected: dict[str, list[str]]
) -> None:
    site.inside.sh('systemctl stop "$1"', unit)
    try:
        found = findings(site)
    finally:
        site.inside.sh('systemctl start "$1"', unit)
    assert found.keys() == expected.keys()
    for component, begun in expected.items():
        assert len(found[component]) == len(begun), found
        for text, start in zip(found[component], begun, strict=True):
            assert text.startswith(start)
            assert f"./doit start {site.instance.id}" in text or "./doit logs" in text
    wait_until_well(site)


def test_attachments_that_cannot_be_written_are_found(site: Site) -> None:
    site.inside.sh("chown root:root /var/lib/vikunja/files")
    try:
        found = findings(site)
    finally:
        site.inside.sh("chown vikunja:vikunja /var/lib/vikunja/files")
    assert "cannot write to the folder of its attachments" in found["backend"][0]
