"""The flips that bench/switch measures, on the sample application with both colours running."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from bench.support.clients import Answered, Clients
from bench.support.lab import Lab, said
from bench.support.measure import Void
from tasks.effects.switching import CONFIRM, confirm_script, drain_script, flip_script
from tasks.model.instance import Color
from tasks.release import other

NAME = "vkd-bench-switch"
PLAIN_PORT = 9443
DRAIN_SECONDS = 8
"""More than a slow request takes."""
BATCH = 10
"""Flips between two steady times."""
PAUSE = 0.3
"""Seconds between two flips."""
FAST = ("keep-alive", "new", "probe")

SETUP = """
set -eu
cp -a /opt/vikunja/backend/blue/. /opt/vikunja/backend/green
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


class Bench:
    """One run of it."""

    def __init__(self, lab: Lab, quick: bool) -> None:
        self.lab = lab
        self.flips = 0
        self.wanted = 20 if quick else 100
        self.renewing = 20 if quick else 10
        """Of so many flips, one is followed by all that an update does: drain, stop, start."""
        self.rounds, self.seconds = (6, 3) if quick else (20, 5)
        self.failures: list[str] = []
        self.first: list[float] = []
        self.steady: list[float] = []
        self.flipping: list[float] = []
        self.throughput: list[float] = []
        self.requests = 0
        self.rate = 0.0
        self.reload_failed = 0
        self.reload_requests = 0

    def deploy(self) -> None:
        from tasks.host_packages import ensure
        from tasks.look import gather
        from tasks.resources.system import Package

        ensure(("wrk",))
        self.instance = self.lab.instance(NAME)
        wished = gather(self.instance, self.lab.paths).inside
        self.lab.deploy([wish.package for wish in wished if isinstance(wish, Package)])
        self.container = self.lab.container(NAME)
        self.address = self.instance.network.ip_address.partition("/")[0]
        text = (PLAIN % {"port": PLAIN_PORT}).encode()
        self.container.run(["sh", "-c", SETUP, "setup", str(PLAIN_PORT)], stdin=text)
        self.active = Path(f"/proc/{self.lab.process(NAME)}/root/etc/vikunja/active")
        task = self._curl("/api/v1/tasks", "-d", '{"title": "bench"}')
        self.task = int(re.findall(r'"id":(\d+)', task)[0])
        self.versions = {"blue": "v1.0.0", "green": "green"}

    def _curl(self, path: str, *options: str) -> str:
        argv = ["curl", "-skf", *options, f"https://{self.address}{path}"]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout

    def measure(self) -> None:
        self._measure_flips()
        self._measure_reloads()
        for number in range(self.rounds):
            said(f"throughput, round {number + 1}")
            ports = [self.instance.services.frontend.ssl_port, PLAIN_PORT]
            order = ports if number % 2 else ports[::-1]
            found = {port: self._wrk(port) for port in order}
            self.throughput.append(found[ports[0]] / found[ports[1]])

    # Flips.

    def _clients(self) -> Clients:
        return Clients(self.address, self.instance.network.domain)

    def _measure_flips(self) -> None:
        load = self._clients().probing().keep_alive(6, 0.04).new_connections(3, 0.1)
        load.slow(3, 5).writing(1, 0.2).uploading(1, 20 << 20, 4, self.task)
        load.web_sockets(3, 0.3).event_streams(2)
        color: Color = "blue"
        begun = time.monotonic()
        with load:
            time.sleep(2)
            while self.flips < self.wanted:
                since = time.time()
                time.sleep(self.seconds)
                until = time.time()
                self.steady.append(p99(load.tally.answered, since, until))
                since = time.time()
                for _ in range(BATCH):
                    color = other(color)
                    self._flip(load, color)
                    time.sleep(PAUSE)
                self.flipping.append(p99(load.tally.answered, since, time.time()))
                said(f"{self.flips} flips, {len(load.tally.failures)} failed requests")
                if self.flips % self.renewing == 0:
                    self._renew(load, other(color))
        took = time.monotonic() - begun
        self.requests = load.tally.requests
        self.failures = load.tally.failures
        self.rate = self.requests / took

    def _flip(self, load: Clients, color: Color) -> None:
        instance = self.instance
        arguments = (
            color,
            str(instance.backend_port(color)),
            self.versions[color],
            "-",
            str(instance.backend_port(other(color))),
            instance.network.domain,
            str(instance.services.frontend.ssl_port),
            "0",
        )
        done = self.container.run(["sh", "-c", flip_script(), "flip", *arguments])
        if done.stdout.split()[-1:] != [CONFIRM]:
            raise Void(f"the flip to {color} needed no confirmation")
        self.container.run(["sh", "-c", confirm_script(), "confirm"])
        flipped = self.active.stat().st_mtime_ns / 1e9
        load.one_more()
        answers = [
            one.at for one in list(load.tally.answered) if one.version == self.versions[color]
        ]
        # The file system's clock ticks every 4 ms.
        after = [at for at in answers if at > flipped - 0.004]
        if not after:
            raise Void(f"{color} answered nothing after the flip")
        self.first.append(max(0.0, min(after) - flipped) * 1000)
        self.flips += 1

    def _renew(self, load: Clients, color: Color) -> None:
        """What an update does to the colour that it switched away from, and the next one brings."""
        unit = f"vikunja-backend@{color}.service"
        port = str(self.instance.backend_port(color))
        seconds = str(DRAIN_SECONDS)
        drain = ["sh", "-c", drain_script(), "drain", color, seconds, "60", unit]
        self.container.run(drain, timeout=120)
        # Streams have had their time; nothing else may be cut.
        load.cutting = True
        self.container.run(["systemctl", "restart", unit], timeout=60)
        url = f"http://127.0.0.1:{port}/health"
        wait = 'until curl -sf -o /dev/null "$1"; do sleep 0.1; done; sleep 1'
        self.container.run(["sh", "-c", wait, "wait", url])
        load.cutting = False

    # What remains of reloads.

    def _measure_reloads(self) -> None:
        load = self._clients().keep_alive(16, 0.02).new_connections(2, 0.1)
        with load:
            time.sleep(1)
            for _ in range(5):
                self.container.run(["systemctl", "reload", "nginx.service"])
                time.sleep(0.5)
        self.reload_failed, self.reload_requests = len(load.tally.failures), load.tally.requests
        said(f"5 reloads: {self.reload_failed} of {self.reload_requests} requests failed")

    # Throughput.

    def _wrk(self, port: int) -> float:
        """Requests/s over 32 keep-alive connections."""
        url = f"https://{self.address}:{port}/api/v1/info"
        argv = ["wrk", "-t1", "-c32", "-d1s", url]
        said_by = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
        if "Non-2xx" in said_by or "Socket errors" in said_by:
            raise Void(f"wrk on port {port}:\n{said_by}")
        return float(re.findall(r"Requests/sec:\s+([\d.]+)", said_by)[0])

    def measured(self) -> dict[str, object]:
        return {
            "flips": self.flips,
            "requests": self.requests,
            "failed": len(self.failures),
            "p99_ratio": median(
                during / before for during, before in zip(self.flipping, self.steady, strict=True)
            ),
            "first_answer_ms": median(self.first),
            "first_answer_most_ms": max(self.first),
            "throughput_ratio": median(self.throughput),
            "requests_per_second": self.rate,
            "steady_p99_ms": median(self.steady) * 1000,
            "reloads_failed": self.reload_failed,
            "reloads_requests": self.reload_requests,
        }


def p99(answered: Sequence[Answered], since: float, until: float) -> float:
    """Seconds that 99 of 100 fast requests stayed below, of those answered between two times."""
    took = sorted(
        one.took for one in list(answered) if one.kind in FAST and since <= one.at <= until
    )
    if len(took) < 100:
        raise Void(f"only {len(took)} requests were answered in {until - since:.1f} s")
    return took[len(took) * 99 // 100]
