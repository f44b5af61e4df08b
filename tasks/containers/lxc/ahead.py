"""What `./doit demo` needs of this machine: packages, user ids, a root file system.

Run as a program, with nothing but msgspec and sh, while the rest of `.venv` is being made. Whoever
needs the same meanwhile waits for it; what fails here fails there again, and is said there.
"""

from __future__ import annotations

from tasks.containers.lxc import PACKAGES
from tasks.containers.lxc.apt import read_setup
from tasks.containers.lxc.rootfs import ensure_rootfs
from tasks.host.packages import ensure, ensure_user_ids
from tasks.host.user_ids import read_idmap
from tasks.model.instance import NEWEST_SUITE
from tasks.paths import host_paths

if __name__ == "__main__":
    ensure(("git", *PACKAGES))
    ensure_user_ids()
    setup = read_setup(NEWEST_SUITE)
    ensure_rootfs(host_paths().cache, NEWEST_SUITE, setup, read_idmap())
