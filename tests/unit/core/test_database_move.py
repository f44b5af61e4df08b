"""Another database is configured: the data moves, or everything stays as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from killed_moments import moments
from model_claims import executed
from model_machine import GREEN
from model_migration import MAINTENANCE
from model_site import NAME, Site

from tasks.commands.apply import Apply
from tasks.desired.record import DOCUMENT
from tasks.model import measured
from tasks.model.database_address import DatabaseAddress, address_in
from tasks.model.database_move import PlannedMove, read_kept
from tasks.model.measured import Measured
from tasks.resources.data_move import FILLING, KEPT, NEXT
from tasks.resources.migration import JOURNAL

SQLITE, POSTGRESQL, MYSQL = ("sqlite", ""), ("postgres", "vikunja"), ("mysql", "vikunja")
DATA = "SCHEMA_INIT 20250101000000 20250201000000"
"""It stands for everything that is in the database."""


@pytest.fixture
def serving(site: Site, capsys: pytest.CaptureFixture[str]) -> Site:
    """It serves from SQLite, with data."""
    site.deploy()
    site.machine.migrations = DATA
    site.world.log.clear()
    capsys.readouterr()
    return site


def desired(site: Site, **database: Any) -> None:
    site.document["database"] = database
    site.write()


def apply(site: Site, *arguments: str) -> int:
    code: int = Apply().parse_execute(["--yes", *arguments, "--config", str(site.config)])
    return code


def password(site: Site, name: str) -> str:
    path: Path = site.folder / name
    path.write_text(f"canary-{name}\n")
    path.chmod(0o600)
    return str(path)


def outside(site: Site, host: str, secret: str) -> dict[str, Any]:
    return {
        "type": "postgresql",
        "host": host,
        "password_file": password(site, secret),
        "admin_user": "root",
        "admin_password_file": password(site, "admin"),
    }


def addresses(site: Site) -> list[str]:
    return [entry.address for entry in site.plan()[1].entries]


def moving(site: Site) -> PlannedMove:
    found = site.plan()[1].instances[0].database_move
    assert found is not None
    return found


def assert_open(site: Site, color: str = "") -> None:
    """Requests are taken by that color, if any is said, and nothing is left of the move."""
    for path in (MAINTENANCE, JOURNAL, NEXT, FILLING):
        assert site.machine.files.get(path) is None, path
    serving = serves(site)
    assert serving == (color or serving)
    assert backend(site, serving).active == "active"
    assert backend(site, serving).enabled
    assert backend(site, other(serving)).active == "inactive"
    assert not backend(site, other(serving)).enabled
    assert site.machine.behind() == {}
    link = site.machine.files.get("/etc/vikunja/environment")
    assert link.target == f"environment.{serving}"


def serves(site: Site) -> str:
    return "green" if site.machine.files.get("/etc/vikunja/active/green") is not None else "blue"


def other(color: str) -> str:
    return "blue" if color == "green" else "green"


def backend(site: Site, color: str) -> Any:
    return site.machine.unit(f"vikunja-backend@{color}.service")


def untouched(site: Site) -> Any:
    """What serves: the files that it runs with and was started with, how often, and its secret."""
    color = serves(site)
    paths = [
        f"/etc/vikunja/environment.{color}",
        f"/etc/systemd/system/vikunja-backend@{color}.service",
        "/etc/vikunja/secrets/db-password",
        f"/etc/vikunja/secrets/{color}/db-password",
        f"/var/lib/vikunja-deploy/stamps/vikunja-backend@{color}.service",
    ]
    return color, backend(site, color).running, [site.machine.files.get(path) for path in paths]


def kept(site: Site) -> list[str]:
    text = (site.machine.files.content(KEPT) or b"[]").decode()
    return [item.database.label for item in read_kept(text)]


def test_the_data_moves_where_the_marker_names_a_color_without_settings(serving: Site) -> None:
    desired(serving, type="mysql")
    assert apply(serving) == 0
    assert serves(serving) == "green"
    serving.machine.files.remove(GREEN)
    desired(serving, type="postgresql")
    assert moving(serving).before.label == "mysql vikunja"
    assert apply(serving) == 0
    assert serving.machine.database_in_use() == POSTGRESQL
    assert kept(serving) == ["sqlite", "mysql vikunja"]
    assert_open(serving)


def test_a_plan_says_what_becomes_of_the_data_and_loses_none(serving: Site) -> None:
    desired(serving, type="postgresql")
    _, plan = serving.plan()
    from tasks.output.plan_text import plan_lines

    lines = plan_lines(plan)
    assert lines[1:3] == [
        "    database: sqlite → postgresql vikunja, data copied table by table, "
        "writes stop for about 5.2 s",
        "    kept afterwards: sqlite, as it is then",
    ]
    assert not plan.destructive
    assert plan.instances[0].as_data()["database"]["write_stop_seconds"] == 5.2


def test_it_takes_as_long_as_the_last_time_or_nobody_knows(serving: Site) -> None:
    desired(serving, type="postgresql")
    measured.write(serving.paths, NAME, Measured(None, None, database_move=12.0))
    assert moving(serving).seconds == 12.0
    measured.write(serving.paths, NAME, Measured(None, None))
    assert moving(serving).seconds == 5.2
    serving.machine.fails_to_measure = True
    assert moving(serving).seconds is None
    assert addresses(serving)[-2:] == ["record:/etc/vikunja/deployment-config.yaml", "record:state"]
    assert "writes:stop" in addresses(serving)


@pytest.mark.parametrize("text", [b"", b"by hand: [", b"database: {type: mysql}\n"])
def test_where_the_record_says_nothing_of_the_database_the_settings_do(
    serving: Site, text: bytes
) -> None:
    desired(serving, type="postgresql", name="todo")
    assert apply(serving) == 0
    serving.machine.files.write(DOCUMENT, text)
    desired(serving, type="mysql")
    found = moving(serving)
    assert (found.before.label, found.after.label) == ("postgresql todo", "mysql vikunja")
    assert not found.first
    assert apply(serving) == 0
    assert serving.machine.contents[MYSQL] == DATA
    assert kept(serving) == ["sqlite", "postgresql todo"]
    assert_open(serving)
    assert addresses(serving) == []


def test_another_database_of_one_server_takes_the_user_s_new_password_before(
    serving: Site,
) -> None:
    secret = "file:/etc/vikunja/secrets/db-password"
    desired(serving, **outside(serving, "db.example.com", "one"))
    assert apply(serving) == 0
    desired(serving, **outside(serving, "db.example.com", "two"), name="todo")
    found, planned = moving(serving), addresses(serving)
    assert found.first and secret in planned and "writes:stop" not in planned
    assert apply(serving) == 0
    assert serving.machine.files.content("/etc/vikunja/secrets/db-password") == b"canary-two"
    assert serving.machine.contents["db.example.com:5432", "todo"] == DATA
    assert_open(serving)
    assert addresses(serving) == []


def test_a_password_of_the_old_server_that_was_edited_is_not_given_to_it(serving: Site) -> None:
    desired(serving, **outside(serving, "db.example.com", "one"))
    assert apply(serving) == 0
    (serving.folder / "one").write_text("canary-edited\n")
    desired(serving, **outside(serving, "new.example.com", "two"))
    # Nothing has to come first: what serves keeps the password that it has.
    planned = addresses(serving)
    assert not moving(serving).first
    secret = "file:/etc/vikunja/secrets/db-password"
    assert planned.index(f"{secret}-next") < planned.index("writes:stop") < planned.index(secret)
    assert apply(serving) == 0
    assert serving.machine.files.content("/etc/vikunja/secrets/db-password") == b"canary-two"
    assert serving.machine.contents["new.example.com:5432", "vikunja"] == DATA
    assert_open(serving, "blue")
    assert addresses(serving) == []


def test_an_edit_beside_it_comes_first_with_the_password_that_the_old_server_knows(
    serving: Site,
) -> None:
    desired(serving, **outside(serving, "db.example.com", "one"))
    assert apply(serving) == 0
    (serving.folder / "one").unlink()
    serving.document["vikunja"] = {"registration": True}
    desired(serving, **outside(serving, "new.example.com", "two"))
    assert moving(serving).first
    assert not [one for one in addresses(serving) if "db-password" in one]
    assert apply(serving) == 0
    assert serving.machine.files.content("/etc/vikunja/secrets/db-password") == b"canary-two"
    assert serving.machine.contents["new.example.com:5432", "vikunja"] == DATA
    assert_open(serving)
    assert addresses(serving) == []


def test_a_wrong_password_that_never_served_is_not_what_the_old_server_is_left_with(
    serving: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    first = outside(serving, "db.example.com", "one")
    desired(serving, **first)
    assert apply(serving) == 0
    del first["admin_user"], first["admin_password_file"]
    desired(serving, **{**first, "password_file": password(serving, "wrong")})
    before = untouched(serving)
    assert apply(serving) == 7
    assert "denied" in capsys.readouterr().err
    assert untouched(serving) == before
    # As an apply has left it that did not try it before.
    file = "/etc/vikunja/secrets/db-password"
    serving.machine.files.write(file, b"canary-wrong", "0600", owner="vikunja", group="vikunja")
    desired(serving, **outside(serving, "new.example.com", "two"))
    assert apply(serving) == 0
    assert serving.machine.contents["new.example.com:5432", "vikunja"] == DATA
    assert_open(serving)
    assert addresses(serving) == []


def test_it_is_carried_over_while_nobody_writes_and_the_old_one_is_kept(serving: Site) -> None:
    desired(serving, type="postgresql")
    assert apply(serving) == 0
    done = [address for address, _ in executed(serving.world.log)]
    assert done[done.index("postgresql-database:vikunja") :] == [
        "postgresql-database:vikunja",
        "release:green",
        "file:/etc/vikunja/environment.green",
        "file:/etc/systemd/system/vikunja-backend@green.service",
        "file:/usr/local/lib/vikunja/backend.green",
        "color-secrets:green",
        "systemd:unit-files",
        "writes:stop",
        "database:carried-over",
        "unit:vikunja-backend@green.service",
        "color:active",
        "health:site",
        "writes:go-on",
        "link:/etc/vikunja/environment",
        "unit:vikunja-backend@blue.service",
        "absent:/etc/vikunja/environment.blue",
        "retired-secrets:blue",
        "record:/etc/vikunja/deployment-config.yaml",
    ]
    assert serving.machine.contents == {SQLITE: DATA, POSTGRESQL: DATA}
    assert kept(serving) == ["sqlite"]
    assert_open(serving, "green")
    seconds = measured.read(serving.paths, NAME).database_move
    assert seconds is not None and "Writes go on after" in serving.paths.log(NAME).read_text()
    assert addresses(serving) == []


def test_a_table_that_somebody_has_made_is_named_as_long_as_it_is_kept(
    serving: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    serving.machine.somebodys = "notes"
    desired(serving, type="postgresql")
    assert apply(serving) == 0
    named = "not copied, for the application has no such thing: table notes; sqlite keeps it"
    assert named in capsys.readouterr().err
    assert apply(serving) == 0
    assert ", with what is nowhere else: table notes; ./doit apply" in capsys.readouterr().out
    assert apply(serving, "--allow-destroy") == 0
    assert "with what is nowhere else: table notes" in capsys.readouterr().out
    assert kept(serving) == []


def test_tables_of_another_version_are_not_filled(
    serving: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    serving.machine.makes_older_tables = True
    desired(serving, type="postgresql")
    assert apply(serving) == 11
    error = capsys.readouterr().err
    assert "the old database has been through migration 20250201000000, the new one" in error
    assert serving.machine.contents == {SQLITE: DATA, POSTGRESQL: "none"}
    assert_open(serving, "blue")


def test_the_way_back_replaces_what_was_kept_and_stops_the_server_afterwards(
    serving: Site,
) -> None:
    desired(serving, type="postgresql")
    assert apply(serving) == 0
    serving.machine.migrations = f"{DATA} 20250301000000"
    desired(serving, type="sqlite")
    assert addresses(serving)[-6:] == [
        "unit:vikunja-backend@green.service",
        "file:/etc/vikunja/environment.green",
        "retired-secrets:green",
        "unit:postgresql.service",
        "record:/etc/vikunja/deployment-config.yaml",
        "record:state",
    ]
    assert apply(serving) == 0
    assert serving.machine.contents[SQLITE] == f"{DATA} 20250301000000"
    assert kept(serving) == ["postgresql vikunja"]
    assert serving.machine.unit("postgresql.service").active == "inactive"
    assert_open(serving)


def test_rows_that_do_not_arrive_change_nothing(
    serving: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    desired(serving, type="mysql")
    serving.machine.fails_to_copy = True
    starts, before = backend(serving, "blue").starts, untouched(serving)
    _, planned = serving.plan()
    assert apply(serving) == 11
    error = capsys.readouterr().err
    assert "not every row arrived as it was: tasks: 3 rows, 1 arrived" in error
    assert "serves on, with the database as it was" in error
    assert serving.machine.contents == {SQLITE: DATA, MYSQL: "none"}
    assert kept(serving) == []
    assert_open(serving, "blue")
    assert backend(serving, "green").starts == 0
    assert "exit code 11" in serving.paths.log(NAME).read_text().splitlines()[-1]
    # It was stopped and started once, with nothing but what it ran with.
    assert backend(serving, "blue").starts == starts + 1
    assert untouched(serving)[1] == before[1]
    serving.machine.fails_to_copy = False
    _, again = serving.plan()
    # What is there by now is done; the rest is what there was to do.
    switch = [entry.address for entry in planned.entries if entry.step == "switch"]
    assert [entry.address for entry in again.entries if entry.step == "switch"] == switch
    assert [entry.address for entry in again.entries if entry.step == "system"] == []
    assert apply(serving) == 0
    assert serving.machine.contents == {SQLITE: DATA, MYSQL: DATA}
    assert_open(serving, "green")
    assert addresses(serving) == []


def test_a_move_that_failed_and_is_desired_no_longer_makes_no_other_edit_lose_data(
    serving: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    desired(serving, type="mysql")
    serving.machine.fails_to_copy = True
    assert apply(serving) == 11
    serving.document["vikunja"] = {"registration": True}
    desired(serving, type="sqlite")
    _, plan = serving.plan()
    assert plan.destructive == ()
    (settings,) = (e for e in plan.entries if e.address == "file:/etc/vikunja/environment.green")
    assert [str(reason) for reason in settings.reasons] == ["vikunja.registration changed"]
    assert apply(serving) == 0
    assert serving.machine.contents[SQLITE] == DATA
    assert_open(serving)
    assert addresses(serving) == []


def test_killed_at_every_moment_it_goes_back_or_is_done_and_the_next_apply_finishes(
    serving: Site,
) -> None:
    killed_in = set()
    desired(serving, type="mysql")
    assert apply(serving) == 0
    # Every other moment of the one move, and the others of the move back.
    for turn, kind in enumerate(("postgresql", "mysql")):
        desired(serving, type=kind)
        found = moments(serving, *serving.plan())
        early = [moment for moment in found if moment.number < 82]
        # Every moment of the end, where it is decided which one serves.
        for moment in (*early[turn::8], *found[len(early) + turn :: 2]):
            moment.leave(serving)
            journal = serving.machine.files.content(JOURNAL)
            if journal is not None:
                killed_in.add(journal.split()[0].decode())
                _, then = serving.plan()
                assert then.entries[0].address == "migrations:unfinished"
                assert then.instances[0].unseen
            assert serving.machine.migrations == DATA
            assert apply(serving) == 0
            assert serving.machine.migrations == DATA
            assert_open(serving)
            assert addresses(serving) == []
    assert killed_in == {"stopping", "saved", "committed"}


def test_tables_that_are_somebodys_are_never_overwritten(
    serving: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    desired(serving, **outside(serving, "db.example.com", "one"))
    assert apply(serving) == 0
    desired(serving, type="sqlite")
    assert apply(serving) == 0
    place = ("db.example.com:5432", "vikunja")
    serving.machine.contents[place] = "SCHEMA_INIT somebody's"
    desired(serving, **outside(serving, "db.example.com", "one"))
    serves_on = untouched(serving)
    # It can only be looked into once the password is there.
    assert apply(serving) == 11
    said = capsys.readouterr().err
    assert "holds tables already, which are not this instance's; blue" in said
    assert untouched(serving)[:2] == serves_on[:2]
    assert apply(serving) == 3
    shown = capsys.readouterr()
    assert "which holds tables already: it is used as it is" in shown.out
    assert "data would be lost by vikunja-main/file:/etc/vikunja/environment.green" in shown.err
    assert serving.machine.migrations == DATA
    assert apply(serving, "--allow-destroy") == 0
    assert serving.machine.migrations == "SCHEMA_INIT somebody's"
    assert serving.machine.contents[SQLITE] == DATA
    assert_open(serving, "green")
    assert addresses(serving) == []


def test_tables_that_only_show_once_the_server_runs_stop_it_before_anything(
    serving: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    serving.machine.contents[MYSQL] = "SCHEMA_INIT somebody's"
    desired(serving, type="mysql")
    serves_on = untouched(serving)
    assert apply(serving) == 11
    assert "holds tables already, which are not this instance's; blue" in capsys.readouterr().err
    assert serving.machine.contents[MYSQL] == "SCHEMA_INIT somebody's"
    assert "writes:stop" not in [address for address, _ in serving.world.log]
    assert serving.machine.migrations == DATA
    assert untouched(serving)[:2] == serves_on[:2]
    assert_open(serving, "blue")


def test_an_update_and_any_other_edit_come_first_with_the_database_as_it_is(
    serving: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    serving.repository.commit()
    serving.document["vikunja"] = {"registration": True}
    desired(serving, type="postgresql")
    first = addresses(serving)
    assert "release:green" in first and "writes:stop" not in first
    assert not [one for one in first if "postgresql" in one]
    assert apply(serving) == 0
    said = capsys.readouterr().out
    assert "This comes first; the other database is planned then." in said
    done = [address for address, _ in executed(serving.world.log)]
    assert done.index("color:active") < done.index("writes:stop")
    assert serving.machine.contents[POSTGRESQL] == DATA
    assert addresses(serving) == []


def test_only_a_first_deployment_is_refused_for_a_server_that_is_too_new(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A site that serves, or whose container was lost, is worth more than its backups."""
    monkeypatch.setattr("tasks.databases.greeting.server_version", lambda *_: 99)
    desired(site, **outside(site, "db.example.com", "first"))
    assert apply(site) == 7
    assert "PostgreSQL 99 at db.example.com:5432 is newer than" in capsys.readouterr().err
    assert site.world.log == []
    monkeypatch.setattr("tasks.databases.greeting.server_version", lambda *_: None)
    assert apply(site) == 0
    monkeypatch.setattr("tasks.databases.greeting.server_version", lambda *_: 99)
    site.document["network"]["domain"] = "other.example.com"
    site.write()
    assert apply(site) == 0
    site.world.lose(NAME)
    assert apply(site) == 0


@pytest.mark.parametrize(
    "target",
    [
        "file:/etc/vikunja/environment.green",
        "unit:vikunja-backend@green.service",
        "color:active",
        "link:/etc/vikunja/environment",
        "unit:vikunja-backend@blue.service",
        "writes:*",
    ],
)
def test_a_part_of_it_is_refused(
    serving: Site, capsys: pytest.CaptureFixture[str], target: str
) -> None:
    desired(serving, type="postgresql")
    assert apply(serving, "--target", target) == 3
    assert "as a whole" in capsys.readouterr().err
    assert serving.world.log == []


@pytest.mark.parametrize("trouble", ["fails_to_copy", "fails_to_migrate"])
def test_a_server_with_another_password_leaves_the_old_one_its_own_until_it_serves(
    serving: Site, trouble: str
) -> None:
    """Also where that one does not come up, with the new password landed already."""
    desired(serving, **outside(serving, "db.example.com", "one"))
    assert apply(serving) == 0
    desired(serving, **outside(serving, "new.example.com", "two"))
    planned = addresses(serving)
    secret = "file:/etc/vikunja/secrets/db-password"
    assert planned.index(f"{secret}-next") < planned.index("writes:stop") < planned.index(secret)
    setattr(serving.machine, trouble, True)
    before = untouched(serving)
    assert apply(serving) == 11
    assert serving.machine.files.content("/etc/vikunja/secrets/db-password") == b"canary-one"
    assert untouched(serving) == before
    assert_open(serving, "green")
    # What serves is behind nothing: it is not started anew before what is left to do.
    assert not moving(serving).first
    setattr(serving.machine, trouble, False)
    assert apply(serving) == 0
    assert serving.machine.files.content("/etc/vikunja/secrets/db-password") == b"canary-two"
    assert serving.machine.contents["new.example.com:5432", "vikunja"] == DATA
    assert kept(serving) == ["sqlite", "postgresql vikunja at db.example.com:5432"]
    assert_open(serving)


SECRETS_FOLDER = "/etc/vikunja/secrets"
ENDED = ("db-ca-next", "db-cert-next", "db-key-next", "db-password-next")


def over_tls(site: Site, host: str, name: str, *files: str) -> dict[str, Any]:
    """A server outside that is known by these files, which hold the name."""
    tls: dict[str, Any] = {"mode": "verify-full"}
    for one in files:
        path = site.folder / f"{name}-{one}"
        kind = "PRIVATE KEY" if one == "key" else "CERTIFICATE"
        path.write_text(f"-----BEGIN {kind}-----\n{name}\n-----END {kind}-----\n")
        path.chmod(0o600)
        tls[f"{one}_file"] = str(path)
    return {**outside(site, host, name), "tls": tls}


@pytest.fixture
def trusting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Certificates are made up, and there is no server to ask; both have tests of their own."""
    monkeypatch.setattr("tasks.config.certificate.certificate_findings", lambda *_: ())
    monkeypatch.setattr("tasks.config.certificate.authority_finding", lambda *_: None)
    monkeypatch.setattr("tasks.databases.trust.refuse_untrusted", lambda *_: None)
    monkeypatch.setattr("tasks.databases.greeting.refuse_unknown", lambda *_: None)


@pytest.mark.usefixtures("trusting")
@pytest.mark.parametrize("trouble", ["", "fails_to_copy", "fails_to_migrate"])
@pytest.mark.parametrize("files", [("ca",), ("ca", "cert", "key"), ()])
def test_a_server_that_is_trusted_otherwise_leaves_the_old_one_its_files_until_it_serves(
    serving: Site, trouble: str, files: tuple[str, ...]
) -> None:
    before, machine = ("ca", "cert", "key"), serving.machine
    desired(serving, **over_tls(serving, "db.example.com", "one", *before))
    assert apply(serving) == 0
    (site_file,) = (machine.files.content(f"{SECRETS_FOLDER}/green/db-key"),)
    assert b"one" in (site_file or b"")
    # The host's files of before are gone: what serves has its own.
    for one in before:
        (serving.folder / f"one-{one}").unlink()
    desired(serving, **over_tls(serving, "new.example.com", "two", *files))
    assert not moving(serving).first
    planned = addresses(serving)
    for one in files:
        path = f"file:{SECRETS_FOLDER}/db-{one}"
        assert planned.index(f"{path}-next") < planned.index("writes:stop") < planned.index(path)
    if trouble:
        setattr(machine, trouble, True)
        assert apply(serving) == 11
        for one in before:
            assert b"one" in (machine.files.content(f"{SECRETS_FOLDER}/db-{one}") or b"")
            assert b"one" in (machine.files.content(f"{SECRETS_FOLDER}/green/db-{one}") or b"")
        assert_open(serving, "green")
        assert not moving(serving).first
        setattr(machine, trouble, False)
    assert apply(serving) == 0
    assert_open(serving, "blue")
    for folder in (SECRETS_FOLDER, f"{SECRETS_FOLDER}/blue"):
        found = {one for one in before if machine.files.content(f"{folder}/db-{one}") is not None}
        assert found == set(files)
        assert all(b"two" in (machine.files.content(f"{folder}/db-{one}") or b"") for one in found)
    assert not [one for one in ENDED if machine.files.get(f"{SECRETS_FOLDER}/{one}")]
    assert addresses(serving) == []


def test_the_color_that_takes_over_has_the_new_server_s_password_whatever_it_had(
    serving: Site,
) -> None:
    """What an apply that was killed has prepared may be what the old server knows."""
    desired(serving, **outside(serving, "db.example.com", "one"))
    assert apply(serving) == 0
    desired(serving, **outside(serving, "new.example.com", "two"))
    machine = serving.machine
    for path in ("db-password", "service-secret"):
        node = machine.files.get(f"/etc/vikunja/secrets/green/{path}")
        machine.files.make_folders("/etc/vikunja/secrets/blue")
        machine.files.put(f"/etc/vikunja/secrets/blue/{path}", node)
    planned = addresses(serving)
    secret = "file:/etc/vikunja/secrets/db-password-next"
    assert planned.index(secret) < planned.index("color-secrets:blue")
    assert apply(serving) == 0
    assert machine.files.content("/etc/vikunja/secrets/blue/db-password").strip() == b"canary-two"
    assert_open(serving, "blue")
    assert addresses(serving) == []


def test_what_is_kept_goes_when_it_is_said_and_servers_outside_keep_theirs(
    serving: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ("db.example.com:5432", "vikunja")
    for database in (
        {"type": "mysql"},
        outside(serving, "db.example.com", "one"),
        {"type": "postgresql"},
    ):
        desired(serving, **database)
        assert apply(serving) == 0
    capsys.readouterr()
    assert apply(serving) == 0
    said = capsys.readouterr().out
    assert "kept: sqlite, not in use since 20" in said
    assert "forgets it, it stays on its server" in said
    assert apply(serving, "--allow-destroy") == 0
    assert serving.machine.contents == {POSTGRESQL: DATA, place: DATA}
    assert serving.machine.unit("mariadb.service").active == "inactive"
    assert kept(serving) == []
    capsys.readouterr()
    assert apply(serving) == 0
    assert capsys.readouterr().out == "Nothing to do: vikunja-main is up to date.\n"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b'VIKUNJA_DATABASE_TYPE="sqlite"\n', DatabaseAddress("sqlite")),
        (
            b'VIKUNJA_DATABASE_TYPE="postgres"\nVIKUNJA_DATABASE_HOST="127.0.0.1:5432"\n'
            b'VIKUNJA_DATABASE_DATABASE="a"\nVIKUNJA_DATABASE_USER="b"\n',
            DatabaseAddress("postgresql", None, 0, "a", "b"),
        ),
        (
            b'VIKUNJA_DATABASE_TYPE="mysql"\nVIKUNJA_DATABASE_HOST="[fd00::1]:3307"\n'
            b'VIKUNJA_DATABASE_DATABASE="a"\n',
            DatabaseAddress("mysql", "fd00::1", 3307, "a", ""),
        ),
        (b'VIKUNJA_DATABASE_TYPE="mysql"\nVIKUNJA_DATABASE_HOST="/run/socket"\n', None),
        (
            b'VIKUNJA_DATABASE_TYPE="mysql"\nVIKUNJA_DATABASE_HOST="/run/socket"\n'
            b'VIKUNJA_DATABASE_DATABASE="a"\n',
            DatabaseAddress("mysql", "/run/socket", 3306, "a", ""),
        ),
        (b'VIKUNJA_DATABASE_TYPE="other"\n', None),
        (b"", None),
    ],
)
def test_the_settings_say_which_database_it_is(text: bytes, found: DatabaseAddress | None) -> None:
    assert address_in(text) == found
