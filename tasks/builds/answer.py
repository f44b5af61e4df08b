"""What a plan asks about the application: where a branch is, or which releases are published."""

from __future__ import annotations

from msgspec import Struct

from tasks.builds.branch import resolve
from tasks.model.instance import Instance
from tasks.paths import Paths


class Answer(Struct, frozen=True):
    """commit: 40 hex digits, None where nothing is built. published: versions, newest first, empty
    where nobody had to be asked."""

    commit: str | None = None
    published: tuple[str, ...] = ()


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
