"""What becomes of data that others write: parts of it missing, or something else."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

ODD: tuple[Any, ...] = (None, "", "²", "x", -1, 1.5, [], {}, True, "9" * 400)


def altered(data: Any) -> Iterator[Any]:
    """The data with one of its values, at any depth, missing or something else."""
    yield from ODD
    keys: Any = data if isinstance(data, dict) else range(len(data)) if type(data) is list else ()
    for key in keys:
        lacking = deepcopy(data)
        del lacking[key]
        yield lacking
        for value in altered(data[key]):
            other = deepcopy(data)
            other[key] = value
            yield other
