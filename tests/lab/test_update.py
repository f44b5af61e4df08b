"""Updates of a serving site under load: they take over, or leave the old version as it was.

Every request of the load counts: none may fail, whatever happens to the update.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from data import beside_tasks
from inside import Inside
from journey import DOIT, Site, new_site
from load import assert_unharmed

from bench.support.clients import Clients
from tasks.builds.sample import IDENTITY, make_repository
from tasks.host.packages import ensure
from tasks.paths import Paths

GO, NODE = ("golang-go", "gcc", "libc6-dev"), ("nodejs",)
OLD, NEW = "v1.0.0", "v1.1.0"
GREEN = "vikunja-backend@green.service"


def commit(repository: Path, branch: str, files: Mapping[str, str], tag: str = "") -> None:
    """A commit on a branch of its own that starts at main."""
    tree = repository.with_name(f"{repository.name}-{branch}")
    git = ["git", "-c", "commit.gpgsign=false", "-C", str(tree)]
    subprocess.run(["git", "clone", "-q", str(repository), str(tree)], check=True)
    for name, text in files.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        with (tree / name).open("a") as file:
            file.write(text)
    environment = {**os.environ, **IDENTITY}
    subprocess.run([*git, "add", "--all"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", branch], check=True, env=environment)
    if tag:
        subprocess.run([*git, "tag", tag], check=True)
    subprocess.run([*git, "push", "-q", "--tags", "origin", f"HEAD:{branch}"], check=True)
    shutil.rmtree(tree)


@pytest.fixture(scope="module")
def site(lab_paths: Paths, lab_network: object) -> Iterator[Site]:
    ensure([*(() if shutil.which("go") else GO), *(() if shutil.which("node") else NODE)])
    repository = lab_paths.prefix / "update.git"
    make_repository(repository)
    commit(repository, "next", {"frontend/src/index.html": "<!-- next -->\n"}, NEW)
    site = new_site(
        lab_paths,
        lab_network,
        "update",
        git={"repository": str(repository), "branch": "main"},
        vikunja={"start_timeout_seconds": 20},
        update={"observe_seconds": 1, "drain_seconds": 6},
    )
    site.run("apply", "--yes")
    yield site


def clients(site: Site) -> Clients:
    load = Clients(site.address, site.document["network"]["domain"])
    return load.keep_alive(3, 0.03).new_connections(1, 0.1).slow(1, 3).writing(1, 0.1)


def curl(site: Site, path: str) -> Any:
    argv = ["curl", "-sk", "--max-time", "20", f"https://{site.address}{path}"]
    return json.loads(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)


def version(site: Site) -> str:
    found: str = curl(site, "/api/v1/info")["version"]
    return found


def before_an_update(site: Site) -> None:
    """The old version serves, the new one is configured."""
    site.edit({"git": {"branch": "next"}})
    if version(site) == NEW:
        site.run("rollback", "--yes")


@dataclass(frozen=True)
class Trouble:
    """changes: of the configuration; break, mend: in the container, before and after. why: what
    the error says."""

    changes: dict[str, Any]
    why: str
    breaking: str = ""
    mending: str = ""
    environment: dict[str, str] = field(default_factory=dict)


TAKE_PORT = """
systemd-run --quiet --unit=taken --setenv=VIKUNJA_SERVICE_INTERFACE=127.0.0.1:3457 \
    --setenv=VIKUNJA_SERVICE_PUBLICURL=http://127.0.0.1 --setenv=VIKUNJA_DATABASE_PATH=/tmp/x.db \
    /opt/vikunja/backend/blue/vikunja
until curl -sf -o /dev/null http://127.0.0.1:3457/health; do sleep 0.1; done
"""
FILL_DISK = """
mkdir -p /mnt/small
size=$(du -sm /opt/vikunja | cut -f 1)
mount -t tmpfs -o "size=$((size + 4))m,mode=755" tmpfs /mnt/small
cp -a /opt/vikunja/. /mnt/small
mount --bind /mnt/small /opt/vikunja
umount /mnt/small
"""
NO_DIRECTIVE = {"path": "/etc/nginx/conf.d/zz.conf", "content": "this is no directive;\n"}

SOON = {"vikunja": {"start_timeout_seconds": 2}}
"""What does not come up is given up soon."""
LATER = {"vikunja": {"start_timeout_seconds": 6}}
"""Time enough for an answer, on a busy machine, too."""

EDITED = {
    "vikunja": {**LATER["vikunja"], "max_upload_mb": 77},
    "files": [{"path": "/etc/motd", "content": "Welcome\n"}],
}

CONFIGURATION = ("/etc/vikunja", "/etc/nginx", "/etc/systemd/system")


def configuration(inside: Inside) -> dict[str, str]:
    """All that what serves runs with; what is the idle color's own is left out."""
    idle = "green" if inside.serving == "blue" else "blue"
    own = re.compile(rf"(environment\.|@|/){idle}\b")
    found = inside.seen(CONFIGURATION)
    # Every apply that is done writes its record.
    del found["/etc/vikunja/deployment-config.yaml"]
    return {path: what for path, what in found.items() if not own.search(path)}


LEFT = {
    "file:/etc/vikunja/environment.green",
    "retired-secrets:green",
    "file:/etc/motd",
    # Both colors' releases are in it, and the idle one has another now.
    "record:/etc/vikunja/deployment-config.yaml",
}
"""What a failed update has put beside what serves, and goes where it is not wanted any more."""

TROUBLES = {
    "a build that fails": Trouble(
        {"build": {"where": "local", "frontend": [["false"]]}}, "frontend: false"
    ),
    "a full disk": Trouble({}, "could not be put into green", FILL_DISK, "umount /opt/vikunja"),
    "a template that nginx refuses": Trouble({"files": [NO_DIRECTIVE]}, "refuses its new files"),
    "a wrong version": Trouble(EDITED, "not v1.1.0", environment={"SAMPLE_VERSION": "v9"}),
    "a slow start": Trouble(SOON, "not healthy", environment={"SAMPLE_START_DELAY": "8"}),
    "a port that is taken": Trouble(
        SOON, "says version v1.0.0, not v1.1.0", TAKE_PORT, "systemctl stop taken.service"
    ),
    "a health check that fails, and a stop that hangs": Trouble(
        LATER,
        "answered 500",
        environment={"SAMPLE_FAIL_HEALTH": "true", "SAMPLE_HANG_ON_STOP": "true"},
    ),
    "a health check that fails once it serves": Trouble(
        {"update": {"observe_seconds": 60}},
        "did not serve well",
        environment={"SAMPLE_FAIL_HEALTH_AFTER": "8"},
    ),
}


@pytest.mark.parametrize("name", TROUBLES)
def test_an_update_that_fails_leaves_the_old_version_serving(site: Site, name: str) -> None:
    trouble = TROUBLES[name]
    before = dict(site.document)
    site.edit({"git": {"branch": "next"}, "vikunja": {"environment": trouble.environment}})
    site.edit(trouble.changes)
    inside = Inside(site)
    configured = configuration(inside)
    data, tasks = beside_tasks(site), curl(site, "/api/v1/tasks")
    inside.shell(trouble.breaking)
    try:
        with clients(site) as load:
            failed = site.run("apply", "--yes", code=None)
            load.one_more()
        assert version(site) == OLD
        assert configuration(inside) == configured
        assert beside_tasks(site) == data
        assert [task for task in curl(site, "/api/v1/tasks") if task in tasks] == tasks
    finally:
        inside.shell(trouble.mending)
        site.document = before
        site.edit({})

    assert set(site.addresses()) <= LEFT
    assert failed.returncode == 11, failed.stderr
    assert trouble.why in failed.stderr, failed.stderr
    assert "serves on" in failed.stderr
    assert_unharmed(site, load)
    state = json.loads(site.paths.state(site.id).read_text())
    assert (state["status"], state["active_color"]) == ("running", "blue")
    assert state["last_operation_status"] == "failure"
    assert "exit code 11" in site.log().splitlines()[-1]
    assert inside.shell(f"systemctl is-active {GREEN} || :").strip() == "inactive"
    site.run("apply", "--yes")
    assert site.addresses() == []
    assert (inside.serving, configuration(inside)) == ("blue", configured)
    beside = inside.shell("ls -d /etc/vikunja/*/green /etc/vikunja/*.green 2>&1 || :")
    assert [line for line in beside.splitlines() if line.startswith("/")] == []


HANG_ON_STOP = """
[ "$(systemctl show -p TimeoutStopUSec --value vikunja-backend@blue)" = 20s ]
folder=/etc/systemd/system/vikunja-backend@blue.service.d
mkdir -p $folder
printf '[Service]\nEnvironment=SAMPLE_HANG_ON_STOP=true\nTimeoutStopSec=3\n' >$folder/hang.conf
systemctl daemon-reload
systemctl restart vikunja-backend@blue
until curl -sf -o /dev/null http://127.0.0.1:3456/health; do sleep 0.1; done
"""
"""The old version, which does not end by itself, and is given less patience than usual."""


def test_an_update_and_its_rollback_fail_no_request(site: Site) -> None:
    refused = site.run("rollback", "--yes", code=4)
    assert "no release that served before v1.0.0 is kept" in refused.stderr
    inside = Inside(site)
    inside.shell(HANG_ON_STOP)
    site.edit({"git": {"branch": "next"}})
    data = beside_tasks(site)
    with clients(site) as load:
        updated = site.run("apply", "--yes")
        assert version(site) == NEW
        # It did not end when it was asked to.
        assert inside.active("vikunja-backend@blue.service") == "inactive"
        assert "Killing process" in inside.run("journalctl", "-u", "vikunja-backend@blue.service")
        inside.shell("rm -r /etc/systemd/system/vikunja-backend@blue.service.d")
        inside.run("systemctl", "daemon-reload")
        assert "Nothing to do" in site.run("plan").stdout
        rolled = site.run("rollback", "--yes")
        assert version(site) == OLD
        forward = site.addresses()
    assert_unharmed(site, load)
    assert beside_tasks(site) == data
    assert "done in" in updated.stderr
    assert "v1.0.0) serves" in rolled.stderr
    assert "color:active" in forward and "release:green" not in forward
    assert Inside(site).shell(f"systemctl is-active {GREEN} || :").strip() == "inactive"


def seconds_of_an_update(site: Site) -> float:
    begun = time.monotonic()
    site.run("apply", "--yes")
    return time.monotonic() - begun


def test_open_websockets_do_not_hold_an_update_up_and_an_upload_does(site: Site) -> None:
    before_an_update(site)
    limits = site.document["update"]
    site.edit({"update": {"drain_seconds": DRAIN_SECONDS, "websocket_seconds": 2}})
    alone = seconds_of_an_update(site)
    site.run("rollback", "--yes")

    with Clients(site.address, site.document["network"]["domain"]).web_sockets(4, 0.1) as tabs:
        # They end with their color, and are opened again.
        tabs.cutting = True
        tabs.one_more()
        beside_tabs = seconds_of_an_update(site)
        assert ENDED in last_update(site)
        tabs.one_more()
        site.run("rollback", "--yes")
    assert beside_tabs < alone + DRAIN_SECONDS
    assert tabs.tally.failures == []

    # Requests get no time here: whatever waits, waits for the upload.
    site.edit({"update": {"drain_seconds": 0}})
    with clients(site) as load:
        load.one_more()
    task = load.tally.acknowledged[0]
    both = Clients(site.address, site.document["network"]["domain"]).web_sockets(4, 0.1)
    with both.uploading(1, 2 << 20, 12, task):
        both.cutting = True
        both.one_more()
        site.run("apply", "--yes")
        assert ENDED in last_update(site)
    assert both.tally.failures == []
    assert both.tally.of("upload")
    site.edit({"update": limits})


DRAIN_SECONDS = 300
"""What holds an update up, holds it up for so long."""
ENDED = "blue: 4 WebSockets ended when it was stopped"


def last_update(site: Site) -> str:
    """What the log has of it."""
    return site.log().rpartition("Starting update")[2]


def test_a_reload_of_the_proxy_fails_no_request(site: Site) -> None:
    with clients(site) as load:
        for _ in range(2):
            load.one_more()
            Inside(site).run("systemctl", "reload", "nginx.service")
    assert_unharmed(site, load)


def test_an_update_that_is_killed_at_every_step_fails_no_request(site: Site) -> None:
    before_an_update(site)
    with clients(site) as load:
        kills = 0
        while site.addresses() and kills < 20:
            site.apply_killed_at(2)
            kills += 1
        assert version(site) == NEW
    assert 3 <= kills < 20
    assert_unharmed(site, load)


def test_a_switch_that_nobody_confirms_is_undone_by_itself(site: Site) -> None:
    before_an_update(site)
    site.edit({"update": {"observe_seconds": 8}})
    with clients(site) as load:
        argv = [str(DOIT), "apply", "--yes", "--config", str(site.file)]
        process = subprocess.Popen(
            argv, env=site.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        assert process.stderr is not None
        for line in process.stderr:
            if "color:active" in line:
                break
        await_version(site, NEW)
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=60)
        await_version(site, OLD)
        again = site.addresses()
        site.edit({"update": {"observe_seconds": 1}})
        site.run("apply", "--yes")
        assert version(site) == NEW
    assert "color:active" in again
    assert_unharmed(site, load)


def test_a_backup_is_taken_while_an_update_is_built(site: Site) -> None:
    before_an_update(site)
    before, state = site.document, site.paths.state(site.id).read_text()
    go_on = site.paths.prefix / "go-on"
    waiting = f"until [ -e {go_on} ]; do sleep 0.1; done; node build.mjs"
    site.edit({"build": {"where": "local", "frontend": [["sh", "-c", waiting]]}})
    argv = [str(DOIT), "apply", "--yes", "--config", str(site.file)]
    process = subprocess.Popen(
        argv, env=site.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if "frontend: sh -c" in line:
                break
        assert site.paths.state(site.id).read_text() == state
        site.run("backup")
    finally:
        go_on.touch()
        said = process.stderr.read()
        code = process.wait(timeout=300)
    assert code == 0, said
    assert version(site) == NEW
    assert "Backup completed" in site.log().rpartition("Starting update")[0].splitlines()[-2]
    site.document = before
    site.edit({})


CANCELLED = {
    "while it starts": ("create unit:vikunja-backend@green", OLD, 20),
    "while it is watched": ("update color:active", OLD, 20),
    "while the old version has requests in hand": ("waiting for what blue has in hand", NEW, 0),
}


def test_cancelled_it_is_as_it_was_or_done(site: Site) -> None:
    before_an_update(site)
    site.edit({"update": {"observe_seconds": 5}})
    with clients(site) as load:
        for at, left, code in CANCELLED.values():
            argv = [str(DOIT), "apply", "--yes", "--config", str(site.file)]
            process = subprocess.Popen(
                argv,
                env=site.environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            assert process.stderr is not None
            said = []
            for line in process.stderr:
                said.append(line)
                if at in line:
                    break
            if at == "update color:active":
                await_version(site, NEW)
            process.send_signal(signal.SIGINT)
            said += process.stderr.readlines()
            assert process.wait(timeout=120) == code, "".join(said)
            assert version(site) == left
            idle = "green" if left == OLD else "blue"
            assert Inside(site).active(f"vikunja-backend@{idle}.service") == "inactive"
            state = json.loads(site.paths.state(site.id).read_text())
            assert state["status"] == "running"
            if code == 20:
                assert "cancelled; blue (v1.0.0) serves on" in said[-2]
                assert "cancelled" in site.log().splitlines()[-1]
        assert "Nothing to do" in site.run("plan").stdout
    assert_unharmed(site, load)
    site.edit({"update": {"observe_seconds": 1}})


def await_version(site: Site, wanted: str) -> None:
    until = time.monotonic() + 120
    while version(site) != wanted:
        assert time.monotonic() < until, f"{wanted} did not come to serve"
        time.sleep(0.1)
