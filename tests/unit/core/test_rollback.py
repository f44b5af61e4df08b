"""Rollback, the releases that are kept for it, and updates that fail before they serve."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from model_claims import apply_killed, likeness
from model_site import NAME, Site

from tasks import builds
from tasks.builds import artifact
from tasks.commands.apply import Apply
from tasks.commands.rollback import Rollback
from tasks.errors import DatabaseError
from tasks.model import state as states
from tasks.model.archive import archives
from tasks.planning.migrations import refuse_unfit
from tasks.resources.migration import HOME, JOURNAL
from tasks.resources.release import SWITCHING
from tasks.workflows.rollback import inspect_rollback, restored_by

CERTIFICATES = Path(__file__).parents[1] / "config" / "files"


@pytest.fixture
def site(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr("tasks.workflows.rollback.container_for", site.world.container_for)
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
    """Have a build of the desired commit that does not answer as what it is recorded as."""
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


@pytest.fixture
def migrated(site: Site, tmp_path: Path) -> Iterator[Site]:
    """A migration stands between what serves and what served before, of which there is a backup."""
    site.document["backup"] = {"directory": str(tmp_path)}
    site.write()
    site.repository.commit(migrations=["20250101000000"])
    site.apply()
    site.machine.migrations = "SCHEMA_INIT 20250101000000"
    site.backup_sidecar(1729338000)
    site.backup_sidecar(1729338300, of="another")
    update(site)
    site.machine.migrations = "SCHEMA_INIT 20250101000000 20250901120000"
    site.backup_sidecar(1729338600)
    site.world.log.clear()
    yield site


def test_a_migration_between_refuses_the_rollback_where_no_backup_is_of_that_version(
    migrated: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    (oldest, *_) = archives(migrated.instance.backup.directory / NAME)
    oldest.sidecar.write_text("no metadata")
    assert rollback(migrated, "--yes", "--allow-destroy") == 7
    error = capsys.readouterr().err
    assert "1 migration (20250901120000) that the database has been through" in error
    assert "there is no backup of v1.0.0-" in error
    assert migrated.world.log == []


def test_over_a_migration_it_goes_by_the_backup_of_that_version_and_says_what_is_lost(
    migrated: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rollback(migrated, "--yes") == 3
    said = capsys.readouterr()
    lost = "what was written since 2024-10-19T11:40:00Z"
    assert f"{NAME}: {lost} would be lost" in said.err
    assert "./doit rollback --yes --allow-destroy" in said.err
    assert f"{lost} is lost" in said.out and "destructive: data is lost" in said.out
    assert "--yes alone does not do that" in said.out
    assert migrated.world.log == []
    inspection = inspect_rollback(migrated.instance, migrated.paths)
    assert [entry.address for entry in inspection.plan.entries if entry.step == "switch"] == [
        "archive:1729338000.tar.gz",
        "writes:stop",
        "unit:vikunja-backend@blue.service",
        "color:active",
        "health:site",
        "writes:go-on",
        "unit:vikunja-backend@green.service",
    ]
    beside = restored_by(inspection)
    assert beside is not None and beside.known == ("20250101000000",)


def test_of_a_finished_archive_it_is_recorded_which_migrations_it_knows(
    migrated: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody can look its files up."""
    del migrated.document["git"]
    for version in ("v2.0.0", "v3.0.0"):
        migrated.document["release"] = {
            "url": "https://example.com/vikunja.zip", "sha256": "a" * 64, "version": version
        }  # fmt: skip
        migrated.document["update"] = {"migrations": "online"}
        migrated.write()
        migrated.apply()
        migrated.machine.migrations += " 20260101000000"
    assert rollback(migrated, "--yes") == 7
    error = capsys.readouterr().err
    assert "v2.0.0 does not know 1 migration (20260101000000)" in error
    assert "there is no backup of v2.0.0" in error
    migrated.machine.migrations = "SCHEMA_INIT 20250101000000 20250901120000"
    assert rollback(migrated, "--yes") == 0


def test_an_archive_with_another_schema_than_the_version_has_is_not_brought_back() -> None:
    refuse_unfit(("1" * 14, "2" * 14), ["1" * 14, "2" * 14, "SCHEMA_INIT"], "v1", "one")
    refuse_unfit(None, ["1" * 14], "v1", "one")
    with pytest.raises(DatabaseError, match="v1 does not know 1 migration"):
        refuse_unfit(("1" * 14,), ["1" * 14, "2" * 14], "v1", "one")
    with pytest.raises(DatabaseError, match="v1 would run 1 migration"):
        refuse_unfit(("1" * 14, "2" * 14), ["1" * 14], "v1", "one")


def test_what_is_unfinished_in_the_container_comes_first(
    migrated: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    migrated.machine.files.make_folders(HOME)
    migrated.machine.files.write(JOURNAL, b"saved blue green 3456 v1 60 no\n")
    assert rollback(migrated, "--yes", "--allow-destroy") == 4
    assert "is not finished" in capsys.readouterr().err


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


def test_an_update_from_one_that_was_down_fails_as_itself_and_takes_nothing_back(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.apply()
    edited(site)
    with_another_version(site)
    site.machine.stop("vikunja-backend@blue.service")
    assert apply(site) == 10
    error = capsys.readouterr().err
    # Nobody says of what was down before that it serves on, or that it does not any more.
    assert "is not healthy: says version" in error and "serve" not in error
    assert site.machine.files.content("/etc/motd") == b"Welcome\n"
    assert site.machine.kept is None


def edited(site: Site) -> None:
    """Another version is configured, with another configuration."""
    site.repository.commit()
    site.document["network"]["domain"] = "other.example.com"
    site.document["vikunja"] = {"max_upload_mb": 77, "environment": {"VIKUNJA_MAILER_HOST": "m"}}
    site.document["files"] = [{"path": "/etc/motd", "content": "Welcome\n"}]
    site.write()


def likeness_of(site: Site) -> tuple[object, object]:
    return likeness(site.machine), site.machine.behind()


def test_an_update_that_fails_takes_the_configuration_that_came_with_it_back(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.apply()
    before = likeness_of(site)
    edited(site)
    with_another_version(site)
    _, desired = site.plan()
    assert apply(site) == 11
    assert "The configuration's files are as they were" in site.paths.log(NAME).read_text()
    assert likeness_of(site) == before
    # What there is to do is what there was to do, for the same reasons.
    _, again = site.plan()
    now, then = (
        [(e.address, e.action, e.reasons) for e in plan.entries if e.step == "system"]
        for plan in (again, desired)
    )
    assert now == then and len(now) >= 4
    del site.document["files"], site.document["vikunja"]
    site.document["network"]["domain"] = "tasks.example.com"
    site.document["git"]["branch"] = "next"
    site.write()
    assert not any(entry.address.startswith("file:") for entry in site.plan()[1].entries)


def test_what_a_killed_update_left_of_the_configuration_goes_when_the_next_one_fails(
    site: Site,
) -> None:
    site.apply()
    before = likeness_of(site)
    edited(site)
    with_another_version(site)
    looks, plan = site.plan()
    (landed,) = [e for e in plan.entries if e.address == "unit:nginx.service"]
    assert apply_killed(site, looks, plan, 20)
    assert site.machine.kept is not None and landed
    assert likeness_of(site) != before
    site.document["vikunja"]["max_upload_mb"] = 78
    site.write()
    assert apply(site) == 11
    assert likeness_of(site) == before


def test_what_an_update_brought_stays_once_it_serves(site: Site) -> None:
    site.apply()
    edited(site)
    site.apply()
    assert site.machine.kept is None
    lived = likeness(site.machine)
    site.repository.commit()
    with_another_version(site)
    assert apply(site) == 11
    assert likeness(site.machine) == lived


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
    assert builds.find(site.paths, first) is not None


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


def reason(site: Site, address: str) -> list[tuple[str, str]]:
    _, plan = site.plan()
    (entry,) = [entry for entry in plan.entries if entry.address == address]
    return [(reason.kind, reason.text) for reason in entry.reasons]


BLUE = "unit:vikunja-backend@blue.service"


def test_a_branch_whose_release_the_idle_color_has_is_the_reason_for_going_back(
    site: Site,
) -> None:
    site.publish()
    site.apply()
    site.document["git"]["branch"] = "next"
    site.write()
    site.publish()
    site.apply()
    site.document["git"]["branch"] = "main"
    site.write()

    assert reason(site, BLUE) == [("configuration", "git.branch changed")]


def test_a_branch_that_was_set_back_to_the_release_of_the_idle_color_says_so(site: Site) -> None:
    site.publish()
    site.apply()
    site.repository.commit()
    site.publish()
    site.apply()
    commit = site.repository.reset("main", 1)

    assert reason(site, BLUE) == [("source", f"main is at {commit[:10]} now")]


def test_build_settings_whose_release_the_idle_color_has_are_the_reason_for_going_back(
    site: Site,
) -> None:
    site.publish()
    site.apply()
    site.document["build"]["environment"] = {"A": "b"}
    site.write()
    site.publish()
    site.apply()
    site.document["build"]["environment"] = {}
    site.write()

    assert reason(site, BLUE) == [("configuration", "build.environment changed")]


def test_a_renewed_certificate_is_the_reason_for_its_files(site: Site) -> None:
    pem = (CERTIFICATES / "good.pem").read_bytes()
    (site.folder / "site.pem").write_bytes(pem)
    key = str(CERTIFICATES / "good.key")
    given = {"ssl_cert": str(site.folder / "site.pem"), "ssl_key": key}
    site.document["services"] = {"frontend": given}
    site.write()
    site.publish()
    site.apply()
    (site.folder / "site.pem").write_bytes(pem + pem)

    found = reason(site, "file:/etc/vikunja/tls/certificate.pem")
    assert found == [("source", "services.frontend.ssl_cert: the file changed")]
