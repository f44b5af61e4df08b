"""The machine's own apt sources, read so that a container gets its packages where the host does."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from tasks.containers.lxc.host import execute
from tasks.errors import ResourceError
from tasks.frozen import dataclass

FLOATING_SUITES = ("oldstable", "stable", "testing", "unstable", "sid")
"""Names that move from release to release; on a host they mean the release it runs."""

LOOPBACK = ("localhost", "127.0.0.1", "::1")

SETTINGS = re.compile(
    r"Acquire::(?:(?:http|https|ftp)::(?:Proxy|Verify-Peer|Verify-Host)(?:::[\w.*-]+)?"
    r"|Check-Valid-Until|Check-Date|ForceIPv[46]|Retries)"
)
"""apt settings that say how the machine reaches its archives."""


@dataclass(frozen=True)
class Source:
    """One archive. signed_by: a keyring's path, an inline key, or empty (the trusted ones)."""

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    signed_by: str = ""
    trusted: bool = False

    def render(self) -> str:
        """As a deb822 paragraph."""
        lines = [
            "Types: deb",
            f"URIs: {self.uri}",
            f"Suites: {' '.join(self.suites)}",
            f"Components: {' '.join(self.components)}",
        ]
        if self.trusted:
            lines.append("Trusted: yes")
        if "\n" in self.signed_by:
            key = (f" {line}" if line.strip() else " ." for line in self.signed_by.splitlines())
            lines.append("Signed-By:\n" + "\n".join(key))
        elif self.signed_by:
            lines.append(f"Signed-By: {self.signed_by}")
        return "\n".join(lines) + "\n"


def parse_one_line(text: str) -> list[Source]:
    """sources.list format; only `deb` lines, without cdroms."""
    found = []
    for raw in text.splitlines():
        line = raw.split("#")[0].strip()
        match = re.fullmatch(r"deb\s+(?:\[([^]]*)]\s+)?(\S+)\s+(\S+)((?:\s+\S+)*)", line)
        if match is None:
            continue
        options = dict(option.split("=", 1) for option in (match[1] or "").split() if "=" in option)
        found.append(
            Source(
                uri=match[2],
                suites=(match[3],),
                components=tuple(match[4].split()),
                signed_by=options.get("signed-by", ""),
                trusted=options.get("trusted", "") == "yes",
            )
        )
    return found


def parse_deb822(text: str) -> list[Source]:
    """*.sources format; only enabled paragraphs of type deb."""
    found = []
    for paragraph in re.split(r"\n[ \t]*\n", text):
        fields: dict[str, str] = {}
        name = ""
        for line in paragraph.splitlines():
            if line.startswith("#") or not line.strip():
                continue
            if line[0] in " \t":
                continued = line[1:]
                fields[name] += "\n" + ("" if continued.strip() == "." else continued)
            else:
                name, _, value = line.partition(":")
                name = name.strip().lower()
                fields[name] = value.strip()
        if "deb" not in fields.get("types", "").split():
            continue
        if fields.get("enabled", "yes").lower() in ("no", "false", "0", "off"):
            continue
        found += [
            Source(
                uri=uri,
                suites=tuple(fields.get("suites", "").split()),
                components=tuple(fields.get("components", "").split()),
                signed_by=fields.get("signed-by", "").strip("\n"),
                trusted=fields.get("trusted", "").lower() == "yes",
            )
            for uri in fields.get("uris", "").split()
        ]
    return found


def for_suite(sources: Iterable[Source], suite: str, host_suite: str) -> list[Source]:
    """The archives of a release (`bookworm`, its updates, security …), in the machine's order.

    Where the machine has none of that release, those of its own with the name exchanged: an
    archive that serves one Debian release serves the others. Third parties' archives, which
    carry no release of Debian, are left out.
    """

    def picked(wanted: str) -> list[Source]:
        names = (wanted, *FLOATING_SUITES) if wanted == host_suite else (wanted,)
        found = []
        for source in sources:
            suites = tuple(name for name in source.suites if re.split("[-/]", name)[0] in names)
            if suites and source.components and not source.uri.startswith(("cdrom:", "file:")):
                found.append(replace(source, suites=suites))
        return found

    own = picked(suite)
    if own:
        return own
    return [
        replace(
            source,
            suites=tuple(
                "-".join((suite, *re.split("[-/]", name, maxsplit=1)[1:])) for name in source.suites
            ),
        )
        for source in picked(host_suite)
    ]


def base_of(sources: Sequence[Source], suite: str) -> Source | None:
    """The archive that holds the release itself, which debootstrap starts from."""
    for source in sources:
        for name in source.suites:
            if name == suite or name in FLOATING_SUITES:
                return replace(source, suites=(name,))
    return None


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


def dearmor(key: str) -> bytes:
    """The binary form of an ASCII-armoured OpenPGP key, which gpgv needs."""
    keyring = b""
    blocks = re.findall(r"-----BEGIN PGP[^\n]*\n(.*?)-----END PGP", key, re.DOTALL)
    for block in blocks:
        body = block.split("\n\n", 1)[-1]
        lines = [line.strip() for line in body.splitlines()]
        keyring += base64.b64decode(
            "".join(line for line in lines if line and not line.startswith("="))
        )
    return keyring


def keyring_bytes(source: Source, etc: Path) -> bytes:
    """The binary keyring that an archive's signatures are checked with."""
    if "\n" in source.signed_by:
        return dearmor(source.signed_by)
    if source.signed_by:
        paths = [Path(path) for path in re.split(r"[\s,]+", source.signed_by)]
    else:
        folder = etc / "trusted.gpg.d"
        paths = [etc / "trusted.gpg", *sorted(folder.glob("*.gpg")), *sorted(folder.glob("*.asc"))]
    keyring = b""
    for path in paths:
        if path.is_file():
            data = path.read_bytes()
            keyring += dearmor(data.decode()) if data.startswith(b"-----BEGIN") else data
    return keyring


@dataclass(frozen=True)
class Setup:
    """All that decides what a root file system's apt gets from this machine.

    keyrings: contents of the keyring files that sources name, by path. proxy: for debootstrap.
    """

    base: Source
    sources: tuple[Source, ...]
    keyrings: Mapping[str, bytes]
    base_keyring: bytes
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
    """Raises ResourceError where no archive of the machine serves the suite."""
    sources = for_suite(_read_sources(etc), suite, _host_suite())
    base = base_of(sources, suite)
    if base is None:
        raise ResourceError(
            f"no apt source of this machine serves the Debian release {suite}",
            where=where,
            hint="name a release that /etc/apt/sources.list or sources.list.d offers",
            evidence=[f"{source.uri} {' '.join(source.suites)}" for source in sources],
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
        base_keyring=keyring_bytes(base, etc),
        settings=settings,
        environment=environment,
    )
