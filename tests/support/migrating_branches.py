"""Branches of the sample's repository, with migrations that its main branch does not have."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tasks.builds.sample import IDENTITY, SOURCE

MORE, HALF = "20250901120000", "20250902090000"
"""Migrations: one that works, and one that never does."""

OLD, NEW = "v1.0.0", "v1.1.0"


def commit(repository: Path, branch: str, migration: str, tag: str) -> None:
    """A commit on a branch, which starts at main, with this migration of the sample's variants."""
    tree = repository.with_name(f"{repository.name}-{branch}")
    git = ["git", "-c", "commit.gpgsign=false", "-C", str(tree)]
    subprocess.run(["git", "clone", "-q", str(repository), str(tree)], check=True)
    subprocess.run([*git, "checkout", "-q", "-B", branch], check=True)
    if subprocess.run([*git, "rev-parse", "-q", "--verify", f"origin/{branch}"]).returncode == 0:
        subprocess.run([*git, "reset", "-q", "--hard", f"origin/{branch}"], check=True)
    name = f"{migration}.go"
    shutil.copy(SOURCE / "variants" / f"{name}.txt", tree / "pkg/migration" / name)
    subprocess.run([*git, "add", "--all"], check=True)
    environment = {**os.environ, **IDENTITY}
    subprocess.run([*git, "commit", "-q", "-m", branch], check=True, env=environment)
    subprocess.run([*git, "tag", tag], check=True)
    subprocess.run([*git, "push", "-q", "--tags", "origin", f"HEAD:{branch}"], check=True)
    shutil.rmtree(tree)
