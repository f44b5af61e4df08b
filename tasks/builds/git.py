"""From a commit to its tree: the mirror of a repository, which is a cache."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tasks.builds import remote as runner
from tasks.builds.remote import DAMAGED, Remote
from tasks.errors import GitError
from tasks.host.locks import locked, tried
from tasks.host.process import Completed, start
from tasks.model.instance import Git
from tasks.paths import Paths
from tasks.progress import SILENT, Progress

FETCH_SECONDS = 1800.0
LOCAL_SECONDS = 120.0
GONE = re.compile(r"not our ref|unadvertised object|couldn't find remote ref")
UNUSED_SECONDS = 60 * 24 * 3600
"""After this long without a build from it, a mirror is not kept."""


def mirror_path(git: Git, paths: Paths) -> Path:
    """Where the bare mirror of the repository is, there or not."""
    url = Remote.parse(git.repository).url
    return paths.cache / "git" / f"{hashlib.sha256(url.encode()).hexdigest()[:20]}.git"


def fetch(git: Git, commit: str, paths: Paths, progress: Progress = SILENT) -> Path:
    """Make the mirror hold the commit and every tag of the remote; gives the mirror's path.

    The network is asked only where the commit is not there yet, or is damaged: the mirror is a
    cache, and a damaged one is made anew. GitError where the remote does not have it any more.
    """
    mirror = mirror_path(git, paths)
    mirror.parent.mkdir(parents=True, exist_ok=True)
    remote = Remote.parse(git.repository)
    with locked(_lock_of(mirror)):
        if holds(mirror, commit):
            if _whole(mirror, commit):
                os.utime(mirror)
                return mirror
            # What it is taken to have, no fetch would bring.
            shutil.rmtree(mirror)
        progress.step(f"fetching {git.branch} from {remote.url}")
        existed = mirror.is_dir()
        stderr = _fetch_into(mirror, remote, commit)
        if stderr and existed and DAMAGED.search(stderr):
            progress.step(f"fetching {remote.url} anew: its mirror here is damaged")
            shutil.rmtree(mirror)
            stderr = _fetch_into(mirror, remote, commit)
        if not stderr:
            os.utime(mirror)
            return mirror
        if GONE.search(stderr) and not DAMAGED.search(stderr):
            raise GitError(
                f"commit {commit[:10]} of {git.branch} is not there any more: the branch moved",
                where=remote.url,
                hint="plan again",
                evidence=stderr.splitlines()[-5:],
            )
        raise runner.failure(remote, stderr)


def _fetch_into(mirror: Path, remote: Remote, commit: str) -> str:
    """What git says of why it failed; empty where it has not."""
    begun = _local(["init", "--quiet", "--bare", str(mirror)])
    if begun.returncode and DAMAGED.search(_said(begun)):
        return _said(begun)
    if begun.returncode:
        raise runner.failure(Remote(str(mirror)), _said(begun))
    _keep_every_file(mirror)
    done = runner.run(
        [
            *("--git-dir", str(mirror), "-c", "gc.autoDetach=false"),
            *("fetch", "--quiet", "--no-tags", "--prune", "--", remote.url),
            *(f"+{commit}:refs/wanted/{commit}", "+refs/tags/*:refs/tags/*"),
        ],
        remote,
        timeout=FETCH_SECONDS,
        check=False,
    )
    return (_said(done) or "git gave no reason") if done.returncode else ""


def prune_mirrors(paths: Paths) -> None:
    """Remove mirrors that nothing was built from for long; a fetch makes them again."""
    for mirror in (paths.cache / "git").glob("*.git"):
        if time.time() - mirror.stat().st_mtime < UNUSED_SECONDS:
            continue
        with tried(_lock_of(mirror)) as mine:
            if mine:
                shutil.rmtree(mirror)
                _lock_of(mirror).unlink()


def _keep_every_file(mirror: Path) -> None:
    # A tree's own attributes could leave files out of an archive; a build wants what a clone has.
    attributes = mirror / "info" / "attributes"
    attributes.parent.mkdir(exist_ok=True)
    attributes.write_text("* -export-ignore -export-subst\n")


def holds(mirror: Path, commit: str) -> bool:
    """Whether the mirror has the commit with everything that a fetch brings along."""
    if not mirror.is_dir():
        return False
    # The reference is written after its objects: an interrupted fetch leaves none.
    arguments = ["rev-parse", "--verify", "--quiet", f"refs/wanted/{commit}"]
    return _at(mirror, arguments).returncode == 0


def _whole(mirror: Path, commit: str) -> bool:
    """Whether every file of the commit's tree is there. Of a file itself nothing is read."""
    arguments = ["rev-list", "--objects", "--no-walk", "--quiet", commit]
    return _at(mirror, arguments).returncode == 0


def describe(mirror: Path, commit: str) -> str:
    """The version of a commit as Vikunja's own build names it (`v1.0.0-12-g0123456789`)."""
    return _read(mirror, ["describe", "--tags", "--always", "--abbrev=10", commit]).strip()


def commit_time(mirror: Path, commit: str) -> int:
    """When it was committed, in seconds since the epoch."""
    return int(_read(mirror, ["show", "--no-patch", "--format=%ct", commit]))


def apart(mirror: Path, old: str, new: str) -> tuple[int, int] | None:
    """How many commits only the new one has, and how many only the old one; None where the mirror
    does not know one of them."""
    done = _at(mirror, ["rev-list", "--left-right", "--count", f"{old}...{new}", "--"])
    if done.returncode:
        return None
    gone, come = done.stdout.split()
    return int(come), int(gone)


def files(mirror: Path, commit: str, folder: str = "") -> tuple[str, ...]:
    """Names directly in a folder of the commit's tree; empty where there is no such folder."""
    done = _at(mirror, ["ls-tree", "-z", "--name-only", f"{commit}:{folder.strip('/')}"])
    _refuse_damaged(mirror, _said(done))
    return tuple(name for name in done.stdout.decode(errors="replace").split("\0") if name)


def show(mirror: Path, commit: str, path: str) -> str | None:
    """The text of one file of the commit's tree, None where there is none."""
    done = _at(mirror, ["cat-file", "blob", f"{commit}:{path}"])
    _refuse_damaged(mirror, _said(done))
    return None if done.returncode else done.stdout.decode(errors="replace")


@contextmanager
def tree(mirror: Path, commit: str) -> Iterator[IO[bytes]]:
    """The commit's files as a tar stream from a process: read it to its end."""
    process = start(
        ["git", "--git-dir", str(mirror), "archive", "--format=tar", commit],
        environment=runner.environment(Remote(str(mirror)), os.environ),
    )
    assert process.stdout and process.stderr
    try:
        yield process.stdout
    except BaseException:
        process.kill()
        raise
    finally:
        process.stdout.close()
        stderr = process.stderr.read().decode(errors="replace")
        process.stderr.close()
        returncode = process.wait()
        # Whoever takes the files fails as well, and cannot know why.
        _refuse_damaged(mirror, stderr)
    if returncode:
        raise GitError(
            f"the tree of {commit[:10]} cannot be read from the mirror",
            where=str(mirror),
            hint="remove the mirror; it is fetched again",
            evidence=stderr.splitlines()[-20:],
        )


def _refuse_damaged(mirror: Path, stderr: str) -> None:
    """Raise GitError where git says that what it has read in the mirror is damaged, which is gone
    then."""
    if not DAMAGED.search(stderr):
        return
    with locked(_lock_of(mirror)):
        shutil.rmtree(mirror, ignore_errors=True)
    raise GitError(
        "the mirror of the repository was damaged, and has been removed",
        where=str(mirror),
        hint="try again: it is fetched anew. If it comes back, check the disk",
        evidence=stderr.splitlines()[-5:],
    )


def _read(mirror: Path, arguments: list[str]) -> str:
    """What git answers of the mirror, which has to have an answer."""
    done = _at(mirror, arguments)
    if done.returncode:
        _refuse_damaged(mirror, _said(done))
        raise runner.failure(Remote(str(mirror)), _said(done))
    return done.stdout.decode(errors="replace")


def _at(mirror: Path, arguments: list[str]) -> Completed:
    # Of what is no repository any more, git would look for one above it.
    return _local(["--git-dir", str(mirror), *arguments])


def _local(arguments: list[str]) -> Completed:
    mirror = Remote("the mirror")
    return runner.run(arguments, mirror, timeout=LOCAL_SECONDS, check=False, local=True)


def _said(done: Completed) -> str:
    return done.stderr.decode(errors="replace")


def _lock_of(mirror: Path) -> Path:
    return mirror.with_suffix(".lock")
