"""What a plan says of an update: versions, commits, migrations, write-stop, the way back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from model_site import NAME, Site

from tasks.builds import remote
from tasks.commands.apply import Apply
from tasks.commands.plan import Plan
from tasks.model import measured
from tasks.model import state as states
from tasks.model.measured import Measured
from tasks.model.update import PlannedUpdate

FIRST, SECOND, THIRD = "20250101000000", "20250901120000", "20250902090000"


@pytest.fixture
def serving(site: Site) -> Site:
    """v1.2.0 serves, with one migration, which the database has been through."""
    site.repository.tag(site.repository.commit(migrations=[FIRST]), "v1.2.0")
    site.deploy()
    site.machine.migrations = f"SCHEMA_INIT {FIRST}"
    return site


def planned(site: Site) -> PlannedUpdate:
    looks, _ = site.plan()
    update = looks[NAME].plan.update
    assert update is not None
    return update


def shown(site: Site, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The plan's lines between the instance's name and its first entry."""
    capsys.readouterr()
    Plan().parse_execute(["--config", str(site.config)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == NAME
    return [line for line in lines[1:] if line.startswith("    ") and not line.startswith("     ")]


def apply(site: Site) -> int:
    code: int = Apply().parse_execute(["--yes", "--config", str(site.config)])
    return code


def assert_untouched(site: Site, logged: str) -> None:
    """Nothing was done in the container, and the log's last line says why."""
    assert site.world.log == []
    last = site.paths.log(NAME).read_text().splitlines()[-1]
    assert "[ERROR] [update]" in last and logged in last


def serves(site: Site) -> str:
    (line,) = site.machine.files.content("/opt/vikunja/backend/blue/.release").decode().splitlines()
    commit: str = line.split()[2]
    return commit[:7]


def test_without_migrations_both_versions_overlap_and_the_way_back_is_instant(
    serving: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(11):
        serving.repository.commit(migrations=[FIRST])
    new = serving.repository.commit(migrations=[FIRST])
    serving.repository.tag(new, "v1.3.0")
    before = serving.machine.files.content("/opt/vikunja/backend/blue/.release").split()[1].decode()
    assert shown(serving, capsys) == [
        f"    backend: {serves(serving)} ({before}) → {new[:7]} (v1.3.0), 12 commits",
        "    migrations: none pending, both versions overlap",
        "    rollback afterwards: instant",
    ]


def test_pending_migrations_are_named_with_the_write_stop_and_the_way_back(
    serving: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    serving.repository.tag(serving.repository.commit(migrations=[FIRST, SECOND, THIRD]), "v1.3.0")
    _, *lines = shown(serving, capsys)
    assert lines == [
        f"    migrations: 2 pending ({SECOND}, {THIRD}), rehearsed on a copy, then run while"
        " writes wait",
        "    write-stop: (known after the rehearsal)",
        "    rollback afterwards: restore of unknown duration, what was written since is lost",
    ]
    measured.write(serving.paths, NAME, Measured(2.81, 12.3, rollback_stop=1.8))
    _, _, stop, back = shown(serving, capsys)
    assert stop == "    write-stop: about 2.8 s, as the last one took"
    assert back.startswith(
        "    rollback afterwards: restore in about 12 s (writes stop for about 1.8 s of it), "
    )


def test_migrations_online_stop_nothing_and_go_back_only_by_a_backup(
    serving: Site, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    serving.document["update"] = {"migrations": "online"}
    serving.document["backup"] = {"directory": str(tmp_path)}
    serving.write()
    serving.repository.commit(migrations=[FIRST, SECOND])
    version = planned(serving).before.version
    assert shown(serving, capsys)[1:] == [
        f"    migrations: 1 pending ({SECOND}), run while the old version serves",
        "    write-stop: none",
        f"    rollback afterwards: impossible, there is no backup of {version}",
    ]
    serving.backup_sidecar(1729338000, of="another")
    assert "impossible" in shown(serving, capsys)[3]
    serving.backup_sidecar(1729338600)
    assert shown(serving, capsys)[3] == (
        "    rollback afterwards: restore of unknown duration, what was written since "
        "2024-10-19T11:50:00Z is lost"
    )


def test_a_branch_that_was_set_back_says_what_is_taken_back_and_that_it_is_refused(
    serving: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    serving.repository.commit(migrations=[FIRST, SECOND])
    serving.apply()
    serving.machine.migrations = f"SCHEMA_INIT {FIRST} {SECOND}"
    back = serving.repository.reset("main", 1)
    backend, migrations, _ = shown(serving, capsys)
    assert f"→ {back[:7]} (" in backend and backend.endswith("), 1 commit taken back")
    assert migrations.startswith(
        f"    migrations: the database has been through {SECOND}, which {back[:7]} ("
    )
    assert migrations.endswith(") does not know: apply refuses")
    serving.world.log.clear()
    assert apply(serving) == 7
    error = capsys.readouterr().err
    assert "the database is newer than" in error and "./doit rollback" in error
    assert_untouched(serving, "ERROR")


def test_where_migrations_are_refused_nothing_begins_and_the_log_says_why(
    serving: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    serving.document["update"] = {"migrations": "refuse"}
    serving.write()
    serving.repository.commit(migrations=[FIRST, SECOND])
    serving.world.log.clear()
    assert apply(serving) == 3
    assert "Set update.migrations to rehearse" in capsys.readouterr().err
    assert_untouched(serving, "update.migrations is refuse")
    state = states.read(serving.paths, NAME)
    assert state is not None and (state.status, state.last_operation_status) == (
        "running",
        "failure",
    )


def test_a_version_that_folds_its_oldest_migrations_is_no_older_one(serving: Site) -> None:
    serving.repository.commit(migrations=[SECOND])
    serving.machine.migrations = f"SCHEMA_INIT {FIRST} {SECOND}"
    update = planned(serving)
    assert (update.beyond, update.pending) == ((), ())


def test_a_database_that_does_not_answer_leaves_the_migrations_unknown(serving: Site) -> None:
    serving.repository.commit(migrations=[FIRST])
    serving.machine.migrations = "unknown"
    update = planned(serving)
    assert update.pending is None and update.migrates and update.way_back == "restore"


def test_of_a_release_archive_the_versions_are_known_and_the_migrations_are_not(
    serving: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    del serving.document["git"]
    serving.document["release"] = {
        "url": "https://example.com/vikunja.zip", "sha256": "a" * 64, "version": "v2.0.0"
    }  # fmt: skip
    serving.write()
    backend, migrations, stop, back = shown(serving, capsys)
    assert backend.endswith(" → v2.0.0")
    assert migrations == (
        "    migrations: cannot be known before; the rehearsal on a copy shows them, then writes"
        " wait for them"
    )
    assert stop == "    write-stop: (known after the rehearsal)"
    assert "restore" in back


def test_json_has_it_all_and_null_where_the_release_stays(
    serving: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    def reported() -> object:
        capsys.readouterr()
        Plan().parse_execute(["--json", "--config", str(serving.config)])
        (instance,) = json.loads(capsys.readouterr().out)["instances"]
        return instance["update"]

    assert reported() is None
    new = serving.repository.commit(migrations=[FIRST, SECOND])
    update = reported()
    assert isinstance(update, dict)
    assert update.pop("before")["commit"].startswith(serves(serving))
    assert update.pop("after")["commit"] == new
    assert update == {
        "commits": 1,
        "dropped_commits": 0,
        "pending_migrations": [SECOND],
        "unknown_migrations": [],
        "migrations": "rehearse",
        "write_stop_seconds": None,
        "rollback": "restore",
        "rollback_seconds": None,
        "rollback_write_stop_seconds": None,
        "rollback_since": None,
    }


def test_a_plan_without_an_update_asks_git_for_the_commit_only(
    serving: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []
    run = remote.run

    def counting(arguments: list[str], *rest: Any, **more: Any) -> object:
        asked.append([word for word in arguments if word in ("ls-remote", "fetch", "rev-list")])
        return run(arguments, *rest, **more)

    monkeypatch.setattr(remote, "run", counting)
    serving.plan()
    assert asked == [["ls-remote"]]
    serving.repository.commit(migrations=[FIRST])
    serving.plan()
    serving.plan()
    assert [words for words in asked if "fetch" in words] == [["fetch"]]


def test_every_plan_is_one_round_trip(serving: Site) -> None:
    serving.repository.commit(migrations=[FIRST, SECOND])
    before = serving.world.round_trips
    serving.plan()
    assert serving.world.round_trips == before + 1
