"""Where an installation is looked at, whatever the way there: files of it, and a few measurements.

Nothing is changed there, and nothing is started but `vikunja version` and what reads files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from msgspec import Struct

from tasks.containers.base import Runs

MOST_BYTES = 16 * 1024 * 1024
"""Of a file that is read as a whole; a larger one is no settings."""


class Measured(Struct, frozen=True):
    """A folder of files: how many there are, and their bytes."""

    count: int
    size: int


class Source(Protocol):
    """One place that is looked at. said: as the user named it.

    Paths are absolute, as the installation itself has them. Every method raises ResourceError or
    NetworkError with `said` as where.
    """

    @property
    def said(self) -> str: ...

    def fetch(self, patterns: Sequence[str]) -> Mapping[str, bytes]:
        """The files that the shell's patterns name, by path; those that are not there are left
        out. Raises ResourceError for one that may not be read."""

    def sizes(self, paths: Sequence[str]) -> Mapping[str, int]:
        """Bytes of those of the files that are there."""

    def measure(self, folder: str) -> Measured | None:
        """What is in a folder; None where there is none."""

    def version(self, program: str) -> str:
        """What the program says that it is, as v2.5.0; empty where it cannot be asked."""

    def processes(self) -> frozenset[str]:
        """Names of programs that run there; none where nothing runs."""


@runtime_checkable
class LiveSource(Source, Runs, Protocol):
    """One in which programs can be run."""
