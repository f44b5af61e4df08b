"""A small line chart of response times, as SVG. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

WIDTH, HEIGHT, EDGE = 240, 44, 3


class Chart(Struct, frozen=True):
    """lines: points of each run of checks that had an answer. gaps: x of each that had none.
    now, least, most: milliseconds; now is None where the last check had no answer."""

    lines: tuple[str, ...]
    dots: tuple[tuple[float, float], ...]
    gaps: tuple[float, ...]
    now: int | None
    least: int
    most: int
    count: int

    @property
    def label(self) -> str:
        now = "no answer" if self.now is None else f"{self.now} ms"
        return f"{now} now, {self.least} to {self.most} ms over {self.count} checks"


def chart(values: Sequence[int | None]) -> Chart | None:
    """Of response times, oldest first; None where no check had an answer."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    least, most = min(known), max(known)
    step = (WIDTH - 2 * EDGE) / max(len(values) - 1, 1)
    points = [
        (round(EDGE + number * step, 1), None if value is None else _height(value, most))
        for number, value in enumerate(values)
    ]
    runs = list(_runs(points))
    return Chart(
        lines=tuple(" ".join(f"{x},{y}" for x, y in run) for run in runs if len(run) > 1),
        dots=tuple(run[0] for run in runs if len(run) == 1),
        gaps=tuple(x for x, y in points if y is None),
        now=values[-1],
        least=least,
        most=most,
        count=len(values),
    )


def _height(value: int, most: int) -> float:
    """From the lower edge: nothing is 0 ms, the upper edge the slowest."""
    return round(HEIGHT - EDGE - value / max(most, 1) * (HEIGHT - 2 * EDGE), 1)


def _runs(points: Sequence[tuple[float, float | None]]) -> Iterator[list[tuple[float, float]]]:
    run: list[tuple[float, float]] = []
    for x, y in points:
        if y is not None:
            run.append((x, y))
        elif run:
            yield run
            run = []
    if run:
        yield run
