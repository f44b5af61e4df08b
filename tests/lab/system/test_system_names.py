"""By which names the site works, and behind which proxies."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator
from ipaddress import ip_interface
from typing import Any

import pytest
from system_lab import DOMAIN, VERSION, Site, start_echo

from tasks.status.guest_facts import look_inside

ALIASES = ["tasks.lan", "tasks", "192.0.2.60"]
OWN_API = b"'/api/v1'"


def address(site: Site) -> str:
    return site.instance.network.ip_address.partition("/")[0]


def subnet(site: Site) -> str:
    return str(ip_interface(site.instance.network.ip_address).network)


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
    plain = with_frontend(echoing, tls="off", trusted_proxies=[subnet(echoing)])
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
    with_frontend(echoing, trusted_proxies=["192.0.2.1"])
    sent_on = echoing.ask("/", port=80)
    trusting = with_frontend(echoing, trusted_proxies=[subnet(echoing)])
    served, encrypted = trusting.ask("/", port=80), trusting.ask("/")

    assert (sent_on.status, served.status, encrypted.status) == (301, 200, 200)


def prefaced(site: Site, preface: str, headers: dict[str, str], port: int) -> bytes:
    """What comes back on a connection that begins with a preface, if anything does."""
    plain = socket.create_connection((address(site), port), 10)
    plain.sendall(preface.encode())
    connection = plain
    if port == 443:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = context.wrap_socket(plain, server_hostname=DOMAIN)
    asked = {"Host": DOMAIN, "Connection": "close", **headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in asked.items())
    with connection:
        connection.sendall(f"GET /echo HTTP/1.1\r\n{lines}\r\n".encode())
        return b"".join(iter(lambda: connection.recv(65536), b""))


def told(answer: bytes) -> dict[str, str]:
    return dict(json.loads(answer.partition(b"\r\n\r\n")[2]))


def preface(port: int) -> str:
    return f"PROXY TCP4 203.0.113.9 198.51.100.1 40000 {port}\r\n"


def test_the_proxy_protocol_is_believed_of_trusted_proxies_only(echoing: Site) -> None:
    trusting = with_frontend(echoing, trusted_proxies=[subnet(echoing)], proxy_protocol=True)
    measured = look_inside(trusting.instance, trusting.inside.container).measured
    assert measured is not None and (measured.page.code, measured.application) == (200, True)
    start_echo(trusting)
    passed_on = told(prefaced(trusting, preface(443), CLAIMS, 443))
    ended = told(prefaced(trusting, preface(443), CLAIMS, 80))
    plain = prefaced(trusting, preface(80), CLAIMS, 80)
    with pytest.raises((ConnectionError, ssl.SSLError)):
        prefaced(trusting, "", {}, 443)
    trusting.inside.sh("systemctl stop echo.service")
    wary = with_frontend(echoing, trusted_proxies=["192.0.2.1"], proxy_protocol=True)
    start_echo(wary)
    unbelieved = told(prefaced(wary, preface(443), CLAIMS, 443))

    for seen in (passed_on, ended):
        assert seen["x-forwarded-for"] == seen["x-real-ip"] == "203.0.113.9"
        assert (seen["x-forwarded-proto"], seen["host"]) == ("https", DOMAIN)
    assert plain.startswith(b"HTTP/1.1 301 ")
    assert unbelieved["x-forwarded-for"] == trusting.instance.network.gateway
