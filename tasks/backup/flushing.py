"""A file on its way to the disk while it is written, and not all of it at the end."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

AT_ONCE = 8 * 1024 * 1024
_WRITE = 2
"""SYNC_FILE_RANGE_WRITE: begin to, and wait for nothing."""


class Flusher:
    """Has what was written to a descriptor begun to be put on the disk, AT_ONCE bytes at a time.

    The system alone would begin with a tenth of the memory written, which may be all of an archive:
    then fsync has all of it before it, and so has everybody else's, the application's too. It is
    fsync still that says when all is there; where the system cannot do this, nothing happens.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._begun = 0

    def written(self, size: int) -> None:
        """size: bytes from the file's beginning that are written now."""
        if size - self._begun < AT_ONCE:
            return
        begin = _sync_file_range()
        if begin is not None:
            begin(self._descriptor, self._begun, size - self._begun, _WRITE)
        self._begun = size


@cache
def _sync_file_range() -> Any:
    found = getattr(ctypes.CDLL(None), "sync_file_range", None)
    if found is not None:
        found.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    return found
