"""What the scripts of start, stop and restart are asked to do."""

from __future__ import annotations

from typing import Any

import pytest
from instance_samples import sample_instance
from msgspec.structs import replace
from standing_samples import INSIDE, MEASURED

from tasks.errors import DeployError
from tasks.host.process import Completed
from tasks.model.instance import Instance
from tasks.status.measured import Answer
from tasks.workflows import lifecycle
from tasks.workflows.lifecycle import (
    RunningInstance,
    _failure,
    _not_restarted,
    _serves,
    restart_arguments,
    start_arguments,
    stop_arguments,
)

UNITS = {"nginx.service": "active", "vikunja-backend@green.service": "active"}


def full() -> Instance:
    return sample_instance(
        database={"type": "postgresql"},
        redis={"enabled": True},
        services={"mcp": {"enabled": True}},
        vikunja={"start_timeout_seconds": 40},
    )


def subject(instance: Instance | None = None, **changes: Any) -> RunningInstance:
    # No container: only what is asked of it is looked at here.
    found = replace(INSIDE, serving="green", units=UNITS, **changes)
    return RunningInstance(instance or sample_instance(), None, found)  # type: ignore[arg-type]


def test_what_is_behind_the_proxy_starts_before_it() -> None:
    assert start_arguments(subject(full())) == [
        *("3457", "v1.2.0", "8457", "vikunja.example.com", "443", "40", "green"),
        "postgresql.service",
        "redis-server.service",
        "vikunja-backend@green.service",
        "vikunja-mcp@green.service",
        "nginx.service",
    ]
    assert start_arguments(subject())[2] == "-"
    assert start_arguments(subject())[7:] == ["vikunja-backend@green.service", "nginx.service"]


def test_the_proxy_stops_before_what_is_behind_it_and_the_database_goes_on() -> None:
    assert stop_arguments(full()) == [
        "nginx.service",
        "vikunja-mcp@blue.service",
        "vikunja-backend@blue.service",
        "vikunja-mcp@green.service",
        "vikunja-backend@green.service",
    ]


def test_a_stand_in_has_the_idle_color_s_ports() -> None:
    arguments = restart_arguments(subject(full()))
    assert arguments[:3] == ["green", "3457", "8457"]
    assert arguments[3:6] == ["blue", "3456", "8456"]
    assert arguments[6:8] == ["v1.2.0", "40"]
    assert arguments[8:] == ["30", "300"]


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
    assert _serves(subject(**changes)) is expected


@pytest.mark.parametrize(("code", "exit_code"), [(1, 1), (10, 10), (11, 11), (12, 12)])
def test_how_a_restart_failed_is_the_exit_code(code: int, exit_code: int) -> None:
    error = _not_restarted(Completed(("sh",), code, b"", b"first\nlast\n"), subject())
    assert (error.exit_code, error.evidence) == (exit_code, ("first", "last"))
    assert "./doit logs vikunja-main" in error.hint


def test_a_failure_says_the_script_s_last_words() -> None:
    error = _failure(Completed(("sh",), 1, b"", b"x\nnginx could not be started\n"), "a", "no")
    assert str(error) == "a: no: nginx could not be started"
    assert isinstance(error, DeployError)


@pytest.mark.parametrize("name", ["start", "stop", "restart"])
def test_every_script_waits_for_what_a_killed_run_has_left_working(name: str) -> None:
    text = lifecycle.script(name)
    assert text.index("flock -w") < text.index("health_backend()") < text.index("settle()")
