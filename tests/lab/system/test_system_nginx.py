"""nginx in front of Vikunja: what it passes on, what it adds, what it refuses."""

from __future__ import annotations

import base64
import json
import os
import re
import socket
import subprocess
import time
from pathlib import Path

import pytest
from colors import GREEN_AS_BLUE
from system_lab import DOMAIN, VERSION, Answer, Site, release_marker, start_echo

MIB = 1024 * 1024


def test_plain_http_is_sent_to_https_with_path_and_query(site: Site) -> None:
    answer = site.ask("/tasks/by/week?from=1&to=2", port=80)

    assert answer.status == 301
    assert answer.headers["location"] == f"https://{DOMAIN}/tasks/by/week?from=1&to=2"


def test_pages_and_answers_carry_the_security_headers_once(site: Site) -> None:
    for path in ("/", "/api/v1/info", "/api/v1/nothing", "/mcp"):
        headers = site.ask(path).headers
        assert headers["strict-transport-security"] == "max-age=31536000"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "SAMEORIGIN"
        assert headers["referrer-policy"] == "strict-origin-when-cross-origin"
        assert "camera=()" in headers["permissions-policy"]
        assert headers["server"] == "nginx"


def test_old_tls_is_refused_and_http_2_offered(site: Site) -> None:
    spoken = site.inside.sh(
        """
        for version in tls1_1 tls1_2 tls1_3; do
            openssl s_client -connect 127.0.0.1:443 -servername "$1" "-$version" -alpn h2 \
                -cipher 'ALL:@SECLEVEL=0' </dev/null 2>/dev/null |
                grep -qE 'ALPN protocol: h2' && echo "$version"
        done
        """,
        DOMAIN,
        check=False,
    )

    assert spoken.split() == ["tls1_2", "tls1_3"]


def test_another_host_name_gets_no_application(site: Site) -> None:
    for port in (80, 443):
        answer = site.ask("/", host="elsewhere.example.org", port=port)
        assert answer.status == 421
        assert DOMAIN.encode() in answer.body


def test_the_containers_address_serves_like_the_domain(site: Site) -> None:
    address = site.instance.network.ip_address.split("/")[0]

    assert VERSION.encode() in site.ask("/api/v1/info", host=address).body


def login(site: Site) -> dict[str, str]:
    person = {"username": "lab", "email": "lab@example.org", "password": "a lab password"}
    json_headers = {"Content-Type": "application/json"}
    site.ask(
        "/api/v1/register", method="POST", headers=json_headers, body=json.dumps(person).encode()
    )
    answer = site.ask(
        "/api/v1/login", method="POST", headers=json_headers, body=json.dumps(person).encode()
    )
    return {"Authorization": f"Bearer {json.loads(answer.body)['token']}"}


def upload(site: Site, size: int) -> Answer:
    return site.ask(
        "/api/v1/tasks/1/attachments",
        method="PUT",
        headers={"Content-Type": "application/octet-stream"},
        body=bytes(size),
    )


def test_a_body_as_large_as_vikunja_takes_passes_and_a_larger_one_does_not(site: Site) -> None:
    passed, refused = upload(site, 21 * MIB), upload(site, 22 * MIB + 1)

    assert passed.status != 413
    assert passed.headers["content-type"].startswith("application/json")
    assert (refused.status, refused.headers["content-type"]) == (413, "text/html")


def test_a_body_reaches_the_backend_before_it_is_complete(site: Site) -> None:
    log = "/var/log/vikunja/backend-blue.log"
    with site.connect() as connection:
        head = (
            f"POST /api/v1/login HTTP/1.1\r\nHost: {DOMAIN}\r\nContent-Length: 9000000\r\n"
            "Content-Type: application/json\r\n\r\n"
        )
        connection.sendall(head.encode() + b"x" * 100_000)
        established = site.inside.sh(
            "sleep 0.5; ss -Htn state established '( sport = :3456 )' | wc -l; "
            "find /var/lib/nginx/body -type f | wc -l"
        ).split()
    assert site.inside.sh('test -s "$1" && echo there', log).strip() == "there"

    connections, files = map(int, established)
    assert connections >= 1
    assert files == 0


def upgrade(connection: socket.socket, path: str, token: str) -> bytes:
    """The beginning of the answer to somebody who wants a WebSocket."""
    key = base64.b64encode(os.urandom(16)).decode()
    connection.sendall(
        f"GET {path}?token={token} HTTP/1.1\r\nHost: {DOMAIN}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nOrigin: https://{DOMAIN}\r\n"
        f"Sec-WebSocket-Version: 13\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    )
    return connection.recv(4096)


@pytest.mark.parametrize("path", ["/api/v1/ws"])
def test_a_websocket_is_upgraded_and_stays_open(site: Site, path: str) -> None:
    token = login(site)["Authorization"].removeprefix("Bearer ")
    with site.connect() as connection:
        answer = upgrade(connection, path, token)
        assert answer.startswith(b"HTTP/1.1 101 ")
        # A masked ping; its pong proves that frames pass both ways.
        connection.sendall(b"\x89\x84" + b"\0\0\0\0" + b"ping")
        received = answer.partition(b"\r\n\r\n")[2]
        while b"\x8a\x04ping" not in received:
            part = connection.recv(4096)
            assert part, "the connection was closed"
            received += part


def test_the_log_holds_no_query_string(site: Site) -> None:
    site.ask("/api/v1/looked-for?token=canary-in-a-query")
    log, until = "", time.monotonic() + 60
    # Lines are written a moment later.
    while "looked-for" not in log and time.monotonic() < until:
        log = site.inside.sh("tail -n 5 /var/log/vikunja/nginx-access.log")

    assert '"GET /api/v1/looked-for HTTP/1.1" 404' in log
    written = site.inside.sh("grep -rl canary-in-a-query /var/log || :")
    assert written == ""


DROPPED = {
    *("forwarded", "x-forwarded-host", "x-forwarded-port", "x-forwarded-protocol"),
    *("x-forwarded-ssl", "x-url-scheme"),
}


def test_the_backend_learns_who_asks_and_is_asked_to_upgrade_on_websockets_paths_only(
    site: Site,
) -> None:
    start_echo(site)
    claims = {
        "X-Forwarded-For": "192.0.2.77",
        "X-Forwarded-Proto": "gopher",
        "X-Forwarded-Host": "elsewhere.example.org",
        "X-Forwarded-Port": "1",
        "X-Real-IP": "192.0.2.77",
        "Forwarded": "for=192.0.2.77;proto=gopher",
        "X-Forwarded-Protocol": "gopher",
        "X-Forwarded-Ssl": "off",
        "X-Url-Scheme": "gopher",
        "Connection": "Upgrade",
        "Upgrade": "websocket",
    }
    plain = json.loads(site.ask("/api/v1/info", headers=claims).body)
    upgraded = site.ask("/api/v1/ws", headers=claims)
    site.inside.sh("systemctl stop echo.service")
    site.inside.apply(site.instance, "blue")
    seen = json.loads(upgraded.headers["seen"])
    client = plain["x-real-ip"]

    assert upgraded.status == 101
    assert client != "192.0.2.77"
    for headers in (plain, seen):
        assert headers["host"] == DOMAIN
        assert headers["x-real-ip"] == client
        assert headers["x-forwarded-for"] == client
        assert headers["x-forwarded-proto"] == "https"
        assert not DROPPED & headers.keys()
    assert "upgrade" not in plain
    assert (seen["upgrade"], seen["connection"]) == ("websocket", "upgrade")


def restart_backend(site: Site) -> None:
    """It counts tries in memory."""
    site.inside.sh(
        """
        systemctl restart vikunja-backend@blue.service
        until curl -sf -o /dev/null http://127.0.0.1:3456/health; do sleep 0.1; done
        """
    )


def test_a_client_in_a_private_network_gets_no_more_tries_by_claiming_other_addresses(
    site: Site,
) -> None:
    restart_backend(site)
    answers = [guess(site, f"198.51.100.{number}") for number in range(12)]
    restart_backend(site)

    assert answers == [403] * 10 + [429] * 2


def guess(site: Site, claimed: str) -> int:
    """The status of a login with a wrong password, by a client that claims another address."""
    return site.ask(
        "/api/v1/login",
        method="POST",
        headers={"Content-Type": "application/json", "X-Forwarded-For": claimed},
        body=json.dumps({"username": "lab", "password": "wrong"}).encode(),
    ).status


def test_clients_behind_a_proxy_that_a_file_of_the_users_names_are_told_apart(site: Site) -> None:
    """The whole network of the test is that proxy here."""
    network = site.instance.network.ip_address
    proxy = f"set_real_ip_from {network};\nreal_ip_header X-Forwarded-For;\n"
    snippet = "/etc/nginx/conf.d/proxy.conf"
    reload = "systemctl reload nginx.service; sleep 1"
    site.inside.sh(f'printf %s "$1" >{snippet}; {reload}', proxy)
    restart_backend(site)
    answers = [guess(site, "198.51.100.1") for _ in range(11)] + [guess(site, "198.51.100.2")]
    site.inside.sh(f"rm {snippet}; {reload}")
    restart_backend(site)

    assert answers == [403] * 10 + [429, 403]


def test_the_marker_decides_per_request_which_color_answers(site: Site) -> None:
    """Green claims another version; putting and removing the marker is all that happens."""
    site.inside.sh(GREEN_AS_BLUE)
    site.inside.sh(
        """
        sed -i 's/^SAMPLE_VERSION=.*/SAMPLE_VERSION=green/' /etc/vikunja/environment.green
        systemctl start vikunja-backend@green.service
        until curl -sf -o /dev/null http://127.0.0.1:3457/health; do sleep 0.1; done
        """
    )
    master = "systemctl show -p MainPID -p StateChangeTimestampMonotonic --value nginx.service"
    before = site.inside.sh(master)
    seen = []
    for _ in range(3):
        release_marker(site.inside, "green")
        seen.append(b'"green"' in site.ask("/api/v1/info").body)
        release_marker(site.inside, "blue")
        seen.append(b'"green"' in site.ask("/api/v1/info").body)
    after = site.inside.sh(master)
    site.inside.sh(
        """
        systemctl stop vikunja-backend@green.service
        rm /etc/systemd/system/vikunja-*@green.service
        systemctl daemon-reload
        """
    )
    site.inside.apply(site.instance, "blue")

    assert seen == [True, False] * 3
    assert before == after


def test_a_switch_that_nobody_confirmed_is_undone_before_nginx_starts(site: Site) -> None:
    release_marker(site.inside, "green")
    found = site.inside.sh(
        """
        echo blue >/var/lib/vikunja-deploy/switching
        systemctl restart nginx.service
        ls /etc/vikunja/active /var/lib/vikunja-deploy
        """
    )
    release_marker(site.inside, "blue")

    assert "green" not in found and "switching" not in found
    assert VERSION.encode() in site.ask("/api/v1/info").body


def test_a_backend_that_is_down_shows_a_page_that_says_so(site: Site) -> None:
    site.inside.sh("systemctl stop vikunja-backend@blue.service")
    answer = site.ask("/projects")
    site.inside.apply(site.instance, "blue")

    assert answer.status == 502
    assert b"<h1>Vikunja is not answering</h1>" in answer.body
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert site.ask("/").status == 200


def test_under_maintenance_every_request_gets_a_503_and_the_flag_needs_no_reload(
    site: Site,
) -> None:
    flag = "/etc/vikunja/active/maintenance"
    site.inside.sh('touch "$1"', flag)
    page = site.ask("/projects")
    answers = [site.ask("/api/v1/tasks", method=m, body=b"x") for m in ("PUT", "POST", "DELETE")]
    direct = site.ask("/maintenance.html")
    inside = site.inside.sh(
        'curl -sk -o /dev/null -w "%{http_code}" --resolve "$1:443:127.0.0.1" "https://$1/"', DOMAIN
    )
    site.inside.sh('rm "$1"', flag)

    assert (page.status, page.headers["content-type"]) == (503, "text/html")
    assert b"<h1>Vikunja is being updated</h1>" in page.body
    for answer in answers:
        assert (answer.status, answer.headers["retry-after"]) == (503, "10")
        assert answer.headers["cache-control"] == "no-store"
        assert json.loads(answer.body)["code"] == 503
    assert direct.status == 404
    assert inside == "200"
    assert site.ask("/").status == 200


def test_before_a_reload_answers_end_their_connections_and_afterwards_no_more(
    site: Site,
) -> None:
    def ends() -> bool:
        return site.ask("/api/v1/info").headers.get("connection") == "close"

    before = ends()
    site.inside.sh("rm /run/nginx/keeping")
    during = ends()
    page = site.ask("/")
    site.inside.sh("systemctl reload nginx.service")

    assert (before, during, ends()) == (False, True, False)
    assert page.status == 200


def in_hand(site: Site, kind: str, color: str) -> str:
    return site.inside.sh(
        'curl -s -o /dev/null -w "%{http_code}" --unix-socket /run/nginx/in-hand.sock "$1"',
        f"http://localhost/{kind}/{color}",
    )


def await_in_hand(site: Site, answer: str, kind: str = "requests") -> None:
    until = time.monotonic() + 60
    while in_hand(site, kind, "blue") != answer and time.monotonic() < until:
        time.sleep(0.05)


def test_the_proxy_knows_which_color_has_requests_and_uploads_in_hand(site: Site) -> None:
    login(site)
    created = site.ask("/api/v1/tasks", method="PUT", body=b'{"title": "with a file"}')
    task = json.loads(created.body)["id"]
    with site.connect() as connection:
        head = (
            f"PUT /api/v1/tasks/{task}/attachments HTTP/1.1\r\nHost: {DOMAIN}\r\n"
            "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 900000\r\n\r\n"
        )
        connection.sendall(head.encode() + b"--b\r\n")
        await_in_hand(site, "503")
        during = [in_hand(site, kind, color) for kind, color in PAIRS]
    await_in_hand(site, "204")

    assert during == ["503", "503", "204", "204", "204", "204"]
    assert [in_hand(site, kind, color) for kind, color in PAIRS] == ["204"] * 6


def test_an_open_websocket_is_no_request_in_hand(site: Site) -> None:
    token = login(site)["Authorization"].removeprefix("Bearer ")
    with site.connect() as connection:
        assert upgrade(connection, "/api/v1/ws", token).startswith(b"HTTP/1.1 101 ")
        during = [in_hand(site, kind, color) for kind, color in PAIRS]
    await_in_hand(site, "204", "websockets")

    assert during == ["204", "204", "503", "204", "204", "204"]
    assert [in_hand(site, kind, color) for kind, color in PAIRS] == ["204"] * 6


KINDS = ("requests", "uploads", "websockets")
PAIRS = [(kind, color) for color in ("blue", "green") for kind in KINDS]


def test_the_event_stream_of_the_mcp_server_is_not_held_back(site: Site) -> None:
    person = login(site)
    begun = site.ask(
        "/mcp",
        method="POST",
        headers={"Content-Type": "application/json", **person},
        body=json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {}}).encode(),
    )
    lines = {"Host": DOMAIN, "Mcp-Session-Id": begun.headers["mcp-session-id"], **person}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    with site.connect(timeout=5) as connection:
        connection.sendall(f"GET /mcp HTTP/1.1\r\n{head}\r\n".encode())
        received = b""
        while b": open" not in received:
            part = connection.recv(4096)
            assert part, "the stream was closed"
            received += part

    assert begun.status == 200
    assert received.startswith(b"HTTP/1.1 200 ")


def test_without_the_mcp_server_its_path_is_vikunjas(site: Site) -> None:
    plain = site.inside.instance(
        redis={"enabled": True},
        vikunja={"registration": True, "environment": {"SAMPLE_VERSION": VERSION}},
    )
    site.inside.apply(plain, "blue")
    answer = site.ask("/mcp")
    site.inside.apply(site.instance, "blue")

    assert "www-authenticate" not in answer.headers


def test_other_ports_and_a_given_certificate_are_taken_up_without_a_restart(
    site: Site, tmp_path: Path
) -> None:
    certificate, key = str(tmp_path / "c.pem"), str(tmp_path / "k.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj",
         "/CN=given", "-addext", f"subjectAltName=DNS:{DOMAIN}", "-keyout", key, "-out",
         certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    instance = site.inside.instance(
        redis={"enabled": True},
        services={
            "mcp": {"enabled": True},
            "frontend": {
                "port": 8080, "ssl_port": 8443, "ssl_cert": certificate, "ssl_key": key
            },
        },
        vikunja={
            "registration": True,
            "max_upload_mb": 30,
            "environment": {"SAMPLE_VERSION": VERSION},
        },
    )  # fmt: skip
    started = "systemctl show -p ExecMainStartTimestampMonotonic --value nginx.service"
    before = site.inside.sh(started)
    site.inside.apply(instance, "blue")
    other = Site(site.inside, instance)
    redirected = other.ask("/x", port=8080)
    shown = site.inside.sh(
        "openssl s_client -connect 127.0.0.1:8443 -servername tasks.example.org </dev/null "
        "2>/dev/null | openssl x509 -noout -subject"
    )
    info = other.ask("/api/v1/info", port=8443)
    large = other.ask("/api/v1/login", port=8443, method="POST", body=bytes(31 * MIB))
    again = site.inside.plan(instance, "blue")
    after = site.inside.sh(started)
    site.inside.apply(site.instance, "blue")

    assert redirected.headers["location"] == f"https://{DOMAIN}:8443/x"
    assert "CN=given" in shown.replace(" ", "")
    assert f"https://{DOMAIN}:8443".encode() in info.body
    assert large.status != 413 or large.headers["content-type"] != "text/html"
    assert again == ()
    assert before == after


def test_a_broken_configuration_stops_at_the_reload_and_the_site_goes_on(site: Site) -> None:
    said = site.inside.sh(
        """
        echo 'this is no directive;' >/etc/nginx/conf.d/zz.conf
        systemctl reload nginx.service && echo reloaded
        rm /etc/nginx/conf.d/zz.conf
        systemctl is-active nginx.service
        """,
        check=False,
    )

    assert said.split() == ["active"]
    assert site.ask("/").status == 200


def test_the_certificate_is_made_anew_for_another_domain_and_before_it_expires(
    site: Site,
) -> None:
    folder = "/etc/vikunja/tls/self-signed"
    shown = f"openssl x509 -in {folder}/certificate.pem -noout -ext subjectAltName -serial"
    first = site.inside.sh(shown)
    steps = {
        "expiring": f"sed -i 's/ [0-9]* / 1 /' {folder}/made",
        "mismatched": f"openssl ecparam -name prime256v1 -genkey -noout -out {folder}/key.pem",
        "exposed": f"chmod 644 {folder}/key.pem",
        "absent": f"rm {folder}/certificate.pem",
    }
    found = {}
    for state, damage in steps.items():
        site.inside.sh(damage)
        planned = site.inside.plan(site.instance, "blue")
        found[state] = [(entry.address, [c.before for c in entry.changes]) for entry in planned]
        site.inside.apply(site.instance, "blue")
        assert site.ask("/").status == 200
    last = site.inside.sh(shown)

    for state in steps:
        assert found[state][:2] == [
            (f"self-signed-certificate:{folder}", [state]),
            ("unit:nginx.service", []),
        ]
    assert f"DNS:{DOMAIN}" in last
    assert first != last


def test_nginx_starts_and_reloads_without_a_warning(site: Site) -> None:
    said = site.inside.sh(
        """
        : >/var/log/nginx/error.log
        since=$(date +%s)
        systemctl restart nginx.service
        systemctl reload nginx.service
        id=$(systemctl show -p InvocationID --value nginx.service)
        journalctl -q -o cat "_SYSTEMD_INVOCATION_ID=$id" + "INVOCATION_ID=$id"
        journalctl -q -o cat --since "@$since" -t nginx
        cat /var/log/nginx/error.log
        """
    )

    assert re.findall(r".*\[(?:warn|alert|crit|emerg)\].*", said) == []
