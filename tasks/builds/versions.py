"""Versions and ranges of them, as Go, Node and npm write them."""

from __future__ import annotations

import re
from collections.abc import Sequence

Version = tuple[int, int, int]


def parse(text: str) -> Version | None:
    """The first version in a text (`go1.26.4`, `v24.13.0`, `10.28`), missing parts as zero."""
    found = re.search(r"(\d+)(?:\.(\d+))?(?:\.(\d+))?", text)
    if found is None:
        return None
    return (int(found[1]), int(found[2] or 0), int(found[3] or 0))


def written(version: Sequence[int]) -> str:
    return ".".join(map(str, version))


def satisfies(version: Version, wanted: str) -> bool:
    """Whether a version lies in npm's kind of range; a form that is not known counts as yes."""
    from semantic_version import NpmSpec
    from semantic_version import Version as Semantic

    # npm allows a space and a v after the operator, and more than one space between two of them.
    plain = " ".join(re.sub(r"([<>=^~])\s*v?(?=[\dxX*])", r"\1", wanted).split())
    try:
        return bool(NpmSpec(plain).match(Semantic(written(version))))
    except (ValueError, AttributeError):
        # The second one of `1 - word`.
        return True
