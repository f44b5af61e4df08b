"""What an instance that is much used holds: a dump of SQL, pictures, and many small files."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

SMALL_FILES = 20_000
"""For each GB; a sixth of it."""

_NOISE = 0.37
_SMALL = 0.16
_PICTURE = 2_500_000
_WORDS = 6000
_CHUNK = 4000


def make(folder: Path, size: int) -> int:
    """Files of about `size` bytes: `database/vikunja.sql` and `files/<id>`; how many bytes really.

    The same on every machine. Text repeats as language does: few words often, most seldom.
    """
    numbers = random.Random(size)
    (folder / "database").mkdir(parents=True)
    (folder / "files").mkdir()
    written = _dump(folder / "database/vikunja.sql", int(size * (1 - _NOISE - _SMALL)), numbers)
    pictures = max(1, int(size * _NOISE / _PICTURE))
    for number in range(1, pictures + 1):
        (folder / f"files/{number}").write_bytes(numbers.randbytes(_PICTURE))
        written += _PICTURE
    small = max(1, int(SMALL_FILES * size / 1e9))
    words = _sentences(numbers)
    for number in range(pictures + 1, pictures + 1 + small):
        text = " ".join(next(words) for _ in range(2))[: int(size * _SMALL / small)]
        while len(text) < size * _SMALL / small:
            text += "\n" + next(words)
        (folder / f"files/{number}").write_text(text)
        written += len(text)
    return written


def _dump(path: Path, size: int, numbers: random.Random) -> int:
    sentences = _sentences(numbers)
    written = 0
    row = 0
    with path.open("w") as file:
        while written < size:
            row += 1
            day = f"2026-{row % 12 + 1:02}-{numbers.randint(1, 28):02} {row % 24:02}:00:00"
            words = next(sentences)
            written += file.write(
                f"INSERT INTO tasks VALUES ({row}, '{words[:40]}', '{words}', {row % 7}, "
                f"{numbers.randrange(500)}, '{day}', '{day}', NULL, 0, 0);\n"
            )
    return written


def _sentences(numbers: random.Random) -> Iterator[str]:
    """About 250 characters each."""
    letters = "etaoinshrdlucmfwypvbgk"
    words = ["".join(numbers.choices(letters, k=numbers.randint(2, 9))) for _ in range(_WORDS)]
    often = list(accumulate(1 / (rank + 3) for rank in range(_WORDS)))
    while True:
        chosen = numbers.choices(words, cum_weights=often, k=40 * _CHUNK)
        for start in range(0, len(chosen), 40):
            yield " ".join(chosen[start : start + 40])
