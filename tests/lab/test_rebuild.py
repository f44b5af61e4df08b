"""`rebuild`: a new container of another Debian takes the old one's place, under load; whatever
becomes of it, one of the two serves, and nothing that was acknowledged is lost."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Iterator

import pytest
from data import beside_tasks
from inside import Inside
from journey import DOIT, Site, new_site
from load import written_to
from writers import PATIENCE, assert_nothing_lost, await_write, get, version, writing

from tasks.containers.lxc.container import LxcContainer
from tasks.model import rebuild as records
from tasks.paths import Paths

ENGINES = ("sqlite", "postgresql", "mysql")
KILLS = int(os.environ.get("VIKUNJA_DEPLOY_KILLS", "2"))
"""How often a rebuild is killed with each engine; more by hand than in every run."""

SPOILED = """
mkdir -p /etc/systemd/system/vikunja-backend@blue.service.d
printf '[Service]\\nExecStart=\\nExecStart=/bin/false\\n' \\
    >/etc/systemd/system/vikunja-backend@blue.service.d/spoiled.conf
"""
"""Of a backend that runs: it is read when the container starts anew."""

KEPT = """
sha256sum /etc/vikunja/secrets/service-secret /etc/vikunja/tls/self-signed/certificate.pem
"""


@pytest.fixture(scope="module", params=ENGINES)
def site(request: pytest.FixtureRequest, lab_paths: Paths, lab_network: object) -> Iterator[Site]:
    made = new_site(
        lab_paths,
        lab_network,
        f"rebuild-{request.param[:2]}",
        lxc={"template": "bookworm"},
        database={"type": request.param},
        rebuild={"keep_days": 0},
        vikunja={"start_timeout_seconds": 10},
    )
    made.run("apply", "--yes")
    with written_to(made) as writer:
        writer.wait_for(20)
    yield made


def containers(site: Site) -> dict[str, bool]:
    """Of the instance's, by what comes behind its id: whether it runs."""
    names = [name for name, _ in LxcContainer.list_owned(site.paths) if name.startswith(site.id)]
    listed = ["lxc-ls", f"--lxcpath={site.paths.lxc}", "--running", "--line"]
    running = subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split()
    return {name.removeprefix(site.id): name in running for name in names}


def debian(site: Site) -> str:
    return Inside(site).shell('. /etc/os-release && echo "$VERSION_CODENAME"').strip()


def test_another_debian_with_everything_that_is_written_meanwhile(site: Site) -> None:
    (tables, attachments), kept = beside_tasks(site), Inside(site).shell(KEPT)
    tasks = get(site, "/api/v1/tasks")
    site.edit({"lxc": {"template": "trixie"}, "rebuild": {"keep_days": 7}})
    with writing(site, "rebuilt") as writers:
        done = site.run("rebuild", "--yes")
        for writer in writers:
            await_write(writer)
    assert "template: bookworm → trixie" in done.stderr
    assert debian(site) == "trixie"
    assert_nothing_lost(site, writers, "rebuilt", others=True)
    # Every attachment, and all rows beside those of the writers. (Each Debian's sqlite3 has words
    # of its own for the same row: digests of tables are no measure here.)
    now = beside_tasks(site)
    assert now[1] == attachments and attachments.count("\n") >= 20
    assert {name: table.rows for name, table in now[0].items()} == {
        name: table.rows for name, table in tables.items()
    }
    there = {task["id"]: task for task in get(site, "/api/v1/tasks")}
    assert [there[task["id"]] for task in tasks] == tasks
    # Who is logged in stays so, and browsers know the certificate.
    assert Inside(site).shell(KEPT) == kept
    assert version(site) == "v1.0.0"
    assert site.addresses() == []
    assert containers(site) == {"": True, "-old": False}
    assert "nobody could write for " in done.stdout


def test_the_old_container_is_kept_out_of_every_network_until_an_apply_removes_it(
    site: Site,
) -> None:
    assert f"kept: the old container {site.id}-old, stopped, until" in site.run("status").stderr
    text = (site.paths.lxc / f"{site.id}-old" / "config").read_text()
    assert "lxc.start.auto = 0" in text and "lxc.net.0.type = empty" in text
    site.edit({"rebuild": {"keep_days": 0}})
    assert site.addresses() == [f"replaced-container:{site.id}-old"]
    site.run("apply", "--yes")
    assert containers(site) == {"": True}
    assert site.addresses() == []


def test_a_new_container_that_is_unhealthy_leaves_the_old_one_serving(site: Site) -> None:
    before = beside_tasks(site)
    with writing(site, "unhealthy") as writers:
        code, said = spoiled(site)
    assert code == 11
    assert "the old container serves again, nothing of it is lost" in said
    assert_nothing_lost(site, writers, "unhealthy", others=True)
    assert beside_tasks(site) == before
    assert containers(site) == {"": True}
    assert site.addresses() == []
    (last,) = json.loads(site.run("history", site.id, "--json", "--lines", "1").stdout)
    assert (last["operation"], last["exit_code"]) == ("rebuild", 11)


def test_killed_at_any_moment_one_serves_never_both_and_the_next_command_finishes(
    site: Site,
) -> None:
    before = beside_tasks(site)
    chance = random.Random(20261130)
    with writing(site, "killed") as writers:
        for _ in range(KILLS):
            # Most of it where it matters: once the first write was refused.
            at = ("container created", "stopping writes")[chance.random() < 0.8]
            killed_after(site, at, chance.uniform(0, 7))
            for writer in writers:
                await_write(writer)
            applied(site)
            there = containers(site)
            assert there.pop("") and not any(there.values()) and "-new" not in there
            assert records.read(site.paths, site.id) is None
    assert_nothing_lost(site, writers, "killed", others=True)
    assert beside_tasks(site) == before
    assert site.addresses() == []


def spoiled(site: Site) -> tuple[int, str]:
    """Rebuild, and let the application come up in the new container once, and never again. Returns
    the exit code and what was said."""
    argv = [str(DOIT), "rebuild", "--yes", "--progress", "--config", str(site.file)]
    null, pipe = subprocess.DEVNULL, subprocess.PIPE
    process = subprocess.Popen(argv, env=site.environment, stdout=null, stderr=pipe, text=True)
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if "Copying attachments" in line:
            where = (f"--lxcpath={site.paths.lxc}", f"--name={site.id}-new", "--clear-env")
            subprocess.run(["lxc-attach", *where, "--", "sh", "-c", SPOILED], check=True)
    process.stderr.close()
    return process.wait(timeout=PATIENCE), "".join(said)


def killed_after(site: Site, at: str, seconds: float) -> None:
    """Rebuild, and `kill -9` it so long after it says that it is about this; it may be done."""
    argv = [str(DOIT), "rebuild", "--yes", "--progress", "--config", str(site.file)]
    null, pipe = subprocess.DEVNULL, subprocess.PIPE
    process = subprocess.Popen(argv, env=site.environment, stdout=null, stderr=pipe, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if at in line:
            timer = threading.Timer(seconds, process.send_signal, [signal.SIGKILL])
            timer.start()
            break
    said = process.stderr.read()
    assert process.wait(timeout=PATIENCE) in (0, -signal.SIGKILL), said
    timer.cancel()
    process.stderr.close()


def applied(site: Site) -> None:
    """What was left is put in order, by this or by whoever stood by, who may be at it."""
    until = time.monotonic() + PATIENCE
    while site.run("apply", "--yes", code=None).returncode == 5:
        assert time.monotonic() < until
        time.sleep(0.2)
    site.run("apply", "--yes")
