"""Which updates of packages the container takes by itself, and when."""

from __future__ import annotations

import re
from typing import Any

import pytest
from instance_samples import sample_instance

from tasks.desired import system, updates
from tasks.desired.rendering import render
from tasks.model.instance import Instance
from tasks.resources.base import Resource
from tasks.resources.files import Absent, Link
from tasks.resources.system import Package, StoppedUnit, Unit
from tasks.workflows.drill_site import DrillNetwork, drill_instance

APT = "/etc/apt/apt.conf.d/90vikunja-deploy"
TIMER = "/etc/systemd/system/vikunja-updates.timer"
OURS = {
    APT,
    "/usr/local/lib/vikunja/updates",
    "/etc/systemd/system/vikunja-updates.service",
    TIMER,
}
SECURITY = "origin=Debian,codename=${distro_codename}-security,label=Debian-Security"
RELEASE = "origin=Debian,codename=${distro_codename},label=Debian"
LATER = "origin=Debian,codename=${distro_codename}-updates,label=Debian"
SOURCE = {
    "uris": ["https://apt.example.com:8443/pg", "http://10.0.0.2/pg"],
    "suites": ["x"],
    "key_file": "/nowhere",
    "packages": ["postgresql", "postgresql-17", "mariadb-server", "libpq5"],
}


def site(**keys: Any) -> Instance:
    return sample_instance(system=keys)


def texts(instance: Instance) -> dict[str, str]:
    made = render(instance, system.templated(instance))
    return {path: one.content.decode() for path, one in made.items()}


def declared(instance: Instance) -> dict[str, Resource]:
    made = render(instance, system.templated(instance))
    found = (*system.declare(instance, made), *system.own_files(instance, system.NO_HOST_FILES))
    return {one.address: one for one in found}


def listed(text: str, name: str) -> list[str]:
    """The entries of one of apt's lists."""
    found = re.search(rf"^Unattended-Upgrade::{name} {{\n(.*?)^}};", text, re.M | re.S)
    return re.findall(r'"([^"]*)";', found[1]) if found else []


@pytest.mark.parametrize(
    ("keys", "origins", "never"),
    [
        ({}, [SECURITY], []),
        ({"updates": "security", "apt_sources": [SOURCE]}, [SECURITY], []),
        ({"updates": "all"}, [SECURITY, RELEASE, LATER], []),
        (
            {"updates": "all", "apt_sources": [SOURCE]},
            [SECURITY, RELEASE, LATER, "site=10.0.0.2", "site=apt.example.com"],
            ["^postgresql$", "^mariadb-server$"],
        ),
    ],
)
def test_only_what_is_to_be_updated_is_let_in(
    keys: dict[str, Any], origins: list[str], never: list[str]
) -> None:
    text = texts(site(**keys))[APT]
    assert listed(text, "Origins-Pattern") == origins
    assert listed(text, "Package-Blacklist") == never
    # The package's own rules, which are read before, would let in more.
    assert text.index("#clear Unattended-Upgrade::Origins-Pattern;") < text.index(SECURITY)
    for name in (
        "Automatic-Reboot",
        "Remove-Unused-Dependencies",
        "Remove-New-Unused-Dependencies",
    ):
        assert f'Unattended-Upgrade::{name} "false";' in text


def test_without_updates_nothing_of_it_is_there_and_all_else_is_the_same() -> None:
    with_them, without = texts(site()), texts(site(updates="none"))
    assert {path: text for path, text in with_them.items() if path not in OURS} == without
    gone = declared(site()).keys() - declared(site(updates="none")).keys()
    assert gone == {
        *(f"file:{path}" for path in OURS),
        "package:unattended-upgrades",
        f"link:{updates.SHUTDOWN}",
        "unit:vikunja-updates.timer",
    }


def test_what_was_made_is_taken_away_by_none() -> None:
    from resource_samples import applied

    from tasks.planning.planner import orphans

    before = applied(*(one for one in declared(site()).values() if "update" in one.address
                       or "upgrade" in one.address or "apt" in one.address))  # fmt: skip
    gone = orphans(before, declared(site(updates="none")).keys())
    assert {one.path for one in gone if isinstance(one, Absent)} == {*OURS, updates.SHUTDOWN}
    assert [one.unit for one in gone if isinstance(one, StoppedUnit)] == [updates.TIMER]


@pytest.mark.parametrize(
    ("window", "start", "seconds"),
    [
        ("01:00-03:00", "*-*-* 01:00:00", 7200),
        ("22:30-02:00", "*-*-* 22:30:00", 12600),
        ("Sat,Sun 05:00-05:01", "Sat,Sun *-*-* 05:00:00", 60),
    ],
)
def test_they_begin_within_the_window(window: str, start: str, seconds: int) -> None:
    assert updates.calendar(window) == (start, seconds)
    document = {"updates_window": window}
    text = texts(sample_instance(system=document, vikunja={"timezone": "Europe/Berlin"}))[TIMER]
    assert f"\nOnCalendar={start} Europe/Berlin\n" in text
    assert f"\nRandomizedDelaySec={seconds}\n" in text
    # What was missed is not made good at noon.
    assert "Persistent" not in text


def test_what_it_takes_comes_from_its_keys() -> None:
    found = declared(site())
    timer, package = found["unit:vikunja-updates.timer"], found["package:unattended-upgrades"]
    assert isinstance(timer, Unit)
    assert isinstance(package, Package)
    assert set(package.origin.inputs) == {"system.updates"}
    assert set(timer.origin.inputs) == {"system.updates", "system.updates_window"}
    assert timer.triggers == (f"file:{TIMER}",)
    link = found[f"link:{updates.SHUTDOWN}"]
    assert isinstance(link, Link)
    assert link.target == "/dev/null"
    assert {f"file:{TIMER}", link.address} <= set(found["systemd:unit-files"].triggers)


def test_a_drill_updates_nothing() -> None:
    drill = drill_instance(site(updates="all"), DrillNetwork("b0", "198.18.0.2/24", "198.18.0.1"))
    assert drill.system.updates == "none"
