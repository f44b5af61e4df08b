"""When the container's own Debian needs a hand: one rule each, see tasks.status.rules. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from tasks.status.packages import Packages
from tasks.status.rules import Level, Note

END_DAYS = 365
"""So long before that day it is a warning."""

SILENT = timedelta(days=9)
"""After so long without a try of theirs updates are missed: a weekly window was."""


def package_notes(name: str, found: Packages, now: datetime) -> Iterator[Note]:
    yield from _support_notes(name, found, now)
    yield from _update_notes(found, now)
    if found.held:
        hint = "`apt-mark unhold` in the container lets them go"
        what = f"packages are held back from updates: {', '.join(found.held)}"
        yield Note("note", what, hint, "container")
    if found.outdated:
        what = f"libraries were updated since they were loaded: {', '.join(found.outdated)}"
        hint = f"./doit plan {name} shows by what, ./doit apply {name} replaces it"
        yield Note("note", what, hint, "container")


def _support_notes(name: str, found: Packages, now: datetime) -> Iterator[Note]:
    end = found.supported_until
    if end is None:
        return
    days = (end - now.date()).days
    hint = f"./doit rebuild {name} brings it to a newer Debian, see docs/staying.md"
    if days < 0:
        what = f"{found.label} gets no security updates any more, since {end}"
        yield Note("unhealthy", what, hint, "container")
    elif days < END_DAYS:
        what = f"{found.label} gets security updates until {end}, for {days} days more"
        yield Note("warning", what, hint, "container")


def _update_notes(found: Packages, now: datetime) -> Iterator[Note]:
    more = "`journalctl -u vikunja-updates` in the container says more"
    if found.failure:
        what = f"updates of packages failed on {found.tried:%Y-%m-%d}: {found.failure}"
        yield Note(
            "warning", what, f"{more}; they are tried again in their next window", "container"
        )
    elif found.tried is not None and now - found.tried > SILENT:
        what = f"no updates of packages were tried since {found.tried:%Y-%m-%d}"
        yield Note("warning", what, f"Is vikunja-updates.timer active there? {more}", "container")
    if not found.security:
        return
    level: Level = "note" if found.by_themselves else "warning"
    hint = "They install themselves in their next window, where nothing holds them back"
    if not found.by_themselves:
        hint = "system.updates: security installs them; so does `apt upgrade` inside"
    one = found.security == 1
    what = (
        f"{found.security} update{'' if one else 's'} that fix{'es' if one else ''} security wait"
    )
    what += "s" * one
    yield Note(level, what, hint, "container")


def restart_note(pending: bool | None) -> Iterator[Note]:
    """Of the machine that the container is on."""
    if pending:
        what = "its machine waits for a restart, for an update of its own"
        hint = (
            "a newer kernel is installed, or /run/reboot-required.pkgs names what is; a restart of"
            " it ends every request"
        )
        yield Note("warning", what, hint, "container")
