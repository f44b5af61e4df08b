"""Whether the folder of backups is on a file system of its own, where it has to be."""

from __future__ import annotations

import os
from pathlib import Path

from tasks.errors import ResourceError
from tasks.model.instance import Backup


def mount_point(folder: Path) -> Path | None:
    """The folder itself, or the nearest above it that another file system is mounted on; None where
    that is the root's."""
    # Links lead to where archives really come to lie.
    real = Path(os.path.realpath(folder))
    above = (real, *real.parents)
    return next((one for one in above if one != one.parent and os.path.ismount(one)), None)


def require_mounted(backup: Backup) -> None:
    """Raises ResourceError where a mount is required and there is none."""
    if backup.require_mount and mount_point(backup.directory) is None:
        raise ResourceError(
            "is not mounted: neither it nor a folder above it is a mount point",
            where=str(backup.directory),
            hint="Mount it, then run it again.",
        )
