"""The site's public address, and where it is asked from within its container."""

from __future__ import annotations

from typing import Any

import pytest
from instance_samples import sample_instance


@pytest.mark.parametrize(
    ("frontend", "public", "inside"),
    [
        ({}, "https://vikunja.example.com", "https://vikunja.example.com:443"),
        (
            {"ssl_port": 8443},
            "https://vikunja.example.com:8443",
            "https://vikunja.example.com:8443",
        ),
        ({"tls": "off"}, "http://vikunja.example.com", "http://vikunja.example.com:80"),
        (
            {"tls": "off", "port": 8080},
            "http://vikunja.example.com:8080",
            "http://vikunja.example.com:8080",
        ),
        (
            {"tls": "off", "port": 8080, "trusted_proxies": ["192.0.2.1"]},
            "https://vikunja.example.com",
            "http://vikunja.example.com:8080",
        ),
        (
            {"tls": "off", "public_url": "https://vikunja.example.com:9443"},
            "https://vikunja.example.com:9443",
            "http://vikunja.example.com:80",
        ),
    ],
)
def test_the_public_address_follows_from_tls_ports_and_proxies(
    frontend: dict[str, Any], public: str, inside: str
) -> None:
    instance = sample_instance(services={"frontend": frontend})
    assert (instance.public_url, instance.site_origin) == (public, inside)
