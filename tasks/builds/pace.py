"""How far a build is, by what the last build of its repository took."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec
from msgspec import Struct

from tasks.conversion import convert
from tasks.host.files import recalled
from tasks.paths import Paths
from tasks.progress import Progress

NEARLY = 0.95
"""Of a step that takes longer than it did: it is not done before it is."""
SHOWN_EVERY_SECONDS = 1.0


class Passed(Struct, frozen=True):
    """A step of a build that is over. seconds: how long it took. lines: how many it said."""

    name: str
    seconds: float
    lines: int


class Course(Struct, frozen=True):
    """What a build took, as the record beside its artifact has it."""

    repository: str
    course: tuple[Passed, ...]


def repository_digest(address: str) -> str:
    """What tells repositories apart; an address may have a login in it."""
    return hashlib.sha256(address.encode()).hexdigest()


def last_course(paths: Paths, repository: str) -> tuple[Passed, ...]:
    """What the newest build of a repository took whose artifact is still there; empty for none.
    repository: its digest."""
    folder = paths.cache / "artifacts"
    records = folder.glob("*.json") if folder.is_dir() else ()
    for path in sorted(records, key=lambda path: path.stat().st_mtime, reverse=True):
        try:
            found = convert(recalled(path, dict[str, object]) or {}, Course)
        except msgspec.ValidationError:
            continue
        if found.repository == repository:
            return found.course
    return ()


class Pace:
    """The steps of one build as they pass, against what they took before.

    before: of the last build; empty where there is none. Then no fraction is known.
    """

    def __init__(
        self, before: tuple[Passed, ...] = (), clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._before = {one.name: one for one in before}
        self._whole = sum(one.seconds for one in before)
        self._clock = clock
        self._name = ""
        self._lines = 0
        self._reached = 0.0
        self.began = clock()
        """When the step that is under way began."""
        self.passed: tuple[Passed, ...] = ()

    def step(self, name: str) -> None:
        """The next step begins; an empty name: the last one is over."""
        now = self._clock()
        if self._name:
            self.passed += (Passed(self._name, round(now - self.began, 3), self._lines),)
        self._name, self._lines, self.began = name, 0, now

    def line(self) -> None:
        """The step that is under way has said something."""
        self._lines += 1

    def fraction(self) -> float | None:
        """0 to 1, never less than before. None where nothing like it was built before."""
        if self._whole <= 0:
            return None
        over = sum(
            self._before[one.name].seconds for one in self.passed if one.name in self._before
        )
        share = (over + self._under_way()) / self._whole
        self._reached = max(self._reached, min(share, 1.0))
        return self._reached

    def _under_way(self) -> float:
        """Seconds of before that the step under way has come to, by time or by lines."""
        before = self._before.get(self._name)
        if before is None or not before.seconds:
            return 0.0
        by_time = (self._clock() - self.began) / before.seconds
        by_lines = self._lines / before.lines if before.lines else 0.0
        return before.seconds * min(NEARLY, max(by_time, by_lines))


class PacedProgress:
    """Progress of a build: whatever is said goes along with how far all of it is, and since when
    its step has been under way."""

    def __init__(self, progress: Progress, pace: Pace) -> None:
        self.pace = pace
        self._progress = progress
        self._text = ""

    def step(self, text: str, fraction: float | None = None, since: float | None = None) -> None:
        self._text = text
        known = self.pace.fraction()
        self._progress.step(text, fraction if known is None else known, since or self.pace.began)

    @contextmanager
    def moving(self) -> Iterator[None]:
        """Within it, it goes on also while nothing is said."""
        done = threading.Event()

        def move() -> None:
            while not done.wait(SHOWN_EVERY_SECONDS):
                if self._text and self.pace.fraction() is not None:
                    self.step(self._text)

        thread = threading.Thread(target=move, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
