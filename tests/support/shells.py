"""Our shell scripts run for real on this machine, against folders of a test's own.

systemd, dpkg and the user database are the container's: small programs first in the PATH answer
for them, so that what the scripts make of the answers is tested, not what this machine has.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.containers.base import Completed
from tasks.resources.base import Facts
from tasks.resources.observe import HERE, Question, observe


@dataclass
class HostShell:
    """As much of a container as the observer needs: `run` on this machine."""

    programs: Path
    calls: int = 0

    def program(self, name: str, text: str) -> None:
        """Put a program first in the PATH."""
        path = self.programs / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes | None = None,
        timeout: float = 60,
        check: bool = True,
        environment: Mapping[str, str] | None = None,
        **_: object,
    ) -> Completed:
        self.calls += 1
        path = f"{self.programs}:{os.environ['PATH']}"
        done = subprocess.run(
            argv,
            input=stdin or b"",
            capture_output=True,
            env={"PATH": path, **(environment or {})},
            timeout=timeout,
            check=False,
        )
        return Completed(tuple(argv), done.returncode, done.stdout, done.stderr)

    def observe(self, *questions: Question) -> Facts:
        return observe(self, questions)  # type: ignore[arg-type]

    def land(self, stream: bytes, home: Path) -> Completed:
        """land.sh with its own folder (stamps, landing) below `home`."""
        text = (HERE / "land.sh").read_text()
        assert "home=/var/lib/vikunja-deploy\n" in text
        text = text.replace("home=/var/lib/vikunja-deploy\n", f"home={home}\n")
        return self.run(["sh", "-c", text, "land"], stdin=stream)
