"""Processes and files of the host."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from tasks.errors import DeployError, ResourceError

EVIDENCE_LINES = 20


class Completed(Struct, frozen=True):
    """A finished command. The container's command's own exit code, byte-exact output."""

    argv: tuple[str, ...]
    returncode: int
    stdout: bytes
    stderr: bytes


def last_lines(text: bytes | str, count: int = EVIDENCE_LINES) -> tuple[str, ...]:
    """The last lines that say something, oldest first."""
    decoded = text.decode(errors="replace") if isinstance(text, bytes) else text
    lines = [line.rstrip() for line in decoded.splitlines() if line.strip()]
    return tuple(lines[-count:])


def execute(
    argv: Sequence[str],
    *,
    where: str = "",
    hint: str = "",
    timeout: float = 60,
    environment: Mapping[str, str] | None = None,
    check: bool = True,
    lock: int | None = None,
) -> Completed:
    """Run a program of the host without input; a non-zero exit raises DeployError if check.

    lock: a lock's descriptor that the program holds as well, so that it outlives this process.
    """
    try:
        process = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            env=environment,
            cwd="/",
            check=False,
            pass_fds=() if lock is None else (lock,),
        )
    except FileNotFoundError as error:
        raise ResourceError(
            f"{argv[0]} is not installed",
            where=where,
            hint="`./doit check` names the Debian packages that are missing",
        ) from error
    except subprocess.TimeoutExpired as error:
        raise DeployError(
            f"{argv[0]} did not finish in {timeout:g} s",
            where=where,
            hint=hint,
            evidence=last_lines(error.stderr or b""),
        ) from error
    completed = Completed(tuple(argv), process.returncode, process.stdout, process.stderr)
    if check and process.returncode != 0:
        raise DeployError(
            f"{argv[0]} failed with exit code {process.returncode}",
            where=where,
            hint=hint,
            evidence=last_lines(process.stderr or process.stdout),
        )
    return completed


def sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def mounts_below(folder: Path, mountinfo: str) -> list[str]:
    """Mount points at or below a folder, the deepest first."""
    found = []
    for line in mountinfo.splitlines():
        # The kernel writes space, tab, newline and backslash as octal escapes.
        point = line.split(" ", 5)[4].encode().decode("unicode_escape")
        if point == str(folder) or point.startswith(f"{folder}/"):
            found.append(point)
    return sorted(found, key=len, reverse=True)


def unmount_below(folder: Path, where: str = "") -> None:
    for point in mounts_below(folder, Path("/proc/self/mountinfo").read_text()):
        execute(
            ["umount", point],
            where=where,
            hint=f"`fuser -vm {point}` shows what holds it; stop that and try again",
        )


def remove_tree(folder: Path, where: str = "") -> None:
    """Remove a folder with what is mounted in it unmounted first. Gone already is success."""
    unmount_below(folder, where)
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(folder)


def uses_apparmor(module: Path = Path("/sys/module/apparmor/parameters/enabled")) -> bool:
    """Whether this kernel confines with AppArmor and LXC can load a profile for a container."""
    enabled = module.is_file() and module.read_text().strip() == "Y"
    return enabled and shutil.which("apparmor_parser") is not None
