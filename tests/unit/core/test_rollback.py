"""Rollback, the releases that are kept for it, and updates that fail before they serve."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from model_site import NAME, Site

from tasks import build
from tasks.build import artifact
from tasks.commands.apply import Apply
from tasks.commands.rollback import Rollback
from tasks.model import state as states
from tasks.resources.release import SWITCHING


@pytest.fixture
def site(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr("tasks.rollback.container_for", site.world.container_for)
    return site


def update(site: Site) -> str:
    """Another commit that serves; its key."""
    site.repository.commit()
    site.apply()
    return served(site)


def served(site: Site) -> str:
    green = site.machine.files.get("/etc/vikunja/active/green") is not None
    path = f"/opt/vikunja/backend/{'green' if green else 'blue'}/.release"
    line: bytes = site.machine.files.content(path)
    return line.split()[0].decode()


def rollback(site: Site, *options: str) -> int:
    code: int = Rollback().parse_execute([*options, "--config", str(site.config)])
    return code


def apply(site: Site) -> int:
    code: int = Apply().parse_execute(["--yes", "--config", str(site.config)])
    return code


def with_another_version(site: Site) -> str:
    """Have a build of the wished commit that does not answer as what it is recorded as."""
    made = site.publish()
    record = artifact.record_path(site.paths, made.key)
    record.write_text(json.dumps({**json.loads(record.read_text()), "version": "v9.9.9"}))
    return made.key


def cached(site: Site) -> set[str]:
    return {path.stem for path in Path(site.paths.cache / "artifacts").glob("*.tar")}


def test_a_rollback_goes_to_what_served_before_and_an_apply_forward_again(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.apply()
    first = served(site)
    second = update(site)
    assert rollback(site, "--yes") == 0
    assert served(site) == first
    assert "serves. ./doit apply goes forward again" in capsys.readouterr().err
    state = states.read(site.paths, NAME)
    assert state is not None
    assert (state.status, state.last_operation) == ("running", "rollback")
    _, plan = site.plan()
    assert "color:active" in [entry.address for entry in plan.entries]
    assert apply(site) == 0
    assert served(site) == second
    assert site.plan()[1].empty


def test_a_rollback_leaves_what_else_differs_alone(site: Site) -> None:
    site.apply()
    update(site)
    site.document["vikunja"] = {"max_upload_mb": 77}
    site.write()
    assert rollback(site, "--yes") == 0
    _, plan = site.plan()
    assert "file:/etc/nginx/conf.d/vikunja.conf" in [entry.address for entry in plan.entries]


def test_a_second_rollback_goes_further_back_from_the_cache(site: Site) -> None:
    site.apply()
    first = served(site)
    update(site)
    update(site)
    assert rollback(site, "--yes") == 0
    assert rollback(site, "--yes") == 0
    assert served(site) == first


def test_without_a_release_that_served_before_there_is_no_rollback(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.apply()
    assert rollback(site, "--yes") == 4
    assert "no release that served before" in capsys.readouterr().err


def test_a_rollback_asks_and_without_a_terminal_wants_yes(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.apply()
    second = update(site)
    assert rollback(site) == 3
    assert "rollback needs --yes" in capsys.readouterr().err
    assert served(site) == second


def test_a_migration_between_refuses_the_rollback(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.repository.commit(migrations=["20250101000000"])
    site.apply()
    site.machine.migrations = "SCHEMA_INIT 20250101000000"
    site.repository.commit()
    second = update(site)
    site.machine.migrations = "SCHEMA_INIT 20250101000000 20250901120000"
    assert rollback(site, "--yes") == 7
    assert "1 migration (20250901120000) that the database has been through" in (
        capsys.readouterr().err
    )
    assert served(site) == second


def test_an_update_that_does_not_come_up_leaves_the_old_one_serving_with_code_11(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.apply()
    first = served(site)
    site.repository.commit()
    with_another_version(site)
    assert apply(site) == 11
    error = capsys.readouterr().err
    assert "is not healthy: says version" in error and "serves on" in error
    assert served(site) == first
    assert site.machine.unit("vikunja-backend@green.service").active != "active"
    state = states.read(site.paths, NAME)
    assert state is not None
    assert (state.status, state.last_operation_status) == ("running", "failure")


def test_what_never_served_is_no_release_to_go_back_to(site: Site) -> None:
    site.apply()
    first = served(site)
    update(site)
    site.repository.commit()
    with_another_version(site)
    assert apply(site) == 11
    assert rollback(site, "--yes") == 0
    assert served(site) == first


def test_as_many_builds_are_kept_as_asked_for(site: Site) -> None:
    site.document["update"] = {"keep_releases": 2}
    site.write()
    site.apply()
    second = update(site)
    site.repository.commit()
    tried = with_another_version(site)
    assert apply(site) == 11
    assert tried in cached(site)
    third = update(site)
    assert cached(site) == {second, third}


def test_a_build_that_another_instance_keeps_stays(site: Site) -> None:
    site.document["update"] = {"keep_releases": 2}
    site.write()
    site.apply()
    first = served(site)
    kept = site.paths.releases(NAME)
    kept.with_name("other.json").write_text(kept.read_text())
    update(site)
    update(site)
    assert first in cached(site)
    assert build.find(site.paths, first) is not None


def test_a_switch_that_was_not_confirmed_is_in_the_plan_and_confirmed_by_the_apply(
    site: Site,
) -> None:
    site.apply()
    update(site)
    site.machine.files.write(SWITCHING, b"blue\n")
    site.machine.start("vikunja-backend@blue.service")
    _, plan = site.plan()
    (entry,) = [entry for entry in plan.entries if entry.address == "color:active"]
    assert [str(change.before) for change in entry.changes] == ["no"]
    site.apply()
    assert site.machine.files.get(SWITCHING) is None
    assert site.plan()[1].empty
