"""What a plan says of the build, of a color's release, of the color that serves, and of systemd."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tasks.model.plan import AttributeChange
from tasks.resources.base import Difference, Facts, FileFact, Resource, UnitFact
from tasks.resources.release import (
    GREEN_MARKER,
    SWITCHING,
    ActiveColor,
    DesiredArtifact,
    DesiredRelease,
    Record,
    ReleaseLine,
    active_color,
    binary,
    mcp_release_file,
    parse_release,
    release_file,
    released,
)
from tasks.resources.system import Script, StoppedUnit, Unit

LINE = "key1 v1.0.0 0123456789abcdef 100"
MARKER = FileFact("file", "0644", "root", "root")
AFTER = "(known after apply)"


def blue(line: str = LINE, mcp: str = LINE, size: int | None = 100) -> Facts:
    """A release in blue's folders. size: of the binary; None where there is none."""
    found = {} if size is None else {binary("blue"): FileFact("file", "0755", "a", "a", size=size)}
    return Facts(files=found, texts={release_file("blue"): line, mcp_release_file("blue"): mcp})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (LINE, ReleaseLine("key1", "v1.0.0", "0123456789abcdef", 100)),
        ("key1 v1.0.0 - 100", ReleaseLine("key1", "v1.0.0", "-", 100)),
        ("key1 v1.0.0 - many", None),
        ("key1 v1.0.0 100", None),
        (f"{LINE} more", None),
        ("", None),
    ],
)
def test_a_release_is_a_line_of_four_fields(text: str, found: ReleaseLine | None) -> None:
    assert parse_release(text) == found


@pytest.mark.parametrize(
    ("facts", "whole"),
    [(blue(), True), (blue(size=99), False), (blue(size=None), False), (blue("damaged"), False)],
)
def test_a_release_is_one_where_its_binary_is_whole(facts: Facts, whole: bool) -> None:
    assert released(facts, "blue") == (parse_release(LINE) if whole else None)
    assert released(facts, "green") is None


WANTED = DesiredRelease(color="blue", key="key1", label="v1.0.0")
OTHER = DesiredRelease(color="blue", key="key2", label="v2.0.0")


def build(before: str | None, after: str) -> tuple[AttributeChange, ...]:
    return (AttributeChange("build", before, after),)


@pytest.mark.parametrize(
    ("desired", "facts", "expected"),
    [
        (WANTED, blue(), None),
        (
            OTHER,
            blue(),
            Difference("update", "another release", build("0123456789 (v1.0.0)", "v2.0.0")),
        ),
        (WANTED, Facts(), Difference("create", "removed", build(None, "v1.0.0"))),
        (WANTED, blue(size=99), Difference("create", "damaged", build(None, "v1.0.0"))),
        (WANTED, blue(mcp="key0 v0 - 1"), Difference("create", "damaged", build(None, "v1.0.0"))),
        (ActiveColor(color="blue"), Facts(), None),
        (ActiveColor(color="green"), Facts(files={GREEN_MARKER: MARKER}), None),
        (
            ActiveColor(color="green"),
            Facts(),
            Difference("update", "switched", (AttributeChange("color", "blue", "green"),)),
        ),
        (
            ActiveColor(color="blue"),
            Facts(texts={SWITCHING: "green"}),
            Difference("update", "unconfirmed", (AttributeChange("confirmed", "no", "yes"),)),
        ),
        (
            DesiredArtifact(key="k", label="v1"),
            Facts(),
            Difference("create", "removed", (AttributeChange("version", None, AFTER),)),
        ),
        (DesiredArtifact(key="k", label="v1"), Facts(host={"artifact:k": "present"}), None),
        (
            Script(script="postgresql-database", title="vikunja"),
            Facts(probes={("postgresql-database",): "exposed"}),
            Difference(
                "update",
                "exposed",
                (AttributeChange("state", "exposed", "present"),),
                interrupts="requests, for 2 to 4 s",
            ),
        ),
        (
            Record(record="state", expected="running"),
            Facts(host={"record:state": "stopped"}),
            Difference("update", "edited", (AttributeChange("says", "stopped", "running"),)),
        ),
        (
            StoppedUnit(unit="a.service"),
            Facts(units={"a.service": UnitFact("loaded", "activating", "disabled", False)}),
            Difference("delete", "started", (AttributeChange("state", "activating", "stopped"),)),
        ),
        (
            StoppedUnit(unit="a.service"),
            Facts(units={"a.service": UnitFact("loaded", "inactive", "enabled", False)}),
            Difference("delete", "started", (AttributeChange("enabled", "enabled", "disabled"),)),
        ),
    ],
)
def test_a_difference_says_what_was_found_and_what_is_desired(
    desired: Resource, facts: Facts, expected: Difference | None
) -> None:
    assert desired.difference(facts) == expected


def test_the_color_that_serves_is_the_one_whose_marker_is_there() -> None:
    assert active_color(Facts()) == "blue"
    assert active_color(Facts(files={GREEN_MARKER: MARKER})) == "green"


PROXY = Unit(
    unit="nginx.service",
    on_change="reload",
    revision="r1",
    interrupts="every request",
    mounts=("/var/log/vikunja",),
)
BACKEND = Unit(unit="backend.service", revision="r1", interrupts="requests")


def running(unit: Unit, active: str = "active", stamp: str = "r1") -> Facts:
    fact = UnitFact("loaded", active, "enabled", False)
    return Facts(units={unit.unit: fact}, texts={unit.stamp: stamp})


def with_old_libraries(unit: Unit, active: str = "active", stamp: str = "r1") -> Facts:
    facts = running(unit, active, stamp)
    fact = replace(facts.units[unit.unit], outdated=("libc6", "libssl3"))
    return replace(facts, units={unit.unit: fact})


def test_what_runs_libraries_of_before_an_update_is_started_anew() -> None:
    difference = BACKEND.difference(with_old_libraries(BACKEND))
    assert difference is not None
    assert difference.because == "runs libraries that were updated since: libc6, libssl3"
    change = AttributeChange("libraries", "of before an update", "as installed")
    assert (difference.action, difference.changes) == ("update", (change,))
    assert BACKEND.restarts(with_old_libraries(BACKEND), ())
    assert not BACKEND.restarts(running(BACKEND), ())
    # What has another reason as well says that one.
    behind = BACKEND.difference(with_old_libraries(BACKEND, stamp="r0"))
    assert behind is not None and behind.because == ""
    assert {one.name for one in behind.changes} == {"libraries", "files taken up"}
    # What stands still has none.
    stopped = BACKEND.difference(with_old_libraries(BACKEND, "inactive"))
    assert stopped is not None and "libraries" not in {one.name for one in stopped.changes}
    assert not BACKEND.restarts(with_old_libraries(BACKEND, "inactive"), ())


@pytest.mark.parametrize(
    ("unit", "facts", "fired", "interrupts"),
    [
        # What is restarted, for whatever reason.
        (BACKEND, running(BACKEND), ["file:/etc/a"], "requests"),
        (BACKEND, running(BACKEND, "reloading"), ["file:/etc/a"], "requests"),
        (BACKEND, running(BACKEND, stamp="r0"), [], "requests"),
        # What does not run interrupts nobody.
        (BACKEND, running(BACKEND, "failed"), ["file:/etc/a"], ""),
        (BACKEND, Facts(), ["file:/etc/a"], ""),
        # A reload, unless it is of what no reload takes up.
        (PROXY, running(PROXY), ["file:/etc/nginx/nginx.conf"], ""),
        (PROXY, running(PROXY, stamp="r0"), [], ""),
        (
            PROXY,
            running(PROXY),
            ["file:/etc/systemd/system/nginx.service.d/vikunja.conf"],
            "every request",
        ),
        (PROXY, running(PROXY), ["file:/etc/a", "directory:/var/log/vikunja"], "every request"),
        # With libraries of before an update: nginx takes over from itself.
        (BACKEND, with_old_libraries(BACKEND), [], "requests"),
        (PROXY, with_old_libraries(PROXY), [], ""),
    ],
)
def test_a_unit_interrupts_what_it_serves_only_where_it_runs_and_is_started_anew(
    unit: Unit, facts: Facts, fired: list[str], interrupts: str
) -> None:
    difference = unit.difference(facts) or unit.fired()
    assert unit.interrupted(difference, facts, fired) == interrupts


def test_a_unit_that_is_only_enabled_again_interrupts_nobody() -> None:
    fact = UnitFact("loaded", "active", "disabled", False)
    enabled = Facts(units={BACKEND.unit: fact}, texts={BACKEND.stamp: "r1"})
    difference = BACKEND.difference(enabled)
    assert difference is not None and difference.action == "update"
    assert BACKEND.interrupted(difference, enabled, []) == ""
    behind = Facts(units=enabled.units, texts={BACKEND.stamp: "r0"})
    difference = BACKEND.difference(behind)
    assert difference is not None and difference.action == "update"
    assert BACKEND.interrupted(difference, behind, []) == "requests"
