"""How large a container's file system is, which a disk that grew may have left behind. Pure."""

from __future__ import annotations

SHARE = 0.94
"""Of a disk, that a file system which fills it says to have: ext4, as Proxmox VE makes it, keeps
5 % of 1 GiB for itself, and less of more."""

POOLED = frozenset({"zfs", "btrfs"})
"""Kinds that say to have what is free where others take from, too: nothing of their own disk."""

ASK = ("stat", "-f", "-c", "%T %b %S", "--")
"""A program that says it of the path behind it: kind, blocks, and their size in bytes."""


def parse_size(answer: str) -> float | None:
    """GiB; None where that is no answer, or none that says how large its disk is."""
    kind, _, rest = answer.partition(" ")
    numbers = rest.split()
    if kind in POOLED or len(numbers) != 2 or not all(one.isdecimal() for one in numbers):
        return None
    return int(numbers[0]) * int(numbers[1]) / 2**30


def fills(size: float | None, disk: float) -> bool:
    """Whether a file system of a size, GiB, fills a disk; what is not known counts as if it did."""
    return size is None or size >= SHARE * disk
