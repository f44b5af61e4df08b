"""Rollback, the releases that are kept for it, and updates that fail before they serve."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from model_claims import apply_killed, likeness
from model_site import NAME, Site

from tasks import builds
from tasks.builds import artifact
from tasks.commands.apply import Apply
from tasks.commands.rollback import Rollback
from tasks.containers.lxc import section as lxc_section
from tasks.errors import DatabaseError
from tasks.model import state as states
from tasks.model.archive import archives
from tasks.planning.migrations import refuse_unfit
from tasks.resources.migration import HOME, JOURNAL
from tasks.resources.release import SWITCHING
from tasks.workflows.rollback import inspect_rollback, restored_by

DATA = "SCHEMA_INIT 20250101000000"
"""It stands for all that is in the database."""

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


def test_on_an_older_debian_that_is_not_named_any_more_nothing_is_written_for_a_newer_one(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lxc_section, "NEWEST_SUITE", "bookworm")
    site.apply()
    update(site)
    monkeypatch.setattr(lxc_section, "NEWEST_SUITE", "trixie")
    proxy = "/etc/nginx/conf.d/vikunja.conf"
    before = site.machine.files.content(proxy)
    assert b" ssl http2;" in before
    assert rollback(site, "--yes") == 0
    assert site.machine.files.content(proxy) == before


def with_another_version(site: Site) -> str:
    """Have a build of the desired commit that does not answer as what it is recorded as."""
    made = site.publish()
    lie_about(site, made.key)
    return made.key


def lie_about(site: Site, key: str) -> None:
    """Have a build recorded as what it does not answer as."""
    record = artifact.record_path(site.paths, key)
    record.write_text(json.dumps({**json.loads(record.read_text()), "version": "v9.9.9"}))


def of_what_serves(site: Site) -> dict[str, object]:
    """All that what serves runs with, was started with and how often: nobody has touched it."""
    machine = site.machine
    serving = "green" if machine.files.get("/etc/vikunja/active/green") is not None else "blue"
    found: dict[str, object] = {"color": serving}
    for path, node in machine.files.nodes.items():
        if re.search(rf"(environment\.|@|/){serving}\b|^/etc/vikunja/environment$", path):
            found[path] = (node, node.mtime)
    for name in (f"vikunja-backend@{serving}.service", f"vikunja-mcp@{serving}.service"):
        unit = machine.unit(name)
        found[name] = (unit.active, unit.enabled, unit.running, unit.starts)
    return found


def cached(site: Site) -> set[str]:
    return {path.stem for path in Path(site.paths.cache / "artifacts").glob("*.tar")}


def test_a_rollback_goes_to_what_served_before_and_an_apply_forward_again(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.deploy()
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


def test_a_rollback_serves_with_the_configuration_as_it_is_now(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """A color is a release and its configuration; the container itself is neither."""
    site.deploy()
    first = served(site)
    update(site)
    site.document["vikunja"] = {"max_upload_mb": 77}
    site.document["resources"] = {"cpu_cores": 3}
    site.write()
    capsys.readouterr()
    assert rollback(site, "--yes") == 0
    assert "settings: 1 changed, green → blue" in capsys.readouterr().out
    assert served(site) == first
    assert b"77MB" in site.machine.files.content("/etc/vikunja/environment.blue")
    assert site.machine.behind() == {}
    _, plan = site.plan()
    steps = {entry.step for entry in plan.entries}
    assert "provision" in steps and "system" not in steps
    assert "file:/etc/nginx/conf.d/vikunja.conf" not in [entry.address for entry in plan.entries]


def test_a_rollback_stays_with_the_database_that_serves(site: Site) -> None:
    site.deploy()
    first = served(site)
    update(site)
    site.machine.migrations = DATA
    site.document["database"] = {"type": "postgresql"}
    site.write()
    assert rollback(site, "--yes") == 0
    assert served(site) == first
    assert site.machine.database_in_use() == ("sqlite", "")
    assert site.machine.migrations == DATA
    assert "postgresql" not in site.machine.packages
    # What is configured comes with the next apply, the data with it.
    assert apply(site) == 0
    assert site.machine.contents == {("sqlite", ""): DATA, ("postgres", "vikunja"): DATA}
    assert site.plan()[1].empty


def test_a_rollback_that_fails_leaves_what_serves_as_it_is(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.deploy()
    first = served(site)
    second = update(site)
    before = of_what_serves(site)
    # The old release comes from the cache, and does not answer as what it is recorded as.
    site.machine.files.remove("/opt/vikunja/backend/blue/vikunja")
    lie_about(site, first)
    record = site.paths.releases(NAME)
    record.write_text(re.sub(r"v1[^\"]+", "v9.9.9", record.read_text()))
    assert rollback(site, "--yes") == 11
    error = capsys.readouterr().err
    assert "is not healthy: says version" in error and "serves on" in error
    assert served(site) == second
    assert of_what_serves(site) == before


def test_a_second_rollback_goes_further_back_from_the_cache(site: Site) -> None:
    site.deploy()
    first = served(site)
    update(site)
    update(site)
    assert rollback(site, "--yes") == 0
    assert rollback(site, "--yes") == 0
    assert served(site) == first


def test_without_a_release_that_served_before_there_is_no_rollback(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.deploy()
    assert rollback(site, "--yes") == 4
    assert "no release that served before" in capsys.readouterr().err


def test_a_rollback_asks_and_without_a_terminal_wants_yes(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.deploy()
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
    site.deploy()
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
        "file:/etc/vikunja/environment.blue",
        "color-secrets:blue",
        "archive:1729338000.tar.gz",
        "writes:stop",
        "unit:vikunja-backend@blue.service",
        "color:active",
        "health:site",
        "writes:go-on",
        "link:/etc/vikunja/environment",
        "unit:vikunja-backend@green.service",
        "file:/etc/vikunja/environment.green",
        "retired-secrets:green",
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
    site.deploy()
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


def test_an_update_from_one_that_was_down_fails_as_itself_and_says_of_nothing_that_it_serves(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.deploy()
    edited(site)
    with_another_version(site)
    site.machine.stop("vikunja-backend@blue.service")
    assert apply(site) == 10
    error = capsys.readouterr().err
    # Nobody says of what was down before that it serves on, or that it does not any more.
    assert "is not healthy: says version" in error and "serve" not in error
    assert site.machine.files.content("/etc/motd") == b"Welcome\n"
    assert site.machine.files.get("/etc/vikunja/active/green") is None


def edited(site: Site) -> None:
    """Another version is configured, with another configuration."""
    site.repository.commit()
    site.document["network"]["domain"] = "other.example.com"
    site.document["vikunja"] = {"max_upload_mb": 77, "environment": {"VIKUNJA_MAILER_HOST": "m"}}
    site.document["files"] = [{"path": "/etc/motd", "content": "Welcome\n"}]
    site.write()


NGINX = "/etc/nginx/conf.d/vikunja.conf"


def of_the_site(site: Site) -> dict[str, object]:
    """What nginx serves with beside: it takes nothing up of a version that does not come up."""
    nginx = site.machine.unit("nginx.service")
    content = site.machine.files.content(NGINX)
    return {"file": content, "running": nginx.running, "reloads": nginx.reloads}


def test_an_update_that_fails_has_not_touched_what_serves_nor_its_configuration(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.deploy()
    before, proxy = of_what_serves(site), of_the_site(site)
    edited(site)
    with_another_version(site)
    _, desired = site.plan()
    assert apply(site) == 11
    assert "serves on" in capsys.readouterr().err
    assert of_what_serves(site) == before
    assert of_the_site(site) == proxy
    # What there is to do is what there was to do; but for what adds to the container, and what lies
    # ready in the idle color.
    _, again = site.plan()
    now, then = (
        {e.address: (e.diff, {reason.text for reason in e.reasons}) for e in plan.entries}
        for plan in (again, desired)
    )
    green = "/etc/systemd/system/vikunja-backend@green.service"
    assert then.keys() - now.keys() == {
        "file:/etc/motd",
        "release:green",
        f"file:{green}",
        "file:/usr/local/lib/vikunja/backend.green",
        "color-secrets:green",
        "systemd:unit-files-of-green",
    }
    assert now["file:/etc/vikunja/environment.green"] == then["file:/etc/vikunja/environment.green"]
    for address in ("file:/etc/vikunja/environment.green", f"file:{NGINX}"):
        assert now[address][0] == then[address][0] != ""
    del site.document["files"], site.document["vikunja"]
    site.document["network"]["domain"] = "tasks.example.com"
    site.document["git"]["branch"] = "next"
    site.write()
    undone = [entry for entry in site.plan()[1].entries if entry.address.startswith("file:")]
    assert [(entry.address, entry.action) for entry in undone] == [
        ("file:/etc/vikunja/environment.green", "update"),
        ("file:/etc/vikunja/environment.blue", "delete"),
        ("file:/etc/motd", "delete"),
    ]
    assert of_what_serves(site) == before


def test_a_killed_update_has_not_touched_what_serves_and_nor_has_the_next_one_that_fails(
    site: Site,
) -> None:
    site.deploy()
    before, proxy = of_what_serves(site), of_the_site(site)
    edited(site)
    with_another_version(site)
    looks, plan = site.plan()
    # Killed when the new version's settings are there.
    assert apply_killed(site, looks, plan, 30)
    assert site.machine.files.get("/etc/vikunja/environment.green") is not None
    assert of_what_serves(site) == before
    site.document["vikunja"]["max_upload_mb"] = 78
    site.write()
    assert apply(site) == 11
    assert of_what_serves(site) == before
    assert of_the_site(site) == proxy


def test_what_an_update_brought_stays_once_it_serves(site: Site) -> None:
    site.deploy()
    edited(site)
    site.apply()
    lived, before = likeness(site.machine), of_what_serves(site)
    site.repository.commit()
    with_another_version(site)
    assert apply(site) == 11
    assert likeness(site.machine) == lived
    assert of_what_serves(site) == before


def test_what_serves_is_found_where_it_listens_also_where_its_port_is_to_be_another(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else nobody would go back to it: it would count as down."""
    site.deploy()
    before = of_what_serves(site)
    site.document["services"] = {"backend": {"port_blue": 4001, "port_green": 4002}}
    site.write()
    site.repository.commit()
    with_another_version(site)
    assert apply(site) == 11
    assert "serves on" in capsys.readouterr().err
    assert of_what_serves(site) == before
    site.repository.commit()
    assert apply(site) == 0
    # It was watched, with the one of before to go back to.
    assert "green serves" in site.paths.log(NAME).read_text()
    assert site.plan()[1].empty


def test_what_never_served_is_no_release_to_go_back_to(site: Site) -> None:
    site.deploy()
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
    site.deploy()
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
    site.deploy()
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
    """It was killed in between: all that the color of before has is there, and it runs."""
    site.deploy()
    files = site.machine.files
    of_blue = ("/etc/vikunja/environment", "/etc/vikunja/secrets/blue")
    before = {path: node for path, node in files.nodes.items() if path.startswith(of_blue)}
    second = update(site)
    files.write(SWITCHING, b"blue\n")
    for path, node in before.items():
        files.put(path, node)
    site.machine.start("vikunja-backend@blue.service")
    site.machine.unit("vikunja-backend@blue.service").enabled = True
    _, plan = site.plan()
    (entry,) = [entry for entry in plan.entries if entry.address == "color:active"]
    assert [str(change.before) for change in entry.changes] == ["no"]
    site.apply()
    assert files.get(SWITCHING) is None
    assert served(site) == second
    assert files.get("/etc/vikunja/environment").target == "environment.green"
    assert files.get("/etc/vikunja/environment.blue") is None
    assert site.machine.unit("vikunja-backend@blue.service").active == "inactive"
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
