"""A build stands beside what the container needs: both at once, and whatever fails in one of them
lets the other end."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from threading import Event
from typing import Any

import pytest
from model_site import NAME, Site, publish

from tasks import builds
from tasks.commands.apply import Apply
from tasks.engine.instance_run import InstanceRun
from tasks.engine.session import Session
from tasks.errors import BuildError, DeployError
from tasks.host.cancelling import ended_by
from tasks.model import applied, operations
from tasks.model import state as states
from tasks.model.holder import inspect
from tasks.model.operations import Ended

LAST_OF_SYSTEM = "unit:logrotate.timer"
SECONDS = 60


def apply(site: Site) -> int:
    code: int = Apply().parse_execute(["--yes", "--config", str(site.config)])
    return code


class Moments:
    """What was done to the world, as events: by address."""

    def __init__(self, site: Site) -> None:
        self._site, self._record = site, site.world.record
        self._events: dict[str, Event] = {}
        self.at: dict[str, Callable[[], None]] = {}
        site.world.record = self.record  # type: ignore[method-assign]

    def record(self, address: str, how: str) -> None:
        self._record(address, how)
        self._event(address).set()
        if address in self.at:
            self.at[address]()

    def _event(self, address: str) -> Event:
        return self._events.setdefault(address, Event())

    def wait(self, address: str) -> None:
        assert self._event(address).wait(SECONDS), f"{address} was not done meanwhile"

    def done(self) -> list[str]:
        return [address for address, _ in self._site.world.log]


@pytest.fixture
def moments(site: Site) -> Moments:
    return Moments(site)


Build = Callable[[], None]


@pytest.fixture
def building(site: Site, monkeypatch: pytest.MonkeyPatch) -> Callable[[Build], Event]:
    """Builds do this before they leave their artifact; the event of one that has begun."""

    def arrange(work: Build) -> Event:
        begun = Event()

        def build(instance: Any, commit: str, paths: Any, progress: Any) -> Any:
            progress.step("go build")
            begun.set()
            work()
            site.world.record("artifact", "create")
            return publish(paths, instance, commit)

        monkeypatch.setattr(builds, "build", build)
        return begun

    return arrange


@pytest.fixture
def reported(monkeypatch: pytest.MonkeyPatch) -> list[Ended]:
    """The operations that have ended."""
    ended: list[Ended] = []
    monkeypatch.setattr(operations, "_listeners", [ended.append])
    return ended


@pytest.fixture
def failed(monkeypatch: pytest.MonkeyPatch) -> Event:
    """Set as soon as one of both has failed, and the session knows."""
    event, keep = Event(), Session._keep

    def kept(session: Session, run: InstanceRun, failure: BaseException) -> None:
        keep(session, run, failure)
        event.set()

    monkeypatch.setattr(Session, "_keep", kept)
    return event


def errors(said: str) -> list[str]:
    return [line for line in said.splitlines() if line.startswith(("error:", "      "))]


def pending(site: Site) -> set[str]:
    resources = applied.read(site.paths, NAME).resources
    return {address for address, one in resources.items() if one.pending}


def check_ended(site: Site, reported: list[Ended]) -> None:
    """One operation has ended, once, as a failure; nobody holds its lock, and the next does it."""
    assert [end.operation for end in reported] == ["deploy"]
    state = states.read(site.paths, NAME)
    assert state is not None and state.last_operation_status == "failure"
    assert inspect(site.paths, NAME) is None


def check_the_next_apply_does_it(site: Site) -> None:
    assert apply(site) == 0
    assert site.plan()[1].empty
    assert pending(site) == set()


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def wait_as_for_a_program(also: Event | None = None) -> None:
    """Until it is cancelled."""
    killed = Event()
    with ended_by(killed.set):
        if also is not None:
            also.set()
        assert killed.wait(SECONDS), "was not cancelled"


def test_a_first_deployment_builds_while_the_container_is_made_and_set_up(
    site: Site, moments: Moments, building: Callable[[Build], Event]
) -> None:
    begun = building(lambda: moments.wait(LAST_OF_SYSTEM))
    moments.at[f"container:{NAME}"] = lambda: _wait(begun)
    assert apply(site) == 0
    done = moments.done()
    assert done.index(LAST_OF_SYSTEM) < done.index("artifact") < done.index("release:blue")
    assert site.plan()[1].empty
    assert pending(site) == set()


def _wait(event: Event) -> None:
    assert event.wait(SECONDS)


def test_a_plan_shows_the_same_order_as_ever(site: Site) -> None:
    _, plan = site.plan()
    steps = list(dict.fromkeys(entry.step for entry in plan.entries))
    assert steps == ["provision", "system", "build", "release", "switch", "record"]


def test_a_build_that_fails_lets_the_step_that_is_under_way_end(
    site: Site,
    moments: Moments,
    building: Callable[[Build], Event],
    reported: list[Ended],
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail() -> None:
        moments.wait("systemd:unit-files")
        raise BuildError("go build failed", where="builder", hint="mend it")

    building(fail)
    assert apply(site) == 9
    assert errors(capsys.readouterr().err) == [
        "error: builder: go build failed",
        "       mend it",
    ]
    done = moments.done()
    assert LAST_OF_SYSTEM in done and "release:blue" not in done
    assert {address.partition(":")[0] for address in pending(site)} == {"artifact"}
    check_ended(site, reported)
    building(lambda: None)
    check_the_next_apply_does_it(site)


def test_after_a_build_has_failed_no_other_step_begins(
    site: Site,
    moments: Moments,
    building: Callable[[Build], Event],
    reported: list[Ended],
    failed: Event,
) -> None:
    def fail() -> None:
        moments.wait(f"container:{NAME}")
        raise BuildError("go build failed")

    building(fail)
    moments.at[f"running:{NAME}"] = lambda: _wait(failed)
    assert apply(site) == 9
    assert moments.done() == [f"container:{NAME}", f"running:{NAME}"]
    check_ended(site, reported)


def test_a_build_under_way_ends_and_is_kept_where_the_container_fails(
    site: Site,
    moments: Moments,
    building: Callable[[Build], Event],
    reported: list[Ended],
    failed: Event,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    begun = building(lambda: _wait(failed))
    with monkeypatch.context() as patched:
        patched.setattr(INSTALL, _failing(begun))
        assert apply(site) == 1
    said = capsys.readouterr().err
    assert errors(said) == ["error: no archive answers"]
    assert "failed: no archive answers; what is under way ends" in said
    assert "artifact" in moments.done() and "release:blue" not in moments.done()
    assert not [address for address in pending(site) if address.startswith("artifact:")]
    check_ended(site, reported)
    moments.at["artifact"] = _built_again
    check_the_next_apply_does_it(site)


def _built_again() -> None:
    raise AssertionError("what was built is in the cache")


INSTALL = "tasks.execution.guest_changes.install"


def _failing(begun: Event) -> Callable[..., None]:
    def effect(*_: object) -> None:
        _wait(begun)
        raise DeployError("no archive answers")

    return effect


def test_of_two_failures_the_first_is_the_reason_and_the_other_is_told(
    site: Site,
    moments: Moments,
    building: Callable[[Build], Event],
    reported: list[Ended],
    failed: Event,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail() -> None:
        _wait(failed)
        raise BuildError("go build failed")

    begun = building(fail)
    monkeypatch.setattr(INSTALL, _failing(begun))
    assert apply(site) == 1
    said = capsys.readouterr().err
    assert errors(said) == ["error: no archive answers"]
    assert "warning: go build failed" in said
    check_ended(site, reported)


@pytest.mark.parametrize("busy", ["both", "build", "container"])
def test_cancelled_both_are_interrupted_and_the_operation_ends_as_ever(
    busy: str,
    site: Site,
    moments: Moments,
    building: Callable[[Build], Event],
    reported: list[Ended],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    installing = Event()

    def build() -> None:
        if busy == "both":
            _wait(installing)
            interrupt()
        elif busy == "build":
            moments.wait(LAST_OF_SYSTEM)
            interrupt()
        else:
            return
        wait_as_for_a_program()

    building(build)
    with monkeypatch.context() as patched:
        if busy != "build":
            patched.setattr(INSTALL, _endless_packages(busy, moments, installing))
        assert apply(site) == 20
    assert errors(capsys.readouterr().err) == [
        f"error: {NAME}: cancelled",
        f"       ./doit plan {NAME} shows what is left to do.",
    ]
    assert ("artifact" in moments.done()) == (busy == "container")
    assert "release:blue" not in moments.done()
    check_ended(site, reported)
    building(lambda: None)
    check_the_next_apply_does_it(site)


def _endless_packages(busy: str, moments: Moments, installing: Event) -> Callable[..., None]:
    def effect(*_: object) -> None:
        if busy == "container":
            moments.wait("artifact")
            interrupt()
        wait_as_for_a_program(also=installing)

    return effect
