"""What the scripts of start, stop and restart are asked to do."""

from __future__ import annotations

from typing import Any

import pytest
from instance_samples import sample_instance
from msgspec.structs import replace
from standing_samples import INSIDE, MEASURED

from tasks.errors import DeployError
from tasks.guest.runner import GuestScript
from tasks.model.instance import Instance
from tasks.status.measured import Answer
from tasks.workflows.service_scripts import (
    RESTART,
    START,
    STOP,
    Services,
    restart_arguments,
    restart_failure,
    serves_well,
    services_failure,
    serving_units,
    start_arguments,
)

UNITS = {"nginx.service": "active", "vikunja-backend@green.service": "active"}


def full() -> Instance:
    return sample_instance(
        database={"type": "postgresql"},
        redis={"enabled": True},
        services={"mcp": {"enabled": True}},
        vikunja={"start_timeout_seconds": 40},
    )


def services(instance: Instance | None = None, **changes: Any) -> Services:
    # No container: only what is asked of it is looked at here.
    inside = replace(INSIDE, serving="green", units=UNITS, **changes)
    return Services(instance or sample_instance(), None, inside)  # type: ignore[arg-type]


def test_what_is_behind_the_proxy_starts_before_it() -> None:
    assert start_arguments(services(full())) == [
        *("3457", "v1.2.0", "8457", "https://vikunja.example.com:443", "40", "green"),
        "postgresql.service",
        "redis-server.service",
        "vikunja-backend@green.service",
        "vikunja-mcp@green.service",
        "nginx.service",
    ]
    assert start_arguments(services())[2] == "-"
    assert start_arguments(services())[6:] == ["vikunja-backend@green.service", "nginx.service"]


def test_the_proxy_stops_before_what_is_behind_it_and_the_database_goes_on() -> None:
    assert serving_units(full()) == [
        "nginx.service",
        "vikunja-mcp@blue.service",
        "vikunja-backend@blue.service",
        "vikunja-mcp@green.service",
        "vikunja-backend@green.service",
    ]


def test_a_stand_in_has_the_idle_color_s_ports() -> None:
    arguments = restart_arguments(services(full()))
    assert arguments[:3] == ["green", "3457", "8457"]
    assert arguments[3:6] == ["blue", "3456", "8456"]
    assert arguments[6:8] == ["v1.2.0", "40"]
    assert arguments[8:] == ["30", "300", "5"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"measured": None}, False),
        ({"measured": replace(MEASURED, backend=Answer(500, 1))}, False),
        ({"measured": replace(MEASURED, page=Answer(502, 1))}, False),
    ],
)
def test_only_what_serves_has_requests_to_lose(changes: dict[str, Any], expected: bool) -> None:
    assert serves_well(services(**changes)) is expected


@pytest.mark.parametrize(("code", "exit_code"), [(1, 1), (10, 10), (11, 11), (12, 12)])
def test_how_a_restart_failed_is_the_exit_code(code: int, exit_code: int) -> None:
    error = restart_failure(services())(code, ["first", "last"])
    assert (error.exit_code, error.evidence) == (exit_code, ("first", "last"))
    assert "./doit logs vikunja-main" in error.hint


def test_a_failure_says_the_script_s_last_words() -> None:
    error = services_failure("no", "a")(1, ["x", "nginx could not be started"])
    assert str(error) == "a: no: nginx could not be started"
    assert isinstance(error, DeployError)


@pytest.mark.parametrize("script", [START, STOP, RESTART], ids=lambda script: script.name)
def test_every_script_waits_for_what_a_killed_run_has_left_working(script: GuestScript) -> None:
    text = script.text
    assert text.index("flock -w") < text.index("health_backend()") < text.index("undo_restart()")
