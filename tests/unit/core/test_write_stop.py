"""An update that changes the database: rehearsed, done in a write-stop, put back where it fails."""

from __future__ import annotations

import pickle
from itertools import count

import pytest
from killed_moments import moments
from model_claims import executed
from model_migration import MAINTENANCE
from model_site import NAME, Site

from tasks.commands.apply import Apply
from tasks.execution.rehearsal import settings
from tasks.model import measured
from tasks.resources.migration import JOURNAL

FIRST, SECOND = "20250101000000", "20260101000002"
"""The second one is what the model's application runs next."""

OLD_DATABASE = f"SCHEMA_INIT {FIRST}"
NEW_DATABASE = f"{OLD_DATABASE} {SECOND}"


@pytest.fixture
def pending(site: Site, capsys: pytest.CaptureFixture[str]) -> Site:
    """A version serves, and one with another migration is configured."""
    site.repository.commit(migrations=[FIRST])
    site.deploy()
    site.machine.migrations = OLD_DATABASE
    site.repository.commit(migrations=[FIRST, SECOND])
    site.world.log.clear()
    capsys.readouterr()
    return site


def apply(site: Site, *arguments: str) -> int:
    code: int = Apply().parse_execute(["--yes", *arguments, "--config", str(site.config)])
    return code


def serves(site: Site, color: str) -> bool:
    other = "blue" if color == "green" else "green"
    units = (site.machine.unit(f"vikunja-backend@{name}.service") for name in (color, other))
    marked = site.machine.files.get("/etc/vikunja/active/green") is not None
    return [unit.active for unit in units] == ["active", "inactive"] and marked == (
        color == "green"
    )


def assert_open(site: Site) -> None:
    """Requests are taken, and nothing is left of the update."""
    assert site.machine.files.get(MAINTENANCE) is None
    assert site.machine.files.get(JOURNAL) is None
    assert site.machine.places == {}


def test_it_is_rehearsed_and_backed_up_before_writes_stop_and_go_on_when_it_serves(
    pending: Site,
) -> None:
    assert apply(pending) == 0
    done = [address for address, _ in executed(pending.world.log)]
    assert [one for one in done if not one.startswith(("artifact:", "release:", "record:"))] == [
        "file:/etc/vikunja/environment.green",
        "file:/etc/systemd/system/vikunja-backend@green.service",
        "file:/usr/local/lib/vikunja/backend.green",
        "color-secrets:green",
        "systemd:unit-files",
        "migrations:rehearsal",
        "backup:before-update",
        "writes:stop",
        "unit:vikunja-backend@green.service",
        "color:active",
        "health:site",
        "writes:go-on",
        "link:/etc/vikunja/environment",
        "unit:vikunja-backend@blue.service",
        "absent:/etc/vikunja/environment.blue",
        "retired-secrets:blue",
    ]
    assert pending.machine.migrations == NEW_DATABASE
    assert serves(pending, "green")
    assert_open(pending)
    took = measured.read(pending.paths, NAME)
    assert took.write_stop and took.rollback and took.rollback_stop == took.write_stop
    assert took.rollback > took.rollback_stop
    assert "Writes go on after" in pending.paths.log(NAME).read_text()


def test_a_migration_that_fails_puts_the_database_back_and_the_old_version_serves(
    pending: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    pending.machine.fails_to_migrate = True
    assert apply(pending) == 11
    error = capsys.readouterr().err
    assert "no such table" in error and "serves on, with the database as it was" in error
    assert pending.machine.migrations == OLD_DATABASE
    assert serves(pending, "blue")
    assert_open(pending)
    assert "exit code 11" in pending.paths.log(NAME).read_text().splitlines()[-1]
    pending.machine.fails_to_migrate = False
    assert apply(pending) == 0
    assert pending.machine.migrations == NEW_DATABASE


def test_a_rehearsal_that_does_not_answer_ends_with_the_last_words_of_the_program(
    pending: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    pending.document["vikunja"] = {"start_timeout_seconds": 1}
    pending.write()
    pending.machine.never_healthy = "http://127.0.0.1:19000/health: could not connect"
    assert apply(pending) == 11
    error = capsys.readouterr().err
    assert "ran its migrations, but is not healthy: http://127.0.0.1:19000/health" in error
    assert "bind: address already in use" in error and "Nothing was changed." in error
    assert pending.machine.migrations == OLD_DATABASE and serves(pending, "blue")
    assert_open(pending)


@pytest.mark.parametrize("before", [False, True], ids=["comes with it", "goes with it"])
def test_a_service_that_only_one_of_the_two_versions_has_keeps_nothing_from_going_back(
    pending: Site, before: bool
) -> None:
    pending.repository.reset("main", 1)
    pending.document["redis"] = {"enabled": True}
    pending.document["services"] = {"mcp": {"enabled": before}}
    pending.write()
    pending.apply()
    color = serving(pending)
    pending.repository.commit(migrations=[FIRST, SECOND])
    pending.document["services"] = {"mcp": {"enabled": not before}}
    pending.write()
    pending.machine.fails_to_migrate = True
    assert apply(pending) == 11
    assert serves(pending, color)
    mcp = pending.machine.unit(f"vikunja-mcp@{color}.service")
    assert (mcp.active == "active") == before
    assert pending.machine.unit(f"vikunja-backend@{color}.service").enabled
    assert pending.machine.migrations == OLD_DATABASE
    assert_open(pending)
    pending.machine.fails_to_migrate = False
    assert apply(pending) == 0
    assert not serves(pending, color)
    assert pending.machine.migrations == NEW_DATABASE
    assert pending.plan()[1].empty


def serving(site: Site) -> str:
    return "green" if site.machine.files.get("/etc/vikunja/active/green") is not None else "blue"


def test_unheard_of_at_every_moment_the_old_version_serves_with_its_data_or_the_new_one(
    pending: Site,
) -> None:
    """Who stands by puts everything back, and the tool comes back from its sleep and goes on."""
    codes = []
    before = pickle.dumps((pending.world.places, pending.world.log))
    for at in count(1):
        pending.world.places, pending.world.log = pickle.loads(before)
        pending.world.round_trips, pending.world.unheard_at = 0, at
        code = apply(pending)
        if pending.world.round_trips < at:
            break
        codes.append(code)
        if code == 0:
            assert serves(pending, "green")
            assert pending.machine.migrations == NEW_DATABASE
        else:
            assert code == 11
            assert serves(pending, "blue")
            assert pending.machine.migrations == OLD_DATABASE
            assert pending.machine.files.get("/etc/vikunja/active/green") is None
        assert_open(pending)
    assert codes.count(11) >= 5


def test_killed_at_every_moment_the_next_apply_finishes_and_migrates_once(pending: Site) -> None:
    killed_in = set()
    for moment in moments(pending, *pending.plan()):
        if moment.number < 20:
            # What comes first is the switch of any update.
            continue
        moment.leave(pending)
        journal = pending.machine.files.content(JOURNAL)
        if journal is not None:
            killed_in.add(journal.split()[0].decode())
            _, then = pending.plan()
            assert then.entries[0].address == "migrations:unfinished"
            assert then.instances[0].unseen
        assert apply(pending) == 0
        # Whatever was half done was undone: no migration has run twice.
        assert pending.machine.migrations.split() == ["SCHEMA_INIT", FIRST, SECOND]
        assert_open(pending)
    assert killed_in == {"stopping", "saved", "committed"}


def test_the_proxy_lets_the_tool_see_the_new_version_before_anybody_else(site: Site) -> None:
    site.deploy()
    text = site.machine.files.content("/etc/nginx/conf.d/vikunja.conf").decode()
    closing = text.index("if (-f /etc/vikunja/active/maintenance)")
    inside = text.index("set $closed $outside;")
    assert closing < inside < text.index("if ($closed)") < text.index("return 503;")
    assert 'geo $realip_remote_addr $outside {\n\tdefault 1;\n\t127.0.0.1 "";\n}' in text


def test_a_part_of_it_is_refused(pending: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert apply(pending, "--target", "color:active") == 3
    assert "done as a whole" in capsys.readouterr().err
    assert pending.world.log == []


def test_online_nothing_is_rehearsed_and_nothing_stops(pending: Site) -> None:
    pending.document["update"] = {"migrations": "online"}
    pending.write()
    assert apply(pending) == 0
    done = {address.partition(":")[0] for address, _ in pending.world.log}
    assert not done & {"migrations", "writes", "backup"}
    assert serves(pending, "green")


def test_a_rehearsal_reaches_nobody_and_has_values_as_systemd_reads_them(site: Site) -> None:
    site.document["database"] = {"type": "postgresql"}
    site.write()
    text = settings(site.instance, 'vikunja-deploy-rehearsal-vik"u$nja').decode()
    assert 'VIKUNJA_DATABASE_DATABASE="vikunja-deploy-rehearsal-vik\\"u\\$nja"\n' in text
    for name in ("MAILER", "WEBHOOKS", "REDIS", "TYPESENSE", "PLUGINS"):
        assert f'VIKUNJA_{name}_ENABLED="false"\n' in text
    assert 'VIKUNJA_FILES_TYPE="local"\n' in text
