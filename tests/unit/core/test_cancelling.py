"""Ctrl-C while an update is under way: as it was, or done, and never half of it."""

from __future__ import annotations

import subprocess
from itertools import count
from pathlib import Path
from threading import Event, Thread

import pytest
from model_site import NAME, Site

from tasks.commands.apply import Apply
from tasks.engine.instance_run import InstanceRun
from tasks.engine.session import Session
from tasks.host import locks
from tasks.host.cancelling import Stop, cancellable, check, ended_by
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
    site.deploy()
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
    site.deploy()
    site.repository.commit()
    asked = []

    def hasty(*_: object) -> None:
        asked.append(1)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("tasks.execution.guest_changes._drain", hasty)
        assert apply(site) == 20
    assert len(asked) == 2
    assert "cancelled too late" in capsys.readouterr().err
    assert active(site) == "green"
    assert running(site) == {"blue", "green"}
    assert apply(site) == 0
    assert running(site) == {"green"}


def test_a_thread_that_waits_for_a_lock_is_interrupted(tmp_path: Path) -> None:
    stop, waits, interrupted = Stop(), Event(), Event()

    def work() -> None:
        with cancellable(stop):
            try:
                with locks.locked(tmp_path / "lock", waits.set):
                    pass
            except KeyboardInterrupt:
                interrupted.set()

    with locks.locked(tmp_path / "lock"):
        thread = Thread(target=work)
        thread.start()
        assert waits.wait(60)
        stop.set()
        thread.join(60)
    assert interrupted.is_set()
    with locks.tried(tmp_path / "lock") as free:
        assert free


def test_a_thread_is_interrupted_once_and_its_program_is_ended() -> None:
    stop, began, ended = Stop(), Event(), []

    def work() -> None:
        with cancellable(stop):
            process = subprocess.Popen(["sleep", "60"])
            try:
                with ended_by(process.kill):
                    began.set()
                    process.wait()
            except KeyboardInterrupt:
                ended.append(process.returncode)
                # What puts things in order is not interrupted again.
                check()
                with ended_by(process.kill):
                    ended.append(subprocess.run(["true"], check=False).returncode)

    thread = Thread(target=work)
    thread.start()
    assert began.wait(60)
    stop.set()
    thread.join(60)
    assert ended == [-9, 0]


def test_what_other_threads_are_at_is_waited_for(site: Site) -> None:
    asked, ended, session = Event(), Event(), Session(site.paths)

    class Run(InstanceRun):
        def works_alone(self) -> bool:
            asked.set()
            return super().works_alone()

    run = session.runs[NAME] = Run(site.instance, threads=[-1])

    def cancel() -> None:
        session.cancel()
        ended.set()

    thread = Thread(target=cancel)
    thread.start()
    assert asked.wait(60)
    with run.turn:
        assert not ended.is_set()
        run.threads.clear()
        run.turn.notify_all()
    thread.join(60)
    assert ended.is_set()
