"""Give a tree to the users of an unprivileged container."""

from __future__ import annotations

import os
import stat
import struct
from pathlib import Path

from tasks.host.user_ids import IdMap

CAPABILITY = "security.capability"
OVERLAY = "trusted.overlay."
"""What an overlay notes at folders of its upper layer; it means nothing in a lower one."""

REVISION_MASK = 0xFF000000
REVISION_2 = 0x02000000
REVISION_3 = 0x03000000


def shifted_capability(value: bytes, root_uid: int) -> bytes:
    """A file capability (revision 2) as the root of a user namespace would have set it."""
    (magic,) = struct.unpack_from("<I", value)
    if magic & REVISION_MASK != REVISION_2:
        return value
    effective = magic & ~REVISION_MASK
    return struct.pack("<I", REVISION_3 | effective) + value[4:20] + struct.pack("<I", root_uid)


def _shift(path: str, status: os.stat_result, ids: IdMap) -> None:
    if stat.S_ISDIR(status.st_mode):
        for name in os.listxattr(path):
            if name.startswith(OVERLAY):
                os.removexattr(path, name)
    capability = None
    if stat.S_ISREG(status.st_mode) and status.st_mode & 0o111:
        try:
            capability = os.getxattr(path, CAPABILITY, follow_symlinks=False)
        except OSError:
            capability = None
    os.chown(path, status.st_uid + ids.uids, status.st_gid + ids.gids, follow_symlinks=False)
    if status.st_mode & (stat.S_ISUID | stat.S_ISGID) and not stat.S_ISLNK(status.st_mode):
        # The kernel takes these bits away with every change of owner.
        Path(path).chmod(stat.S_IMODE(status.st_mode))
    if capability is not None:
        os.setxattr(path, CAPABILITY, shifted_capability(capability, ids.uids))


def shift_tree(root: Path, ids: IdMap) -> None:
    """Add the map's first ids to every owner and group, set-id bits and capabilities kept.

    Not to be called twice on a tree; hard links are shifted once.
    """
    seen: set[tuple[int, int]] = set()
    _shift(str(root), os.lstat(root), ids)
    folders = [str(root)]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                status = entry.stat(follow_symlinks=False)
                if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
                    identity = (status.st_dev, status.st_ino)
                    if identity in seen:
                        continue
                    seen.add(identity)
                _shift(entry.path, status, ids)
                if stat.S_ISDIR(status.st_mode):
                    folders.append(entry.path)
