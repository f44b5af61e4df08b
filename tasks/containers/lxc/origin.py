"""Whose an apt archive is: Debian's own are those whose Release file says so.

Names tell nothing: on a node of Proxmox VE three parties' archives carry the suite `trixie`, and
two of them answer nobody who has not paid.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from msgspec.structs import replace

from tasks.containers.lxc.sources import Source
from tasks.host.process import execute

DEBIAN = "Debian"

HELPER = "/usr/lib/apt/apt-helper"
LISTS = Path("/var/lib/apt/lists")
RELEASES = ("InRelease", "Release")
HEAD = 4096
"""Bytes of such a file in which its origin stands."""

SECONDS = 20
"""Until an archive counts as one that does not answer."""


def debian_only(
    sources: Iterable[Source], etc: Path, where: str = "", lists: Path = LISTS
) -> tuple[list[Source], list[str]]:
    """The sources with those of their suites that are Debian's own, and why each other is none.

    lists: where apt keeps what it has fetched. What is there need not be asked for.
    """
    kept: list[Source] = []
    others: list[str] = []
    for source in sources:
        suites = []
        for suite in source.suites:
            origin = _fetched(source, suite, lists) or _asked(source, suite, etc, where)
            if origin == DEBIAN:
                suites.append(suite)
            else:
                said = f"its origin is {origin}" if origin else "does not answer"
                others.append(f"{source.uri} {suite}: {said}")
        if suites:
            kept.append(replace(source, suites=tuple(suites)))
    return kept, others


def origin_of(release: str) -> str:
    """`Origin` of a Release or InRelease file; empty where it names none."""
    match = re.search(r"^Origin:[ \t]*(.*?)[ \t]*$", release, re.MULTILINE)
    return match[1] if match else ""


def list_names(uri: str, suite: str) -> tuple[str, ...]:
    """The files in which apt keeps what an archive says of a suite, one of which there is."""
    host = re.sub(r"^[^/@]*@", "", uri.partition("://")[2]).rstrip("/")
    quoted = re.sub(
        r"[\\|{}\[\]<>\"^~_=!@#$%&*\x00-\x20\x7f-\xff]",
        lambda found: f"%{ord(found[0]):02x}",
        f"{host}/dists/{suite}",
    )
    return tuple(f"{quoted}/{name}".replace("/", "_") for name in RELEASES)


def helper_argv(etc: Path, url: str, target: Path) -> Sequence[str]:
    return [
        HELPER,
        "--option",
        f"Dir::Etc={etc}",
        "--option",
        "Acquire::Retries=1",
        "--option",
        f"Acquire::http::Timeout={SECONDS}",
        "--option",
        f"Acquire::https::Timeout={SECONDS}",
        "download-file",
        url,
        str(target),
    ]


def _fetched(source: Source, suite: str, lists: Path) -> str:
    """Where apt knows the archive by another suite alone, and that is Debian's, so is this one."""
    for name in list_names(source.uri, suite):
        if (lists / name).is_file():
            return _read(lists / name)
    others = f"{list_names(source.uri, '')[0].removesuffix('_InRelease')}*Release"
    return DEBIAN if any(_read(one) == DEBIAN for one in lists.glob(others)) else ""


def _read(release: Path) -> str:
    with release.open(encoding="utf-8", errors="replace") as file:
        return origin_of(file.read(HEAD))


def _asked(source: Source, suite: str, etc: Path, where: str) -> str:
    with tempfile.TemporaryDirectory(prefix="vikunja-deploy-") as folder:
        # apt fetches as a user of its own.
        Path(folder).chmod(0o755)
        for name in RELEASES:
            target = Path(folder) / name
            url = f"{source.uri.rstrip('/')}/dists/{suite}/{name}"
            done = execute(
                helper_argv(etc, url, target), timeout=6 * SECONDS, where=where, check=False
            )
            if done.returncode == 0 and target.is_file():
                return _read(target)
    return ""
