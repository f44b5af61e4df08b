"""The last operations of an instance, from the end of its log."""

from __future__ import annotations

import os

from tasks.host.files import named
from tasks.model.history import Performed, operations
from tasks.model.operation_log import parse_line
from tasks.paths import Paths

TAIL_BYTES = 256 * 1024
"""An operation writes a few kilobytes; a log may have ten megabytes, and five older ones."""


def recent(paths: Paths, instance_id: str, count: int) -> tuple[Performed, ...]:
    """The newest `count` operations, oldest first; fewer where the end of the log has fewer.

    Raises DeployError where the log is there and cannot be read.
    """
    path = paths.log(instance_id)
    with named(path, "cannot be read"):
        try:
            with path.open("rb") as file:
                start = max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES)
                file.seek(start)
                data = file.read()
        except FileNotFoundError:
            return ()
    lines = data.decode("utf-8", "replace").splitlines()
    found = operations(entry for line in lines if (entry := parse_line(line)))
    # Of the first one, the beginning may be before what was read.
    return found[1:][-count:] if start else found[-count:]
