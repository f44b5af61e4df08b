"""Vikunja's published releases: which there are, and which of them is to serve.

Which there are says the index of the mirror, and where that does not answer the other place that
knows, which also says an archive's SHA-256 (`digests`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from tasks.errors import BuildError, DeployError, NetworkError
from tasks.model.instance import Instance, Release

if TYPE_CHECKING:
    from semantic_version import Version

KINDS = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm-7"}
"""What `uname -m` says → as archives are named."""

NOWHERE = "none"
"""release.digests where no other place is asked."""

HINT = "look at release.mirror"


class Choice(Struct, frozen=True):
    """version: that is to serve. newer: of another major, that is there and is not taken."""

    version: str
    newer: str | None = None


def kind_of(machine: str | None = None) -> str:
    """The kind of processor as archives are named. machine: as `uname -m` says, this one's by
    default. Raises BuildError where nothing is published for it."""
    machine = machine or os.uname().machine
    if machine not in KINDS:
        raise BuildError(
            f"no release is published for this machine's kind of processor, {machine}",
            hint="build from git: give git instead of release",
        )
    return KINDS[machine]


def archive_name(version: str, kind: str) -> str:
    return f"vikunja-{version}-linux-{kind}-full.zip"


def archive_url(mirror: str, version: str, kind: str) -> str:
    """Where the mirror has it: before 1.0, folders have no `v`."""
    folder = version if parsed(version).major else version.removeprefix("v")
    return f"{mirror.rstrip('/')}/{folder}/{archive_name(version, kind)}"


def parsed(version: str) -> Version:
    """`v2.5.0` as what can be compared. Raises ValueError where it is no such version."""
    from semantic_version import Version

    return Version(version.removeprefix("v"))


def versions(release: Release) -> tuple[str, ...]:
    """Every version that is published, release candidates as well, newest first.

    Raises NetworkError where nobody can be asked, BuildError where nobody answers well.
    """
    try:
        return _sorted(_in_index(release))
    except DeployError as error:
        if release.digests == NOWHERE:
            raise
        failed = error
    try:
        return _sorted(_in_list(release))
    except DeployError as error:
        raise _neither(failed, error) from error


def _in_index(release: Release) -> list[str]:
    from tasks.builds import web

    url = f"{release.mirror.rstrip('/')}/"
    answer = web.ask(url, HINT)
    # A list of folders, or one of all that is there, as nginx and Caddy give it.
    entries = answer.get("folders") if isinstance(answer, dict) else answer
    if not isinstance(entries, list):
        raise BuildError("the answer is no index of releases", where=web.shown(url), hint=HINT)
    return [str(one["name"]).rstrip("/") for one in objects(entries) if "name" in one]


def _in_list(release: Release) -> list[str]:
    from tasks.builds import web

    url = f"{release.digests.rstrip('/')}/releases?per_page=100"
    answer = web.ask(url, "look at release.digests")
    if not isinstance(answer, list):
        raise BuildError(
            "the answer is no list of releases", where=web.shown(url), hint="see release.digests"
        )
    unfit = ("draft", "prerelease") if release.channel else ("draft",)
    fit = (one for one in objects(answer) if not any(one.get(name) for name in unfit))
    return [str(one.get("tag_name")) for one in fit]


def objects(value: Any) -> list[dict[str, Any]]:
    """The objects of a list of JSON; none where it is no list."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _sorted(names: Iterable[str]) -> tuple[str, ...]:
    """The versions among names, with their `v`, newest first."""
    found = {}
    for name in names:
        try:
            found[f"v{name.removeprefix('v')}"] = parsed(name)
        except ValueError:
            # `unstable`, or whatever else is beside releases.
            continue
    return tuple(sorted(found, key=lambda name: found[name], reverse=True))


def _neither(first: DeployError, second: DeployError) -> DeployError:
    unreached = isinstance(first, NetworkError) or isinstance(second, NetworkError)
    kind = NetworkError if unreached else BuildError
    return kind(
        f"which releases there are cannot be asked: {first}; {second}",
        hint="check the network; release.version names one, which needs no network once it is "
        "deployed. Or a mirror of your own: release.mirror",
    )


def choose(
    release: Release, published: Iterable[str], serving: str | None, stays: bool = False
) -> Choice:
    """The version that is to serve. published: newest first. serving: the version that does, or
    did last; None for a first deployment. stays: it is a published one itself, and so is not gone
    back from by a channel that has lost it.

    Raises BuildError where there is none.
    """
    if release.version is not None:
        return Choice(release.version)
    stable = [name for name in published if not parsed(name).prerelease]
    if not stable:
        raise BuildError(
            f"{release.channel} has no release", hint="look at release.mirror, or name a version"
        )
    now = _parsed(serving)
    fit, newer = stable, None
    if now is not None and release.major == "ask" and parsed(stable[0]).major > now.major:
        newer = stable[0]
        fit = [name for name in stable if parsed(name).major <= now.major]
    if stays and serving and now and (not fit or parsed(fit[0]) < now):
        return Choice(serving, newer)
    if not fit:
        raise BuildError(
            f"{release.channel} has no release of the major version that serves, {serving}",
            hint=f"release.version: {newer}, or release.major: follow, takes {newer}",
        )
    return Choice(fit[0], newer)


def _parsed(version: str | None) -> Version | None:
    try:
        return parsed(version) if version else None
    except ValueError:
        return None


def refuse_unknown(version: str, published: tuple[str, ...]) -> None:
    """Raise BuildError where a version is none that is published."""
    if version in published:
        return
    from tasks.config.suggest import alike

    near = alike(version, published, 5, 0.6) or published[:5]
    raise BuildError(
        f"no release {version} is published",
        hint=f"release.version: nearest {', '.join(near)}" if near else "the index is empty",
    )


def settled(instance: Instance, version: str) -> Instance:
    """The instance with the version that its channel stands for."""
    release = instance.release
    if release is None or release.channel is None:
        return instance
    return replace(instance, release=replace(release, version=version))
