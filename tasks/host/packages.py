"""Debian packages and user ids that this machine needs, installed where they are missing."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tasks.errors import DeployError, NetworkError, ResourceError
from tasks.host.locks import locked
from tasks.host.process import Completed, last_lines, run, sync_folder
from tasks.host.user_ids import with_root_range
from tasks.progress import SILENT, Progress

SAME = {"lxc": "lxc-pve"}
"""Where another package is the same: Proxmox VE brings its own, and would go with Debian's."""

DPKG = Path("/var/lib/dpkg")

LOCK_WAIT = 300
"""Seconds to wait for another apt or dpkg to finish."""

NETWORK_SIGNS = ("Failed to fetch", "Could not resolve", "Temporary failure", "Unable to connect")


def parse_installed(status: str) -> set[str]:
    """Names from `dpkg-query -W -f '${db:Status-Status} ${Package}\\n'` that are installed."""
    lines = (line.split() for line in status.splitlines())
    return {fields[1] for fields in lines if len(fields) == 2 and fields[0] == "installed"}


def install_argv(packages: Sequence[str]) -> list[str]:
    return [
        "apt-get",
        "--quiet",
        "--yes",
        "--no-install-recommends",
        "--option",
        f"DPkg::Lock::Timeout={LOCK_WAIT}",
        "--option",
        "Dpkg::Options::=--force-confold",
        "install",
        "--",
        *packages,
    ]


def update_argv() -> list[str]:
    return ["apt-get", "--quiet", "--option", f"DPkg::Lock::Timeout={LOCK_WAIT}", "update"]


def missing(packages: Sequence[str]) -> list[str]:
    """Those of the packages that are not installed, in their order."""
    same = [SAME[package] for package in packages if package in SAME]
    form = "--showformat=${db:Status-Status} ${Package}\n"
    query = ["dpkg-query", "--show", form, *packages, *same]
    try:
        completed = run(query)
    except FileNotFoundError as error:
        raise ResourceError(
            "this machine has no dpkg: it is no Debian",
            hint=f"install by hand what these Debian packages hold: {' '.join(packages)}",
        ) from error
    installed = parse_installed(completed.stdout.decode())
    return [one for one in packages if not {one, SAME.get(one, one)} & installed]


def ensure(packages: Sequence[str], progress: Progress = SILENT) -> list[str]:
    """Install what is missing, saying so first; what was installed comes back.

    The package lists are fetched only where the ones at hand do not do. Raises ResourceError
    without root or for a package that no archive has, NetworkError where none answers.
    """
    wanted = missing(packages)
    if not wanted:
        return []
    if os.geteuid() != 0:
        raise ResourceError(
            f"Debian packages are missing: {' '.join(wanted)}",
            hint=f"as root: apt-get install {' '.join(wanted)}",
        )
    installing = f"installing Debian packages: {' '.join(wanted)}"
    progress.step(installing)
    # Whoever else installs some: apt waits for dpkg's lock, but for none of its own.
    with locked(DPKG):
        first = _apt(install_argv(wanted))
        if first.returncode == 0:
            return wanted
        progress.step("fetching package lists")
        update = _apt(update_argv())
        progress.step(installing)
        second = _apt(install_argv(wanted))
    if second.returncode != 0:
        raise failure(wanted, (update.stderr + second.stderr).decode(errors="replace"))
    return wanted


def failure(packages: Sequence[str], output: str) -> DeployError:
    """The error for an apt-get that failed for good."""
    kind = NetworkError if any(sign in output for sign in NETWORK_SIGNS) else ResourceError
    return kind(
        f"apt-get could not install {' '.join(packages)}",
        hint="run `apt-get update` and that install by hand, mend what they say, and try again",
        evidence=last_lines(output),
    )


def _apt(argv: Sequence[str]) -> Completed:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    return run(argv, environment=environment)


def ensure_user_ids(etc: Path = Path("/etc")) -> list[Path]:
    """Give root a range of ids for containers in subuid and subgid; the changed files come back.

    A range that root has already is used as it is; one that another user has is never taken.
    """
    changed = []
    for name in ("subuid", "subgid"):
        file = etc / name
        # The folder itself is the lock: nothing is left behind in /etc.
        with locked(etc):
            before = file.read_text() if file.is_file() else ""
            after = with_root_range(before)
            if after != before:
                _replace(file, after)
                changed.append(file)
    return changed


def _replace(file: Path, text: str) -> None:
    descriptor, aside = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
        os.fchmod(descriptor, 0o644)
        stream.flush()
        os.fsync(descriptor)
    Path(aside).rename(file)
    sync_folder(file.parent)
