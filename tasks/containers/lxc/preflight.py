"""What plain LXC needs of a machine, checked without changing it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from tasks.containers.lxc.cgroup import read_layout
from tasks.errors import ResourceError
from tasks.host.process import execute
from tasks.host.user_ids import read_idmap
from tasks.model.finding import MACHINE, Finding
from tasks.paths import Paths

PROGRAMS = (
    ("lxc-start", "lxc"),
    ("lxc-attach", "lxc"),
    ("mmdebstrap", "mmdebstrap"),
    ("iptables", "iptables"),
    ("ip", "iproute2"),
    ("newuidmap", "uidmap"),
    ("unshare", "util-linux"),
    ("setpriv", "util-linux"),
    ("flock", "util-linux"),
)
"""Programs and the Debian packages that have them."""


class Lack(Struct, frozen=True):
    """Something that is missing. what: one line; hint: what to do. mended: an apply brings it
    about. needed: there is no container without it."""

    what: str
    hint: str
    mended: bool = False
    needed: bool = True

    def __str__(self) -> str:
        return f"{self.what} ({self.hint})"


def preflight(paths: Paths) -> list[Lack]:
    """Everything that keeps plain LXC from working here; empty where nothing does."""
    if os.geteuid() != 0:
        return [Lack("plain LXC needs root", "run it as root")]
    return [*_programs(), *_user_ids(), *_kernel(), *_control_groups(), *_place(paths)]


def missing_packages() -> list[str]:
    """The Debian packages of the programs that are not there."""
    return sorted({package for name, package in PROGRAMS if shutil.which(name) is None})


def _programs() -> list[Lack]:
    packages = missing_packages()
    if not packages:
        return []
    return [
        Lack(
            f"Debian packages are missing: {' '.join(packages)}",
            f"./doit apply installs them, as does: apt-get install {' '.join(packages)}",
            mended=True,
        )
    ]


def _user_ids() -> list[Lack]:
    try:
        read_idmap()
    except ResourceError as error:
        return [Lack(error.what, error.hint, mended=True)]
    return []


def has_file_system(name: str, listing: str) -> bool:
    """Whether /proc/filesystems names it."""
    return any(line.split()[-1:] == [name] for line in listing.splitlines())


def _kernel() -> list[Lack]:
    found = []
    if not has_file_system("overlay", Path("/proc/filesystems").read_text()) and not _loads(
        ["modprobe", "--dry-run", "overlay"]
    ):
        found.append(Lack("the kernel has no overlay file system", "load the module overlay"))
    for name in ("user", "net", "pid", "mnt", "uts", "ipc"):
        if not Path(f"/proc/self/ns/{name}").exists():
            found.append(Lack(f"the kernel has no {name} namespaces", "use a kernel that has them"))
    limit = Path("/proc/sys/user/max_user_namespaces")
    if limit.is_file() and limit.read_text().strip() == "0":
        found.append(
            Lack("user namespaces are switched off", "sysctl user.max_user_namespaces=15000")
        )
    tools = [one for one in ("iptables", "iptables-nft", "iptables-legacy") if shutil.which(one)]
    # Without any, the package is missing.
    if tools and not any(_loads([one, "-w", "-t", "nat", "-S", "POSTROUTING"]) for one in tools):
        found.append(
            Lack(
                "no variant of iptables can read this kernel's NAT table",
                "load the module nft_chain_nat or iptable_nat; an own bridge needs it",
            )
        )
    return found


def _loads(argv: Sequence[str]) -> bool:
    return shutil.which(argv[0]) is not None and execute(argv, check=False).returncode == 0


def _control_groups() -> list[Lack]:
    layout = read_layout()
    missing = [name for name in ("cpu", "memory") if getattr(layout, name) is None]
    return [
        Lack(
            f"no control group hierarchy with the {name} controller is mounted",
            "mount cgroup2 at /sys/fs/cgroup; without it resources are not limited",
            needed=False,
        )
        for name in missing
    ]


def _place(paths: Paths) -> list[Lack]:
    odd = [str(path) for path in (paths.lxc, paths.cache) if set(str(path)) & set(" ,:\\\"'")]
    return [
        Lack(
            f"the path {path} has a character that LXC or the overlay cannot take",
            "choose a prefix of letters, digits, dots, dashes and slashes",
        )
        for path in odd
    ]


FINE = "plain LXC has its programs, user ids, kernel features and control groups"


def evaluate(missing: Sequence[Lack]) -> list[Finding]:
    """What is missing, as findings of `check`."""
    if not missing:
        return [Finding(MACHINE, "host", "ok", FINE)]
    return [
        Finding(MACHINE, "host", "warning", item.what, item.hint)
        if item.mended or not item.needed
        else Finding(MACHINE, "host", "problem", item.what, item.hint, ResourceError.exit_code)
        for item in missing
    ]
