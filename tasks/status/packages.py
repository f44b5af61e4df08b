"""The container's own Debian: what of its packages is to be updated, and how long it is supported.
Pure.

None, everywhere: nobody could tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime

from msgspec import Struct

SUPPORTED: Mapping[str, tuple[str, date]] = {
    "bullseye": ("11", date(2026, 8, 31)),
    "bookworm": ("12", date(2028, 6, 30)),
    "trixie": ("13", date(2030, 6, 30)),
}
"""Codename → number, and the last day with security updates, by Debian's LTS: column `eol-lts` of
/usr/share/distro-info/debian.csv (distro-info-data 0.58+deb12u7), which is in no container whose
updates are `none`."""


class Packages(Struct, frozen=True):
    """release: codename, empty where it is not known. pending, security: how many packages have a
    newer version, and how many of them one that fixes security, as far as the container's lists
    tell. held: those that somebody holds back. outdated: those that run as they were before an
    update. by_themselves: updates install themselves. tried: when they last did. failure: what
    kept them from it, empty for nothing."""

    release: str
    pending: int | None
    security: int | None
    held: tuple[str, ...] = ()
    outdated: tuple[str, ...] = ()
    by_themselves: bool = True
    tried: datetime | None = None
    failure: str = ""

    @property
    def supported_until(self) -> date | None:
        return SUPPORTED[self.release][1] if self.release in SUPPORTED else None

    @property
    def label(self) -> str:
        """`Debian 12 (bookworm)`"""
        if self.release not in SUPPORTED:
            return f"Debian ({self.release})" if self.release else "Debian"
        return f"Debian {SUPPORTED[self.release][0]} ({self.release})"


def parse(
    found: Mapping[str, str], told: str, outdated: Iterable[str], by_themselves: bool
) -> Packages:
    """found: lines of the probe `measure`. told: what the last updates told (layout.UPDATES)."""
    pending, security, *_ = [*found.get("pending", "").split(), "", ""]
    seconds, _, what = told.partition(" ")
    tried = by_themselves and seconds.isdecimal()
    return Packages(
        release=found.get("suite", "").strip(),
        pending=int(pending) if pending.isdecimal() else None,
        security=int(security) if security.isdecimal() else None,
        held=tuple(found.get("held", "").split()),
        outdated=tuple(sorted(set(outdated))),
        by_themselves=by_themselves,
        tried=datetime.fromtimestamp(int(seconds), UTC) if tried else None,
        failure=what if tried and what != "ok" else "",
    )
