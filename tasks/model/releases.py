"""Which releases of an instance have served: what a rollback goes back to, and what is kept.

`releases/<instance>.json`: `served`, newest first; `current`, the key of the one that serves; and
`tried`, keys of builds that were put into place and have not served (yet). The builds themselves
are in the cache.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from tasks.frozen import dataclass
from tasks.host.files import recalled, text, write_json
from tasks.paths import Paths


@dataclass(frozen=True)
class Served:
    """key: of the build. commit: 40 hex digits, None for a finished archive.

    migrations: that the database had been through when it came to serve, oldest first; None where
    that was not seen. Of a finished archive nothing else tells which ones it knows.
    """

    key: str
    commit: str | None
    version: str
    migrations: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Releases:
    """served: newest first. current: key of the one that serves, empty where unknown."""

    served: tuple[Served, ...] = ()
    current: str = ""
    tried: tuple[str, ...] = ()

    @property
    def keys(self) -> frozenset[str]:
        return frozenset((*(release.key for release in self.served), *self.tried))

    @property
    def since_current(self) -> tuple[Served, ...]:
        """What serves and what served before it, newest first."""
        keys = [release.key for release in self.served]
        return self.served[keys.index(self.current) :] if self.current in keys else self.served


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
        return Releases((release, *releases.since_current)[:keep], release.key)
    return Releases(releases.served[: max(keep, known.index(release.key) + 1)], release.key)


def read(paths: Paths, instance_id: str) -> Releases:
    """The record; an empty one where it is missing or damaged: the next apply begins it anew."""
    try:
        data = recalled(paths.releases(instance_id))
        served = tuple(map(_served, data["served"]))
        return Releases(served, text(data["current"]), tuple(map(text, data["tried"])))
    except (KeyError, TypeError):
        return Releases()


def _served(data: Mapping[str, Any]) -> Served:
    commit, migrations = data["commit"], data["migrations"]
    return Served(
        text(data["key"]),
        None if commit is None else text(commit),
        text(data["version"]),
        None if migrations is None else tuple(map(text, migrations)),
    )


def write(paths: Paths, instance_id: str, releases: Releases) -> None:
    data = {
        "served": [asdict(one) for one in releases.served],
        "current": releases.current,
        "tried": list(releases.tried),
    }
    write_json(paths.releases(instance_id), data)


def kept_by_all(paths: Paths) -> frozenset[str]:
    """Keys of the builds that any instance of this host keeps."""
    files = paths.releases("x").parent.glob("*.json")
    return frozenset(key for file in files for key in read(paths, file.stem).keys)
