"""Digests of values."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache

_encoded = json.JSONEncoder(sort_keys=True, ensure_ascii=False, default=str).encode


def digest(value: object) -> str:
    """SHA-256 of a JSON-ready value, hex."""
    if value is None or isinstance(value, str | int):
        return _of_scalar(value)
    return hashlib.sha256(_encoded(value).encode()).hexdigest()


# Instances have most of their values in common. True is another value than 1.
@lru_cache(maxsize=4096, typed=True)
def _of_scalar(value: str | int | None) -> str:
    return hashlib.sha256(_encoded(value).encode()).hexdigest()
