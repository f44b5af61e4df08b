"""Plain values as the records that they are, by one thread at a time.

The first conversion to a type learns what that type is made of. Where another thread converts to it
meanwhile, msgspec (0.22) ends the process with a segmentation fault.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_CONVERTING = threading.RLock()


def convert(
    value: object,
    kind: type[T],
    *,
    strict: bool = True,
    dec_hook: Callable[[type[Any], Any], Any] | None = None,
) -> T:
    """As msgspec.convert. Raises msgspec.ValidationError, which is a ValueError."""
    with _CONVERTING:
        return msgspec.convert(value, kind, strict=strict, dec_hook=dec_hook)
