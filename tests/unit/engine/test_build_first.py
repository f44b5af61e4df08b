"""A build of an instance that is there comes before its lock: whoever wants it meanwhile has it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from threading import Barrier, Event, Thread
from typing import Any

import pytest
import yaml
from model_site import NAME, Site, publish
from single_steps import by_step, errors, step

from tasks import builds
from tasks.commands.apply import Apply
from tasks.desired.record import DOCUMENT
from tasks.engine import build_first
from tasks.errors import BuildError
from tasks.host.cancelling import ended_by
from tasks.model import last_backup, operations, registry
from tasks.model import state as states
from tasks.model.holder import inspect
from tasks.model.operations import Ended, operation
from tasks.output import console

Build = Callable[[], None]


def apply(site: Site, *arguments: str) -> int:
    code: int = Apply().parse_execute([*arguments, "--config", str(site.config)])
    return code


@pytest.fixture
def serving(site: Site) -> Site:
    """One version serves, another commit is there."""
    site.deploy()
    site.repository.commit()
    site.world.log.clear()
    return site


@pytest.fixture
def building(site: Site, monkeypatch: pytest.MonkeyPatch) -> Callable[[Build], list[str]]:
    """Builds do this before they leave their artifact; the commits that were built."""

    def arrange(work: Build) -> list[str]:
        commits: list[str] = []

        def build(instance: Any, commit: str, paths: Any, progress: Any) -> Any:
            progress.step("go build")
            commits.append(commit)
            work()
            return publish(paths, instance, commit)

        monkeypatch.setattr(builds, "build", build)
        return commits

    return arrange


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Ended]:
    """The operations that have ended."""
    ended: list[Ended] = []
    monkeypatch.setattr(operations, "_listeners", [ended.append])
    return ended


def log(site: Site) -> list[str]:
    return site.paths.log(NAME).read_text().splitlines()


def status(site: Site) -> tuple[str, str, str]:
    state = states.read(site.paths, NAME)
    assert state is not None
    return state.status, state.last_operation, state.last_operation_status


@pytest.mark.parametrize("way", [lambda site: apply(site, "--yes"), by_step])
def test_a_backup_is_taken_while_an_update_is_built(
    environment: None,
    serving: Site,
    building: Callable[[Build], list[str]],
    way: Callable[[Site], int],
) -> None:
    before = status(serving), log(serving)
    seen: list[Any] = []

    def back_up() -> None:
        seen.append((inspect(serving.paths, NAME), (status(serving), log(serving))))
        with operation(serving.paths, NAME, "backup") as backup:
            backup.info("Dumped the database")
            last_backup.write(serving.paths, NAME, "2026-11-29T03:30:00Z")
            document = serving.machine.files.content(DOCUMENT).decode()
            noted = document.replace("last_backup: null", "last_backup: '2026-11-29T03:30:00Z'")
            assert noted != document
            serving.machine.files.write(DOCUMENT, noted.encode(), "0640")

    commits = building(back_up)
    assert way(serving) == 0
    assert len(commits) == 1
    assert seen == [(None, before)]
    assert status(serving) == ("running", "update", "success")
    assert serving.plan()[1].empty
    lines = [line.partition("] [")[2] for line in log(serving)[len(before[1]) :]]
    assert [line for line in lines if "Starting" in line or " completed in " in line] == [
        f"INFO] [backup] Starting backup of {NAME}",
        lines[2],
        f"INFO] [update] Starting update of {NAME}",
        lines[-1],
    ]
    assert "create artifact:" in lines[4]


def test_a_build_alone_deploys_nothing(
    environment: None, site: Site, building: Callable[[Build], list[str]]
) -> None:
    seen: list[Any] = []
    commits = building(lambda: seen.append(inspect(site.paths, NAME)))
    assert step(f"build:{NAME}") == 0
    assert (len(commits), seen) == (1, [None])
    assert states.read(site.paths, NAME) is None
    assert apply(site, "--yes") == 0
    assert len(commits) == 1
    assert status(site) == ("running", "deploy", "success")


def test_a_change_of_the_system_waits_for_the_build_that_comes_with_it(
    serving: Site, building: Callable[[Build], list[str]]
) -> None:
    serving.document["network"]["domain"] = "other.example.com"
    serving.write()
    done: list[Any] = []
    building(lambda: done.extend(serving.world.log))
    assert apply(serving, "--yes") == 0
    assert done == []
    assert serving.plan()[1].empty


def test_a_build_that_fails_is_the_update_s_failure_and_the_old_version_serves_on(
    serving: Site,
    building: Callable[[Build], list[str]],
    told: list[Ended],
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail() -> None:
        raise BuildError("go build failed", where="builder", hint="mend it")

    building(fail)
    assert apply(serving, "--yes") == 11
    said = errors(capsys.readouterr().err.splitlines())
    assert said[0].startswith("error: builder: go build failed; blue (v1.0.0-")
    assert said[0].endswith("serves on") and said[1] == "       mend it"
    assert [(end.operation, str(end.error)) for end in told] == [("update", said[0][7:])]
    assert status(serving) == ("running", "update", "failure")
    assert "exit code 11" in log(serving)[-1]
    assert inspect(serving.paths, NAME) is None


def test_what_cannot_be_recorded_for_another_s_lock_is_said(
    serving: Site,
    building: Callable[[Build], list[str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = operation(serving.paths, NAME, "backup")

    def fail() -> None:
        other.__enter__()
        raise BuildError("go build failed")

    monkeypatch.setattr(build_first, "LOCK_SECONDS", 0)
    building(fail)
    assert apply(serving, "--yes") == 9
    said = capsys.readouterr().err
    assert f"warning: {NAME}: not in its log, locked by backup" in said
    assert "error: go build failed" in said
    assert status(serving)[1:] == ("backup", "in_progress")
    other.__exit__(None, None, None)


def test_whoever_has_the_lock_when_it_is_built_is_waited_for(
    serving: Site,
    building: Callable[[Build], list[str]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = operation(serving.paths, NAME, "backup")

    def end() -> None:
        while "waiting for backup by" not in said():
            pass
        other.__exit__(None, None, None)

    def said() -> str:
        text.append(capsys.readouterr().err)
        return "".join(text)

    text: list[str] = []
    thread = Thread(target=end)

    def work() -> None:
        other.__enter__()
        thread.start()

    building(work)
    assert apply(serving, "--yes") == 0
    thread.join()
    assert serving.plan()[1].empty


def test_whoever_has_it_for_long_ends_the_apply_and_the_next_has_the_build(
    serving: Site,
    building: Callable[[Build], list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = operation(serving.paths, NAME, "backup")
    commits = building(other.__enter__)  # type: ignore[arg-type]
    with monkeypatch.context() as patched:
        patched.setattr(build_first, "LOCK_SECONDS", 0)
        assert apply(serving, "--yes") == 5
    assert serving.world.log == []
    other.__exit__(None, None, None)
    assert apply(serving, "--yes") == 0
    assert len(commits) == 1


def test_nothing_is_built_while_somebody_has_the_lock(
    environment: None,
    serving: Site,
    building: Callable[[Build], list[str]],
) -> None:
    commits = building(lambda: None)
    with operation(serving.paths, NAME, "backup"):
        assert by_step(serving) == 5
    assert commits == []


def test_a_commit_that_comes_during_the_build_is_planned_and_built_anew(
    serving: Site, building: Callable[[Build], list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    def another() -> None:
        if len(commits) == 1:
            serving.repository.commit()

    commits = building(another)
    assert apply(serving, "--yes") == 0
    assert len(commits) == 2
    assert "changed while the plan was looked at" in capsys.readouterr().err
    assert serving.plan()[1].empty


def test_somebody_who_agreed_to_a_plan_gets_no_other(
    serving: Site, building: Callable[[Build], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "interactive", lambda: True)
    monkeypatch.setattr(console, "ask", lambda _: "y")
    commits = building(lambda: _commit(serving))
    assert apply(serving) == 21
    assert len(commits) == 1
    assert [line for line in serving.world.log if not line[0].startswith("artifact:")] == []
    assert status(serving) == ("running", "update", "failure")


def _commit(site: Site) -> None:
    site.repository.commit()


def test_cancelled_during_the_build_all_is_as_it_was(
    serving: Site,
    building: Callable[[Build], list[str]],
    told: list[Ended],
    capsys: pytest.CaptureFixture[str],
) -> None:
    building(lambda: os.kill(os.getpid(), signal.SIGINT))
    assert apply(serving, "--yes") == 20
    said = errors(capsys.readouterr().err.splitlines())
    assert said[0].startswith(f"error: {NAME}: cancelled; blue (v1.0.0-")
    assert said[1:] == [f"       ./doit plan {NAME} shows what is left to do."]
    assert status(serving) == ("running", "update", "failure")
    assert "Update cancelled after" in log(serving)[-1]
    assert len(told) == 1 and inspect(serving.paths, NAME) is None


def test_killed_during_the_build_nothing_is_left_to_be_recovered(
    serving: Site, building: Callable[[Build], list[str]]
) -> None:
    before = status(serving), log(serving), serving.paths.applied(NAME).read_text()
    building(lambda: os.kill(os.getpid(), signal.SIGKILL))
    planned = [entry.as_data() for entry in serving.plan()[1].entries]
    child = os.fork()
    if child == 0:
        apply(serving, "--yes")
        os._exit(0)
    _, ended = os.waitpid(child, 0)
    assert os.WIFSIGNALED(ended)
    after = status(serving), log(serving), serving.paths.applied(NAME).read_text()
    assert after == before
    assert inspect(serving.paths, NAME) is None
    assert [entry.as_data() for entry in serving.plan()[1].entries] == planned


def test_a_first_deployment_has_the_lock_while_it_builds(
    site: Site, building: Callable[[Build], list[str]]
) -> None:
    held: list[Any] = []
    building(lambda: held.append(inspect(site.paths, NAME)))
    assert apply(site, "--yes") == 0
    assert [one.operation for one in held] == ["deploy"]


def test_a_step_that_needs_no_build_builds_nothing(
    environment: None,
    serving: Site,
    building: Callable[[Build], list[str]],
) -> None:
    serving.document["files"] = [{"path": "/etc/motd", "content": "ours\n"}]
    serving.write()
    commits = building(lambda: None)
    assert step(f"system:{NAME}") == 0
    assert commits == []
    assert serving.world.log == [("file:/etc/motd", "create")]


def test_a_build_alone_shows_how_far_it_is_and_is_no_operation(
    environment: None,
    serving: Site,
    building: Callable[[Build], list[str]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = status(serving), log(serving)
    commits = building(lambda: None)
    capsys.readouterr()
    assert step(f"build:{NAME}") == 0
    assert len(commits) == 1
    said = capsys.readouterr().err.splitlines()
    assert [line.split("  ")[0] for line in said] == [NAME] * len(said)
    assert said[-1].endswith("go build")
    assert (status(serving), log(serving)) == before


def test_of_several_instances_one_does_not_wait_for_another_s_build(
    serving: Site, building: Callable[[Build], list[str]]
) -> None:
    """The other one's only change is of its system."""
    other = {**serving.document, "deployment": {"instance_id": "other"}}
    other["network"] = {**other["network"], "ip_address": "10.99.0.11/24"}
    other["git"] = {**other["git"], "branch": "next"}
    folder = serving.folder / "both"
    folder.mkdir()
    (folder / "a.yaml").write_text(yaml.safe_dump(serving.document))
    (folder / "b.yaml").write_text(yaml.safe_dump(other))
    building(lambda: None)
    assert Apply().parse_execute(["--yes", "--config", str(folder)]) == 0
    serving.repository.commit()
    other["network"]["domain"] = "another.example.com"
    (folder / "b.yaml").write_text(yaml.safe_dump(other))

    def wait() -> None:
        while not changed():
            pass

    def changed() -> bool:
        state = states.read(serving.paths, "other")
        assert state is not None
        return (state.last_operation, state.last_operation_status) == ("reconfigure", "success")

    building(wait)
    assert Apply().parse_execute(["--yes", "--config", str(folder)]) == 0
    assert len(registry.read(serving.paths)) == 2


def test_cancelled_while_several_are_built_each_is_as_it_was(
    serving: Site,
    building: Callable[[Build], list[str]],
    told: list[Ended],
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = serving.folder / "both"
    folder.mkdir()
    for name, host in ((NAME, 10), ("other", 11)):
        document = {**serving.document, "deployment": {"instance_id": name}}
        document["network"] = {**document["network"], "ip_address": f"10.99.0.{host}/24"}
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(document))
    building(lambda: None)
    assert Apply().parse_execute(["--yes", "--config", str(folder)]) == 0
    serving.repository.commit()
    told.clear()
    both = Barrier(2)

    def wait_as_for_a_program() -> None:
        killed = Event()
        with ended_by(killed.set):
            if both.wait(60) == 0:
                os.kill(os.getpid(), signal.SIGINT)
            assert killed.wait(60), "was not cancelled"

    building(wait_as_for_a_program)
    assert Apply().parse_execute(["--yes", "--config", str(folder)]) == 20
    assert "cancelled; blue (v1.0.0-" in capsys.readouterr().err
    assert {end.instance_id for end in told} == {NAME, "other"}
    for name in (NAME, "other"):
        state = states.read(serving.paths, name)
        assert state is not None
        assert (state.status, state.last_operation_status) == ("running", "failure")
        assert inspect(serving.paths, name) is None
