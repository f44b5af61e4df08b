"""The lock of an instance among the nodes of a Proxmox VE cluster.

It is a folder beside Proxmox VE's own locks in the cluster file system, and follows its rules:
`mkdir` acquires it; setting its time to now refreshes it; asking for its removal, by the time 0,
is refused until it has not been refreshed for 120 s, and removes it then. So the lock of a node
that died is free two minutes later, and that of a process which died here at once: who asks holds
this host's own lock, and a file beside says which node has the cluster's.

On a machine that is no node of a cluster there is no such lock.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from msgspec import Struct
from msgspec.structs import asdict

from tasks.errors import LockedError, NetworkError
from tasks.host.files import recalled
from tasks.paths import Paths

REFRESH_SECONDS = 30.0
"""Proxmox VE takes a lock away after 120 s without."""

NO_QUORUM = (errno.EACCES, errno.EPERM, errno.EIO, errno.EROFS)
"""What a change of the cluster file system ends with where it takes none."""


class ClusterHolder(Struct, frozen=True):
    """Who has the cluster's lock, as the file beside it says."""

    node: str
    pid: int
    operation: str


class ClusterLock:
    """A held lock, refreshed until `release`."""

    def __init__(self, folder: Path, record: Path) -> None:
        self._folder = folder
        self._record = record
        self._done = threading.Event()
        self._refresher = threading.Thread(target=self._refresh, daemon=True)
        self._refresher.start()

    def _refresh(self) -> None:
        while not self._done.wait(REFRESH_SECONDS):
            # Without quorum there is nothing to refresh, and nobody who could take it away.
            with suppress(OSError):
                os.utime(self._folder)

    def release(self) -> None:
        """Give it back. One that has been taken away meanwhile is no error."""
        self._done.set()
        self._refresher.join()
        with suppress(OSError):
            self._record.unlink(missing_ok=True)
            self._folder.rmdir()


def take(paths: Paths, instance_id: str, operation: str) -> ClusterLock | None:
    """Take the cluster's lock of an instance whose lock on this host is held; None where this
    machine is in no cluster.

    Raises LockedError naming the node that has it, NetworkError where there is no quorum.
    """
    node = node_of(paths)
    if node is None:
        return None
    folder = paths.cluster / "priv/lock" / f"vikunja-deploy-{instance_id}"
    record = paths.cluster / "priv" / f"vikunja-deploy-{instance_id}.holder"
    with _quorum(instance_id):
        folder.parent.mkdir(exist_ok=True)
        if not _mkdir(folder):
            holder = recalled(record, ClusterHolder)
            if holder is not None and holder.node == node:
                # Of this host, whose own lock is ours: whoever had it is dead.
                with suppress(FileNotFoundError):
                    folder.rmdir()
            else:
                with suppress(PermissionError, FileNotFoundError):
                    os.utime(folder, (0, 0))
            if not _mkdir(folder):
                raise _locked(instance_id, holder)
        record.write_text(f"{json.dumps(asdict(ClusterHolder(node, os.getpid(), operation)))}\n")
    return ClusterLock(folder, record)


def node_of(paths: Paths) -> str | None:
    """This machine's name in the cluster that it is in; None where it is in none."""
    members = recalled(paths.cluster / ".members", dict[str, object])
    if members is None or not members.get("cluster"):
        return None
    return str(members.get("nodename") or socket.gethostname())


def _mkdir(folder: Path) -> bool:
    try:
        folder.mkdir()
    except FileExistsError:
        return False
    return True


def _locked(instance_id: str, holder: ClusterHolder | None) -> LockedError:
    where = f"node {holder.node}" if holder else "another node"
    doing = f": {holder.operation}" if holder else ""
    return LockedError(
        f"locked by {where} of the cluster{doing}",
        where=instance_id,
        hint="Wait until it has finished; a node that died loses the lock after two minutes.",
    )


@contextmanager
def _quorum(instance_id: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in NO_QUORUM:
            raise
        raise NetworkError(
            "the cluster file system takes no changes: no quorum?",
            where=instance_id,
            hint="`pvecm status` on a node shows who is missing; bring back most of the nodes",
            evidence=[str(error)],
        ) from error
