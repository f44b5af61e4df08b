"""What bench/proxies measures: a site behind each proxy of docs/proxies.md, and without one."""

from __future__ import annotations

import re
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from bench.support import outer
from bench.support.clients import Clients
from bench.support.colors import Colors, in_turn, median_ratio
from bench.support.lab import BRIDGE, FIRST_ADDRESS, SUBNET, Lab, said
from bench.support.measure import Void
from bench.support.outer import OUTER, TRAEFIK
from bench.support.traefik import traefik
from tasks.containers.base import ContainerSpec
from tasks.containers.lxc.container import LxcContainer
from tasks.desired.release import other
from tasks.model.instance import Color

NAME = "vkd-bench-proxies"
ADDRESS = f"{SUBNET}.{FIRST_ADDRESS + 1}"
"""Of the container of the proxies."""

NAMES = ("nginx", "caddy", "haproxy", "traefik")
DIRECT = "direct"
PAUSE = 0.3
"""Seconds between two flips."""

# A name that no name server knows, for one program alone.
ASK = 'mount --bind "$1" /etc/hosts && shift && exec "$@"'


@dataclass
class Found:
    """What was measured of one way to the site. rates: requests/s."""

    flips: int = 0
    requests: int = 0
    failures: list[str] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)


class Bench:
    """One run of it."""

    def __init__(self, lab: Lab, quick: bool) -> None:
        self.lab, self.colors = lab, Colors(lab, NAME)
        self.flips = 20
        self.rounds = 3 if quick else 12
        self.found = {name: Found() for name in (DIRECT, *NAMES)}
        self._color: Color = "blue"

    def deploy(self) -> None:
        program = traefik(self.lab.cache)
        self.colors.deploy()
        self.name = self.colors.instance.network.domain
        spec = ContainerSpec(
            name=f"{NAME}-outer",
            instance_id=f"{NAME}-outer",
            template=self.colors.container.spec.template,
            hostname="proxies",
            cpu_cores=2,
            memory_mb=1024,
            disk_size_gb=8,
            bridge=BRIDGE,
            ip_address=f"{ADDRESS}/24",
            gateway=f"{SUBNET}.1",
        )
        self.outer = LxcContainer(spec, self.lab.paths)
        self.outer.create()
        self.outer.start()
        outer.install(self.outer, self.name)
        with program.open("rb") as file:
            lay = 'cat >"$1" && chmod 0755 "$1"'
            self.outer.run(["sh", "-c", lay, "lay", TRAEFIK], stdin=file, timeout=120)
        for name in NAMES:
            outer.start(self.outer, OUTER[name], self.colors.address, self.name)

    def measure(self) -> None:
        for name in (DIRECT, *NAMES):
            self._measure_flips(name, self.found[name])
        said(f"throughput, {self.rounds} rounds")
        with tempfile.TemporaryDirectory() as folder:
            hosts = Path(folder, "hosts")
            for order in in_turn((DIRECT, *NAMES), self.rounds):
                for name in order:
                    self.found[name].rates.append(self._rate(name, hosts))

    def _place(self, name: str) -> tuple[str, int]:
        if name == DIRECT:
            return self.colors.address, self.colors.ssl_port
        return ADDRESS, OUTER[name].port

    def _measure_flips(self, name: str, found: Found) -> None:
        address, port = self._place(name)
        load = self.colors.everybody(port, address)
        with load:
            time.sleep(2)
            for _ in range(self.flips):
                self._flip(load)
                found.flips += 1
                time.sleep(PAUSE)
        found.requests, found.failures = load.tally.requests, load.tally.failures
        said(f"{name}: {len(found.failures)} of {found.requests} requests failed")

    def _flip(self, load: Clients) -> None:
        self._color = other(self._color)
        flipped = self.colors.flip(self._color)
        # The file system's clock ticks every 4 ms.
        self.colors.first_answer(load, self._color, flipped - 0.004)

    def _rate(self, name: str, hosts: Path) -> float:
        """Requests/s over 32 kept connections."""
        address, port = self._place(name)
        hosts.write_text(f"{address} {self.name}\n")
        url = f"https://{self.name}:{port}/api/v1/info"
        wrk = ["wrk", "-t1", "-c32", "-d2s", url]
        argv = ["unshare", "--mount", "sh", "-c", ASK, "ask", str(hosts), *wrk]
        said_by = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
        if "Non-2xx" in said_by or "Socket errors" in said_by:
            raise Void(f"wrk through {name}:\n{said_by}")
        return float(re.findall(r"Requests/sec:\s+([\d.]+)", said_by)[0])

    def measured(self) -> dict[str, dict[str, float]]:
        """By way to the site."""
        direct = self.found[DIRECT].rates
        return {
            name: {
                "flips": found.flips,
                "requests": found.requests,
                "failed": len(found.failures),
                "requests_per_second": median(found.rates),
                "vs_direct": median_ratio(found.rates, direct),
            }
            for name, found in self.found.items()
        }

    def failures(self) -> list[str]:
        return [f"{name}: {one}" for name, found in self.found.items() for one in found.failures]
