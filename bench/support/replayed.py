"""Runs the tool where drivers answer what was written down of each container, after a while.

    python replayed.py ANSWERS ARGUMENT...

ANSWERS: a folder that bench.support.many has written.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from pathlib import Path
from typing import Any

OBSERVE_SECONDS, ROUND_TRIP_SECONDS = 0.005, 0.1
"""How long a driver takes to look at a container from outside, and a program in it takes."""


def place(answers: Path, name: str, argv: list[str]) -> Path:
    """The file with what a program in a container answers."""
    return answers / f"{name}.{hashlib.sha256(chr(0).join(argv).encode()).hexdigest()[:16]}"


class Replayed:
    """A container of which is known what it answers: tasks.containers.base.Container."""

    own_disk = False
    restart_pending = None

    def __init__(self, spec: Any, answers: Path) -> None:
        self.spec = spec
        self.answers = answers
        self.round_trips = 0

    def observe(self) -> Any:
        from tasks.containers.base import ContainerFacts

        time.sleep(OBSERVE_SECONDS)
        found = json.loads((self.answers / f"{self.spec.name}.facts").read_text())
        return ContainerFacts(True, True, found["owner"], found["attributes"])

    def copies(self) -> tuple[str, ...]:
        return ()

    def missing(self) -> None:
        return None

    def preflight(self, _: Any) -> None:
        return None

    def needs_restart(self, _: frozenset[str]) -> frozenset[str]:
        return frozenset()

    def run(self, argv: list[str], **_: Any) -> Any:
        from tasks.host.process import Completed

        time.sleep(ROUND_TRIP_SECONDS)
        self.round_trips += 1
        answer = place(self.answers, self.spec.name, argv).read_bytes()
        return Completed(tuple(argv), 0, answer, b"")


def main() -> int:
    from tasks import containers

    answers = Path(sys.argv[1])
    containers.container_for = lambda instance, _: Replayed(  # type: ignore[assignment,return-value]
        containers.spec_for(instance), answers
    )
    from doit.__main__ import main as doit

    sys.argv = ["doit", *sys.argv[2:]]
    code: int = doit()
    return code


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))
    sys.exit(main())
