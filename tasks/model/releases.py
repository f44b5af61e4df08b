"""Which releases of an instance have served: what a rollback goes back to, and what is kept.

`releases/<instance>.json`: `served`, newest first; `current`, the key of the one that serves; and
`tried`, keys of builds that were put into place and have not served (yet). The builds themselves
are in the cache.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from tasks.host.files import recalled, write_json
from tasks.paths import Paths


class Served(Struct, frozen=True):
    """key: of the build. commit: 40 hex digits, None for a finished archive.

    migrations: that the database had been through when it came to serve, oldest first; None where
    that was not seen. Of a finished archive nothing else tells which ones it knows.
    """

    key: str
    commit: str | None
    version: str
    migrations: tuple[str, ...] | None


class Releases(Struct, frozen=True):
    """served: newest first. current: key of the one that serves, empty where unknown."""

    served: tuple[Served, ...]
    current: str
    tried: tuple[str, ...]

    @property
    def keys(self) -> frozenset[str]:
        return frozenset((*(release.key for release in self.served), *self.tried))

    @property
    def since_current(self) -> tuple[Served, ...]:
        """What serves and what served before it, newest first."""
        keys = [release.key for release in self.served]
        return self.served[keys.index(self.current) :] if self.current in keys else self.served


NONE_SERVED = Releases((), "", ())


def before(releases: Releases, key: str) -> Served | None:
    """What served before the release of this key; None where that is not known."""
    older = [release for release in releases.since_current if release.key != key]
    return older[0] if older else None


def trying(releases: Releases, key: str) -> Releases:
    """The record with a build that is put into place, and may come to serve or not."""
    if key in releases.keys:
        return releases
    return Releases(releases.served, releases.current, (*releases.tried, key))


def serving(releases: Releases, release: Served, keep: int) -> Releases:
    """The record with what serves now. keep: how many stay, it among them.

    What was gone back from stays until something else comes instead of it. What was only tried is
    not kept.
    """
    known = [one.key for one in releases.served]
    if release.key not in known:
        return Releases((release, *releases.since_current)[:keep], release.key, ())
    kept = releases.served[: max(keep, known.index(release.key) + 1)]
    return Releases(kept, release.key, ())


def rebuilt(releases: Releases, key: str) -> Releases:
    """The record where what serves was built anew, for another Debian, say: it is no other release
    that could be gone back from."""
    served = tuple(
        replace(one, key=key) if one.key == releases.current else one for one in releases.served
    )
    return replace(releases, served=served, current=key)


def read(paths: Paths, instance_id: str) -> Releases:
    """The record; an empty one where it is missing or damaged: the next apply begins it anew."""
    return recalled(paths.releases(instance_id), Releases) or NONE_SERVED


def write(paths: Paths, instance_id: str, releases: Releases) -> None:
    write_json(paths.releases(instance_id), msgspec.to_builtins(releases))


def kept_by_all(paths: Paths) -> frozenset[str]:
    """Keys of the builds that any instance of this host keeps."""
    files = paths.releases("x").parent.glob("*.json")
    return frozenset(key for file in files for key in read(paths, file.stem).keys)
