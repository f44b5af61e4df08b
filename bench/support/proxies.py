"""Four ways to switch colors under a proxy, side by side in one container.

Each is a unit that listens for TLS on a port of its own, with the site's certificate, and passes on
to the same two backends. `flip` is all that its mechanism needs, done from outside at once.
"""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.support.colors import Colors
from bench.support.measure import Void
from tasks.model.instance import Color

HOME = "/etc/bench-mechanisms"
RELOAD_PORT, SOCKET_PORT, HAPROXY_PORT = 9444, 9445, 9446

# What a site of this kind needs beside the mechanism: WebSockets, uploads, long answers.
NGINX = """
user www-data;
worker_processes auto;
pid /run/bench-%(name)s.pid;
events { worker_connections 8192; }
http {
    access_log /var/log/nginx/%(name)s.log;
    map $http_upgrade $connection_upgrade { default upgrade; "" "%(kept)s"; }
    upstream backend { %(upstream)s }
    server {
        listen %(port)d ssl http2;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_certificate /etc/vikunja/tls/self-signed/certificate.pem;
        ssl_certificate_key /etc/vikunja/tls/self-signed/key.pem;
        keepalive_requests 100000;
        client_max_body_size 22m;
        proxy_request_buffering off;
        proxy_read_timeout 1h;
        location / {
            proxy_pass http://backend;
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
        }
    }
}
"""
INCLUDED = f"include {HOME}/upstream.conf; keepalive 64; keepalive_requests 100000;"
HAPROXY = f"""
global
    user haproxy
    group haproxy
    maxconn 8192
    stats socket {HOME}/haproxy.sock mode 600 level admin
    ssl-default-bind-options ssl-min-ver TLSv1.2
defaults
    mode http
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    timeout tunnel 1h
frontend site
    bind :{HAPROXY_PORT} ssl crt {HOME}/haproxy.pem alpn h2,http/1.1
    use_backend %[str(serving),map({HOME}/colors.map,blue)]
backend blue
    http-reuse always
    server one 127.0.0.1:3456
backend green
    http-reuse always
    server one 127.0.0.1:3457
"""
# The backends listen on sockets for the one, on ports for the others: two more of them.
START = """
set -eu
home=$1
for color in blue green; do
    systemd-run --quiet --unit="bench-$color" --uid=vikunja --gid=vikunja -p UMask=0000 \
        -p WorkingDirectory=/var/lib/vikunja -p KillSignal=SIGINT \
        -p EnvironmentFile=/etc/vikunja/environment \
        -p EnvironmentFile="/etc/vikunja/environment.$color" \
        --setenv=VIKUNJA_SERVICE_UNIXSOCKET="$home/sockets/$color" \
        $([ "$color" = blue ] || echo --setenv=SAMPLE_VERSION=green) \
        "/opt/vikunja/backend/$color/vikunja"
done
cat /etc/vikunja/tls/self-signed/certificate.pem /etc/vikunja/tls/self-signed/key.pem \
    >"$home/haproxy.pem"
until [ -S "$home/sockets/blue" ] && [ -S "$home/sockets/green" ]; do sleep 0.1; done
for name in reload socket; do
    systemd-run --quiet --unit="bench-$name" nginx -c "$home/$name.conf" -g 'daemon off;'
done
systemctl stop haproxy.service
systemd-run --quiet --unit=bench-haproxy haproxy -db -f "$home/haproxy.cfg"
shift
for port; do
    until curl -skf -o /dev/null "https://127.0.0.1:$port/api/v1/info"; do sleep 0.1; done
done
"""


@dataclass(frozen=True)
class Mechanism:
    """flip: lets the proxy pass requests to another color; it returns at once."""

    name: str
    unit: str
    port: int
    flip: Callable[[Color], None]


def start(colors: Colors) -> tuple[Mechanism, ...]:
    """Everything ready and serving blue."""
    home = Path(f"{colors.root}{HOME}")
    colors.container.run(["install", "-d", "-m", "0777", HOME, f"{HOME}/sockets"])
    for port, name, kept, upstream in (
        (RELOAD_PORT, "reload", "", INCLUDED),
        # No kept connections to the backend: they would stay with the color of before.
        (SOCKET_PORT, "socket", "close", f"server unix:{HOME}/active;"),
    ):
        text = NGINX % {"name": name, "port": port, "kept": kept, "upstream": upstream}
        (home / f"{name}.conf").write_text(text)
    (home / "haproxy.cfg").write_text(HAPROXY)
    (home / "colors.map").write_text("serving blue\n")
    _include(home, "blue")
    _link(home, "blue")
    ports = (RELOAD_PORT, SOCKET_PORT, HAPROXY_PORT)
    colors.container.run(["sh", "-c", START, "start", HOME, *map(str, ports)], timeout=60)
    main = colors.main_process("bench-reload.service")

    def reload(color: Color) -> None:
        _include(home, color)
        os.kill(main, signal.SIGHUP)

    return (
        Mechanism("marker", "nginx.service", colors.ssl_port, lambda c: _mark(colors.active, c)),
        Mechanism("reload", "bench-reload.service", RELOAD_PORT, reload),
        Mechanism("socket", "bench-socket.service", SOCKET_PORT, lambda c: _link(home, c)),
        Mechanism("haproxy", "bench-haproxy.service", HAPROXY_PORT, lambda c: _tell(home, c)),
    )


def _mark(active: Path, color: Color) -> None:
    if color == "green":
        (active / ".green.new").touch()
        (active / ".green.new").rename(active / "green")
    else:
        (active / "green").unlink()


def _include(home: Path, color: Color) -> None:
    port = 3456 if color == "blue" else 3457
    (home / "upstream.new").write_text(f"server 127.0.0.1:{port};\n")
    (home / "upstream.new").rename(home / "upstream.conf")


def _link(home: Path, color: Color) -> None:
    (home / "active.new").symlink_to(f"sockets/{color}")
    (home / "active.new").rename(home / "active")


def _tell(home: Path, color: Color) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as admin:
        admin.settimeout(10)
        admin.connect(str(home / "haproxy.sock"))
        admin.sendall(f"set map {HOME}/colors.map serving {color}\n".encode())
        said = admin.recv(4096).decode().strip()
    if said:
        raise Void(f"HAProxy says: {said}")
