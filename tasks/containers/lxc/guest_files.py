"""Files of a container, reached from the host.

Root of the container decides what its names point to, so no link of it is ever followed: a link
to `/etc/shadow` made in the container must not lead to the host's.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

LARGEST = 64 * 1024


@contextlib.contextmanager
def _folder_of(
    root: Path, path: str, create_as: tuple[int, int] | None
) -> Iterator[tuple[int, str]]:
    *folders, name = path.strip("/").split("/")
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(root, flags)
    try:
        for folder in folders:
            if create_as is not None:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(folder, 0o755, dir_fd=descriptor)
                    os.chown(folder, *create_as, dir_fd=descriptor, follow_symlinks=False)
            deeper = os.open(folder, flags, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = deeper
        yield descriptor, name
    finally:
        os.close(descriptor)


def read(root: Path, path: str) -> bytes | None:
    """The first 64 KiB of a regular file; None where there is none, or a link on the way."""
    try:
        with _folder_of(root, path, None) as (folder, name):
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            descriptor = os.open(name, flags, dir_fd=folder)
            with os.fdopen(descriptor, "rb") as file:
                return file.read(LARGEST)
    except OSError:
        return None


def is_there(root: Path, path: str) -> bool:
    """Whether anything has that name, a link included."""
    try:
        with _folder_of(root, path, None) as (folder, name):
            os.lstat(name, dir_fd=folder)
    except OSError:
        return False
    return True


def write(root: Path, path: str, data: bytes, owner: tuple[int, int], mode: int = 0o644) -> None:
    """Put a file there atomically, folders on the way made where missing.

    owner: uid and gid as the host counts them. Raises OSError where a link is in the way.
    """
    with _folder_of(root, path, owner) as (folder, name):
        aside = f".{name}.vikunja-deploy"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(aside, dir_fd=folder)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(aside, flags, mode, dir_fd=folder)
        with os.fdopen(descriptor, "wb") as file:
            os.fchown(descriptor, *owner)
            os.fchmod(descriptor, mode)
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        os.rename(aside, name, src_dir_fd=folder, dst_dir_fd=folder)
        os.fsync(folder)


def link(root: Path, path: str, target: str, owner: tuple[int, int]) -> None:
    """Put a symbolic link there atomically. See write."""
    with _folder_of(root, path, owner) as (folder, name):
        aside = f".{name}.vikunja-deploy"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(aside, dir_fd=folder)
        os.symlink(target, aside, dir_fd=folder)
        os.chown(aside, *owner, dir_fd=folder, follow_symlinks=False)
        os.rename(aside, name, src_dir_fd=folder, dst_dir_fd=folder)
        os.fsync(folder)


def remove(root: Path, path: str) -> None:
    """Take a file or link away. Gone already is success; OSError where a link is on the way."""
    with contextlib.suppress(FileNotFoundError), _folder_of(root, path, None) as (folder, name):
        os.unlink(name, dir_fd=folder)
        os.fsync(folder)
