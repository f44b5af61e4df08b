"""What can be made again, kept by the digest of all that it was made of."""

from __future__ import annotations

import errno
import hashlib
import re
from pathlib import Path

from tasks.errors import DeployError
from tasks.host.files import write_atomically

MOST_KEPT = 1000
"""More than instances that one host has: a cache that forgets the first before it comes to the last
is none."""

_KEY = re.compile(r"[0-9a-f]{64}")
"""As `key_of` makes them; other names are of files that are being written."""

_MAY_NOT = (errno.EACCES, errno.EPERM, errno.EROFS)


def key_of(*parts: bytes) -> str:
    """One key for these parts, in this order: SHA-256, hex."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()


class TextCache:
    """A folder of contents by key; the oldest go when there are more than MOST_KEPT.

    folder: only root can look into it; None keeps nothing.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def get(self, key: str) -> bytes | None:
        """None where it is not there or cannot be read: it can be made again."""
        if self._folder is None:
            return None
        try:
            return (self._folder / key).read_bytes()
        except OSError:
            return None

    def put(self, key: str, content: bytes) -> None:
        """Keep it. A place that may not be written is no problem, a full disk is.

        Raises DeployError.
        """
        if self._folder is None:
            return
        try:
            write_atomically(self._folder / key, content, mode=0o600)
            self._folder.chmod(0o700)
            for old in self._all()[MOST_KEPT:]:
                old.unlink(missing_ok=True)
        except DeployError as error:
            cause = error.__cause__
            # Somebody who may only look still gets an answer, 0.1 s later.
            if not isinstance(cause, OSError) or cause.errno not in _MAY_NOT:
                raise

    def remove(self, key: str) -> None:
        """It is not kept any more. A place that may not be written is no problem."""
        if self._folder is None:
            return
        try:
            (self._folder / key).unlink(missing_ok=True)
        except OSError as error:
            if error.errno not in (*_MAY_NOT, errno.ENOTDIR):
                raise

    def names(self) -> list[str]:
        """The keys of what is kept, of what may be seen."""
        if self._folder is None:
            return []
        try:
            found = list(self._folder.iterdir())
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            return []
        return [path.name for path in found if _KEY.fullmatch(path.name)]

    def _all(self) -> list[Path]:
        """Newest first; another process may be removing some."""
        assert self._folder is not None
        ages = []
        for path in self._folder.iterdir():
            try:
                ages.append((path.stat().st_mtime_ns, path))
            except FileNotFoundError:
                continue
        return [path for _, path in sorted(ages, reverse=True)]
