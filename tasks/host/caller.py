"""Who runs the tool, and where it looks for programs."""

from __future__ import annotations

import os

from tasks.errors import UsageError

SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


def require_root(what: str, command: str) -> None:
    """Raise UsageError where this process is not root's. command: what to type behind `./doit`."""
    if os.geteuid() != 0:
        raise UsageError(f"{what} needs root", hint=f"Run it as root: sudo ./doit {command}")


def add_system_folders() -> None:
    """Look for programs in an administrator's folders from now on, too."""
    os.environ["PATH"] = with_system_folders(os.environ.get("PATH", ""))


def with_system_folders(path: str) -> str:
    """A PATH with the folders of an administrator's programs: cron's and `su`'s have none."""
    folders = [folder for folder in path.split(os.pathsep) if folder]
    return os.pathsep.join([*folders, *(one for one in SYSTEM_FOLDERS if one not in folders)])
