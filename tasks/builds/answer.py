"""What a plan asks about the application: where a branch is, or which releases are published."""

from __future__ import annotations

import threading
from collections.abc import Callable

from msgspec import Struct

from tasks.builds.branch import resolve
from tasks.model.instance import Instance
from tasks.paths import Paths


class Answer(Struct, frozen=True):
    """commit: 40 hex digits, None where nothing is built. published: versions, newest first, empty
    where nobody had to be asked."""

    commit: str | None = None
    published: tuple[str, ...] = ()


Ask = Callable[[Instance, Paths], Answer]


def asking_once() -> Ask:
    """`ask` for many instances at one moment: of those with one branch of one repository, or one
    source of releases, one asks. Where that fails, each asks for itself, and has its own error."""
    from concurrent.futures import Future

    answers: dict[object, Future[Answer | None]] = {}
    lock = threading.Lock()

    def asked(instance: Instance, paths: Paths) -> Answer:
        key = (instance.git, instance.release)
        with lock:
            first = key not in answers
            answer = answers.setdefault(key, Future())
        if first:
            try:
                answer.set_result(ask(instance, paths))
            finally:
                if not answer.done():
                    answer.set_result(None)
        return answer.result() or ask(instance, paths)

    return asked


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
