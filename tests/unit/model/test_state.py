from __future__ import annotations

import json
from itertools import pairwise
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tasks.errors import DeployError
from tasks.model import state as states
from tasks.model.operation_log import OPERATIONS
from tasks.model.state import LEGAL, OperationStatus, State, Status, recover, transition
from tasks.paths import Paths

TIME = "2025-10-19T10:30:00Z"

EXAMPLE = State(
    instance_id="vikunja-main",
    container_id=100,
    status="running",
    active_color="blue",
    last_operation="update",
    last_operation_time=TIME,
    last_operation_status="success",
    deployed_version="v0.23.0",
    deployed_commit="abc123def",
    uptime_start="2025-10-19T09:00:00Z",
)

any_state = st.builds(
    State,
    instance_id=st.just("vikunja-main"),
    container_id=st.none() | st.integers(100, 999_999_999),
    status=st.sampled_from(get_args(Status)),
    active_color=st.sampled_from(["blue", "green", None]),
    last_operation=st.sampled_from(OPERATIONS),
    last_operation_time=st.just(TIME),
    last_operation_status=st.sampled_from(get_args(OperationStatus)),
    deployed_version=st.sampled_from([None, "v0.23.0"]),
    deployed_commit=st.sampled_from([None, "abc123def"]),
    uptime_start=st.sampled_from([None, TIME]),
)


def test_a_state_is_kept_in_the_data_models_file_and_form(paths: Paths) -> None:
    states.write(paths, EXAMPLE)
    file = paths.prefix / "var/lib/vikunja-deploy/state/vikunja-main.state"
    assert list(json.loads(file.read_text()).items()) == [
        ("instance_id", "vikunja-main"),
        ("container_id", 100),
        ("status", "running"),
        ("active_color", "blue"),
        ("last_operation", "update"),
        ("last_operation_time", "2025-10-19T10:30:00Z"),
        ("last_operation_status", "success"),
        ("deployed_version", "v0.23.0"),
        ("deployed_commit", "abc123def"),
        ("uptime_start", "2025-10-19T09:00:00Z"),
    ]
    assert states.read(paths, "vikunja-main") == EXAMPLE


def test_an_instance_without_a_state_file_has_none(paths: Paths) -> None:
    assert states.read(paths, "vikunja-main") is None
    states.remove(paths, "vikunja-main")
    states.write(paths, EXAMPLE)
    states.remove(paths, "vikunja-main")
    assert states.read(paths, "vikunja-main") is None


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"status": "jumping"}, "status cannot be 'jumping'"),
        ({"status": ["running"]}, "status cannot be ['running']"),
        ({"container_id": "100"}, "container_id cannot be '100'"),
        ({"container_id": True}, "container_id cannot be True"),
        ({"active_color": "red"}, "active_color cannot be 'red'"),
        ({"last_operation": "dance"}, "last_operation cannot be 'dance'"),
        ({"last_operation_status": None}, "last_operation_status cannot be None"),
        ({"deployed_version": ""}, "deployed_version cannot be ''"),
        ({"uptime_start": 5}, "uptime_start cannot be 5"),
        ({"mood": "good"}, "mood is no field of it"),
        ({"instance_id": "other"}, "it is the state of other"),
    ],
)
def test_a_state_file_with_a_wrong_field_is_an_error_that_says_which(
    paths: Paths, change: dict[str, object], what: str
) -> None:
    states.write(paths, EXAMPLE)
    file = paths.state("vikunja-main")
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(DeployError) as caught:
        states.read(paths, "vikunja-main")
    assert str(caught.value) == f"{file}: is damaged, {what}"
    assert caught.value.hint == (
        f"Move {file} aside: the next apply looks at what serves and writes it anew."
    )


def test_a_torn_state_file_is_an_error_that_says_what_to_do(paths: Paths) -> None:
    states.write(paths, EXAMPLE)
    file = paths.state("vikunja-main")
    file.write_bytes(file.read_bytes()[:50])
    with pytest.raises(DeployError, match="is damaged, not JSON at line 3 column 3"):
        states.read(paths, "vikunja-main")


DATA_MODEL_PATHS: list[list[Status | None]] = [
    [None, "deploying", "running"],
    ["deploying", "failed", "deploying"],
    ["running", "updating", "running"],
    ["running", "updating", "failed", "running"],
    ["running", "stopped", "running"],
    ["running", "stopped", None],
    ["stopped", None],
    ["failed", None],
    ["failed", "stopped", None],
    ["deploying", "stopped", None],
    ["updating", "stopped", None],
]


@pytest.mark.parametrize("path", DATA_MODEL_PATHS)
def test_every_path_of_the_data_models_state_machine_is_legal(path: list[Status | None]) -> None:
    for before, after in pairwise(path):
        assert after in LEGAL[before]


def test_no_transition_is_legal_that_the_data_model_does_not_have() -> None:
    drawn = {step for path in DATA_MODEL_PATHS for step in pairwise(path)}
    assert {(before, after) for before, into in LEGAL.items() for after in into} == drawn


@given(any_state, st.sampled_from(get_args(Status)))
def test_a_transition_is_made_exactly_if_it_is_legal(state: State, status: Status) -> None:
    if status == state.status or status in LEGAL[state.status]:
        after = transition(state, status, time=TIME, active_color="green")
        assert after.status == status and after.active_color == "green"
    else:
        with pytest.raises(DeployError) as caught:
            transition(state, status, time=TIME)
        assert str(caught.value) == f"vikunja-main: cannot go from {state.status} to {status}"


def test_the_first_transition_makes_the_state() -> None:
    made = transition(None, "deploying", time=TIME, instance_id="a", last_operation="deploy")
    assert made == State(
        "a", None, "deploying", None, "deploy", TIME, "in_progress", None, None, None
    )
    with pytest.raises(DeployError, match="a: cannot go from null to running") as caught:
        transition(None, "running", time=TIME, instance_id="a", last_operation="deploy")
    assert caught.value.hint == "From null it can only become: deploying."


def test_the_uptime_goes_on_through_an_update_and_ends_with_a_stop() -> None:
    later = "2025-10-20T00:00:00Z"
    updating = transition(EXAMPLE, "updating", time=later)
    assert transition(updating, "running", time=later).uptime_start == EXAMPLE.uptime_start
    stopped = transition(EXAMPLE, "stopped", time=later)
    assert stopped.uptime_start is None
    assert transition(stopped, "running", time=later).uptime_start == later


@given(any_state)
def test_recovering_leaves_nothing_under_way_by_legal_transitions_only(state: State) -> None:
    recovered = recover(state)
    assert recovered.status not in ("deploying", "updating")
    assert recovered.last_operation_status != "in_progress"
    assert recovered.status == state.status or recovered.status in LEGAL[state.status]
    assert recover(recovered) == recovered
    assert (
        replace(recovered, status=state.status, last_operation_status=state.last_operation_status)
        == state
    )


@given(any_state)
def test_what_has_ended_is_not_changed_by_recovering(state: State) -> None:
    ended = state.status not in ("deploying", "updating")
    if ended and state.last_operation_status != "in_progress":
        assert recover(state) is state
