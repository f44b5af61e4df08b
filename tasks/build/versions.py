"""Versions and ranges of them, as Go, Node and npm write them."""

from __future__ import annotations

import re
from collections.abc import Sequence

Version = tuple[int, int, int]

COMPARATOR = re.compile(r"(>=|<=|>|<|=|\^|~)?v?(\d+|[xX*])(?:\.(\d+|[xX*]))?(?:\.(\d+|[xX*]))?$")


def parse(text: str) -> Version | None:
    """The first version in a text (`go1.26.4`, `v24.13.0`, `10.28`), missing parts as zero."""
    found = re.search(r"(\d+)(?:\.(\d+))?(?:\.(\d+))?", text)
    if found is None:
        return None
    return (int(found[1]), int(found[2] or 0), int(found[3] or 0))


def written(version: Sequence[int]) -> str:
    return ".".join(map(str, version))


def satisfies(version: Version, wanted: str) -> bool:
    """Whether a version lies in npm's kind of range; a form that is not known counts as yes.

    Known: `>=20 <25`, `^24.13.0`, `~24.1`, `24`, `24.x`, `*`, and any of them with `||`.
    """
    return any(_all(version, choice) for choice in wanted.split("||"))


def _all(version: Version, choice: str) -> bool:
    # npm allows a space after the operator.
    parts = re.sub(r"(>=|<=|>|<|=|\^|~)\s+", r"\1", choice).split()
    return all(_one(version, part) for part in parts)


def _one(version: Version, comparator: str) -> bool:
    found = COMPARATOR.match(comparator)
    if found is None:
        return True
    given = [int(part) for part in found.groups()[1:] if part and part.isdigit()]
    if not given:
        return True
    major, minor, patch, *_ = *given, 0, 0
    low = (major, minor, patch)
    operator = found[1]
    if operator == ">=":
        return version >= low
    if operator == "<":
        return version < low
    if operator == ">":
        return version[: len(given)] > tuple(given)
    if operator == "<=":
        return version[: len(given)] <= tuple(given)
    if operator == "^":
        # Nothing before the first number that is not zero may change.
        fixed = next((i for i, part in enumerate(low) if part), len(given) - 1) + 1
        return version >= low and version[:fixed] == low[:fixed]
    if operator == "~":
        fixed = min(2, len(given))
        return version >= low and version[:fixed] == low[:fixed]
    return version[: len(given)] == tuple(given)
