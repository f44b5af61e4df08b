"""Remembers what was read from files that fit the schema: the next run loads no parser, no judge.

A key is the digest of the file's bytes, of the schema's and of the code that reads and judges:
whatever of them changes, the file is read again.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from tasks.config.finding import Key
from tasks.config.schema import schema_bytes
from tasks.model.kept import Kept, key_of

_JUDGES = ("judge.py", "schema.py", "source.py", "yaml_tree.py", "memo.py")

Reading = tuple[dict[str, Any] | None, dict[Key, int]]
"""A document as it is written, without defaults (None: it is no mapping), and the lines of its
values, 1-based."""


class Memo:
    """folder: where it is kept; None keeps nothing."""

    def __init__(self, folder: Path | None) -> None:
        self._kept = Kept(folder)

    def recall(self, data: bytes) -> Reading | None:
        """What these bytes say, if they have been found to fit the schema."""
        content = self._kept.get(_key(data))
        if content is None:
            return None
        try:
            reading = json.loads(content)
            return reading["document"], {tuple(key): line for key, line in reading["lines"]}
        except (ValueError, KeyError, TypeError, RecursionError):
            # It can be made again from the file itself.
            return None

    def add(self, data: bytes, reading: Reading) -> None:
        document, lines = reading
        content = {"document": document, "lines": [[key, line] for key, line in lines.items()]}
        self._kept.put(_key(data), json.dumps(content, ensure_ascii=False).encode())


def _key(data: bytes) -> str:
    return key_of(_rules_digest(), data)


@cache
def _rules_digest() -> bytes:
    parts = [Path(__file__).with_name(name).read_bytes() for name in _JUDGES]
    return bytes.fromhex(key_of(schema_bytes(), *parts))
