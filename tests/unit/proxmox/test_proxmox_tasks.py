"""Waiting for tasks of Proxmox VE, against the stand-in on loopback."""

from __future__ import annotations

import signal
import threading
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pve.cluster import Failed, Task
from pve.place import Place

from tasks.containers.proxmox.api import ProxmoxerSession
from tasks.containers.proxmox.tasks import Upid, fraction_of, parse_upid, wait
from tasks.errors import CancelledError, DeployError, LockedError, NetworkError, ResourceError

EXAMPLE = "UPID:pve-1:000D7AA2:08D5A17C:63DF62A5:vzcreate:210:deploy@pve!tool:"


class Steps:
    """Progress that keeps what it is told."""

    def __init__(self) -> None:
        self.reported: list[tuple[str, float | None]] = []

    def step(self, text: str, fraction: float | None = None, since: float | None = None) -> None:
        self.reported.append((text, fraction))


def begun(place: Place, effect: Any = lambda task: None, log: tuple[str, ...] = ()) -> str:
    return place.cluster.begin("pve", "vzcreate", 100, "root@pam", effect, log)


def failure(place: Place, session: ProxmoxerSession, text: str, *log: str) -> DeployError:
    def effect(task: Task) -> None:
        raise Failed(text)

    with pytest.raises(DeployError) as caught:
        wait(session, begun(place, effect, log), "create container 100", timeout=10)
    return caught.value


def test_a_upid_is_taken_apart() -> None:
    expected = Upid(EXAMPLE, "pve-1", 0x63DF62A5, "vzcreate", "210", "deploy@pve!tool")
    assert parse_upid(EXAMPLE) == expected


def test_a_task_about_nothing_in_particular_has_an_empty_id() -> None:
    upid = parse_upid("UPID:pve:000D7AA2:08D5A17C:63DF62A5:download::root@pam:")
    assert (upid.kind, upid.id, upid.user) == ("download", "", "root@pam")


@settings(deadline=None)
@given(st.one_of(st.none(), st.text(), st.just(EXAMPLE[:-1]), st.just(f"{EXAMPLE}\n")))
def test_what_is_no_upid_is_refused(answer: str | None) -> None:
    with pytest.raises(DeployError, match="no task"):
        parse_upid(answer)


@pytest.mark.parametrize(
    ("line", "fraction"),
    [
        ("transferred 1.0 GiB of 4.0 GiB (25.00%) in 2s", 0.25),
        ("100%", 1.0),
        ("0% then 50 %", 0.5),
        ("150% of something", None),
        ("extracting archive", None),
    ],
)
def test_progress_is_read_from_the_log(line: str, fraction: float | None) -> None:
    assert fraction_of(line) == fraction


def test_a_task_is_waited_for_to_its_end(place: Place, session: ProxmoxerSession) -> None:
    place.cluster.duration = 0.3
    begin = time.monotonic()
    upid = begun(place)
    assert wait(session, upid, "create container 100", timeout=10).warnings == ()
    assert time.monotonic() - begin >= 0.3
    assert place.cluster.tasks[upid].exit_status == "OK"


def test_the_log_shows_while_it_grows(place: Place, https: ProxmoxerSession) -> None:
    place.cluster.duration = 60
    upid = begun(place, log=("Formatting", "copied 25%"))
    task = place.cluster.tasks[upid]

    class Growing(Steps):
        def step(
            self, text: str, fraction: float | None = None, since: float | None = None
        ) -> None:
            super().step(text, fraction)
            if fraction == 0.25:
                task.log.append("copied 75%")
            if fraction == 0.75:
                task.ends = 0

    steps = Growing()
    wait(https, upid, "create container 100", timeout=10, progress=steps)
    assert steps.reported == [
        ("create container 100", None),
        ("create container 100: copied 25%", 0.25),
        ("create container 100: copied 75%", 0.75),
    ]


def test_a_log_without_a_line_and_its_end_are_no_progress(
    place: Place, https: ProxmoxerSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.cluster.duration = 60
    upid = begun(place)
    task = place.cluster.tasks[upid]
    logs: list[Any] = []
    call = https.call

    class Watching(Steps):
        def step(
            self, text: str, fraction: float | None = None, since: float | None = None
        ) -> None:
            super().step(text, fraction)
            if "copied" in text:
                task.log.append("TASK OK")
                task.ends = 0

    def calling(method: Any, path: str, parameters: Any) -> Any:
        answer = call(method, path, parameters)
        if path.endswith("/log"):
            logs.append(answer)
            if len(logs) == 1:
                task.log.append("copied 25%")
        return answer

    monkeypatch.setattr(https, "call", calling)
    steps = Watching()
    wait(https, upid, "create container 100", timeout=10, progress=steps)
    assert steps.reported == [
        ("create container 100", None),
        ("create container 100: copied 25%", 0.25),
    ]
    assert logs[0] == [{"n": 1, "t": "no content"}]


def test_warnings_are_no_failure_and_not_forgotten(place: Place, session: ProxmoxerSession) -> None:
    upid = begun(place, lambda task: task.warn("no such locale"), log=("Formatting",))
    finished = wait(session, upid, "create container 100", timeout=10)
    assert finished.warnings == ("WARN: no such locale",)


def test_a_failure_shows_the_end_of_the_log(place: Place, session: ProxmoxerSession) -> None:
    lines = [f"line {number}" for number in range(1200)]
    error = failure(place, session, "disk on fire", *lines)
    assert str(error) == "create container 100 failed: disk on fire"
    assert error.evidence[-3:] == ("line 1198", "line 1199", "TASK ERROR: disk on fire")
    assert len(error.evidence) == 15


def test_a_failure_that_is_known_is_our_error(place: Place, session: ProxmoxerSession) -> None:
    text = "can't lock file '/run/lock/lxc/pve-config-100.lock' - got timeout"
    assert isinstance(failure(place, session, text), LockedError)


def test_a_cause_that_only_the_log_names_is_found(place: Place, https: ProxmoxerSession) -> None:
    text = "startup for container '100' failed"
    error = failure(place, https, text, "bridge 'vmbr9' does not exist")
    assert isinstance(error, ResourceError)
    assert "no bridge vmbr9" in str(error)
    assert f"TASK ERROR: {text}" in error.evidence


def test_waiting_too_long_says_what_still_runs(place: Place, https: ProxmoxerSession) -> None:
    place.cluster.duration = 30
    upid = begun(place, log=("Formatting",))
    with pytest.raises(DeployError) as caught:
        wait(https, upid, "create container 100", timeout=0.2, where="vikunja-main")
    assert str(caught.value).startswith("vikunja-main: not over after 0.2 s")
    assert f"task {upid} on node pve still runs" in str(caught.value)
    assert caught.value.evidence == ("Formatting",)
    assert place.cluster.tasks[upid].exit_status is None


def test_ctrl_c_stops_waiting_and_says_what_still_runs(
    place: Place, https: ProxmoxerSession
) -> None:
    place.cluster.duration = 30
    upid = begun(place)
    main = threading.main_thread().ident
    assert main is not None
    threading.Timer(0.3, signal.pthread_kill, [main, signal.SIGINT]).start()
    with pytest.raises(CancelledError) as caught:
        wait(https, upid, "create container 100", timeout=20)
    assert caught.value.exit_code == 20
    assert f"stopped waiting for create container 100: task {upid}" in str(caught.value)
    assert place.cluster.tasks[upid].exit_status is None


def test_a_connection_lost_while_waiting_says_what_still_runs(
    place: Place, https: ProxmoxerSession
) -> None:
    place.cluster.duration = 30
    upid = begun(place, log=("Formatting",))
    place.cluster.inject(f"{upid}/status", 595, "No route to host")
    with pytest.raises(NetworkError) as caught:
        wait(https, upid, "create container 100", timeout=20)
    assert "does not reach node pve" in str(caught.value)
    assert f"{upid} on node pve still runs" in str(caught.value)


def test_a_task_that_is_over_costs_one_call(place: Place, https: ProxmoxerSession) -> None:
    place.cluster.duration = 0
    wait(https, begun(place), "create container 100", timeout=10)
    assert https.round_trips == 1
