"""The sample application as a git repository: what the demo and the tests deploy."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tasks.errors import GitError
from tasks.host.process import last_lines, run
from tasks.paths import ROOT

SOURCE = ROOT / "examples" / "sample"
VERSION = "v1.0.0"

IDENTITY = {
    "GIT_AUTHOR_NAME": "vikunja-deploy",
    "GIT_AUTHOR_EMAIL": "vikunja-deploy@example.com",
    "GIT_AUTHOR_DATE": "2025-10-19T10:00:00Z",
    "GIT_COMMITTER_NAME": "vikunja-deploy",
    "GIT_COMMITTER_EMAIL": "vikunja-deploy@example.com",
    "GIT_COMMITTER_DATE": "2025-10-19T10:00:00Z",
}
"""Fixed, so that the same files always make the same commit and so the same cached build."""


def make_repository(target: Path, source: Path = SOURCE, version: str = VERSION) -> str:
    """A bare repository at target with the source's files as one commit on main, tagged.

    The same files make the same commit; made aside and renamed into place. Returns the commit,
    40 hex digits. Raises GitError.
    """
    aside = target.with_name(f".{target.name}.{os.getpid()}")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        _git(aside, "init", "--quiet", "--bare", "--initial-branch=main", str(aside))
        _git(aside, "add", "--all", work_tree=source)
        _git(
            aside,
            "commit",
            "--quiet",
            "--no-gpg-sign",
            "-m",
            "Sample application",
            work_tree=source,
        )
        _git(aside, "tag", "--no-sign", version)
        commit = _git(aside, "rev-parse", "main").strip()
        if _commit_of(target) == commit:
            return commit
        old = target.with_name(f".{target.name}.{os.getpid()}.old")
        if target.exists():
            target.rename(old)
        aside.rename(target)
        shutil.rmtree(old, ignore_errors=True)
        return commit
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _commit_of(target: Path) -> str:
    return _git(target, "rev-parse", "main").strip() if target.exists() else ""


def _git(repository: Path, *arguments: str, work_tree: Path | None = None) -> str:
    argv = ["git", f"--git-dir={repository}", "-c", "core.excludesFile=/dev/null"]
    if work_tree:
        argv.append(f"--work-tree={work_tree}")
    if arguments[0] == "init":
        argv = ["git"]
    path = os.environ.get("PATH", "/usr/bin:/bin")
    environment = {"PATH": path, "HOME": "/nonexistent", **IDENTITY}
    completed = run([*argv, *arguments], environment=environment)
    if completed.returncode != 0:
        raise GitError(
            f"git {arguments[0]} failed",
            where=str(repository),
            evidence=last_lines(completed.stderr, 5),
            hint="Is git installed, and the folder writable?",
        )
    return completed.stdout.decode()
