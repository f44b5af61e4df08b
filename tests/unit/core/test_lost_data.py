"""Data that is gone while its container is there is told as lost, and never made anew unasked;
data that is there is never taken for gone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from model_claims import apply_killed
from model_machine import Database
from model_site import NAME, Site

from tasks.checks import plan as plan_check
from tasks.commands.apply import Apply
from tasks.commands.plan import Plan
from tasks.errors import UsageError
from tasks.model.finding import World
from tasks.model.layout import DATA, SECRETS
from tasks.resources.migration import DATABASE_FILE

HOST = "db.example.com"


def apply(site: Site, *arguments: str) -> int:
    code: int = Apply().parse_execute(["--yes", *arguments, "--config", str(site.config)])
    return code


def plan(site: Site, *arguments: str) -> int:
    code: int = Plan().parse_execute([*arguments, "--config", str(site.config)])
    return code


def database(site: Site, kind: str) -> dict[str, Any]:
    if kind != "outside":
        return {"type": kind}
    secrets = {}
    for name in ("password", "admin"):
        path = site.folder / name
        path.write_text(f"{name}-of-it\n")
        path.chmod(0o600)
        secrets[name] = str(path)
    return {
        "type": "postgresql",
        "host": HOST,
        "password_file": secrets["password"],
        "admin_user": "root",
        "admin_password_file": secrets["admin"],
    }


PLACES = {
    "sqlite": f"sqlite-database:{DATABASE_FILE}",
    "postgresql": "postgresql-database:vikunja",
    "mysql": "mysql-database:vikunja",
    "outside": f"external-postgresql:{HOST}:5432/vikunja",
}
KEYS = {
    "postgresql": ("postgres", "vikunja"),
    "mysql": ("mysql", "vikunja"),
    "outside": (f"{HOST}:5432", "vikunja"),
}


@pytest.fixture(params=PLACES)
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def serving(site: Site, kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Site:
    site.document["database"] = database(site, kind)
    site.document["backup"] = {"directory": str(tmp_path / "backups")}
    site.write()
    assert apply(site) == 0
    assert plan(site) == 0
    assert "Nothing to do" in capsys.readouterr().out
    site.world.log.clear()
    return site


def lose(site: Site, kind: str) -> Database | None:
    """The database is removed, or renamed, by hand; what it was."""
    if kind == "sqlite":
        site.machine.files.remove(DATABASE_FILE)
        return None
    found: Database = site.machine.databases.pop(KEYS[kind])
    return found


def is_there(site: Site, kind: str) -> bool:
    if kind == "sqlite":
        return site.machine.files.get(DATABASE_FILE) is not None
    return KEYS[kind] in site.machine.databases


def test_a_lost_database_is_told_and_never_replaced_unasked(
    serving: Site, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    serving.backup_sidecar(1729338600)
    lose(serving, kind)
    assert plan(serving) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[1:3] == [
        f"    {PLACES[kind]} is gone, with the data.",
        "    The newest backup is of 2024-10-19T11:50:00Z; bring it back instead of this: "
        f"./doit restore {NAME} --from latest",
    ]
    assert "      destructive: lost already: made anew, it is empty" in shown
    assert plan(serving, "--json") == 0
    (found,) = json.loads(capsys.readouterr().out)["instances"]
    assert found["lost_data"] == {
        "things": [PLACES[kind]],
        "newest_backup": "2024-10-19T11:50:00Z",
        "fuller_backup": None,
    }
    with pytest.raises(UsageError, match="data is gone: "):
        list(plan_check.check(World(serving.instance, serving.paths, lambda: None)))
    capsys.readouterr()
    assert apply(serving) == 3
    assert capsys.readouterr().err == (
        f"error: data is gone: {NAME}/{PLACES[kind]}\n"
        f"       Bring back the newest backup: ./doit restore {NAME} --from latest. To go on with "
        "nothing in its place, which gives it up: ./doit apply --allow-destroy\n"
    )
    assert not is_there(serving, kind)
    assert serving.world.log == []
    assert apply(serving, "--allow-destroy") == 0
    assert is_there(serving, kind)
    done = capsys.readouterr().out
    assert "unit:vikunja-backend@blue.service" in done and "health:site" in done
    assert plan(serving) == 0
    assert "Nothing to do" in capsys.readouterr().out


def test_a_database_that_is_emptied_is_told_and_its_tables_made_anew_only_where_that_is_wanted(
    serving: Site, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    serving.machine.contents[KEYS.get(kind, ("sqlite", ""))] = "none"
    assert plan(serving) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[1] == f"    {PLACES[kind]} is gone, with the data."
    assert "      destructive: lost already: made anew, it is empty" in shown
    assert "      state: empty → present" in shown
    assert apply(serving) == 3
    assert serving.world.log == []
    capsys.readouterr()
    assert apply(serving, "--allow-destroy") == 0
    # The application makes its tables when it starts, and the site is looked at after it.
    done = capsys.readouterr().out
    assert "unit:vikunja-backend@blue.service" in done and "health:site" in done
    assert serving.machine.migrations == "SCHEMA_INIT"
    assert plan(serving) == 0
    assert "Nothing to do" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
def test_a_backup_that_holds_much_more_than_the_newest_is_named(
    serving: Site, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    serving.backup_sidecar(1729338000, files=900)
    serving.backup_sidecar(1729338600, files=3)
    lose(serving, kind)
    assert plan(serving) == 0
    assert capsys.readouterr().out.splitlines()[3] == (
        "    It holds 0 bytes of database and 3 attachments, 1729338000.tar.gz 0 bytes of database "
        "and 900 attachments: --from 1729338000.tar.gz brings back that one."
    )


@pytest.mark.parametrize("kind", ["postgresql", "mysql"], indirect=True)
def test_one_that_is_lost_behind_the_plan_is_not_made_either(
    serving: Site, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    serving.machine.stop("mariadb.service" if kind == "mysql" else "postgresql.service")
    lose(serving, kind)
    assert plan(serving) == 0
    assert "gone" not in capsys.readouterr().out
    assert apply(serving) == 7
    assert f"./doit plan {NAME} says what is lost, and how it comes back" in (
        capsys.readouterr().err
    )
    assert not is_there(serving, kind)
    # By now the server runs, and says so.
    assert apply(serving) == 3


@pytest.mark.parametrize("kind", ["postgresql", "mysql", "outside"], indirect=True)
def test_a_password_that_is_lost_is_no_lost_database(
    serving: Site, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = serving.machine.databases[KEYS[kind]]
    serving.machine.files.remove(f"{SECRETS}/db-password")
    assert plan(serving) == 0
    shown = capsys.readouterr().out
    assert "gone" not in shown and "destructive" not in shown
    assert apply(serving) == 0
    assert serving.machine.databases[KEYS[kind]].owner == before.owner
    assert plan(serving) == 0
    assert "Nothing to do" in capsys.readouterr().out.splitlines()[-1]


@pytest.mark.parametrize("kind", ["postgresql", "mysql"], indirect=True)
def test_a_package_that_is_removed_leaves_the_data(
    serving: Site, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    serving.machine.uninstall({"postgresql": "postgresql", "mysql": "mariadb-server"}[kind])
    assert plan(serving) == 0
    shown = capsys.readouterr().out
    assert "gone" not in shown and "destructive" not in shown
    assert apply(serving) == 0


@pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
@pytest.mark.parametrize("folder", [f"{DATA}/files", DATA])
def test_lost_attachments_are_told(
    serving: Site, kind: str, folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    serving.machine.files.remove(folder)
    assert plan(serving) == 0
    shown = capsys.readouterr().out.splitlines()
    assert f"directory:{DATA}/files" in shown[1] and "gone, with the data." in shown[1]
    assert shown[2] == "    There is no backup of it in backup.directory."
    assert apply(serving) == 3
    assert "There is no backup of it. To go on with nothing" in capsys.readouterr().err
    assert serving.machine.files.get(folder) is None
    assert apply(serving, "--allow-destroy") == 0


@pytest.mark.parametrize("kind", ["postgresql", "outside"], indirect=True)
def test_a_container_that_is_made_anew_may_be_finished_after_a_kill(
    serving: Site, kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    serving.world.kept = tmp_path / "world"
    serving.world.lose(NAME)
    killed = 0
    for event in range(5, 200, 40):
        looks, made = serving.plan()
        killed += apply_killed(serving, looks, made, event)
    assert killed, "no kill fell before the end"
    capsys.readouterr()
    assert apply(serving) == 0
    assert "destructive" not in capsys.readouterr().out
    assert plan(serving) == 0
    assert "Nothing to do" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_of_a_first_deployment_that_was_killed_nothing_is_lost(
    site: Site, kind: str, tmp_path: Path
) -> None:
    site.document["database"] = database(site, kind)
    site.write()
    site.world.kept = tmp_path / "world"
    for at in range(2, 200):
        looks, made = site.plan()
        assert made.destructive == ()
        if not apply_killed(site, looks, made, at):
            break
    assert site.plan()[1].empty
