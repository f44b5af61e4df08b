"""How large a container's file system is, which a disk that grew may have left behind. Pure."""

from __future__ import annotations

SHARE = 0.85
"""Of a disk, that a file system which fills it says to have: it keeps some for itself."""

ASK = ("stat", "-f", "-c", "%b %S", "--")
"""A program that says it of the path behind it: blocks, and their size in bytes."""


def parse_size(answer: str) -> float | None:
    """GiB; None where that is no answer."""
    numbers = answer.split()
    if len(numbers) != 2 or not all(one.isdecimal() for one in numbers):
        return None
    return int(numbers[0]) * int(numbers[1]) / 2**30


def fills(size: float | None, disk: float) -> bool:
    """Whether a file system of a size, GiB, fills a disk; what is not known counts as if it did."""
    return size is None or size >= SHARE * disk
