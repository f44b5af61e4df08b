"""Commands measured side by side: samples, medians, paired ratios, targets."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Literal


class Void(Exception):
    """What was measured is not what was to be measured: there is no result."""


@dataclass(frozen=True)
class Sample:
    """One run. wall, cpu: seconds; cpu is user and system of the process and all it waited for."""

    wall: float
    cpu: float
    output: str


@dataclass(frozen=True)
class Command:
    """A command line to measure. check: raises Void where the output is not the expected one."""

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path
    check: Callable[[str], None] = lambda _: None


def run(command: Command) -> Sample:
    """Run it to its end. Raises Void where it fails or says something else than expected."""
    with tempfile.TemporaryFile() as output:
        begun = time.perf_counter()
        process = subprocess.Popen(
            command.argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(command.environment),
            cwd=command.folder,
        )
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            process.wait()
            raise
        wall = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode(errors="replace")
    if process.returncode != 0:
        raise Void(f"{command.name} failed with exit code {process.returncode}:\n{text[-3000:]}")
    command.check(text)
    return Sample(wall, usage.ru_utime + usage.ru_stime, text)


@dataclass
class Series:
    """Samples of several commands, taken in rounds: what is compared ran side by side."""

    rounds: list[dict[str, Sample]] = field(default_factory=list)

    def measure(self, commands: Sequence[Command], said: Callable[[str], None]) -> None:
        """One round: each command once, in turn."""
        samples: dict[str, Sample] = {}
        self.rounds.append(samples)
        for command in commands:
            said(command.name)
            samples[command.name] = run(command)

    def of(self, name: str) -> list[Sample]:
        return [samples[name] for samples in self.rounds if name in samples]

    def wall(self, name: str) -> float:
        """Median, seconds."""
        return median(sample.wall for sample in self.of(name))

    def cpu(self, name: str) -> float:
        """Median, seconds."""
        return median(sample.cpu for sample in self.of(name))

    def ratio(self, name: str, to: str, what: Literal["wall", "cpu"] = "wall") -> float | None:
        """Median of the ratios within each round that has both; None where no round has."""
        pairs = [
            getattr(samples[name], what) / getattr(samples[to], what)
            for samples in self.rounds
            if name in samples and to in samples
        ]
        return median(pairs) if pairs else None


@dataclass(frozen=True)
class Target:
    """A figure to reach: at most or at least."""

    key: str
    what: str
    bound: Literal["≤", "≥", "="]
    value: float

    def met(self, measured: float) -> bool:
        if self.bound == "=":
            return measured == self.value
        return measured <= self.value if self.bound == "≤" else measured >= self.value
