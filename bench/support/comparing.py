"""The mechanisms that bench/mechanisms compares: flips under load, then throughput, turn about."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from statistics import median

from bench.support import proxies
from bench.support.clients import Clients
from bench.support.colors import PLAIN_PORT, Colors, in_turn, median_ratio, p99
from bench.support.lab import Lab, said
from tasks.desired.release import other
from tasks.model.instance import Color

NAME = "vkd-bench-mechanisms"
PAUSE = 0.3
"""Seconds between two flips."""


@dataclass
class Found:
    """What was measured of one mechanism. first: ms; rates: requests/s; cpu: µs a request."""

    requests: int = 0
    failures: list[str] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


class Bench:
    """One run of it."""

    def __init__(self, lab: Lab, quick: bool) -> None:
        self.colors = Colors(lab, NAME)
        self.batches, self.flips, self.seconds = (1, 10, 3.0) if quick else (5, 10, 5.0)
        """So many times steady for so many seconds, then so many flips."""
        self.rounds = 2 if quick else 12
        self.found: dict[str, Found] = {}
        self.plain = Found()

    def deploy(self) -> None:
        self.colors.deploy(("haproxy",))
        self.mechanisms = proxies.start(self.colors)
        self.found = {one.name: Found() for one in self.mechanisms}

    def measure(self) -> None:
        for mechanism in self.mechanisms:
            self._measure_flips(mechanism, self.found[mechanism.name])
        said(f"throughput, {self.rounds} rounds")
        places = {one.name: (one.port, one.unit) for one in self.mechanisms}
        places["plain"] = (PLAIN_PORT, "bench-plain.service")
        for order in in_turn(tuple(places), self.rounds):
            for name in order:
                rate, cpu = self.colors.wrk(*places[name])
                found = self.found.get(name, self.plain)
                found.rates.append(rate)
                found.cpu.append(cpu)

    def _measure_flips(self, mechanism: proxies.Mechanism, found: Found) -> None:
        color: Color = "blue"
        load = self.colors.everybody(mechanism.port)
        with load:
            time.sleep(1)
            for _ in range(self.batches):
                since = time.time()
                time.sleep(self.seconds)
                steady = p99(load.tally.answered, since, time.time())
                since = time.time()
                for _ in range(self.flips):
                    color = other(color)
                    found.first.append(self._flip(mechanism, load, color))
                    time.sleep(PAUSE)
                found.p99.append(p99(load.tally.answered, since, time.time()) / steady)
        found.requests, found.failures = load.tally.requests, load.tally.failures
        said(f"{mechanism.name}: {len(found.failures)} of {found.requests} requests failed")

    def _flip(self, mechanism: proxies.Mechanism, load: Clients, color: Color) -> float:
        """From the flip to the end of the new color's first answer, ms."""
        begun = time.time()
        mechanism.flip(color)
        return (self.colors.first_answer(load, color, begun) - begun) * 1000

    def measured(self) -> dict[str, dict[str, float]]:
        """By mechanism."""
        return {
            name: {
                "flips": len(found.first),
                "requests": found.requests,
                "failed": len(found.failures),
                "first_answer_ms": median(found.first),
                "first_answer_most_ms": max(found.first),
                "p99_ratio": median(found.p99),
                "throughput_ratio": median_ratio(found.rates, self.plain.rates),
                "cpu_ratio": median_ratio(found.cpu, self.plain.cpu),
                "cpu_us": median(found.cpu),
            }
            for name, found in self.found.items()
        }
