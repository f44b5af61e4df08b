"""Updates of the container's packages, by Debian's unattended-upgrades, in a window of time; pure.

A timer of ours begins it, not Debian's own (apt-daily-upgrade), which has no window and is masked
in containers of plain LXC.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from tasks.desired.color import revision_of, templated_file
from tasks.desired.rendering import Rendered, Templated, origin_of
from tasks.model.instance import Instance
from tasks.model.layout import UNITS, UPDATES
from tasks.resources.base import Resource
from tasks.resources.files import Link
from tasks.resources.system import Package, Unit

PACKAGE = "unattended-upgrades"
SERVICE, TIMER = "vikunja-updates.service", "vikunja-updates.timer"
SHUTDOWN = f"{UNITS}/unattended-upgrades.service"
"""The package's own: a process that waits for a shutdown all the time, in 20 MB."""

_KEYS = ("system.updates",)
_ENGINE = re.compile(r"(postgresql|(mariadb|mysql)-server)(-core)?")
"""Packages of a database server whose name says nothing of its major version."""
_DAY = 24 * 60


def calendar(window: str) -> tuple[str, int]:
    """`[DAYS ]HH:MM-HH:MM` as systemd has it: the moment from which on it begins, without time
    zone, and at most how many seconds later."""
    days, _, times = window.rpartition(" ")
    first, last = times.split("-")
    length = (_minutes(last) - _minutes(first)) % _DAY
    return f"{days} *-*-* {first}:00".lstrip(), length * 60


def _minutes(time: str) -> int:
    hours, _, minutes = time.partition(":")
    return int(hours) * 60 + int(minutes)


def templated(instance: Instance) -> Iterator[Templated]:
    desired = instance.system
    if desired.updates == "none":
        return
    start, delay = calendar(desired.updates_window)
    hosts = sorted({host for source in desired.apt_sources for host in source.hosts})
    variables = (
        ("hosts", "\n".join(hosts)),
        ("engines", "\n".join(one for one in desired.packages if _ENGINE.fullmatch(one))),
        ("calendar", start),
        ("delay", delay),
        ("told", UPDATES),
    )
    for template, path, mode, keys in (
        ("apt.conf", "/etc/apt/apt.conf.d/90vikunja-deploy", "0644", ("system.apt_sources",)),
        ("updates.sh", "/usr/local/lib/vikunja/updates", "0755", ()),
        ("service", f"{UNITS}/{SERVICE}", "0644", ()),
        ("timer", f"{UNITS}/{TIMER}", "0644", ("system.updates_window",)),
    ):
        yield Templated(f"updates/{template}.j2", path, mode, variables=variables, keys=keys)


def packages(instance: Instance) -> Iterator[Package]:
    if instance.system.updates != "none":
        yield Package(package=PACKAGE, origin=origin_of(instance, _KEYS))


def declare(instance: Instance, rendered: Mapping[str, Rendered]) -> Iterator[Resource]:
    """Everything but the timer's start, in the order in which it is brought about."""
    for item in templated(instance):
        yield templated_file(item, rendered)
    if instance.system.updates != "none":
        yield Link(path=SHUTDOWN, target="/dev/null", origin=origin_of(instance, _KEYS))


def timer(instance: Instance, rendered: Mapping[str, Rendered]) -> Iterator[Unit]:
    if instance.system.updates != "none":
        path = f"{UNITS}/{TIMER}"
        yield Unit(
            unit=TIMER,
            revision=revision_of(rendered, [path]),
            triggers=(f"file:{path}",),
            origin=origin_of(instance, (*_KEYS, "system.updates_window")),
        )
