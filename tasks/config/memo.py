"""Remembers which files fit the schema, so that the next run need not load jsonschema.

A key is the digest of the file's bytes, of the schema's and of the code that judges: whatever of
them changes, the file is judged again.
"""

from __future__ import annotations

import errno
import hashlib
import json
from functools import cache
from pathlib import Path

from tasks.config.schema import schema_bytes
from tasks.errors import DeployError

MOST_KEPT = 500

_MAY_NOT = (errno.EACCES, errno.EPERM, errno.EROFS)
_JUDGES = ("judge.py", "schema.py", "source.py", "yaml_tree.py")


class Memo:
    """path: the file it is kept in; None keeps nothing beyond this process."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._kept = _read(path) if path else []
        self._valid = set(self._kept)

    def knows(self, data: bytes) -> bool:
        """Whether these bytes have been found to fit the schema."""
        return _key(data) in self._valid

    def add(self, data: bytes) -> None:
        if (key := _key(data)) not in self._valid:
            self._valid.add(key)
            self._kept.append(key)

    def save(self) -> None:
        """Keep what was added; a place that cannot be written is no problem, the rest is."""
        if self._path is None or self._kept == _read(self._path):
            return
        from tasks.model.files import write_json

        try:
            write_json(self._path, {"schema_valid": self._kept[-MOST_KEPT:]})
        except DeployError as error:
            cause = error.__cause__
            # Somebody who may only look still gets an answer, 0.1 s later.
            if not isinstance(cause, OSError) or cause.errno not in _MAY_NOT:
                raise


def _read(path: Path) -> list[str]:
    try:
        record = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        # It can be made again from the files themselves.
        return []
    kept = record.get("schema_valid") if isinstance(record, dict) else None
    return [key for key in kept if isinstance(key, str)] if isinstance(kept, list) else []


def _key(data: bytes) -> str:
    return hashlib.sha256(_rules_digest() + hashlib.sha256(data).digest()).hexdigest()


@cache
def _rules_digest() -> bytes:
    digest = hashlib.sha256(schema_bytes())
    for name in _JUDGES:
        digest.update(Path(__file__).with_name(name).read_bytes())
    return digest.digest()
