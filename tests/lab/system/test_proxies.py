"""The configurations of docs/proxies.md, as they stand there, before a site that serves."""

from __future__ import annotations

import base64
import http.client
import json
import os
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_interface

import pytest
from system_lab import DOMAIN, VERSION, Site, start_echo

from bench.support import outer
from bench.support.outer import OUTER, Outer
from tasks.containers.lxc.container import LxcContainer

MIB = 1024 * 1024
ENDING_TLS = ("nginx", "caddy", "haproxy")
REQUESTS = """
    require('http').createServer((request, response) => {
        let length = 0
        request.on('data', part => { length += part.length })
        request.on('end', () => {
            response.statusCode = ['PROPFIND', 'REPORT'].includes(request.method) ? 207 : 201
            response.setHeader('ETag', '"1"')
            response.end(JSON.stringify({method: request.method, headers: request.headers, length}))
        })
    }).listen(3456, '127.0.0.1')
"""


@dataclass
class Front:
    """A proxy in front of the site, asked from the host."""

    address: str
    port: int

    def connect(self) -> ssl.SSLSocket:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        plain = socket.create_connection((self.address, self.port), 30)
        return context.wrap_socket(plain, server_hostname=DOMAIN)

    def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | Iterator[bytes] | None = None,
    ) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(DOMAIN)
        connection.sock = self.connect()
        chunked = body is not None and not isinstance(body, bytes)
        sent = {**({"Transfer-Encoding": "chunked"} if chunked else {}), **(headers or {})}
        connection.request(method, path, body, sent, encode_chunked=chunked)
        answer = connection.getresponse()
        found = answer.status, answer.read()
        connection.close()
        return found


@pytest.fixture(scope="module")
def proxies(make_container: Callable[[str], LxcContainer]) -> LxcContainer:
    container = make_container("proxies")
    container.create()
    container.start()
    outer.install(container, DOMAIN)
    return container


def address(container: LxcContainer) -> str:
    return str(ip_interface(container.spec.ip_address).ip)


@pytest.fixture(scope="module")
def behind(site: Site, proxies: LxcContainer) -> Iterator[Callable[[str], Front]]:
    """Have a proxy run, and the site be as the page says for it."""
    made: dict[bool, Site] = {}

    def front(name: str) -> Front:
        one: Outer = OUTER[name]
        ends_tls = name in ENDING_TLS
        if ends_tls not in made:
            made.clear()
            keys = {"tls": "off"} if ends_tls else {"proxy_protocol": True}
            instance = site.inside.instance(
                redis={"enabled": True},
                services={
                    "mcp": {"enabled": True},
                    "frontend": {**keys, "trusted_proxies": [address(proxies)]},
                },
                vikunja={
                    "registration": True,
                    "max_upload_mb": 100,
                    "environment": {"SAMPLE_VERSION": VERSION},
                },
            )
            site.inside.apply(instance, "blue")
            assert site.inside.plan(instance, "blue") == ()
            made[ends_tls] = Site(site.inside, instance)
        outer.start(proxies, one, address(site.inside.container), DOMAIN)
        return Front(address(proxies), one.port)

    yield front
    site.inside.sh("systemctl stop echo.service", check=False)
    site.inside.apply(site.instance, "blue")


every_one = pytest.mark.parametrize("name", [*ENDING_TLS, "passed-on"])


TOKENS: list[str] = []
"""Logging in is limited; the site knows one of these by whichever proxy."""


def token(front: Front) -> str:
    if TOKENS:
        return TOKENS[0]
    person = {"username": "proxied", "email": "p@example.org", "password": "a lab password"}
    headers = {"Content-Type": "application/json"}
    front.ask("POST", "/api/v1/register", headers, json.dumps(person).encode())
    _, body = front.ask("POST", "/api/v1/login", headers, json.dumps(person).encode())
    TOKENS.append(str(json.loads(body)["token"]))
    return TOKENS[0]


@every_one
def test_the_page_and_an_attachment_of_100_mb(behind: Callable[[str], Front], name: str) -> None:
    front = behind(name)
    page, info = front.ask("GET", "/"), front.ask("GET", "/api/v1/info")
    allowed = {"Authorization": f"Bearer {token(front)}"}
    _, made = front.ask(
        "POST",
        "/api/v1/tasks",
        {**allowed, "Content-Type": "application/json"},
        b'{"title": "proxied"}',
    )
    size = 100 * 1000 * 1000
    start = (
        b'--x\r\nContent-Disposition: form-data; name="files"; filename="large"\r\n'
        b"Content-Type: application/octet-stream\r\n\r\n"
    )
    form = start + bytes(size) + b"\r\n--x--\r\n"
    kind = {**allowed, "Content-Type": "multipart/form-data; boundary=x"}
    status, answer = front.ask(
        "PUT", f"/api/v1/tasks/{json.loads(made)['id']}/attachments", kind, form
    )

    assert (page[0], info[0]) == (200, 200)
    assert f"https://{DOMAIN}/".encode() in info[1]
    assert status == 200, answer
    assert json.loads(answer)["success"][0]["file"]["size"] == size


@every_one
def test_a_websocket_stays_open(behind: Callable[[str], Front], name: str) -> None:
    front = behind(name)
    key = base64.b64encode(os.urandom(16)).decode()
    with front.connect() as connection:
        connection.sendall(
            f"GET /api/v1/ws?token={token(front)} HTTP/1.1\r\nHost: {DOMAIN}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nOrigin: https://{DOMAIN}\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        received = connection.recv(4096)
        assert received.startswith(b"HTTP/1.1 101 ")
        # A masked ping; its pong proves that frames pass both ways.
        connection.sendall(b"\x89\x84" + b"\0\0\0\0" + b"ping")
        while b"\x8a\x04ping" not in received:
            part = connection.recv(4096)
            assert part, "the connection was closed"
            received += part


@every_one
def test_an_event_comes_when_it_happens(behind: Callable[[str], Front], name: str) -> None:
    front = behind(name)
    with front.connect() as connection:
        connection.sendall(f"GET /api/v1/events HTTP/1.1\r\nHost: {DOMAIN}\r\n\r\n".encode())
        connection.settimeout(10)
        received = connection.recv(4096)
        assert received.startswith(b"HTTP/1.1 200 ")
        front.ask(
            "POST", "/api/v1/tasks", {"Content-Type": "application/json"}, b'{"title": "told"}'
        )
        while b"task.created" not in received:
            received += connection.recv(4096)


@every_one
def test_the_clients_own_address_and_what_caldav_asks(
    behind: Callable[[str], Front], site: Site, name: str
) -> None:
    front = behind(name)
    start_echo(site, REQUESTS)
    forged = {"X-Forwarded-For": "198.51.100.7", "X-Real-IP": "198.51.100.7"}
    find = front.ask("PROPFIND", "/dav/principals/me/", {**forged, "Depth": "1"}, b"<propfind/>")
    report = front.ask("REPORT", "/dav/projects/1/", {"Depth": "1"}, b"<calendar-query/>")
    event = iter([b"BEGIN:VCALENDAR\r\n"] * 1000)
    put = front.ask("PUT", "/dav/projects/1/a.ics", {"If-None-Match": "*"}, event)
    site.inside.sh("systemctl stop echo.service")
    site.inside.sh("systemctl start vikunja-backend@blue.service")

    assert (find[0], report[0], put[0]) == (207, 207, 201)
    seen = [json.loads(body) for _, body in (find, report, put)]
    assert [one["method"] for one in seen] == ["PROPFIND", "REPORT", "PUT"]
    assert [one["length"] for one in seen] == [11, 17, 17000]
    assert seen[0]["headers"]["depth"] == "1"
    assert seen[2]["headers"]["if-none-match"] == "*"
    # This machine asks from the address that the containers know as their gateway.
    for one in seen:
        assert one["headers"]["x-forwarded-for"] == site.instance.network.gateway
        assert one["headers"]["x-real-ip"] == site.instance.network.gateway
        assert one["headers"]["x-forwarded-proto"] == "https"
        assert one["headers"]["host"] == DOMAIN
