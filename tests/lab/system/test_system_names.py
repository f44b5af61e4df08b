"""By which names the site works, and behind which proxies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from system_lab import DOMAIN, VERSION, Site, start_echo

ALIASES = ["tasks.lan", "tasks", "192.0.2.60"]
OWN_API = b"'/api/v1'"


def address(site: Site) -> str:
    return site.instance.network.ip_address.partition("/")[0]


def with_frontend(site: Site, **keys: Any) -> Site:
    """The same site, with another frontend, brought about."""
    instance = site.inside.instance(
        redis={"enabled": True},
        services={"mcp": {"enabled": True}, "frontend": keys},
        network={"aliases": ALIASES},
        vikunja={"registration": True, "environment": {"SAMPLE_VERSION": VERSION}},
    )
    site.inside.apply(instance, "blue")
    assert site.inside.plan(instance, "blue") == ()
    return Site(site.inside, instance)


@pytest.fixture
def named(site: Site) -> Iterator[Site]:
    yield with_frontend(site)
    site.inside.apply(site.instance, "blue")


def test_by_every_name_the_page_asks_where_it_came_from(named: Site) -> None:
    for name in (*ALIASES, address(named)):
        page = named.ask("/", host=name, headers={"Accept-Encoding": "gzip"})
        api = named.ask("/api/v1/info", host=name)
        assert OWN_API in named.ask("/", host=name).body
        assert page.headers["content-encoding"] == "gzip"
        assert (page.status, api.status) == (200, 200)
    assert f"'https://{DOMAIN}/api/v1'".encode() in named.ask("/").body


def test_the_certificate_is_for_every_name(named: Site) -> None:
    shown = named.inside.sh(
        "openssl x509 -in /etc/vikunja/tls/self-signed/certificate.pem -noout -ext subjectAltName"
    )
    for name in (f"DNS:{DOMAIN}", "DNS:tasks.lan", "DNS:tasks", "IP Address:192.0.2.60"):
        assert f"{name}," in f"{shown.strip()},"
    assert f"IP Address:{address(named)}" in shown


def test_plain_http_sends_every_name_to_itself(named: Site) -> None:
    for name in (DOMAIN, *ALIASES, address(named)):
        answer = named.ask("/x?y=1", host=name, port=80)
        assert (answer.status, answer.headers["location"]) == (301, f"https://{name}/x?y=1")


def seen_behind(site: Site, headers: dict[str, str], port: int | None = None) -> dict[str, str]:
    """What the backend is told of a request, by a backend that only says that."""
    answer = site.ask("/echo", headers=headers, port=port)
    assert answer.status == 200
    return dict(json.loads(answer.body))


@pytest.fixture
def echoing(site: Site) -> Iterator[Site]:
    """A site whose backend may come to say what it is told of a request."""
    yield site
    site.inside.sh("systemctl stop echo.service", check=False)
    site.inside.apply(site.instance, "blue")


CLAIMS = {
    "X-Forwarded-For": "198.51.100.7, 203.0.113.9",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "tasks.lan",
}


def test_without_tls_what_a_trusted_proxy_says_is_passed_on(echoing: Site) -> None:
    network = echoing.instance.network.ip_address
    plain = with_frontend(echoing, tls="off", trusted_proxies=[network])
    info = plain.ask("/api/v1/info")
    start_echo(plain)
    seen = seen_behind(plain, CLAIMS)
    silent = seen_behind(plain, {})

    assert f"https://{DOMAIN}/".encode() in info.body
    assert info.headers["strict-transport-security"]
    assert seen["x-forwarded-for"] == "203.0.113.9"
    assert (seen["x-forwarded-proto"], seen["host"]) == ("https", "tasks.lan")
    assert (silent["x-forwarded-proto"], silent["host"]) == ("http", DOMAIN)
    with pytest.raises(ConnectionRefusedError):
        plain.connect(443)


def test_without_tls_nobody_else_is_believed(echoing: Site) -> None:
    plain = with_frontend(echoing, tls="off", trusted_proxies=["192.0.2.1"])
    start_echo(plain)
    seen = seen_behind(plain, CLAIMS)

    assert seen["x-forwarded-for"] == seen["x-real-ip"] != "203.0.113.9"
    assert (seen["x-forwarded-proto"], seen["host"]) == ("http", DOMAIN)


def test_without_tls_and_proxy_the_site_is_plain(echoing: Site) -> None:
    plain = with_frontend(echoing, tls="off", port=8080)
    info = plain.ask("/api/v1/info", host=f"{DOMAIN}:8080")

    assert f"http://{DOMAIN}:8080/".encode() in info.body
    assert "strict-transport-security" not in info.headers


def test_with_tls_a_trusted_proxy_gets_plain_http_and_everybody_else_is_sent_on(
    echoing: Site,
) -> None:
    network = echoing.instance.network.ip_address
    with_frontend(echoing, trusted_proxies=["192.0.2.1"])
    sent_on = echoing.ask("/", port=80)
    trusting = with_frontend(echoing, trusted_proxies=[network])
    served, encrypted = trusting.ask("/", port=80), trusting.ask("/")

    assert (sent_on.status, served.status, encrypted.status) == (301, 200, 200)
