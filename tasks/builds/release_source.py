"""A finished release instead of a build: downloaded, checked, and packed as a build would be."""

from __future__ import annotations

import time
from pathlib import Path

from tasks.builds import artifact as store
from tasks.builds import pack
from tasks.builds.artifact import Artifact
from tasks.builds.download import download
from tasks.builds.published_archive import get
from tasks.builds.release_archive import binary
from tasks.builds.web import shown
from tasks.errors import BuildError
from tasks.model.instance import Instance, Release
from tasks.model.pins import Pin
from tasks.paths import Paths
from tasks.progress import SILENT, Progress


def from_release(
    instance: Instance, key: str, paths: Paths, progress: Progress = SILENT
) -> Artifact:
    """The artifact of `instance.release`; the caller holds the lock of `key`. A channel is settled.

    Raises NetworkError, or BuildError for a wrong checksum or an archive without a binary.
    """
    from tasks.builds.job import finish

    release = instance.release
    assert release is not None and release.version is not None
    if instance.services.mcp.enabled:
        raise BuildError(
            "a release archive holds no MCP server, but services.mcp.enabled is true",
            where=instance.id,
            hint="set services.mcp.enabled: false, or build from git",
        )
    begun = time.monotonic()
    partial = store.partial_path(paths, key)
    archive = partial.with_suffix(".download.partial")
    try:
        where, pin = _get(release, archive, paths, progress)
        progress.step("unpacking the release")
        # What a release archive says about times is its maker's; the binary's age matters to no
        # one, equal bytes do.
        with pack.packing(partial, modified=0) as packer:
            packer.folder("backend")
            with binary(archive, where) as program:
                packer.file("backend/vikunja", program, program.size, executable=True)
                program.check(where)
    finally:
        archive.unlink(missing_ok=True)

    seconds, parts = time.monotonic() - begun, ("backend",)
    version = release.version
    return finish(paths, key, partial, None, version, parts, seconds, pin=pin)


def _get(
    release: Release, archive: Path, paths: Paths, progress: Progress
) -> tuple[str, Pin | None]:
    """Download the archive, checked; the address that it is from, as it may be shown, and what to
    keep of a published one."""
    if release.url is None:
        pin = get(release, archive, paths, progress)
        return pin.url, pin
    assert release.sha256 is not None
    expected = release.sha256.lower()
    found = download(release.url, archive, progress, "check release.url")
    if found != expected:
        raise BuildError(
            f"the SHA-256 is {found}, release.sha256 says {expected}",
            where=shown(release.url),
            hint="compare with the checksum that the release's maker publishes; do not use the "
            "file if they differ",
        )
    return shown(release.url), None
