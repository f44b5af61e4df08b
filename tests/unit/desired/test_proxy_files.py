"""What nginx is told, by the configuration."""

from __future__ import annotations

import re
from typing import Any

import pytest
from instance_samples import sample_instance

from tasks.desired import system
from tasks.desired.rendering import render

PROXY = "192.0.2.7"


def site(**frontend: Any) -> str:
    instance = sample_instance(services={"frontend": frontend})
    rendered = render(instance, system.templated(instance))
    return rendered["/etc/nginx/conf.d/vikunja.conf"].content.decode()


def listening(text: str) -> list[str]:
    return re.findall(r"^\tlisten (?!unix)(.+);$", text, re.MULTILINE)


@pytest.mark.parametrize("tls", ["auto", "off"])
def test_every_connection_from_outside_begins_with_the_proxy_protocol(tls: str) -> None:
    text = site(tls=tls, trusted_proxies=[PROXY], proxy_protocol=True)
    assert all(" proxy_protocol" in one for one in listening(text))
    assert "real_ip_header proxy_protocol;" in text
    assert f"set_real_ip_from {PROXY};" in text


@pytest.mark.parametrize(
    ("frontend", "port"),
    [
        ({}, "443"),
        ({"public_url": "https://vikunja.example.com:8443"}, "8443"),
    ],
)
def test_behind_it_nothing_in_a_request_is_believed(frontend: dict[str, str], port: str) -> None:
    text = site(tls="off", trusted_proxies=[PROXY], proxy_protocol=True, **frontend)
    assert f"\t1:{port} https;" in text
    assert "$http_x_forwarded" not in text
    assert "proxy_set_header Host $http_host;" in text


def test_without_the_key_there_is_none() -> None:
    for text in (site(), site(trusted_proxies=[PROXY])):
        assert "proxy_protocol" not in text
    assert "real_ip_header X-Forwarded-For;" in text
    assert site(proxy_protocol=False) == site()
