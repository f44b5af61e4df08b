"""Running the commands of a build: live progress, a log, one time limit."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from tasks.builds.pace import PacedProgress
from tasks.builds.recipe import Part
from tasks.builds.unreached import unreached
from tasks.builds.workplace import Command, Workplace, capture, follow
from tasks.errors import BuildError, NetworkError
from tasks.model.redaction import masked

EVIDENCE_LINES = 20
SHOWN_EVERY_SECONDS = 0.1


class BuildRun:
    """Running a build's commands: live progress, a log, and one time limit for all of them."""

    def __init__(
        self,
        workplace: Workplace,
        values: Mapping[str, str],
        log: IO[str],
        log_path: Path,
        seconds: float,
        progress: PacedProgress,
    ) -> None:
        self.workplace, self.values = workplace, values
        self._log, self._log_path, self._progress = log, log_path, progress
        self._seconds, self._end = seconds, time.monotonic() + seconds
        self._shown = 0.0
        self._commands = 0

    def command(self, part: Part, argv: tuple[str, ...]) -> None:
        """Run one command in the part's folder; a failure is a BuildError with its last lines, or a
        NetworkError where these tell of a server that nobody reaches."""
        name = " ".join(argv)
        short = name if len(name) <= 60 else f"{name[:57]}..."
        last: list[str] = []

        def line(text: str) -> None:
            self._log.write(f"{masked(text)}\n")
            last.append(text)
            del last[:-EVIDENCE_LINES]
            self._progress.pace.line()
            now = time.monotonic()
            if text.strip() and now - self._shown >= SHOWN_EVERY_SECONDS:
                self._shown = now
                self._progress.step(f"{part.name}: {short}: {text.strip()[:100]}")

        self._commands += 1
        self._progress.pace.step(f"command {self._commands}: {argv[0]}")
        self._progress.step(f"{part.name}: {short}")
        self._log.write(f"$ ({part.folder or '.'}) {masked(name)}\n")
        folder = f"{self.workplace.tree}/{part.folder}".rstrip("/")
        left = max(1.0, self._end - time.monotonic())
        try:
            returncode = follow(self.workplace, Command(argv, folder, self.values, left), line)
        except BuildError as error:
            raise BuildError(
                f"{part.name}: {short}: {error.what}",
                hint=f"{error.hint}; the log is {self._log_path}",
                evidence=last,
            ) from error
        if returncode:
            server = unreached(last)
            if server is not None:
                raise NetworkError(
                    f"{part.name}: {short} waited for {server}, which did not answer",
                    hint=f"check the network, then try again; the log is {self._log_path}",
                    evidence=last,
                )
            raise BuildError(
                f"{part.name}: {short} failed with exit code {returncode}",
                hint=f"the whole log is {self._log_path}",
                evidence=last,
            )

    def test(self, argv: tuple[str, ...], what: str, hint: str) -> None:
        """Run a check at the place, in the home; BuildError with `what` where it fails."""
        returncode, output = capture(self.workplace, argv, environment=self.values, timeout=60)
        if returncode:
            evidence = output.splitlines()[-EVIDENCE_LINES:]
            raise BuildError(what, hint=f"{hint}; the log is {self._log_path}", evidence=evidence)
