"""Remembers what was read from files that fit the schema: the next run loads no parser, no judge.

What is kept of a file is found by its path, and holds for one digest: of the file's bytes, of the
schema's and of the code that reads and judges. Whatever of them changes, the file is read again,
and what was kept before goes: secrets that were rotated stay nowhere.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from tasks.config.finding import Key
from tasks.config.schema import schema_bytes
from tasks.host.text_cache import TextCache, key_of

_JUDGES = ("evaluation.py", "schema.py", "source.py", "yaml_tree.py", "memo.py")

Reading = tuple[dict[str, Any] | None, dict[Key, int]]
"""A document as it is written, without defaults (None: it is no mapping), and the lines of its
values, 1-based."""


class Memo:
    """folder: where it is kept; None keeps nothing. path: of the file that the bytes are from."""

    def __init__(self, folder: Path | None) -> None:
        self._kept = TextCache(folder)
        self._added = False

    def recall(self, path: Path, data: bytes) -> Reading | None:
        """What these bytes say, if they have been found to fit the schema."""
        content = self._kept.get(_name(path))
        if content is None:
            return None
        try:
            reading = json.loads(content)
            if reading["key"] != _key(data):
                return None
            return reading["document"], {tuple(key): line for key, line in reading["lines"]}
        except (ValueError, KeyError, TypeError, RecursionError):
            # It can be made again from the file itself.
            return None

    def add(self, path: Path, data: bytes, reading: Reading) -> None:
        """Keep it in place of what was kept of that file."""
        document, lines = reading
        content = {
            "path": str(path.absolute()),
            "key": _key(data),
            "document": document,
            "lines": [[key, line] for key, line in lines.items()],
        }
        self._kept.put(_name(path), json.dumps(content, ensure_ascii=False).encode())
        self._added = True

    def forget(self, path: Path) -> None:
        """Of a file that says something else now, which cannot be kept."""
        self._kept.remove(_name(path))

    def forget_gone(self) -> None:
        """Where anything was kept anew, what is of files that are gone goes."""
        if not self._added:
            return
        for name in self._kept.names():
            try:
                path = json.loads(self._kept.get(name) or b"")["path"]
                gone = name != _name(Path(path)) or not Path(path).exists()
            except (ValueError, KeyError, TypeError, RecursionError):
                # Damaged, or of a version that kept them by other names.
                gone = True
            if gone:
                self._kept.remove(name)


def _name(path: Path) -> str:
    return key_of(str(path.absolute()).encode(errors="surrogateescape"))


def _key(data: bytes) -> str:
    return key_of(_rules_digest(), data)


@cache
def _rules_digest() -> bytes:
    parts = [Path(__file__).with_name(name).read_bytes() for name in _JUDGES]
    return bytes.fromhex(key_of(schema_bytes(), *parts))
