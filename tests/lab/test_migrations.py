"""Updates that change the database, with people writing all the time: done, failed halfway, killed.

Whatever becomes of an update, what was acknowledged is there afterwards, and nothing else is; the
only answer besides a good one is a 503 while writes are stopped.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from data import beside_tasks, database, everything, files
from inside import Inside
from journey import DOIT, Site, new_site
from migrating_branches import HALF, MORE, NEW, OLD, commit
from writers import (
    PATIENCE,
    Writer,
    assert_nothing_left,
    assert_nothing_lost,
    await_closed,
    killed_at,
    version,
    writing,
)

from tasks.backup.take import folder_of
from tasks.builds.sample import make_repository
from tasks.config import load_instances
from tasks.model import archive as archives
from tasks.paths import Paths
from tasks.resources.migration import HOME

BROKEN = "/usr/lib/systemd/system/vikunja-backend@green.service.d"

KILLS = {
    "sqlite": (("saving the database", "tool"), ("update color:active", "last word")),
    "postgresql": (("create unit:vikunja-backend@", "tool"),),
    "mysql": (("create unit:vikunja-backend@", "container"),),
}
"""Engine → what the tool is about when it, or the container with it, goes down: see killed_at."""


@pytest.fixture(scope="module", params=list(KILLS))
def site(request: pytest.FixtureRequest, lab_paths: Paths, lab_network: object) -> Iterator[Site]:
    """It serves v1.0.0, with an attachment; v1.1.0, which has one more migration, is configured."""
    repository = lab_paths.prefix / f"migrations-{request.param}.git"
    make_repository(repository)
    commit(repository, "more", MORE, NEW)
    site = new_site(
        lab_paths,
        lab_network,
        f"mig-{request.param}",
        git={"repository": str(repository), "branch": "main"},
        database={"type": request.param},
    )
    site.run("apply", "--yes")
    attach(site)
    site.edit({"git": {"branch": "more"}})
    yield site


def attach(site: Site) -> None:
    """Add a task, and an attachment to the first one."""
    Writer(site).write("with an attachment")
    attachment = site.paths.prefix / "attachment"
    attachment.write_bytes(os.urandom(4096))
    upload = f"https://{site.address}/api/v1/tasks/1/attachments"
    curl = ["curl", "-skf", "--max-time", "60", "-F", f"files=@{attachment}", upload]
    subprocess.run(curl, check=True, capture_output=True)


def test_a_plan_says_what_is_pending_and_how_it_goes_back(site: Site) -> None:
    said = site.run("plan").stdout
    assert f"({OLD}) → " in said and f"({NEW}), 1 commit" in said
    assert f"migrations: 1 pending ({MORE}), rehearsed on a copy" in said
    assert "rollback afterwards: restore" in said
    assert said.index("migrations:rehearsal") < said.index("writes:stop")
    assert said.index("writes:stop") < said.index("unit:vikunja-backend@green")


def test_a_migration_that_fails_halfway_leaves_everything_as_it_was(site: Site) -> None:
    inside = Inside(site)
    setting = f"[Service]\\nEnvironment=SAMPLE_FAIL_MIGRATION={MORE}\\n"
    inside.shell(f'mkdir -p {BROKEN} && printf "{setting}" >{BROKEN}/fails.conf')
    before = beside_tasks(site)
    with writing(site, "failing") as writers:
        failed = site.run("apply", "--yes", code=11)
    assert f"migration {MORE} failed" in failed.stderr
    assert f"blue ({OLD}) serves on, with the database as it was" in failed.stderr
    assert version(site) == OLD
    assert beside_tasks(site) == before
    assert_nothing_lost(site, writers, "failing")
    assert_nothing_left(site)
    assert any(writer.answers["503"] for writer in writers)
    assert f"rehearsed on a copy: 1 migration ({MORE})" in site.log()
    assert "[ERROR] [update] Update failed" in site.log().splitlines()[-1]
    inside.shell(f"rm -r {BROKEN} && systemctl daemon-reload")


@pytest.mark.parametrize("site", ["sqlite"], indirect=True)
def test_a_rollback_over_a_migration_is_the_old_version_with_its_data_or_nothing(
    site: Site,
) -> None:
    inside, before = Inside(site), everything(site)
    site.run("apply", "--yes")
    assert version(site) == NEW
    attach(site)
    now = beside_tasks(site)
    assert now[0]["migration"] != before[0]["migration"] and now[1] != before[1]
    refused = site.run("rollback", "--yes", code=3)
    assert "would be lost" in refused.stderr and "--allow-destroy" in refused.stderr
    assert f"1 migration ({MORE}), which {OLD} does not know" in refused.stdout

    broken = BROKEN.replace("green", "blue")
    inside.shell(f'mkdir -p {broken} && printf "[Service]\nExecStartPre=false\n" >{broken}/x.conf')
    inside.run("systemctl", "daemon-reload")
    with writing(site, "going back") as writers:
        failed = site.run("rollback", "--yes", "--allow-destroy", code=11)
    assert f"green ({NEW}) serves on, with the database as it was" in failed.stderr
    assert version(site) == NEW
    assert_nothing_lost(site, writers, "going back")
    assert beside_tasks(site) == now
    assert_nothing_left(site)
    inside.shell(f"rm -r {broken} && systemctl daemon-reload")

    went = site.run("rollback", "--yes", "--allow-destroy")
    assert f"({OLD}) serves" in went.stderr and "All that" in went.stderr
    assert "What was there before: /" in went.stderr
    assert version(site) == OLD
    assert everything(site) == before
    assert_nothing_left(site)
    (instance,) = load_instances([site.file])
    safety = archives.read_metadata(archives.archives(folder_of(instance))[-1])
    assert safety is not None
    assert (safety.vikunja_version, safety.backup_trigger) == (NEW, "restore")
    assert "migrations:rehearsal" in site.addresses()


@pytest.mark.parametrize("site", ["sqlite"], indirect=True)
def test_online_nobody_waits_and_the_way_back_is_a_backup_of_ones_own(site: Site) -> None:
    site.edit({"update": {"migrations": "online"}})
    site.run("backup")
    before = everything(site)
    (instance,) = load_instances([site.file])
    since = archives.archives(folder_of(instance))[-1].created_at
    said = site.run("plan").stdout
    assert "run while the old version serves" in said
    assert f"what was written since {since} is lost" in said
    with writing(site, "online") as writers:
        site.run("apply", "--yes")
    assert version(site) == NEW
    assert MORE in database(site).migrations()
    assert_nothing_lost(site, writers, "online")
    assert not any(writer.answers["503"] for writer in writers)
    gone = site.run("rollback", "--yes", "--allow-destroy")
    assert f"what was written since {since} is lost" in gone.stdout
    assert version(site) == OLD
    assert everything(site) == before
    assert_nothing_left(site)
    site.edit({"update": {"migrations": "rehearse"}})


def unattended(site: Site, code: int) -> str:
    """As cron calls it: no terminal, next to no environment, another folder."""
    environment = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": "/root"}
    environment |= {"VIKUNJA_DEPLOY_PREFIX": str(site.paths.prefix)}
    argv = [str(DOIT), "apply", "--yes", "--config", str(site.file)]
    done = subprocess.run(
        argv,
        env=environment,
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        start_new_session=True,
        check=False,
        timeout=1500,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_killed_at_any_point_it_goes_back_by_itself_and_the_next_apply_finishes(
    site: Site,
) -> None:
    before = beside_tasks(site)
    for at, what in KILLS[site.document["database"]["type"]]:
        with writing(site, f"killed {at}") as writers:
            killed_at(site, at, what)
            # Nobody helps it.
            await_closed(site)
        assert version(site) == OLD
        assert_nothing_lost(site, writers, f"killed {at}", others=what == "container")
        assert beside_tasks(site) == before
    somebody = Writer(site)
    if site.document["database"]["type"] == "postgresql":
        database_dies(site, somebody)
    if site.document["database"]["type"] == "sqlite":
        tool_is_not_heard_of(site, somebody)
        assert beside_tasks(site) == before
    with writing(site, "updating") as writers:
        assert "done in" in unattended(site, 0)
    assert version(site) == NEW
    assert MORE in database(site).migrations()
    assert files(site) == before[1]
    assert_nothing_lost(site, writers, "updating")
    assert_nothing_lost(site, [somebody], "kept")
    assert_nothing_left(site)
    assert any(writer.answers["503"] for writer in writers)
    assert "Nothing to do" in site.run("plan").stdout


def database_dies(site: Site, somebody: Writer) -> None:
    """In the middle of a write-stop. Nothing can be put back then: nobody is let in, and the next
    apply finds the database as it was."""
    inside = Inside(site)
    assert somebody.write("kept 1") == "201"
    with halted_at(site, "create unit:vikunja-backend@") as tool:
        inside.run("systemctl", "stop", "postgresql.service", "postgresql@*-main.service")
    assert tool.returncode == 12, tool.said
    assert "The database as it was is kept, and no request is taken" in tool.said
    assert somebody.write("kept 2") == "503"
    inside.run("systemctl", "start", "postgresql.service")
    assert "saved" in database(site).places()


def tool_is_not_heard_of(site: Site, somebody: Writer) -> None:
    """Its machine sleeps in the middle of a write-stop. Who stands by puts everything back, and the
    tool, when it is there again, touches nothing of what serves."""
    with halted_at(site, "saving the database") as tool:
        # As after a minute of silence.
        Inside(site).run("bash", f"{HOME}/recover")
        assert version(site) == OLD
        assert somebody.write("kept 1") == "201"
    assert tool.returncode == 11, tool.said
    assert version(site) == OLD
    assert_nothing_left(site)


class Halted:
    """What became of a tool that was halted. said: on stderr."""

    returncode: int
    said = ""


@contextmanager
def halted_at(site: Site, at: str) -> Iterator[Halted]:
    """An apply stands still from where it says that it is about this, until the block ends; then it
    goes on to its end."""
    argv = [str(DOIT), "apply", "--yes", "--config", str(site.file)]
    pipe, null = subprocess.PIPE, subprocess.DEVNULL
    process = subprocess.Popen(argv, env=site.environment, stdout=null, stderr=pipe, text=True)
    assert process.stderr is not None
    halted = Halted()
    for line in process.stderr:
        halted.said += line
        if at in line:
            break
    process.send_signal(signal.SIGSTOP)
    try:
        yield halted
    finally:
        process.send_signal(signal.SIGCONT)
        halted.said += process.stderr.read()
        process.stderr.close()
        halted.returncode = process.wait(timeout=PATIENCE)


def test_a_bad_commit_on_the_branch_leaves_it_untouched_with_a_line_in_the_log(
    site: Site,
) -> None:
    if version(site) == OLD:
        unattended(site, 0)
    assert "Nothing to do" in unattended(site, 0)
    commit(Path(site.document["git"]["repository"]), "more", HALF, "v1.2.0")
    before = beside_tasks(site)
    with writing(site, "unattended") as writers:
        said = unattended(site, 11)
    assert f"migration {HALF} failed" in said
    assert version(site) == NEW
    assert beside_tasks(site) == before
    assert_nothing_lost(site, writers, "unattended")
    assert_nothing_left(site)
    # It failed in the rehearsal: nobody was kept waiting.
    assert not any(writer.answers["503"] for writer in writers)
    last = site.log().splitlines()[-1]
    assert "[ERROR] [update]" in last and f"migration {HALF} failed" in last
