"""What a plan asks about the application: where a branch is, or which releases are published."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

from msgspec import Struct

from tasks.builds.branch import resolve
from tasks.errors import DeployError
from tasks.host.background import in_background
from tasks.model.instance import Instance
from tasks.paths import Paths


class Answer(Struct, frozen=True):
    """commit: 40 hex digits, None where nothing is built. published: versions, newest first, empty
    where nobody had to be asked."""

    commit: str | None = None
    published: tuple[str, ...] = ()


Ask = Callable[[Instance, Paths], Callable[[], Answer]]
"""Begins to ask; what comes back waits for the answer, or raises what `ask` does."""


def asking(instance: Instance, paths: Paths) -> Callable[[], Answer]:
    return in_background(partial(ask, instance, paths))


def asking_once() -> Ask:
    """`asking` for many instances at one moment: of those with one branch of one repository, or one
    source of releases, one asks. Where that fails, each asks for itself, and has its own error."""
    begun: dict[object, Callable[[], Answer]] = {}
    lock = threading.Lock()

    def once(instance: Instance, paths: Paths) -> Callable[[], Answer]:
        key = (instance.git, instance.release)
        with lock:
            first = key not in begun
            if first:
                begun[key] = asking(instance, paths)
            answer = begun[key]

        def wait() -> Answer:
            try:
                return answer()
            except DeployError:
                if first:
                    raise
                return ask(instance, paths)

        return wait

    return once


def ask(instance: Instance, paths: Paths) -> Answer:
    """Where the branch is, or which releases are published.

    A published version that this machine has had asks nobody. Raises GitError, BuildError (no such
    branch or version) or NetworkError.
    """
    if instance.git is not None:
        return Answer(resolve(instance.git))
    release = instance.release
    if release is None or release.url is not None:
        return Answer()
    from tasks.builds import published
    from tasks.model import pins

    if release.version is None:
        return Answer(published=published.versions(release))
    if pins.find(paths, release.version, published.kind_of()) is None:
        published.refuse_unknown(release.version, published.versions(release))
    return Answer()
