"""Where long work says how far it is."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Where long work says how far it is."""

    def step(self, text: str, fraction: float | None = None, since: float | None = None) -> None:
        """text: what is done now, empty for nothing any more; fraction: 0 to 1 of the current step
        where it is known; since: when that began, by the monotonic clock, where it takes long."""


class Silent:
    """Progress that nobody watches."""

    def step(self, text: str, fraction: float | None = None, since: float | None = None) -> None:
        pass


SILENT = Silent()
