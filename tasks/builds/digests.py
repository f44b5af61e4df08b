"""What another place than the mirror says of a published version: the SHA-256 of its archive, where
else that is, and which files it was made of.

The place is a repository in an API of GitHub's shape. That it says nothing is no error: then what
was taken from the mirror is compared with nothing but itself, and that is said.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from msgspec import Struct

from tasks.builds import web
from tasks.builds.published import KINDS, NOWHERE, archive_name, objects
from tasks.errors import BuildError, DeployError
from tasks.model.instance import Release

DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
HINT = "look at release.digests"


class Said(Struct, frozen=True):
    """sha256: of the archive, hex; None where none is said, and why. url: where it is there, None
    where it is not."""

    sha256: str | None
    url: str | None
    why: str = ""


def said_of(release: Release, version: str, kind: str) -> Said:
    """What the other place says of an archive; that it says nothing is no error."""
    if release.digests == NOWHERE:
        return Said(None, None, "release.digests is none")
    url = f"{release.digests.rstrip('/')}/releases/tags/{version}"
    try:
        answer = web.ask(url, HINT)
    except DeployError as error:
        return Said(None, None, str(error))
    assets = objects(answer.get("assets")) if isinstance(answer, dict) else []
    return _said(assets, version, kind, web.shown(url))


def _said(assets: list[dict[str, Any]], version: str, kind: str, where: str) -> Said:
    name = archive_name(version, kind)
    found = next((one for one in assets if one.get("name") == name), None)
    if found is None:
        others = [one for one in KINDS.values() if _has(assets, archive_name(version, one))]
        there = f"only {', '.join(others)}" if others else "no archive"
        return Said(None, None, f"{where}: for {kind} there is none, {there}")
    url = found.get("browser_download_url")
    digest = DIGEST.fullmatch(str(found.get("digest")).lower())
    why = "" if digest else f"{where}: no digest of {name}"
    return Said(digest[1] if digest else None, url if isinstance(url, str) else None, why)


def _has(assets: list[dict[str, Any]], name: str) -> bool:
    return any(one.get("name") == name for one in assets)


def files_of(release: Release, version: str, folder: str) -> tuple[str, ...] | None:
    """Names in a folder of the tree that a version was made of; None where nobody says."""
    if release.digests == NOWHERE:
        return None
    try:
        return _listed(f"{release.digests.rstrip('/')}/contents/{folder}?ref={version}")
    except DeployError:
        return None


@cache
def _listed(url: str) -> tuple[str, ...]:
    # A process goes by one answer: a plan, and what is done of it.
    answer = web.ask(url, HINT)
    if not isinstance(answer, list):
        raise BuildError("the answer is no list of files", where=web.shown(url), hint=HINT)
    return tuple(str(one.get("name")) for one in objects(answer))
