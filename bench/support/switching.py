"""The flips that bench/switch measures, on the sample application with both colors running."""

from __future__ import annotations

import time
from statistics import median

from bench.support.clients import Clients
from bench.support.colors import PLAIN_PORT, Colors, in_turn, median_ratio, p99
from bench.support.lab import Lab, said
from tasks.desired.release import other
from tasks.execution.guest_changes import DRAIN
from tasks.model.instance import Color

NAME = "vkd-bench-switch"
SITE, PLAIN = "nginx.service", "bench-plain.service"
DRAIN_SECONDS = 8
"""More than a slow request takes."""
BATCH = 10
"""Flips between two steady times."""
PAUSE = 0.3
"""Seconds between two flips."""


class Bench:
    """One run of it."""

    def __init__(self, lab: Lab, quick: bool) -> None:
        self.colors = Colors(lab, NAME)
        self.flips = 0
        self.wanted = 20 if quick else 100
        self.renewing = 20 if quick else 10
        """Of so many flips, one is followed by all that an update does: drain, stop, start."""
        self.rounds, self.seconds = (6, 3) if quick else (20, 5)
        self.failures: list[str] = []
        self.first: list[float] = []
        self.steady: list[float] = []
        self.flipping: list[float] = []
        self.rates: dict[str, list[float]] = {SITE: [], PLAIN: []}
        self.cpu: dict[str, list[float]] = {SITE: [], PLAIN: []}
        self.requests = 0
        self.rate = 0.0
        self.reload_failed = 0
        self.reload_requests = 0

    def deploy(self) -> None:
        self.colors.deploy()

    def measure(self) -> None:
        self._measure_flips()
        self._measure_reloads()
        said(f"throughput, {self.rounds} rounds")
        ports = {SITE: self.colors.ssl_port, PLAIN: PLAIN_PORT}
        for order in in_turn((SITE, PLAIN), self.rounds):
            for unit in order:
                rate, cpu = self.colors.wrk(ports[unit], unit)
                self.rates[unit].append(rate)
                self.cpu[unit].append(cpu)

    # Flips.

    def _measure_flips(self) -> None:
        load = self.colors.everybody()
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
        flipped = self.colors.flip(color)
        # The file system's clock ticks every 4 ms.
        first = self.colors.first_answer(load, color, flipped - 0.004)
        self.first.append(max(0.0, first - flipped) * 1000)
        self.flips += 1

    def _renew(self, load: Clients, color: Color) -> None:
        """What an update does to the color that it switched away from, and the next one brings."""
        unit = f"vikunja-backend@{color}.service"
        port = str(self.colors.instance.backend_port(color))
        seconds = str(DRAIN_SECONDS)
        drain = DRAIN.argv(color, seconds, "60", seconds, unit)
        self.colors.container.run(drain, timeout=120)
        # Streams have had their time; nothing else may be cut.
        load.cutting = True
        self.colors.container.run(["systemctl", "restart", unit], timeout=60)
        url = f"http://127.0.0.1:{port}/health"
        wait = 'until curl -sf -o /dev/null "$1"; do sleep 0.1; done; sleep 1'
        self.colors.container.run(["sh", "-c", wait, "wait", url])
        load.cutting = False

    # What remains of reloads.

    def _measure_reloads(self) -> None:
        load = self.colors.clients().keep_alive(16, 0.02).new_connections(2, 0.1)
        with load:
            time.sleep(1)
            for _ in range(5):
                self.colors.container.run(["systemctl", "reload", "nginx.service"])
                time.sleep(0.5)
        self.reload_failed, self.reload_requests = len(load.tally.failures), load.tally.requests
        said(f"5 reloads: {self.reload_failed} of {self.reload_requests} requests failed")

    def measured(self) -> dict[str, float | None]:
        return {
            "flips": self.flips,
            "requests": self.requests,
            "failed": len(self.failures),
            "p99_ratio": median(
                during / before for during, before in zip(self.flipping, self.steady, strict=True)
            ),
            "first_answer_ms": median(self.first),
            "first_answer_most_ms": max(self.first),
            "throughput_ratio": median_ratio(self.rates[SITE], self.rates[PLAIN]),
            "cpu_ratio": median_ratio(self.cpu[SITE], self.cpu[PLAIN]),
            "cpu_us": median(self.cpu[SITE]),
            "requests_per_second": self.rate,
            "steady_p99_ms": median(self.steady) * 1000,
            "reloads_failed": self.reload_failed,
            "reloads_requests": self.reload_requests,
        }
