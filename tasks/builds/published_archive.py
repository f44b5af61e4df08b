"""The archive of a published version, checked against whatever is known of it, and pinned.

The archive is the mirror's; its SHA-256 is what was pinned when this machine first took it, else
what the other place says. Where one of the two places does not answer, the other one does alone,
and the pin says what was not compared.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from tasks.builds.digests import Said, said_of
from tasks.builds.download import download
from tasks.builds.published import archive_url, kind_of
from tasks.builds.web import shown
from tasks.errors import BuildError, DeployError
from tasks.model import pins
from tasks.model.instance import Release
from tasks.model.operation_log import format_time
from tasks.model.pins import Pin
from tasks.paths import Paths
from tasks.progress import Progress

HINT = "look at release.version and release.mirror"


def get(release: Release, target: Path, paths: Paths, progress: Progress) -> Pin:
    """Download the archive of `release.version` for this machine; its pin, which is not kept yet
    where it is the first.

    Raises NetworkError where nobody gives it, BuildError where it is not what it should be.
    """
    version, kind = release.version, kind_of()
    assert version is not None
    pinned = pins.find(paths, version, kind)
    said = Said(pinned.sha256, None) if pinned else said_of(release, version, kind)
    url, found, unchecked = _fetch(release, version, kind, said, target, progress)
    if pinned is not None:
        _refuse_changed(pinned, found, url, paths)
        return pinned
    if said.sha256 not in (None, found):
        raise BuildError(
            f"the archive's SHA-256 is {found}, {shown(release.digests)} says {said.sha256}",
            where=shown(url),
            hint="one of the two places is wrong: do not use the archive, and try again later",
        )
    return Pin(version, kind, found, shown(url), format_time(datetime.now(UTC)), unchecked)


def _fetch(
    release: Release, version: str, kind: str, said: Said, target: Path, progress: Progress
) -> tuple[str, str, str]:
    """Where the archive was, its SHA-256, and what it is not compared with, empty for nothing."""
    url = archive_url(release.mirror, version, kind)
    try:
        return url, download(url, target, progress, HINT), said.why
    except DeployError as error:
        failed = error
    # Of a pinned one nobody has asked yet where else it is.
    other = said if said.url or said.why else said_of(release, version, kind)
    if other.url is None:
        raise type(failed)(
            f"no archive of {version} for {kind} can be had: {failed.what}"
            + (f"; {other.why}" if other.why else ""),
            where=failed.where,
            hint=failed.hint,
        ) from failed
    progress.step(f"{failed}; taken from {shown(other.url)}")
    unchecked = f"{failed}, so the archive and its SHA-256 are from one place"
    return other.url, download(other.url, target, progress, HINT), unchecked


def _refuse_changed(pinned: Pin, found: str, url: str, paths: Paths) -> None:
    if found != pinned.sha256:
        raise BuildError(
            f"the archive of {pinned.version} has changed: its SHA-256 is {found}, on "
            f"{pinned.at[:10]} it was {pinned.sha256}",
            where=shown(url),
            hint="a published archive does not change: ask its maker, and do not use it. Where it "
            f"is right, take {pinned.version} out of {paths.pins}",
        )
