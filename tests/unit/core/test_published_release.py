"""A published release through plan, apply and rollback: what a channel's new version does is what a
branch's new commit does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from model_site import NAME, Site
from release_server import Answer, ReleaseServer, folders, serving

from tasks.commands.apply import Apply
from tasks.commands.check import Check
from tasks.commands.plan import Plan
from tasks.commands.rollback import Rollback
from tasks.desired.record import DOCUMENT
from tasks.errors import DeployError
from tasks.model import releases
from tasks.model import state as states

INDEX = "/vikunja/"


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[ReleaseServer]:
    monkeypatch.setattr("tasks.builds.web.ANSWER_SECONDS", 0.5)
    with serving() as running:
        running.answers[INDEX] = folders("v2.3.0", "v2.4.0")
        yield running


def take(site: Site, mirror: ReleaseServer, **release: Any) -> None:
    """Have a release configured instead of git."""
    site.document.pop("git", None)
    site.document["release"] = {"mirror": mirror.mirror, "digests": "none", **release}
    site.write()


@pytest.fixture
def followed(site: Site, mirror: ReleaseServer, monkeypatch: pytest.MonkeyPatch) -> Site:
    """v2.4.0 serves, which stable was at."""
    monkeypatch.setattr("tasks.workflows.rollback.container_for", site.world.container_for)
    take(site, mirror, channel="stable")
    site.deploy()
    site.world.log.clear()
    mirror.asked.clear()
    return site


def run(site: Site, command: type[Any], *arguments: str) -> int:
    code: int = command().parse_execute([*arguments, "--config", str(site.config)])
    return code


def version(site: Site) -> str:
    green = site.machine.files.get("/etc/vikunja/active/green") is not None
    path = f"/opt/vikunja/backend/{'green' if green else 'blue'}/.release"
    found: str = site.machine.files.content(path).decode().split()[1]
    return found


def test_the_first_deployment_takes_the_newest_and_the_next_plan_is_empty(followed: Site) -> None:
    assert version(followed) == "v2.4.0"
    assert followed.plan()[1].empty
    state = states.read(followed.paths, NAME)
    assert state is not None
    assert (state.deployed_version, state.deployed_commit) == ("v2.4.0", None)
    document = yaml.safe_load(followed.machine.files.content(DOCUMENT))
    assert document["release"]["channel"] == "stable"
    assert document["services"]["backend"]["version_blue"] == "v2.4.0"
    assert document["git"] == {"repository": None, "branch": None, "deployed_commit": None}


def test_a_newer_version_is_shown_like_a_newer_commit_and_done(
    followed: Site, mirror: ReleaseServer, capsys: pytest.CaptureFixture[str]
) -> None:
    mirror.answers[INDEX] = folders("v2.3.0", "v2.4.0", "v2.5.0", "v2.6.0-rc1", "unstable")
    assert run(followed, Plan) == 0
    shown = capsys.readouterr().out
    assert "    backend: v2.4.0 → v2.5.0\n" in shown
    assert "    migrations: cannot be known before" in shown
    assert "  + artifact:v2.5.0" in shown
    # One question, and nothing of it is an archive.
    assert mirror.asked == [INDEX]
    assert run(followed, Apply, "--yes") == 0
    assert version(followed) == "v2.5.0"
    assert followed.plan()[1].empty


def test_a_version_that_is_in_the_cache_already_is_named_as_the_reason(
    followed: Site, mirror: ReleaseServer, capsys: pytest.CaptureFixture[str]
) -> None:
    mirror.answers[INDEX] = folders("v2.5.0")
    followed.apply()
    take(followed, mirror, version="v2.6.0")
    followed.publish()
    take(followed, mirror, channel="stable")
    mirror.answers[INDEX] = folders("v2.6.0")
    run(followed, Plan)
    shown = capsys.readouterr().out
    assert "stable is at v2.6.0 now\n      build: v2.4.0 → v2.6.0\n" in shown
    assert "artifact" not in shown


FIRST, SECOND, THIRD = "20250101000000", "20250901120000", "20250902090000"


@pytest.mark.parametrize(
    ("holds", "said"),
    [
        ((FIRST,), "migrations: none pending, both versions overlap"),
        ((FIRST, SECOND, THIRD), f"migrations: 2 pending ({SECOND}, {THIRD}), rehearsed on"),
        (None, "migrations: cannot be known before"),
    ],
    ids=["none", "two", "unknown"],
)
def test_which_migrations_a_version_brings_is_asked_of_the_second_place(
    followed: Site,
    mirror: ReleaseServer,
    holds: tuple[str, ...] | None,
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    followed.machine.migrations = f"SCHEMA_INIT {FIRST}"
    mirror.answers[INDEX] = folders("v2.5.0")
    if holds is not None:
        mirror.holds("v2.5.0", *holds)
    take(followed, mirror, channel="stable", digests=mirror.digests)
    run(followed, Plan)
    assert f"    {said}" in capsys.readouterr().out


def test_a_version_that_is_older_than_the_database_is_refused(
    followed: Site, mirror: ReleaseServer, capsys: pytest.CaptureFixture[str]
) -> None:
    followed.machine.migrations = f"SCHEMA_INIT {FIRST} {SECOND}"
    mirror.holds("v2.3.0", FIRST)
    take(followed, mirror, version="v2.3.0", digests=mirror.digests)
    assert run(followed, Apply, "--yes") == 7
    assert "the database is newer than v2.3.0" in capsys.readouterr().err
    assert version(followed) == "v2.4.0" and followed.world.log == []


def test_another_major_is_said_and_taken_only_when_it_may_be(
    followed: Site, mirror: ReleaseServer, capsys: pytest.CaptureFixture[str]
) -> None:
    mirror.answers[INDEX] = folders("v2.4.0", "v3.0.0")
    notice = (
        "v3.0.0 is published, a new major version: release.version: v3.0.0, or release.major: "
        "follow, takes it."
    )
    assert run(followed, Plan) == 0
    assert capsys.readouterr().out == f"Nothing to do: {NAME} is up to date.\n{notice}\n"
    assert run(followed, Plan, "--json") == 0
    (said,) = json.loads(capsys.readouterr().out)["instances"]
    assert said["notices"] == [notice]
    mirror.answers[INDEX] = folders("v2.4.0", "v2.4.1", "v3.0.0")
    run(followed, Plan)
    assert f"\n    {notice}\n" in capsys.readouterr().out
    take(followed, mirror, channel="stable", major="follow")
    run(followed, Plan)
    shown = capsys.readouterr().out
    assert "backend: v2.4.0 → v3.0.0" in shown and "release.major changed" in shown
    assert notice not in shown
    followed.apply()
    assert version(followed) == "v3.0.0"


def test_several_instances_have_their_notices_by_name(
    followed: Site, mirror: ReleaseServer
) -> None:
    from tasks.model.plan import InstancePlan
    from tasks.model.plan import Plan as PlanValue
    from tasks.output.plan_text import plan_lines

    plans = [InstancePlan(name, (), {}, {}, notices=("v3 is there.",)) for name in "ab"]
    assert plan_lines(PlanValue(tuple(plans)))[1:] == ["a: v3 is there.", "b: v3 is there."]


def test_a_version_that_serves_asks_nobody(followed: Site, mirror: ReleaseServer) -> None:
    take(followed, mirror, version="v2.4.0")
    mirror.answers.clear()
    # The same program: only the records say where it comes from.
    _, plan = followed.plan()
    assert {entry.step for entry in plan.entries} == {"record"}
    assert mirror.asked == []


def test_a_version_is_edited_like_any_other_key(
    followed: Site, mirror: ReleaseServer, capsys: pytest.CaptureFixture[str]
) -> None:
    take(followed, mirror, version="v2.3.0")
    run(followed, Plan)
    shown = capsys.readouterr().out
    assert "backend: v2.4.0 → v2.3.0" in shown and "release.version changed" in shown


@pytest.mark.parametrize(
    "answer",
    [Answer(status=503), Answer(b"xx", slow=True), Answer(b"<html>", 404)],
    ids=["in trouble", "slow", "gone"],
)
def test_an_index_that_does_not_answer_ends_a_plan_as_a_branch_that_does_not(
    followed: Site, mirror: ReleaseServer, answer: Answer, capsys: pytest.CaptureFixture[str]
) -> None:
    mirror.answers[INDEX] = answer
    code = 9 if answer.status == 404 else 6
    assert run(followed, Plan) == code
    assert run(followed, Apply, "--yes") == code
    error = capsys.readouterr().err.splitlines()[0]
    assert error.startswith(f"error: {mirror.mirror}/: ")
    assert followed.world.log == []
    # What was deployed as a version asks nobody.
    take(followed, mirror, version="v2.4.0")
    assert run(followed, Plan) == 0


def test_a_rollback_goes_to_the_version_before_and_the_next_plan_shows_the_way_forward(
    followed: Site, mirror: ReleaseServer, capsys: pytest.CaptureFixture[str]
) -> None:
    mirror.answers[INDEX] = folders("v2.4.0", "v2.5.0")
    followed.apply()
    assert run(followed, Rollback, "--yes", "--allow-destroy") == 0
    assert version(followed) == "v2.4.0"
    capsys.readouterr()
    run(followed, Plan)
    assert "backend: v2.4.0 → v2.5.0" in capsys.readouterr().out
    # To stay, name it.
    take(followed, mirror, version="v2.4.0")
    followed.apply()
    assert followed.plan()[1].empty
    assert version(followed) == "v2.4.0"


def test_a_rollback_without_a_version_before_says_which_key_to_set(
    followed: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(followed, Rollback, "--yes") == 4
    assert "Set release.version to the version that you want" in capsys.readouterr().err


def test_a_release_that_was_taken_back_changes_nothing(
    followed: Site, mirror: ReleaseServer
) -> None:
    mirror.answers[INDEX] = folders("v2.3.0")
    assert followed.plan()[1].empty


def test_a_stopped_or_lost_container_does_not_bring_another_major(
    followed: Site, mirror: ReleaseServer
) -> None:
    mirror.answers[INDEX] = folders("v2.4.0", "v3.0.0")
    followed.machine.facts_of_what_runs = None
    followed.place.running = False
    looks, _ = followed.plan()
    assert looks[NAME].target.version == "v2.4.0"
    assert releases.read(followed.paths, NAME).served[0].version == "v2.4.0"


def test_a_plan_that_was_saved_before_a_newer_version_is_stale(
    followed: Site, mirror: ReleaseServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mirror.answers[INDEX] = folders("v2.5.0")
    saved = tmp_path / "plan.json"
    run(followed, Plan, "--out", str(saved))
    mirror.answers[INDEX] = folders("v2.6.0")
    assert run(followed, Apply, "--plan", str(saved)) == 21
    assert "found: release:version changed" in capsys.readouterr().err
    assert version(followed) == "v2.4.0"


def test_the_builds_of_versions_are_kept_as_those_of_commits(
    followed: Site, mirror: ReleaseServer
) -> None:
    for newest in ("v2.5.0", "v2.6.0", "v2.7.0"):
        mirror.answers[INDEX] = folders(newest)
        followed.apply()
    served = releases.read(followed.paths, NAME).served
    keep = followed.instance.update.keep_releases
    assert [one.version for one in served] == ["v2.7.0", "v2.6.0", "v2.5.0", "v2.4.0"][:keep]
    cached = {path.stem for path in (followed.paths.cache / "artifacts").glob("*.tar")}
    assert cached == {one.key for one in served}


def test_from_git_to_a_channel_and_back_is_an_update(
    site: Site, mirror: ReleaseServer, capsys: pytest.CaptureFixture[str]
) -> None:
    site.deploy()
    before = version(site)
    git = site.document["git"]
    mirror.answers[INDEX] = folders("v1.0.0", "v1.0.1", "v2.4.0")
    take(site, mirror, channel="stable")
    run(site, Plan)
    assert f"({before}) → v1.0.1\n" in capsys.readouterr().out
    site.apply()
    assert version(site) == "v1.0.1"
    del site.document["release"]
    site.document["git"] = git
    site.write()
    run(site, Plan)
    assert "backend: v1.0.1 → " in capsys.readouterr().out


def test_a_channel_without_a_release_says_so(site: Site, mirror: ReleaseServer) -> None:
    mirror.answers[INDEX] = folders("v1.0.0-rc1", "unstable")
    take(site, mirror, channel="stable")
    with pytest.raises(DeployError, match="stable has no release"):
        site.plan()


def test_check_says_what_a_channel_is_at_and_whether_the_archive_can_be_had(
    site: Site, mirror: ReleaseServer, capsys: pytest.CaptureFixture[str]
) -> None:
    take(site, mirror, channel="stable")
    run(site, Check)
    said = capsys.readouterr().out
    assert f"{NAME}: release: stable is at v2.4.0" in said
    assert "v2.4.0 will not be cross-checked: release.digests is none" in said
    assert "is not there (HTTP 404)" in said and "Correct release.mirror" in said
    mirror.publish("v2.4.0", {"amd64": b"x", "arm64": b"x", "arm-7": b"x"})
    take(site, mirror, version="v2.4.0", digests=mirror.digests)
    run(site, Check)
    said = capsys.readouterr().out
    assert "is there" in said and "cross-checked" not in said
    site.publish()
    run(site, Check)
    assert f"{NAME}: release: v2.4.0 is in the cache" in capsys.readouterr().out
