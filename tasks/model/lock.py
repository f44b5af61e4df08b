"""The lock of an instance: data-model.md's folder, and who may take it from whom.

The folder holds `pid`, `timestamp` (Unix epoch, seconds), `owner` (user@hostname) and
`operation`, plus `started`, which tells a process from a later one with the same pid: boot id,
pid namespace and start time (field 22 of /proc/PID/stat).

Acquiring. `mkdir` of the lock's name is the acquisition, as for any other tool that follows the
data model: whoever comes second gets EEXIST. The files are prepared in a folder beside it and
renamed onto the empty one just made, so nobody ever sees half of them. A kill between the two
leaves an empty folder; its mode (sticky bit, set by the same mkdir) says that it is ours and not
one that another tool has just made and is about to fill.

Guarding. Judging a dead holder, removing its lock and taking the lock must be one step, or two
processes that judged the same dead lock would each remove it, the slower one the faster one's
new lock. An flock on a guard file beside makes it one; it is held for milliseconds, and the
kernel frees it when its holder dies. So inside it everything half made belongs to the dead and
is swept away: fixed names, nothing piles up. The guard alone would not do as the lock: it is
invisible to other tools and says nothing about its holder.

Releasing renames the folder away first, so it is never seen half removed.

A machine that is a node of a Proxmox VE cluster holds the cluster's lock of the instance as well
(cluster_lock.py), acquired after this one and released before it.

Judging. Dead: its pid is gone or was started at another time, it is a zombie, or this machine
has booted since. Dead frees the lock at once. Alive is never stale. Unknown (another host,
another pid namespace, no files) is stale after an hour, and then needs `unlock` all the same.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from tasks.errors import LockedError
from tasks.host.files import exclusive, make_folder, named, sync_folder, write_all
from tasks.model.cluster_lock import ClusterLock, take
from tasks.model.holder import FILES, LockInfo, inspect, ourselves
from tasks.paths import Paths

POLL_SECONDS = 0.1
_OURS = 0o1000
"""Sticky bit: in a lock folder without files, the proof that acquiring it was cut short."""


def _ignore(text: str) -> None:
    pass


class Lock:
    """A held lock. `with lock:` may be nested by whoever has the object; the outermost releases.

    Every other acquisition, from this process too, is refused while it is held.
    """

    def __init__(self, paths: Paths, instance_id: str, descriptor: int) -> None:
        self.paths = paths
        self.instance_id = instance_id
        # Open as long as it is held: the folder's inode number cannot be given to another.
        self._descriptor = descriptor
        self._process = os.getpid()
        self._depth = 0
        self._beyond: ClusterLock | None = None

    @classmethod
    def acquire(
        cls,
        paths: Paths,
        instance_id: str,
        operation: str,
        wait_seconds: float = 0,
        warn: Callable[[str], None] = _ignore,
    ) -> Lock:
        """Take the instance's lock, for a `with` statement or until `release()`.

        A dead holder's lock is freed, and `warn` told who it was. Raises LockedError naming
        holder, operation and since when, if it is still held after wait_seconds.
        """
        deadline = time.monotonic() + wait_seconds
        while True:
            taken = _try(paths, instance_id, operation, warn)
            if not isinstance(taken, LockInfo):
                return cls(paths, instance_id, taken)._taken_beyond(operation)
            if time.monotonic() >= deadline:
                raise locked(taken)
            time.sleep(min(POLL_SECONDS, max(0.0, deadline - time.monotonic())))

    def _taken_beyond(self, operation: str) -> Lock:
        """With the cluster's lock, where this machine is a node of one; else given back again."""
        try:
            self._beyond = take(self.paths, self.instance_id, operation)
        except BaseException:
            self.release()
            raise
        return self

    def release(self) -> None:
        """Give it back. A lock that `unlock` took away meanwhile is not touched."""
        if self._descriptor < 0:
            return
        descriptor, self._descriptor = self._descriptor, -1
        try:
            # A forked child has the object too; the lock is its parent's.
            if os.getpid() == self._process:
                if self._beyond is not None:
                    self._beyond.release()
                path = self.paths.lock(self.instance_id)
                with _guard(path):
                    if _is(path, descriptor):
                        _take_away(path)
        finally:
            os.close(descriptor)

    def __enter__(self) -> Lock:
        self._depth += 1
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._depth -= 1
        if self._depth == 0:
            self.release()


def force_unlock(paths: Paths, instance_id: str, expected: LockInfo | None = None) -> bool:
    """Remove the lock whoever holds it; True if there was one.

    expected: what the user was shown; raises LockedError if it has changed hands since.
    """
    path = paths.lock(instance_id)
    if not path.parent.is_dir():
        return False
    with _guard(path):
        found = inspect(paths, instance_id)
        if found is None:
            return False
        if expected is not None and not found.same_holder(expected):
            raise locked(found)
        _take_away(path)
    return True


def locked(info: LockInfo) -> LockedError:
    """The error for a lock that cannot be taken."""
    if info.holder == "alive":
        hint = "Wait until it has finished, or end it if it hangs."
    elif info.stale:
        hint = (
            "It is older than an hour and its holder cannot be judged from here: make sure that "
            f"it does not run any more, then: ./doit unlock {info.instance_id}"
        )
    else:
        hint = (
            "Its holder cannot be judged from here: wait, or make sure that it does not run any "
            f"more, then: ./doit unlock --force {info.instance_id}"
        )
    return LockedError(f"locked by {info.describe()}", where=info.instance_id, hint=hint)


def refuse_held(paths: Paths, instance_id: str) -> None:
    """Raise LockedError where a live operation holds the instance."""
    held = inspect(paths, instance_id)
    if held is not None and held.holder == "alive":
        raise locked(held)


def _try(
    paths: Paths, instance_id: str, operation: str, warn: Callable[[str], None]
) -> int | LockInfo:
    """An open descriptor of the lock folder now ours, or who has it."""
    path = paths.lock(instance_id)
    freed: LockInfo | None = None
    with _guard(path):
        found = inspect(paths, instance_id)
        if found is not None and (found.holder == "dead" or _cut_short(path, found)):
            _take_away(path)
            freed = found if found.holder == "dead" else None
            found = None
        if found is None:
            prepared = _prepare(path, operation)
            with named(path, "cannot be locked"):
                try:
                    path.mkdir(mode=0o755 | _OURS)
                except FileExistsError:
                    found = inspect(paths, instance_id)
                else:
                    try:
                        prepared.rename(path)
                        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                    except BaseException:
                        _take_away(path)
                        raise
    if freed is not None:
        warn(f"Freed the lock of {freed.describe()}: it ended without releasing it")
    if found is not None:
        return found
    return descriptor


def _prepare(path: Path, operation: str) -> Path:
    folder = _beside(path, "new")
    with named(path, "cannot be locked"):
        folder.mkdir(mode=0o755)
        for name, text in zip(FILES, (*ourselves(), operation), strict=True):
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            descriptor = os.open(folder / name, flags, 0o644)
            try:
                write_all(descriptor, f"{text}\n".encode())
                # Else a power cut may leave a lock that says nothing, and needs a hand.
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        sync_folder(folder)
    return folder


def _cut_short(path: Path, info: LockInfo) -> bool:
    return info.pid is None and bool(path.lstat().st_mode & _OURS) and not any(path.iterdir())


def _take_away(path: Path) -> None:
    with named(path, "cannot be unlocked"):
        gone = _beside(path, "gone")
        path.rename(gone)
        _delete(gone)


@contextmanager
def _guard(path: Path) -> Iterator[None]:
    with named(path, "cannot be locked"):
        make_folder(path.parent)
    with exclusive(_beside(path, "guard")):
        for name in ("new", "gone"):
            with named(path, "cannot be locked"), suppress(FileNotFoundError):
                _delete(_beside(path, name))
        yield


def _delete(folder: Path) -> None:
    # Not shutil: importing it takes longer than all of the rest here.
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            _delete(path)
        else:
            path.unlink()
    folder.rmdir()


def _beside(path: Path, name: str) -> Path:
    return path.with_name(f".{path.name}.{name}")


def _is(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
