from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from killed_lines import KilledAnywhere

from tasks.errors import (
    BuildError,
    CancelledError,
    DeployError,
    LockedError,
    ResourceError,
    RolledBackError,
)
from tasks.model import operations as module
from tasks.model import state as states
from tasks.model.history import operations
from tasks.model.holder import inspect
from tasks.model.operation_log import OPERATIONS, OperationName, read_entries
from tasks.model.operations import operation
from tasks.model.state import LEGAL, State, Status
from tasks.paths import Paths

NAME = "vikunja-main"


def log_of(paths: Paths) -> list[tuple[str, str, str]]:
    """Levels, operations and messages, with SOME TIME for every duration."""
    return [
        (entry.level, entry.operation, re.sub(r"\b[0-9.]+s\b", "SOME TIME", entry.message))
        for entry in read_entries(paths, NAME)
    ]


def state_of(paths: Paths) -> State:
    state = states.read(paths, NAME)
    assert state is not None
    return state


def deploy(paths: Paths, **changes: Any) -> None:
    with operation(paths, NAME, "deploy", **changes):
        pass


def bring_to(paths: Paths, status: Status | None) -> None:
    if status is None:
        return
    if status == "failed":
        with pytest.raises(BuildError), operation(paths, NAME, "deploy"):
            raise BuildError("no")
        return
    deploy(paths)
    if status == "stopped":
        with operation(paths, NAME, "stop"):
            pass


def test_a_first_deployment_leaves_a_running_instance_and_the_whole_story(paths: Paths) -> None:
    with operation(paths, NAME, "deploy", container_id=100) as op:
        state = state_of(paths)
        assert (state.status, state.container_id) == ("deploying", 100)
        assert (state.last_operation, state.last_operation_status) == ("deploy", "in_progress")
        info = inspect(paths, NAME)
        assert info is not None and info.operation == "deploy"
        op.info("Created LXC container ID 100")
        op.record(active_color="blue", deployed_version="v0.23.0", deployed_commit="abc123def")
    assert inspect(paths, NAME) is None
    state = state_of(paths)
    assert (state.status, state.last_operation_status) == ("running", "success")
    assert (state.active_color, state.deployed_version) == ("blue", "v0.23.0")
    assert state.uptime_start is not None
    assert log_of(paths) == [
        ("INFO", "deploy", "Starting deployment of vikunja-main"),
        ("INFO", "deploy", "Created LXC container ID 100"),
        ("SUCCESS", "deploy", "Deployment completed in SOME TIME"),
    ]


def test_facts_are_on_the_disk_as_soon_as_they_are_recorded(paths: Paths) -> None:
    with operation(paths, NAME, "deploy") as op:
        op.record(container_id=123)
        assert state_of(paths).container_id == 123
        assert op.state == state_of(paths)


def test_a_failure_leaves_a_failed_instance_and_the_error_passes_through(paths: Paths) -> None:
    deploy(paths)
    with pytest.raises(BuildError), operation(paths, NAME, "update"):
        assert state_of(paths).status == "updating"
        raise BuildError("go build failed", evidence=["main.go:1"])
    state = state_of(paths)
    assert (state.status, state.last_operation, state.last_operation_status) == (
        "failed",
        "update",
        "failure",
    )
    assert inspect(paths, NAME) is None
    assert log_of(paths)[-2:] == [
        ("DEBUG", "update", "| main.go:1"),
        ("ERROR", "update", "Update failed after SOME TIME with exit code 9: go build failed"),
    ]


def test_what_was_rolled_back_runs_and_the_operation_has_failed(paths: Paths) -> None:
    deploy(paths)
    begun = state_of(paths).uptime_start
    with pytest.raises(RolledBackError), operation(paths, NAME, "update"):
        raise RolledBackError("unhealthy, put back")
    state = state_of(paths)
    assert (state.status, state.last_operation_status) == ("running", "failure")
    assert state.uptime_start == begun


def test_an_update_that_touched_nothing_can_say_that_the_old_one_serves(paths: Paths) -> None:
    deploy(paths)
    with pytest.raises(BuildError), operation(paths, NAME, "update") as op:
        op.become("running")
        raise BuildError("no")
    assert (state_of(paths).status, state_of(paths).last_operation_status) == (
        "running",
        "failure",
    )


def test_becoming_what_the_state_machine_does_not_allow_is_an_error(paths: Paths) -> None:
    deploy(paths)
    illegal = pytest.raises(DeployError, match="cannot go from updating to deploying")
    with illegal, operation(paths, NAME, "update") as op:
        op.become("deploying")


def test_an_interrupt_ends_as_cancelled(paths: Paths) -> None:
    with pytest.raises(CancelledError) as caught, operation(paths, NAME, "deploy"):
        raise KeyboardInterrupt
    assert caught.value.exit_code == 20
    assert str(caught.value) == "vikunja-main: deploy cancelled"
    assert state_of(paths).status == "failed"
    assert inspect(paths, NAME) is None
    (done,) = operations(read_entries(paths, NAME))
    assert (done.outcome, done.exit_code) == ("cancelled", 20)


def test_an_error_that_is_none_of_ours_fails_the_operation_too(paths: Paths) -> None:
    with pytest.raises(ZeroDivisionError), operation(paths, NAME, "deploy"):
        raise ZeroDivisionError
    assert state_of(paths).status == "failed"
    assert inspect(paths, NAME) is None


def test_an_operation_can_be_entered_again_by_its_steps(paths: Paths) -> None:
    with operation(paths, NAME, "deploy") as op:
        with op, op:
            op.info("inside")
        assert inspect(paths, NAME) is not None
        assert state_of(paths).status == "deploying"
    assert [message for _, _, message in log_of(paths)] == [
        "Starting deployment of vikunja-main",
        "inside",
        "Deployment completed in SOME TIME",
    ]


def test_another_operation_is_kept_out_and_changes_no_record(paths: Paths) -> None:
    with operation(paths, NAME, "deploy"):
        before = (state_of(paths), log_of(paths))
        with pytest.raises(LockedError, match="locked by deploy by"):
            deploy(paths)
        assert (state_of(paths), log_of(paths)) == before


def test_facts_recorded_by_parallel_steps_are_all_kept(paths: Paths) -> None:
    with operation(paths, NAME, "deploy") as op, ThreadPoolExecutor(3) as pool:
        jobs = [
            pool.submit(op.record, container_id=100),
            pool.submit(op.record, active_color="green"),
            pool.submit(op.record, deployed_version="v1.0.0"),
        ]
        for job in jobs:
            job.result()
    state = state_of(paths)
    assert (state.container_id, state.active_color, state.deployed_version) == (
        100,
        "green",
        "v1.0.0",
    )


def block_state(paths: Paths) -> None:
    """Make the state file one that cannot be written."""
    paths.state(NAME).unlink(missing_ok=True)
    (paths.state(NAME) / "inner").mkdir(parents=True)


def test_a_state_that_cannot_be_written_at_the_start_ends_the_operation_before_its_work(
    paths: Paths,
) -> None:
    paths.state(NAME).parent.parent.mkdir(parents=True)
    paths.state(NAME).parent.symlink_to("/proc/self/fdinfo")
    refused = pytest.raises(DeployError, match=r"vikunja-main\.state: cannot be written")
    with refused, operation(paths, NAME, "deploy"):
        raise AssertionError
    assert inspect(paths, NAME) is None
    (done,) = operations(read_entries(paths, NAME))
    assert (done.outcome, done.exit_code) == ("failure", 1)
    assert "cannot be written" in done.reason


def test_a_state_that_cannot_be_written_at_the_end_makes_the_operation_fail(paths: Paths) -> None:
    refused = pytest.raises(DeployError, match=r"vikunja-main\.state: cannot be written")
    with refused, operation(paths, NAME, "deploy"):
        block_state(paths)
    assert inspect(paths, NAME) is None
    (done,) = operations(read_entries(paths, NAME))
    assert (done.outcome, done.exit_code) == ("failure", 1)


def test_records_that_cannot_be_written_do_not_hide_why_the_operation_failed(paths: Paths) -> None:
    warnings: list[str] = []
    with pytest.raises(BuildError), operation(paths, NAME, "deploy", warn=warnings.append):
        block_state(paths)
        raise BuildError("no")
    assert warnings == [f"{paths.state(NAME)}: cannot be written: Is a directory"]
    assert inspect(paths, NAME) is None


def test_every_kind_of_line_goes_to_the_log_and_warnings_to_the_watcher_too(paths: Paths) -> None:
    warnings: list[str] = []
    with operation(paths, NAME, "deploy", warn=warnings.append) as op:
        op.debug("d")
        op.info("i")
        op.warn("w")
        op.error("e")
    assert [(level, text) for level, _, text in log_of(paths)][1:-1] == [
        ("DEBUG", "d"),
        ("INFO", "i"),
        ("WARN", "w"),
        ("ERROR", "e"),
    ]
    assert warnings == ["w"]


ALWAYS_RUNNING: dict[Status | None, Status | None] = {
    None: "running",
    "running": "running",
    "stopped": "running",
    "failed": "running",
}
UNCHANGED: dict[Status | None, Status | None] = {
    "running": "running",
    "stopped": "stopped",
    "failed": "failed",
}
ON_SUCCESS: dict[OperationName, dict[Status | None, Status | None]] = {
    "deploy": ALWAYS_RUNNING,
    "update": ALWAYS_RUNNING,
    "reconfigure": ALWAYS_RUNNING,
    "restore": ALWAYS_RUNNING,
    "import": ALWAYS_RUNNING,
    "rebuild": {"running": "running", "stopped": "running", "failed": "running"},
    "rollback": {"running": "running", "stopped": "running", "failed": "running"},
    "start": {"running": "running", "stopped": "running", "failed": "failed"},
    "restart": {"running": "running", "stopped": "running", "failed": "failed"},
    "stop": {"running": "stopped", "stopped": "stopped", "failed": "failed"},
    "backup": UNCHANGED,
    "drill": UNCHANGED,
    "uninstall": {None: None, "running": None, "stopped": None, "failed": None},
}


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("before", [None, "running", "stopped", "failed"])
def test_every_operation_leads_from_every_status_where_it_should(
    paths: Paths, name: OperationName, before: Status | None
) -> None:
    bring_to(paths, before)
    lines = len(log_of(paths))
    if before not in ON_SUCCESS[name]:
        with pytest.raises(ResourceError) as caught, operation(paths, NAME, name):
            raise AssertionError
        assert str(caught.value) == f"vikunja-main: {name} needs a deployed instance"
        assert states.read(paths, NAME) is None and len(log_of(paths)) == lines
        assert inspect(paths, NAME) is None
        return
    with operation(paths, NAME, name):
        pass
    after = states.read(paths, NAME)
    assert (after.status if after else None) == ON_SUCCESS[name][before]
    if after:
        assert (after.last_operation, after.last_operation_status) == (name, "success")
        assert (after.uptime_start is None) == (after.status != "running")
    assert len(log_of(paths)) == lines + 2


def test_a_backup_that_fails_does_not_make_the_instance_failed(paths: Paths) -> None:
    deploy(paths)
    with pytest.raises(DeployError), operation(paths, NAME, "backup"):
        raise DeployError("disk full")
    state = state_of(paths)
    assert (state.status, state.last_operation_status) == ("running", "failure")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("backup", ""),
        ("drill", ""),
        ("uninstall", f"./doit uninstall {NAME} goes on with it."),
        ("rebuild", f"./doit rebuild --recover {NAME} puts in order what is left of it."),
        ("update", "./doit plan shows what is left to do."),
    ],
)
def test_who_cancels_hears_what_goes_on_with_it_where_something_is_left(
    paths: Paths, name: OperationName, hint: str
) -> None:
    deploy(paths)
    with pytest.raises(CancelledError) as caught, operation(paths, NAME, name):
        raise KeyboardInterrupt
    assert caught.value.hint == hint


def test_a_failed_uninstall_keeps_the_state(paths: Paths) -> None:
    deploy(paths)
    with pytest.raises(DeployError), operation(paths, NAME, "uninstall") as op:
        op.become("stopped")
        raise DeployError("no")
    assert (state_of(paths).status, state_of(paths).last_operation_status) == (
        "stopped",
        "failure",
    )


def test_what_crashed_and_left_the_status_as_it_was_is_said_without_it(
    paths: Paths, kill_at: Any
) -> None:
    deploy(paths)

    def crash() -> None:
        with operation(paths, NAME, "backup"):
            import os
            import signal

            os.kill(os.getpid(), signal.SIGKILL)

    assert kill_at(10**9, crash)
    warnings: list[str] = []
    with operation(paths, NAME, "backup", warn=warnings.append):
        pass
    assert len(warnings) == 2
    assert warnings[1].startswith("The backup of 20")
    assert warnings[1].endswith(" did not finish")


@pytest.mark.parametrize("name", ["deploy", "update", "reconfigure", "rollback"])
@pytest.mark.parametrize("crashed", ["deploy", "update", "reconfigure", "restore", "rollback"])
def test_what_crashed_is_finished_by_the_next_operation(
    paths: Paths, kill_at: Any, crashed: OperationName, name: OperationName
) -> None:
    deploy(paths)

    def crash() -> None:
        with operation(paths, NAME, crashed):
            import os
            import signal

            os.kill(os.getpid(), signal.SIGKILL)

    assert kill_at(10**9, crash)
    assert state_of(paths).last_operation_status == "in_progress"
    warnings: list[str] = []
    with operation(paths, NAME, name, warn=warnings.append) as op:
        assert op.state is not None
    assert state_of(paths).status == "running"
    assert len(warnings) == 2
    assert warnings[0].startswith(f"Freed the lock of {crashed} by ")
    assert warnings[1].startswith(f"The {crashed} of 20")
    assert warnings[1].endswith("did not finish: its status updating is now failed")
    warned = [(level, op, text) for level, op, text in log_of(paths) if level == "WARN"]
    assert warned == [("WARN", name, text) for text in warnings]
    outcomes = [(done.operation, done.outcome) for done in operations(read_entries(paths, NAME))]
    assert outcomes == [("deploy", "success"), (crashed, "unfinished"), (name, "success")]


def test_a_reboot_that_emptied_the_lock_folder_is_recovered_from_too(paths: Paths) -> None:
    deploy(paths)
    state = states.transition(
        state_of(paths),
        "updating",
        time="2025-10-19T10:30:00Z",
        last_operation_status="in_progress",
    )
    states.write(paths, state)
    warnings: list[str] = []
    with operation(paths, NAME, "reconfigure", warn=warnings.append):
        assert state_of(paths).status == "deploying"
    assert state_of(paths).status == "running"
    assert len(warnings) == 1


@pytest.mark.parametrize(
    ("before", "name"), [(None, "deploy"), ("running", "update"), ("running", "uninstall")]
)
def test_killed_at_any_line_the_next_operation_finishes(
    paths: Paths, killed_anywhere: KilledAnywhere, before: Status | None, name: OperationName
) -> None:
    def work() -> None:
        with operation(paths, NAME, name) as op:
            op.record(container_id=100)
            op.info("half way")

    bring_to(paths, before)
    killed = set()
    moments = 0
    for _ in killed_anywhere(work):
        moments += 1
        found = states.read(paths, NAME)
        killed.add((found.status, found.last_operation_status) if found else None)
        with operation(paths, NAME, "deploy"):
            pass
        assert (state_of(paths).status, state_of(paths).last_operation_status) == (
            "running",
            "success",
        )
        assert inspect(paths, NAME) is None
    assert moments > 20
    if name == "deploy":
        assert killed == {None, ("deploying", "in_progress"), ("running", "success")}
    elif name == "update":
        assert killed == {("running", "success"), ("updating", "in_progress")}
    else:
        assert killed == {("running", "success"), ("running", "in_progress"), None}


class Crash(BaseException):
    """Stands for the death of the process: nothing of ours runs any more after it."""


class Watched:
    """Every transition that is made and every state that is written, held against each other.

    A written status must follow from the one written before by transitions made since, each of
    them one of the state machine's.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.written: Status | None = None
        self.walked: list[Status | None] = [None]
        self.crash_at = 0
        self._transition, self._write, self._remove, self._fail = (
            states.transition,
            states.write,
            states.remove,
            module.Operation._fail,
        )
        patch.setattr(states, "transition", self.transition)
        patch.setattr(states, "write", self.write)
        patch.setattr(states, "remove", self.remove)
        patch.setattr(module.Operation, "_fail", lambda op, error: self.fail(op, error))

    def transition(self, state: State | None, status: Status, **changes: Any) -> State:
        after = self._transition(state, status, **changes)
        self.walked.append(status)
        return after

    def write(self, paths: Paths, state: State) -> None:
        self._write(paths, state)
        self._check(state.status)

    def remove(self, paths: Paths, instance_id: str) -> None:
        self._remove(paths, instance_id)
        self.walked.append(None)
        self._check(None)

    def fail(self, op: module.Operation, error: BaseException) -> None:
        if not isinstance(error, Crash):
            self._fail(op, error)

    def _check(self, status: Status | None) -> None:
        assert self.walked[-1] == status
        for before, after in pairwise(self.walked):
            assert after == before or after in LEGAL[before]
        self.written = status
        self.walked = [status]
        self.crash_at -= 1
        if self.crash_at == 0:
            raise Crash


endings = st.sampled_from(["success", "failure", "rolled back", "crash", "interrupt"])
histories = st.lists(
    st.tuples(st.sampled_from(OPERATIONS), endings, st.integers(1, 4)), min_size=1, max_size=8
)


@settings(max_examples=60, deadline=None)
@given(histories)
def test_whatever_happens_only_legal_transitions_are_written_and_a_deployment_mends_it(
    history: list[tuple[OperationName, str, int]],
) -> None:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        paths = Paths(Path(folder))
        watched = Watched(patch)
        for name, ending, write in [*history, ("deploy", "success", 0)]:
            watched.walked = [watched.written]
            watched.crash_at = write if ending == "crash" else 0
            with suppress(DeployError, Crash), operation(paths, NAME, name) as op:
                op.record(active_color="blue")
                if ending == "failure":
                    raise BuildError("no")
                if ending == "rolled back":
                    raise RolledBackError("back")
                if ending == "interrupt":
                    raise KeyboardInterrupt
        assert state_of(paths).status == watched.written == "running"
        assert state_of(paths).last_operation_status == "success"
