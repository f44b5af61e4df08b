"""Ctrl-C while an update is under way: as it was, or done, and never half of it."""

from __future__ import annotations

from itertools import count
from threading import Event, Lock, Thread

import pytest
from model_site import NAME, Site

from tasks.commands.apply import Apply
from tasks.engine.instance_run import InstanceRun
from tasks.engine.session import Session
from tasks.model import state as states
from tasks.resources.release import SWITCHING


def apply(site: Site) -> int:
    code: int = Apply().parse_execute(["--yes", "--config", str(site.config)])
    return code


def running(site: Site) -> set[str]:
    """The colors whose backend runs."""
    colors = ("blue", "green")
    return {
        c for c in colors if site.machine.unit(f"vikunja-backend@{c}.service").active == "active"
    }


def active(site: Site) -> str:
    return "green" if site.machine.files.get("/etc/vikunja/active/green") is not None else "blue"


def test_cancelled_at_any_moment_one_version_serves_and_the_next_apply_finishes(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.apply()
    outcomes = set()
    for at in count(1):
        if site.plan()[1].empty:
            site.repository.commit()
        before = active(site)
        capsys.readouterr()
        site.world.events, site.world.cancel_at = 0, at
        code = apply(site)
        reached, site.world.cancel_at = site.world.events >= at, 0
        said = capsys.readouterr().err
        if not reached:
            assert code == 0
            break
        assert code in (0, 20), said
        after = active(site)
        assert running(site) == {after}, f"{at}: {said}"
        assert site.machine.files.get(SWITCHING) is None
        state = states.read(site.paths, NAME)
        assert state is not None and state.status == "running"
        if after == before and "putting things as they were" in said:
            assert f"cancelled; {before} (" in said and "serves on" in said
            outcomes.add("back")
        elif code == 0:
            assert "cancelled too late" in said
            assert site.plan()[1].empty
            outcomes.add("done")
        assert apply(site) == 0
        assert site.plan()[1].empty
    assert outcomes == {"back", "done"}


def test_cancelled_twice_what_is_left_is_for_the_next_apply(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    site.apply()
    site.repository.commit()
    asked = []

    def hasty(*_: object) -> None:
        asked.append(1)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("tasks.execution.switchover._drain", hasty)
        assert apply(site) == 20
    assert len(asked) == 2
    assert "cancelled too late" in capsys.readouterr().err
    assert active(site) == "green"
    assert running(site) == {"blue", "green"}
    assert apply(site) == 0
    assert running(site) == {"green"}


class Busy:
    """A lock that is held, and tells when somebody waits for it."""

    def __init__(self) -> None:
        self.lock, self.asked = Lock(), Event()
        self.lock.acquire()

    def __enter__(self) -> None:
        self.asked.set()
        self.lock.acquire()

    def __exit__(self, *_: object) -> None:
        self.lock.release()


@pytest.mark.parametrize(("step", "waits"), [("switch", True), ("provision", False)])
def test_of_other_threads_only_those_about_a_switch_are_waited_for(
    site: Site, step: str, waits: bool
) -> None:
    busy, session = Busy(), Session(site.paths)
    session.runs[NAME] = InstanceRun(site.instance, busy=busy, step=step)  # type: ignore[arg-type]
    ended = Event()

    def cancel() -> None:
        session.cancel()
        ended.set()

    thread = Thread(target=cancel)
    thread.start()
    if waits:
        assert busy.asked.wait(60)
        assert not ended.is_set()
        busy.lock.release()
    thread.join(60)
    assert ended.is_set()
    assert busy.asked.is_set() == waits
