"""Which keys of `release` go together: a channel, a version, or an archive of one's own; pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from tasks.config.finding import Finding, Key, has_login

PUBLISHED = re.compile(r"v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.]+)?")
"""A version as it is published: `v2.5.0`, `v1.0.0-rc3`."""

OWN = "channel, major, mirror and digests are for what Vikunja publishes: keep them, or url"


def release(document: Mapping[str, Any], given: Collection[Key]) -> Iterator[Finding]:
    """given: the keys that the file itself holds, rather than the defaults."""
    desired = document.get("release")
    if not isinstance(desired, Mapping):
        return
    names = [name for name in desired if ("release", name) in given]
    if "url" in names:
        yield from _own_archive(desired, names)
    else:
        yield from _published(desired, names)
    for name in ("url", "mirror", "digests"):
        if has_login(desired.get(name) or ""):
            yield Finding(
                ("release", name),
                "holds a user name or password",
                "Take the archive from a place that needs none.",
            )


def _own_archive(desired: Mapping[str, Any], names: Collection[str]) -> Iterator[Finding]:
    for name in ("sha256", "version"):
        if name in desired and name not in names:
            yield Finding(("release", name), "is missing, url needs it")
    for name in ("channel", "major", "mirror", "digests"):
        if name in names:
            yield Finding(("release", name), "does not go with url", f"{OWN}.")
    url = desired.get("url") or ""
    if url.startswith("file://") and not url.startswith("file:///"):
        yield Finding(("release", "url"), "is no absolute path", "Write file:///FOLDER/ARCHIVE")


def _published(desired: Mapping[str, Any], names: Collection[str]) -> Iterator[Finding]:
    if not desired.keys() >= {"url", "version", "channel"}:
        # One of them has a finding of its own.
        return
    if "sha256" in names:
        yield Finding(
            ("release", "sha256"),
            "does not go without url",
            "Remove it: the checksum of a published version is known.",
        )
    if "channel" in names and "version" in names:
        yield Finding(
            ("release", "version"),
            "is given beside channel",
            "Keep channel, which follows the newest, or version, which stays.",
        )
    elif "version" in names and not PUBLISHED.fullmatch(desired["version"]):
        yield Finding(
            ("release", "version"),
            "is no published version",
            "Write it as v2.5.0, or give url and sha256 of an archive of your own as well.",
        )
    elif "channel" not in names and "version" not in names:
        yield Finding(
            ("release",),
            "names no release",
            "Write channel: stable, or version: v2.5.0; or url, sha256 and version.",
        )
    if "major" in names and "version" in names and "channel" not in names:
        yield Finding(("release", "major"), "is only for channel", "Remove it.")
