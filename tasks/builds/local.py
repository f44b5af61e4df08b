"""Building on this machine, as an unprivileged user where doit runs as root."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO

from tasks.builds.artifact import work_path
from tasks.builds.workplace import Command, Outcome, too_long
from tasks.errors import BuildError
from tasks.host import locks
from tasks.host.cancelling import ended_by
from tasks.host.process import DEVNULL, PIPE, STDOUT, TimedOut, kill_group, start
from tasks.paths import Paths
from tasks.progress import SILENT, Progress

USER = "nobody"
"""Build scripts are foreign code. This user exists on every Debian and owns nothing."""


def confine(argv: Sequence[str], identity: tuple[int, int] | None) -> list[str]:
    """argv so that it, and all it starts, dies with the process that starts it.

    identity: uid and gid to become, None where this process is unprivileged itself. Becoming
    another user comes with a process namespace, which no daemon of a build outlives.
    """
    mortal = ["setpriv", "--pdeathsig", "KILL", "--"]
    if identity is None:
        return [*mortal, *argv]
    uid, gid = identity
    return [
        *mortal,
        *("unshare", "--pid", "--fork", "--kill-child=KILL", "--"),
        # Becoming another user takes away the signal that unshare asked for.
        *("setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "--no-new-privs"),
        *("--pdeathsig", "KILL", "--"),
        *argv,
    ]


class LocalWorkplace:
    """This machine. Made by `local_workplace`, which owns its folders."""

    name = "this machine"

    def __init__(self, home: Path, tree: Path, identity: tuple[int, int] | None) -> None:
        self.home, self.tree = str(home), str(tree)
        self._identity = identity

    def provide(self, packages: Sequence[str], progress: Progress) -> bool:
        return False

    def execute(
        self, command: Command, *, stdout: IO[bytes], stdin: IO[bytes] | None = None
    ) -> Outcome:
        # env changes the folder after the user was changed: root follows no link of the tree.
        confined = confine(
            ["/usr/bin/env", "-C", command.folder, "--", *command.argv], self._identity
        )
        process = start(
            confined,
            program=shutil.which(confined[0]),
            environment=command.environment,
            stdin=stdin or DEVNULL,
            stdout=stdout,
            stderr=STDOUT if command.merge else PIPE,
        )
        try:
            with ended_by(partial(kill_group, process)):
                _, stderr = process.communicate(timeout=command.timeout)
        except TimedOut as error:
            raise too_long(command) from error
        finally:
            kill_group(process)
            process.wait()
        return Outcome(process.returncode, stderr or b"")


def build_identity() -> tuple[int, int] | None:
    """uid and gid that builds run as; None: as this process."""
    if os.geteuid() != 0:
        return None
    user = pwd.getpwnam(USER)
    return user.pw_uid, user.pw_gid


@contextmanager
def local_workplace(
    paths: Paths, key: str, progress: Progress = SILENT
) -> Iterator[LocalWorkplace]:
    """A place on this machine; the tree is removed at the end, the home stays.

    The caller holds the lock of `key`. One build at a time: they share caches and cores.
    """
    identity = build_identity()
    home, tree = paths.cache / "build-home", work_path(paths, key) / "tree"
    paths.cache.mkdir(parents=True, exist_ok=True)
    lock_file = paths.cache / "build-home.lock"
    with locks.locked(lock_file, lambda: progress.step("waiting for another build")):
        for folder in (home, tree):
            folder.mkdir(parents=True, exist_ok=True)
            if identity:
                os.chown(folder, *identity)
                _check_reachable(folder)
        home.chmod(0o700)
        try:
            yield LocalWorkplace(home, tree, identity)
        finally:
            shutil.rmtree(work_path(paths, key), ignore_errors=True)


def _check_reachable(folder: Path) -> None:
    for parent in folder.parents:
        if not parent.stat().st_mode & stat.S_IXOTH:
            raise BuildError(
                f"builds run as the user {USER}, who cannot get through {parent}",
                hint=f"chmod o+x {parent}, or build.where: container",
            )
