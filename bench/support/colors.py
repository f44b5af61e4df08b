"""The sample application in a container with both colors running, and a plain nginx beside it."""

from __future__ import annotations

import contextlib
import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from itertools import takewhile
from pathlib import Path
from statistics import median

from bench.support.clients import Answered, Clients
from bench.support.lab import Lab
from bench.support.measure import Void
from tasks.desired.release import other
from tasks.execution.switchover import CONFIRM, FLIP, TO_BE_CONFIRMED
from tasks.model.instance import Color
from tasks.resources.release import ACTIVE_FOLDER

PLAIN_PORT = 9443
FAST = ("keep-alive", "new", "probe")
PATIENCE = 30.0
"""Seconds after which a color that has answered nothing never will."""
VERSIONS: dict[Color, str] = {"blue": "v1.0.0", "green": "green"}

SETUP = """
set -eu
cp -a /opt/vikunja/backend/blue/. /opt/vikunja/backend/green
# A color that rests has none of these: green's are blue's, on its own port.
cp -a /etc/vikunja/secrets/blue /etc/vikunja/secrets/green
for file in /etc/vikunja/environment. /usr/local/lib/vikunja/backend.; do
    cp -a "${file}blue" "${file}green"
    sed -i 's/blue/green/g; s/3456/3457/g' "${file}green"
done
units=/etc/systemd/system
sed 's/blue/green/g' "$units/vikunja-backend@blue.service" >"$units/vikunja-backend@green.service"
mkdir -p /etc/systemd/system/vikunja-backend@green.service.d
printf '[Service]\\nEnvironment=SAMPLE_VERSION=green\\n' \
    >/etc/systemd/system/vikunja-backend@green.service.d/claim.conf
systemctl daemon-reload
systemctl start vikunja-backend@green.service
cat >/etc/nginx/plain.conf
systemd-run --quiet --unit=bench-plain nginx -c /etc/nginx/plain.conf -g 'daemon off;'
until curl -skf -o /dev/null https://127.0.0.1:$1/api/v1/info &&
    curl -sf -o /dev/null http://127.0.0.1:3457/health; do sleep 0.1; done
"""
PLAIN = """
user www-data;
worker_processes auto;
pid /run/bench-plain.pid;
events { worker_connections 8192; }
http {
    access_log /var/log/nginx/plain.log;
    upstream backend { server 127.0.0.1:3456; keepalive 64; keepalive_requests 100000; }
    server {
        listen %(port)d ssl http2;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_certificate /etc/vikunja/tls/self-signed/certificate.pem;
        ssl_certificate_key /etc/vikunja/tls/self-signed/key.pem;
        keepalive_requests 100000;
        location / {
            proxy_pass http://backend;
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Connection "";
        }
    }
}
"""
# Of a unit's first process and its children: each thread and its nanoseconds on a processor.
CPU = """
main=$(systemctl show -p MainPID --value "$1")
for process in "$main" $(cat "/proc/$main/task/$main/children"); do
    for thread in "/proc/$process"/task/*; do
        read -r nanoseconds _ <"$thread/schedstat" && echo "$thread $nanoseconds"
    done
done
"""


class Colors:
    """What both benches of switching stand on."""

    def __init__(self, lab: Lab, name: str) -> None:
        self.lab, self.name = lab, name

    def deploy(self, packages: Sequence[str] = ()) -> None:
        """packages: that the container has besides."""
        from tasks.host.packages import ensure
        from tasks.planning.inputs import gather
        from tasks.resources.system import Package

        ensure(("wrk",))
        self.instance = self.lab.instance(self.name)
        desired = gather(self.instance, self.lab.paths).inside
        own = [one.package for one in desired if isinstance(one, Package)]
        self.lab.deploy([*own, *packages])
        self.container = self.lab.container(self.name)
        self.address = self.instance.network.ip_address.partition("/")[0]
        self.ssl_port = self.instance.services.frontend.ssl_port
        text = (PLAIN % {"port": PLAIN_PORT}).encode()
        self.container.run(["sh", "-c", SETUP, "setup", str(PLAIN_PORT)], stdin=text)
        self.root = Path(f"/proc/{self.lab.process(self.name)}/root")
        self.active = Path(f"{self.root}{ACTIVE_FOLDER}")
        task = self._curl("/api/v1/tasks", "-d", '{"title": "bench"}')
        self.task = int(re.findall(r'"id":(\d+)', task)[0])

    def _curl(self, path: str, *options: str) -> str:
        argv = ["curl", "-skf", *options, f"https://{self.address}{path}"]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout

    def clients(self, port: int | None = None, address: str = "") -> Clients:
        """address: another one than the site's own, before which a proxy is."""
        name = self.instance.network.domain
        return Clients(address or self.address, name, port or self.ssl_port)

    def everybody(self, port: int | None = None, address: str = "") -> Clients:
        """Clients of every kind, about 330 requests/s. address: see clients."""
        load = self.clients(port, address).probing().keep_alive(6, 0.04).new_connections(3, 0.1)
        load.slow(3, 5).writing(1, 0.2).uploading(1, 20 << 20, 4, self.task)
        return load.web_sockets(3, 0.3).event_streams(2)

    def main_process(self, unit: str) -> int:
        """The host's id of a unit's first process."""
        shown = ["systemctl", "show", "-p", "MainPID", "--value", unit]
        inner = self.container.run(shown).stdout.decode().strip()
        space = (self.root.parent / "ns/pid").readlink()
        for status in Path("/proc").glob("[0-9]*/status"):
            with contextlib.suppress(OSError):
                ids = re.findall(r"^NSpid:.*\s(\d+)$", status.read_text(), re.MULTILINE)
                if ids == [inner] and (status.parent / "ns/pid").readlink() == space:
                    return int(status.parent.name)
        raise Void(f"{unit} does not run")

    def flip(self, color: Color) -> float:
        """What an update does to pass requests to this color. Epoch seconds of the change."""
        done = self.container.run(
            FLIP.argv(
                color,
                str(self.instance.backend_port(color)),
                VERSIONS[color],
                "-",
                str(self.instance.backend_port(other(color))),
                self.instance.site_origin,
                "0",
            )
        )
        if done.stdout.split()[-1:] != [TO_BE_CONFIRMED]:
            raise Void(f"the flip to {color} needed no confirmation")
        self.container.run(CONFIRM.argv(color))
        return self.active.stat().st_mtime_ns / 1e9

    def first_answer(self, load: Clients, color: Color, since: float) -> float:
        """Epoch seconds of the end of this color's first answer after that time; waits for it."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            latest = takewhile(lambda one: one.at > since, reversed(list(load.tally.answered)))
            if found := [one.at for one in latest if one.version == VERSIONS[color]]:
                return min(found)
            time.sleep(0.005)
        raise Void(f"{color} answered nothing in {PATIENCE:g} s after the flip")

    def wrk(self, port: int, unit: str) -> tuple[float, float]:
        """Requests/s over 32 kept connections; processor time of the unit, µs a request."""
        url = f"https://{self.address}:{port}/api/v1/info"
        argv = ["wrk", "-t1", "-c32", "-d1s", url]
        before = self._cpu(unit)
        said_by = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
        after = self._cpu(unit)
        # What ends meanwhile has worked for somebody else: nginx's workers of before a reload.
        took = sum(after[thread] - spent for thread, spent in before.items() if thread in after)
        requests = int(re.findall(r"(\d+) requests in", said_by)[0])
        if requests == 0 or "Non-2xx" in said_by or "Socket errors" in said_by:
            raise Void(f"wrk on port {port}:\n{said_by}")
        return float(re.findall(r"Requests/sec:\s+([\d.]+)", said_by)[0]), took / requests / 1000

    def _cpu(self, unit: str) -> dict[str, int]:
        said_by = self.container.run(["sh", "-c", CPU, "cpu", unit]).stdout.decode()
        words = [line.split() for line in said_by.splitlines()]
        return {thread: int(spent) for thread, spent in words}


def in_turn(names: Sequence[str], rounds: int) -> Iterator[Sequence[str]]:
    """The names in so many rounds, every second time backwards."""
    for number in range(rounds):
        yield names if number % 2 else names[::-1]


def median_ratio(these: Sequence[float], those: Sequence[float]) -> float:
    """Median of the ratios of pairs."""
    return median(one / other for one, other in zip(these, those, strict=True))


def p99(answered: Sequence[Answered], since: float, until: float) -> float:
    """Seconds that 99 of 100 fast requests stayed below, of those answered between two times."""
    took = sorted(
        one.took for one in list(answered) if one.kind in FAST and since <= one.at <= until
    )
    if len(took) < 100:
        raise Void(f"only {len(took)} requests were answered in {until - since:.1f} s")
    return took[len(took) * 99 // 100]
