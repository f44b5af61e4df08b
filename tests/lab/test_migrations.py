"""Updates that change the database, with people writing all the time: done, failed halfway, killed.

Whatever becomes of an update, what was acknowledged is there afterwards, and nothing else is; the
only answer besides a good one is a 503 while writes are stopped.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import ssl
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from data import beside_tasks, database, everything, files
from inside import Inside
from journey import DOIT, Site, new_site

from tasks.backup.take import folder_of
from tasks.config import load_instances
from tasks.model import archive as archives
from tasks.paths import Paths
from tasks.sample import IDENTITY, SOURCE, make_repository

PATIENCE = 120.0
MORE, HALF = "20250901120000", "20250902090000"
"""Migrations: one that works, and one that never does."""

OLD, NEW = "v1.0.0", "v1.1.0"
BROKEN = "/etc/systemd/system/vikunja-backend@green.service.d"

KILLS = {
    "sqlite": (("saving the database", "tool"), ("run writes:go-on", "tool")),
    "postgresql": (("create unit:vikunja-backend@", "tool"),),
    "mysql": (("create unit:vikunja-backend@", "container"),),
}
"""Engine → what the tool is about when it, or the container with it, goes down."""


def commit(repository: Path, branch: str, migration: str, tag: str) -> None:
    """A commit on a branch, which starts at main, with this migration of the sample's variants."""
    tree = repository.with_name(f"{repository.name}-{branch}")
    git = ["git", "-c", "commit.gpgsign=false", "-C", str(tree)]
    subprocess.run(["git", "clone", "-q", str(repository), str(tree)], check=True)
    subprocess.run([*git, "checkout", "-q", "-B", branch], check=True)
    if subprocess.run([*git, "rev-parse", "-q", "--verify", f"origin/{branch}"]).returncode == 0:
        subprocess.run([*git, "reset", "-q", "--hard", f"origin/{branch}"], check=True)
    name = f"{migration}.go"
    shutil.copy(SOURCE / "variants" / f"{name}.txt", tree / "pkg/migration" / name)
    subprocess.run([*git, "add", "--all"], check=True)
    environment = {**os.environ, **IDENTITY}
    subprocess.run([*git, "commit", "-q", "-m", branch], check=True, env=environment)
    subprocess.run([*git, "tag", tag], check=True)
    subprocess.run([*git, "push", "-q", "--tags", "origin", f"HEAD:{branch}"], check=True)
    shutil.rmtree(tree)


@pytest.fixture(scope="module", params=list(KILLS))
def site(request: pytest.FixtureRequest, lab_paths: Paths, lab_network: object) -> Iterator[Site]:
    """It serves v1.0.0, with an attachment; v1.1.0, which has one more migration, is wished for."""
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


class Writer:
    """Somebody who adds tasks. acknowledged: titles, each once. answers: how often each status or
    failure came."""

    def __init__(self, site: Site, name: str = "somebody") -> None:
        self.address = site.address
        self.name = name
        self.acknowledged: list[str] = []
        self.answers: Counter[str] = Counter()
        self._connection: http.client.HTTPSConnection | None = None

    def write(self, title: str) -> str:
        """Add one task: the answer's status, or the name of what went wrong."""
        if self._connection is None:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self._connection = http.client.HTTPSConnection(
                self.address, context=context, timeout=PATIENCE
            )
        try:
            headers = {"Content-Type": "application/json"}
            body = json.dumps({"title": title})
            self._connection.request("POST", "/api/v1/tasks", body, headers)
            response = self._connection.getresponse()
            response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection = None
            return type(error).__name__
        if response.status == 503:
            assert response.headers["Retry-After"], "a refusal must say when to come again"
        if response.status == 201:
            self.acknowledged.append(title)
        return str(response.status)

    def write_until(self, end: threading.Event) -> None:
        number = 0
        while not end.wait(0.02):
            number += 1
            self.answers[self.write(f"{self.name} {number}")] += 1


@contextmanager
def writing(site: Site, what: str) -> Iterator[list[Writer]]:
    """Three people write meanwhile."""
    writers = [Writer(site, f"{what} {number}") for number in range(3)]
    end = threading.Event()
    threads = [threading.Thread(target=one.write_until, args=(end,)) for one in writers]
    for thread in threads:
        thread.start()
    try:
        yield writers
        for one in writers:
            await_write(one)
    finally:
        end.set()
        for thread in threads:
            thread.join()


def await_write(writer: Writer) -> None:
    """Until something more of somebody who writes all the time has been acknowledged."""
    before = len(writer.acknowledged)
    until = time.monotonic() + PATIENCE
    while len(writer.acknowledged) == before:
        assert time.monotonic() < until, f"nothing is taken any more: {writer.answers}"
        time.sleep(0.05)


def get(site: Site, path: str) -> Any:
    argv = ["curl", "-skf", "--max-time", "60", f"https://{site.address}{path}"]
    return json.loads(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)


def version(site: Site) -> str:
    found: str = get(site, "/api/v1/info")["version"]
    return found


def assert_nothing_lost(
    site: Site, writers: list[Writer], what: str, *, others: bool = False
) -> None:
    """Of these writers' tasks exactly those that were acknowledged are there, each once. others:
    connections may have failed."""
    titles = Counter(task["title"] for task in get(site, "/api/v1/tasks"))
    there = {title: count for title, count in titles.items() if title.startswith(f"{what} ")}
    assert there == {title: 1 for writer in writers for title in writer.acknowledged}
    answers = sum((writer.answers for writer in writers), Counter[str]())
    assert others or answers.keys() <= {"201", "503"}, answers


def assert_nothing_left(site: Site) -> None:
    """Neither copies of the database nor notes, and requests are taken."""
    assert database(site).places() == ()
    left = Inside(site).shell(
        "find /var/lib/vikunja-deploy/migration /etc/vikunja/active/maintenance -type f || true"
    )
    assert left == ""


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


def killed_at(site: Site, at: str, what: str) -> None:
    """Apply, and `kill -9` it as soon as it says that it is about this. what: `container`, then
    that loses its power first, and is started again."""
    argv = [str(DOIT), "apply", "--yes", "--config", str(site.file)]
    pipe, null = subprocess.PIPE, subprocess.DEVNULL
    process = subprocess.Popen(argv, env=site.environment, stdout=null, stderr=pipe, text=True)
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if at in line:
            if what == "container":
                # It must neither notice nor end before the container is gone.
                process.send_signal(signal.SIGSTOP)
                cut = ["lxc-stop", f"--lxcpath={site.paths.lxc}", f"--name={site.id}", "--kill"]
                subprocess.run(cut, check=True)
            process.send_signal(signal.SIGKILL)
            break
    process.stderr.close()
    assert process.wait(timeout=PATIENCE) == -signal.SIGKILL, "".join(said)
    if what == "container":
        Inside(site).container.start()


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
    argv = [str(DOIT), "apply", "--yes", "--config", str(site.file)]
    pipe, null = subprocess.PIPE, subprocess.DEVNULL
    process = subprocess.Popen(argv, env=site.environment, stdout=null, stderr=pipe, text=True)
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if "create unit:vikunja-backend@" in line:
            break
    process.send_signal(signal.SIGSTOP)
    inside.run("systemctl", "stop", "postgresql.service", "postgresql@15-main.service")
    process.send_signal(signal.SIGCONT)
    said += process.stderr.readlines()
    assert process.wait(timeout=PATIENCE) == 12, "".join(said)
    assert "The database as it was is kept, and no request is taken" in "".join(said)
    assert somebody.write("kept 2") == "503"
    inside.run("systemctl", "start", "postgresql.service")
    assert "saved" in database(site).places()


def await_closed(site: Site) -> None:
    """Until the write-stop that was cut short is over."""
    inside = Inside(site)
    until = time.monotonic() + PATIENCE
    ask = "cat /var/lib/vikunja-deploy/migration/journal 2>/dev/null || true"
    while inside.shell(ask):
        assert time.monotonic() < until, "nobody ended what was cut short"
        time.sleep(0.1)


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
