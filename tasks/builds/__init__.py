"""From what is configured (a repository and branch, or a release) to an artifact in the cache.

    ask → artifact_key → find → build → verify

`ask` is the only one that asks the network on every plan. `build` gives what is cached
where it can, and never leaves half an artifact.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tasks.builds.answer import Answer, Ask, ask, asking, asking_once
from tasks.builds.artifact import Artifact, artifact_key, find, prune, verify
from tasks.builds.branch import resolve, resolve_many

if TYPE_CHECKING:
    from tasks.builds.check import check_toolchain
    from tasks.builds.job import build

__all__ = [
    "Answer",
    "Artifact",
    "Ask",
    "artifact_key",
    "ask",
    "asking",
    "asking_once",
    "build",
    "check_toolchain",
    "find",
    "prune",
    "resolve",
    "resolve_many",
    "verify",
]


def __getattr__(name: str) -> Any:
    # Every plan imports this package, and a build's modules cost more than the rest of it.
    if name == "build":
        from tasks.builds.job import build

        return build
    if name == "check_toolchain":
        from tasks.builds.check import check_toolchain

        return check_toolchain
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
