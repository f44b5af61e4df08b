"""The data moves to another kind of database, with people writing all the time: done, failed,
killed.

Whatever becomes of it, what was acknowledged is there afterwards, and nothing else is; attachments
stay where they are; the only answer besides a good one is a 503 while writes are stopped.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest
from data import files
from inside import Inside
from journey import Site, new_site
from writers import (
    Writer,
    assert_nothing_lost,
    await_closed,
    get,
    killed_at,
    writing,
)

from tasks.config import load_instances
from tasks.containers import container_for
from tasks.databases import Database, database_at
from tasks.model.database_address import DatabaseAddress
from tasks.model.instance import DatabaseType
from tasks.paths import Paths

BROKEN = "/etc/systemd/system/vikunja-backend@database-move.service.d"
SLOW = "/usr/lib/systemd/system/vikunja-backend@{}.service.d"
FIRST_MIGRATION = "20240105101500"

LOOK_FOR_REST = r"""
find /var/lib/vikunja-deploy/migration /var/lib/vikunja-deploy/filling-database \
    /var/lib/vikunja/vikunja-deploy-* /run/vikunja-deploy/database-move* \
    /etc/vikunja/active/maintenance /etc/vikunja/secrets/db-password-next \
    /run/systemd/system/vikunja-backend@database-move* -type f \
    2>/dev/null || true
"""


@pytest.fixture(scope="module")
def site(lab_paths: Paths, lab_network: object) -> Iterator[Site]:
    """It serves with SQLite, and has an attachment."""
    site = new_site(lab_paths, lab_network, "carry")
    site.run("apply", "--yes")
    Writer(site).write("with an attachment")
    attachment = site.paths.prefix / "attachment"
    attachment.write_bytes(os.urandom(300_000))
    upload = f"https://{site.address}/api/v1/tasks/1/attachments"
    curl = ["curl", "-skf", "--max-time", "60", "-F", f"files=@{attachment}", upload]
    subprocess.run(curl, check=True, capture_output=True)
    yield site


def desired(site: Site, engine: DatabaseType) -> None:
    site.edit({"database": {"type": engine}})


def where_it_is(site: Site, engine: DatabaseType) -> Database:
    """The database of an engine, whatever serves."""
    (instance,) = load_instances([site.file])
    database_address = (
        DatabaseAddress("sqlite")
        if engine == "sqlite"
        else DatabaseAddress(engine, None, 0, "vikunja", "vikunja")
    )
    return database_at(database_address, container_for(instance, site.paths))


def serves_from(site: Site, engine: DatabaseType) -> None:
    name = {"postgresql": "postgres"}.get(engine, engine)
    found = Inside(site).run("grep", "^VIKUNJA_DATABASE_TYPE=", "/etc/vikunja/environment")
    assert found == f'VIKUNJA_DATABASE_TYPE="{name}"\n'
    assert len(get(site, "/api/v1/tasks/1")["attachments"]) == 1


def titles(site: Site) -> set[str]:
    return {task["title"] for task in get(site, "/api/v1/tasks")}


def test_where_the_application_makes_no_tables_everything_stays_as_it_was(site: Site) -> None:
    desired(site, "postgresql")
    said = site.run("plan").stdout
    assert "database: sqlite → postgresql vikunja, data copied table by table" in said
    assert "writes stop for about" in said and "destructive" not in said
    before, attached = titles(site), files(site)
    setting = f"[Service]\\nEnvironment=SAMPLE_FAIL_MIGRATION={FIRST_MIGRATION}\\n"
    inside = Inside(site)
    inside.shell(f'mkdir -p {BROKEN} && printf "{setting}" >{BROKEN}/fails.conf')
    with writing(site, "failing") as writers:
        failed = site.run("apply", "--yes", code=11)
    inside.shell(f"rm -r {BROKEN} && systemctl daemon-reload")
    assert "the application could not make its tables in the new database" in failed.stderr
    assert f"migration {FIRST_MIGRATION} failed" in failed.stderr
    assert "serves on, with the database as it was" in failed.stderr
    serves_from(site, "sqlite")
    assert before <= titles(site) and files(site) == attached
    assert_nothing_lost(site, writers, "failing")
    assert any(writer.answers["503"] for writer in writers)
    assert not where_it_is(site, "postgresql").occupied()
    assert inside.shell(LOOK_FOR_REST) == ""


@pytest.mark.parametrize(
    ("at", "what"),
    [
        ("filling postgresql", "tool"),
        (" tables", "tool"),
        ("create unit:vikunja-backend@", "container"),
    ],
)
def test_killed_it_goes_back_by_itself(site: Site, at: str, what: str) -> None:
    desired(site, "postgresql")
    attached = files(site)
    # Time for the end to come before the new database serves for good.
    setting = "[Service]\\nEnvironment=SAMPLE_START_DELAY=3\\n"
    inside = Inside(site)
    slow = SLOW.format("green" if inside.serving == "blue" else "blue")
    inside.shell(f'mkdir -p {slow} && printf "{setting}" >{slow}/slow.conf')
    with writing(site, f"killed {at}") as writers:
        killed_at(site, at, what)
        # Nobody helps it.
        await_closed(site)
        inside.shell(f"rm -r {slow} && systemctl daemon-reload")
    serves_from(site, "sqlite")
    assert files(site) == attached
    assert_nothing_lost(site, writers, f"killed {at}", others=what == "container")
    assert inside.shell(LOOK_FOR_REST) == ""


def test_there_back_and_on_to_a_third_everything_is_carried_over(site: Site) -> None:
    attached, before = files(site), titles(site)
    own = "create table notes (note text); insert into notes values ('mine');"
    Inside(site).shell(f'sqlite3 -cmd ".timeout 20000" /var/lib/vikunja/vikunja.db "{own}"')
    moves: tuple[tuple[DatabaseType, DatabaseType], ...] = (
        ("sqlite", "postgresql"),
        ("postgresql", "sqlite"),
        ("sqlite", "mysql"),
    )
    for old, new in moves:
        if new == "mysql":
            # As before Vikunja 1.0, which has its passwords from its environment only.
            site.edit({"vikunja": {"secrets": "environment"}})
            site.run("apply", "--yes")
        desired(site, new)
        with writing(site, f"to {new}") as writers:
            said = site.run("apply", "--yes").stderr
        assert ("not copied, for the application has no such thing: table notes" in said) == (
            new == "postgresql"
        )
        serves_from(site, new)
        assert_nothing_lost(site, writers, f"to {new}")
        assert any(writer.answers["503"] for writer in writers)
        assert before <= titles(site) and files(site) == attached
        before = titles(site)
        assert Inside(site).shell(LOOK_FOR_REST) == ""
        said = site.run("plan").stdout
        assert said.startswith("Nothing to do") and f"kept: {old}" in said
        assert ("with what is nowhere else: table notes" in said) == (new == "postgresql")
        assert f"./doit apply {site.id} --allow-destroy removes it" in said
    assert "kept: sqlite, not in use since" in site.run("status").stderr
    kept = where_it_is(site, "sqlite")
    assert kept.occupied()
    site.run("apply", "--yes", "--allow-destroy")
    assert not kept.occupied()
    assert site.run("plan").stdout == f"Nothing to do: {site.id} is up to date.\n"
    assert Inside(site).active("postgresql.service") == "inactive"
    serves_from(site, "mysql")
    assert before <= titles(site)
