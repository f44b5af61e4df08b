"""The machine's own apt sources, read so that a container gets its packages where the host does."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import replace

from tasks.containers.lxc.origin import debian_only
from tasks.containers.lxc.sources import (
    Source,
    base_of,
    for_suite,
    parse_deb822,
    parse_one_line,
)
from tasks.errors import ResourceError
from tasks.host.process import execute

LOOPBACK = ("localhost", "127.0.0.1", "::1")

SETTINGS = re.compile(
    r"Acquire::(?:(?:http|https|ftp)::(?:Proxy|Verify-Peer|Verify-Host)(?:::[\w.*-]+)?"
    r"|Check-Valid-Until|Check-Date|ForceIPv[46]|Retries)"
)
"""apt settings that say how the machine reaches its archives."""


def select_settings(dump: str) -> list[str]:
    """The lines of `apt-config dump` that say how the machine reaches its archives.

    A proxy on the machine's own loopback is left out: a container cannot reach it.
    """
    chosen = []
    for line in dump.splitlines():
        name, _, value = line.partition(" ")
        if not SETTINGS.fullmatch(name) or value in ('"";', ""):
            continue
        if "::Proxy" in name and urlsplit(value.strip('";')).hostname in LOOPBACK:
            continue
        chosen.append(line)
    return chosen


class Setup(Struct, frozen=True):
    """All that decides what a root file system's apt gets from this machine.

    keyrings: contents of the keyring files that sources name, by path. environment: proxies.
    """

    base: Source
    sources: tuple[Source, ...]
    keyrings: Mapping[str, bytes]
    settings: tuple[str, ...]
    environment: Mapping[str, str]


def _with_real_uris(sources: Iterable[Source]) -> list[Source]:
    """Sources with `mirror+file:` lists replaced by the first archive that they name."""
    found = []
    for source in sources:
        if source.uri.startswith("mirror+file:"):
            listing = Path("/" + source.uri.removeprefix("mirror+file:").lstrip("/"))
            lines = listing.read_text().splitlines() if listing.is_file() else []
            uris = [line.split()[0] for line in lines if line.strip() and line[0] != "#"]
            found += [replace(source, uri=uri) for uri in uris[:1]]
        else:
            found.append(source)
    return found


def _read_sources(etc: Path) -> list[Source]:
    folder = etc / "sources.list.d"
    found: list[Source] = []
    for path in (etc / "sources.list", *sorted(folder.glob("*.list"))):
        if path.is_file():
            found += parse_one_line(path.read_text())
    for path in sorted(folder.glob("*.sources")):
        found += parse_deb822(path.read_text())
    return _with_real_uris(found)


def _host_suite() -> str:
    release = Path("/etc/os-release")
    text = release.read_text() if release.is_file() else ""
    match = re.search(r'^VERSION_CODENAME="?([\w-]+)', text, re.MULTILINE)
    return match[1] if match else ""


def read_setup(suite: str, where: str = "", etc: Path = Path("/etc/apt")) -> Setup:
    """What a container of a suite gets: of the machine's archives, Debian's own and no others.

    Raises ResourceError where none of them serves the suite.
    """
    candidates = for_suite(_read_sources(etc), suite, _host_suite())
    sources, others = debian_only(candidates, etc, where)
    base = base_of(sources, suite)
    if base is None:
        raise ResourceError(
            f"no apt source of this machine serves the Debian release {suite}",
            where=where,
            hint="`apt-get update` shows which of /etc/apt/sources.list and sources.list.d answer;"
            " name a release that Debian's own among them have",
            evidence=others or [f"{one.uri} {' '.join(one.suites)}" for one in sources],
        )
    keyrings = {
        path: Path(path).read_bytes()
        for source in sources
        if source.signed_by and "\n" not in source.signed_by
        for path in re.split(r"[\s,]+", source.signed_by)
        if Path(path).is_file()
    }
    dump = execute(["apt-config", "dump"], where=where).stdout.decode()
    settings = tuple(select_settings(dump))
    environment = {
        name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")
    }
    for name, scheme in (("http_proxy", "http"), ("https_proxy", "https")):
        match = re.search(rf'^Acquire::{scheme}::Proxy "([^"]+)"', dump, re.MULTILINE)
        if match and match[1] != "DIRECT":
            environment[name] = match[1]
    return Setup(
        base=base,
        sources=tuple(sources),
        keyrings=keyrings,
        settings=settings,
        environment=environment,
    )
