"""Digests of values."""

from __future__ import annotations

import hashlib
import json

_encoded = json.JSONEncoder(sort_keys=True, ensure_ascii=False, default=str).encode


def digest(value: object) -> str:
    """SHA-256 of a JSON-ready value, hex."""
    return hashlib.sha256(_encoded(value).encode()).hexdigest()
