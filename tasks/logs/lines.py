"""Lines of several logs: when they were written, and in which order they are shown. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from msgspec import Struct

from tasks.errors import UsageError

_MOMENT = re.compile(
    r"(\d{4})[-/](\d\d)[-/](\d\d)[T ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,6})\d*)?(Z|[+-]\d\d:?\d\d)?"
)
_SPAN = re.compile(r"(\d+)\s*(s|sec|m|min|h|d|w)")
_SECONDS = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 7 * 86400}

FIRST = datetime(1970, 1, 1, tzinfo=UTC)


class Line(Struct, frozen=True):
    """log: its name. time: its own, or that of the line before it in the same log."""

    log: str
    time: datetime
    text: str


def moment_of(text: str) -> datetime | None:
    """The first moment that a line names; without a zone it is UTC's."""
    found = _MOMENT.search(text)
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    parts = int(year), int(month), int(day), int(hour), int(minute), int(second)
    try:
        moment = datetime(*parts, int((fraction or "0").ljust(6, "0")), tzinfo=UTC)
    except ValueError:
        return None
    if zone in (None, "Z"):
        return moment
    hours, minutes = int(zone[1:3]), int(zone[-2:])
    offset = timedelta(hours=hours, minutes=minutes)
    return moment + offset if zone[0] == "-" else moment - offset


def timed(log: str, texts: Iterable[str]) -> Iterator[Line]:
    """The lines of one log, oldest first; one without a time belongs to the one before it."""
    last = FIRST
    for text in texts:
        last = moment_of(text) or last
        yield Line(log, last, text)


def merged(logs: Iterable[Iterable[Line]], since: datetime, newest: int | None) -> list[Line]:
    """All lines since then, of each log the newest so many, in the order of their times."""
    kept: list[Line] = []
    for lines in logs:
        young = [line for line in lines if line.time >= since]
        kept += young if newest is None else young[max(0, len(young) - newest) :]
    return sorted(kept, key=lambda line: line.time)


def parse_since(text: str, now: datetime) -> datetime:
    """`30m`, `2h`, `1d`; `2025-10-19`, `2025-10-19T10:30`, `10:30`: of this machine's own zone
    unless it names one. Raises UsageError."""
    stripped = text.strip()
    if span := _SPAN.fullmatch(stripped):
        try:
            return now - timedelta(seconds=int(span[1]) * _SECONDS[span[2]])
        except OverflowError:
            return FIRST
    if re.fullmatch(r"\d\d:\d\d(:\d\d)?", stripped):
        stripped = f"{now.astimezone():%Y-%m-%d}T{stripped}"
    try:
        moment = datetime.fromisoformat(stripped)
    except ValueError:
        raise UsageError(
            f"--since {text!r} is no time",
            hint="Write how long ago (30m, 2h, 1d), or when: 2025-10-19, 2025-10-19T10:30, 10:30",
        ) from None
    return moment.astimezone(UTC)
