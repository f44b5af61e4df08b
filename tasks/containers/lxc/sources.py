"""The machine's apt sources as they are written, and which of them are of one release. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

FLOATING_SUITES = ("oldstable", "stable", "testing", "unstable", "sid")
"""Names that move from release to release; on a host they mean the release it runs."""


class Source(Struct, frozen=True):
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
    """The archive that holds the release itself, whose packages a root file system starts from."""
    for source in sources:
        for name in source.suites:
            if name == suite or name in FLOATING_SUITES:
                return replace(source, suites=(name,))
    return None
