"""Edits of a serving site under load: they come to serve, or leave what served as it was.

Every request of the load counts: none may fail, whatever becomes of the edit.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest
from inside import Inside
from journey import DOIT, Site, new_site
from load import assert_kept, assert_unharmed, tasks_there, written_to

from bench.support.clients import Clients
from tasks.execution.guest_changes import UNIT
from tasks.guest.runner import GuestScript
from tasks.model.layout import SECRETS
from tasks.paths import Paths

ENGINES = ("sqlite", "postgresql", "mysql")
KILLS = int(os.environ.get("VIKUNJA_DEPLOY_KILLS", "4"))
"""How often an edit is killed; more by hand than in every run."""

KILLING = {
    "what is no number": {"VIKUNJA_RATELIMIT_NOAUTHLIMIT": "many"},
    "a start that takes too long": {"SAMPLE_START_DELAY": "20"},
    "a health that is none": {"SAMPLE_FAIL_HEALTH": "true"},
}
"""Settings that no check of the configuration knows to be wrong, whatever the database."""

UNHEARD = """
mkfifo /run/unheard
: </run/unheard &
exec 4>/run/unheard
wait
rm /run/unheard
"$@" 2>&4
"""
"""Runs a command whose standard error nobody reads any more."""

WARNED_OF = """
for name in a b; do echo 'server { listen 127.0.0.1:9; server_name warned.example.com; }'; done \\
    >/etc/nginx/conf.d/warned.conf
"""

TAKE_PORT = """
systemd-run --quiet --unit=taken --setenv="VIKUNJA_SERVICE_INTERFACE=127.0.0.1:$2" \\
    --setenv=VIKUNJA_SERVICE_PUBLICURL=http://127.0.0.1 \\
    --setenv=VIKUNJA_DATABASE_PATH=/tmp/x.db "$1"
until curl -sf -o /dev/null "http://127.0.0.1:$2/health"; do sleep 0.1; done
"""


@pytest.fixture(scope="module", params=ENGINES)
def site(request: pytest.FixtureRequest, lab_paths: Paths, lab_network: object) -> Iterator[Site]:
    made = new_site(
        lab_paths,
        lab_network,
        f"edits-{request.param[:2]}",
        database={"type": request.param},
        redis={"enabled": True},
        vikunja={"start_timeout_seconds": 4},
        update={"edit_observe_seconds": 1, "drain_seconds": 6},
    )
    made.run("apply", "--yes")
    yield made


def clients(site: Site) -> Clients:
    load = Clients(site.address, site.document["network"]["domain"])
    return load.keep_alive(3, 0.03).new_connections(1, 0.1).slow(1, 1).writing(1, 0.1)


def test_an_edit_that_the_application_does_not_survive_leaves_what_served(site: Site) -> None:
    engine = site.document["database"]["type"]
    settings = list(KILLING.values()) if engine == "sqlite" else [KILLING["what is no number"]]
    before = Inside(site).serving
    with clients(site) as load:
        for environment in settings:
            site.edit({"vikunja": {"environment": environment}})
            failed = site.run("apply", "--yes", code=11)
            assert f"{before} (v1.0.0) serves on" in failed.stderr
            assert Inside(site).serving == before
            shown = site.run("plan", "--diff").stdout
            assert "vikunja.environment changed" in shown
            for name, value in environment.items():
                assert f'+{name}="{value}"' in shown
            site.edit({"vikunja": {"environment": dict.fromkeys(environment)}})
        site.edit({"vikunja": {"environment": {"VIKUNJA_SERVICE_MOTD": "good"}}})
        site.run("apply", "--yes")
        load.one_more()
    assert Inside(site).serving != before
    assert site.addresses() == []
    assert_unharmed(site, load)


def test_an_edit_that_is_taken_back_after_it_failed_leaves_nothing_of_it(site: Site) -> None:
    before = Inside(site).serving
    site.edit({"vikunja": {"environment": {"SAMPLE_FAIL_HEALTH": "true"}}})
    with clients(site) as load:
        site.run("apply", "--yes", code=11)
        site.edit({"vikunja": {"environment": {"SAMPLE_FAIL_HEALTH": None}}})
        site.run("apply", "--yes")
        load.one_more()
    assert Inside(site).serving == before
    assert site.addresses() == []
    idle = "green" if before == "blue" else "blue"
    inside = Inside(site)
    left = inside.shell(
        'ls -d "$@" 2>/dev/null || :', f"/etc/vikunja/environment.{idle}", f"{SECRETS}/{idle}"
    )
    assert left == ""
    assert_unharmed(site, load)


def test_a_stranger_of_the_same_version_is_not_switched_to(site: Site) -> None:
    before = Inside(site).serving
    idle = "green" if before == "blue" else "blue"
    inside, port = Inside(site), {"blue": "3456", "green": "3457"}[idle]
    inside.shell(TAKE_PORT, f"/opt/vikunja/backend/{before}/vikunja", port)
    site.edit({"vikunja": {"environment": {"VIKUNJA_SERVICE_MOTD": "of a stranger"}}})
    with clients(site) as load:
        failed = site.run("apply", "--yes", code=11)
        inside.run("systemctl", "stop", "taken.service")
        assert Inside(site).serving == before
        site.run("apply", "--yes")
        load.one_more()
    assert f"port {port} is another process's" in failed.stderr
    assert Inside(site).serving == idle
    assert_unharmed(site, load)


def test_a_warning_of_the_proxy_that_nobody_hears_is_no_refusal(site: Site) -> None:
    inside = Inside(site)
    inside.shell(WARNED_OF)
    inside.run(*GuestScript("keep", ("kept-proxy",), "keep_proxy").argv())
    ended = inside.container.run(
        ["sh", "-c", UNHEARD, "sh", *UNIT.argv("nginx.service", "reload", "yes", "a revision")],
        check=False,
    )
    inside.shell("rm /etc/nginx/conf.d/warned.conf")
    site.run("apply", "--yes")
    assert ended.returncode == 0, ended.stderr.decode()


def test_a_rotated_secret_takes_over_and_the_old_one_lets_nobody_in(site: Site) -> None:
    engine = site.document["database"]["type"]
    inside = Inside(site)
    names = ["service-secret", "redis-password", *(["db-password"] * (engine != "sqlite"))]
    old = {name: inside.run("cat", f"{SECRETS}/{name}").strip() for name in names}
    with clients(site) as load:
        for name in names:
            before = Inside(site).serving
            inside.run("rm", f"{SECRETS}/{name}")
            site.run("apply", "--yes")
            load.one_more()
            assert Inside(site).serving != before
            new = inside.run("cat", f"{SECRETS}/{name}").strip()
            mine = f"{SECRETS}/{Inside(site).serving}/{name}"
            assert new != old[name] and inside.run("cat", mine).strip() == new
    assert site.addresses() == []
    assert_unharmed(site, load)
    assert "WRONGPASS" in inside.run("redis-cli", "AUTH", old["redis-password"])
    if engine == "sqlite":
        return
    login = {
        "postgresql": 'PGPASSWORD="$1" psql -h 127.0.0.1 -U "$2" vikunja -Atc "select 1"',
        "mysql": 'MYSQL_PWD="$1" mariadb -h 127.0.0.1 -u "$2" vikunja -Ne "select 1"',
    }[engine]
    users = ["vikunja"]
    if engine == "postgresql":
        users += ["vikunja_blue", "vikunja_green"]
    for user in users:
        argv = ["sh", "-c", login, "sh", old["db-password"], user]
        assert inside.container.run(argv, check=False).returncode != 0, user


ENVIRON = """
tr '\\0' '\\n' <"/proc/$(systemctl show -P MainPID "vikunja-backend@$1.service")/environ"
"""


@pytest.mark.parametrize("site", ["sqlite"], indirect=True)
def test_a_secret_of_a_setting_comes_changes_and_goes_and_costs_no_request(site: Site) -> None:
    name, file = "VIKUNJA_SENTRY_DSN", site.file.with_name("dsn")
    inside = Inside(site)
    shown = ""

    def applied() -> str:
        """Show it, do it; the color that serves."""
        nonlocal shown
        before = Inside(site).serving
        shown += site.run("plan", "--diff").stdout
        shown += site.run("apply", "--yes").stderr
        load.one_more()
        assert Inside(site).serving != before
        assert site.addresses() == []
        return Inside(site).serving

    with clients(site) as load:
        for value in ("canary-4711", "canary-4712"):
            file.write_text(f"{value}\n")
            file.chmod(0o600)
            site.edit({"vikunja": {"secret_files": {name: str(file)}}})
            color = applied()
            lines = inside.shell(ENVIRON, color).splitlines()
            assert f"{name}_FILE={SECRETS}/{color}/{name}" in lines
            assert inside.run("cat", f"{SECRETS}/{color}/{name}") == f"{value}"
        site.edit({"vikunja": {"secret_files": None}})
        assert name not in inside.shell(ENVIRON, applied())
    assert inside.run("find", SECRETS, "-name", name) == ""
    assert "canary" not in shown + site.run("logs", "--component", "deploy").stdout
    assert_unharmed(site, load)


@pytest.mark.parametrize("site", ["sqlite"], indirect=True)
def test_attachments_are_moved_by_hand_or_not_left_behind(site: Site) -> None:
    inside = Inside(site)
    with written_to(site) as writer:
        pass
    site.edit({"vikunja": {"files": {"path": "/srv/attachments"}}})
    site.edit({"backup": {"directory": str(site.paths.prefix / "backups")}})
    refused = site.run("apply", "--yes", code=3).stderr
    assert "attachments are in /var/lib/vikunja/files of the container" in refused
    assert_kept(site, writer)

    site.run("stop")
    inside.shell("mkdir -p /srv/attachments && mv /var/lib/vikunja/files /srv/attachments/files")
    site.run("apply", "--yes")
    assert site.addresses() == []
    assert_kept(site, writer)
    with written_to(site) as more:
        pass
    site.run("backup")
    inside.run("rm", f"/srv/attachments/files/{more.promised[-1].file}")
    site.run("restore", site.id, "--from", "latest", "--yes")
    assert_kept(site, more)
    assert inside.run("ls", "/srv/attachments") == "files\n"
    inside.run("mv", "/srv/attachments/files", "/srv/attachments/gone")
    assert "data is gone" in site.run("apply", "--yes", code=3).stderr
    inside.run("mv", "/srv/attachments/gone", "/srv/attachments/files")
    assert site.addresses() == []


def test_an_edit_that_is_killed_at_any_moment_costs_no_request(site: Site) -> None:
    moments = random.Random(10)
    argv = [str(DOIT), "apply", "--yes", "--config", str(site.file)]
    site.edit({"vikunja": {"environment": {"VIKUNJA_SERVICE_MOTD": "whole"}}})
    begun = time.monotonic()
    site.run("apply", "--yes")
    whole = time.monotonic() - begun
    with clients(site) as load:
        for number in range(KILLS):
            site.edit({"vikunja": {"environment": {"VIKUNJA_SERVICE_MOTD": f"kill {number}"}}})
            process = subprocess.Popen(
                argv,
                env=site.environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            time.sleep(moments.uniform(0.2, whole))
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if moments.random() < 0.5:
                continue
            site.run("apply", "--yes")
            assert site.addresses() == []
        site.run("apply", "--yes")
        load.one_more()
    assert site.addresses() == []
    assert_unharmed(site, load)


WRITERS = r"""
# SECONDS PORT…: a writer for each; how often each status was answered, `000` where nobody did.
until=$(($(date +%s) + $1))
shift
for port in "$@"; do
    while [ "$(date +%s)" -lt "$until" ]; do
        curl -s -o /dev/null -w '%{http_code}\n' -X PUT -H 'Content-Type: application/json' \
            -d '{"title": "both"}' "http://127.0.0.1:$port/api/v1/tasks"
    done &
done | sort | uniq -c
"""


@pytest.mark.parametrize("site", ["sqlite"], indirect=True)
def test_both_colors_write_to_one_file_as_well_as_one_does(site: Site) -> None:
    inside = Inside(site)
    ports = {"blue": "3456", "green": "3457"}
    serving = Inside(site).serving
    idle = "green" if serving == "blue" else "blue"

    def answered(*colors: str) -> dict[str, int]:
        said = inside.shell(WRITERS, "5", *(ports[color] for color in colors)).split()
        return {status: int(count) for count, status in zip(said[::2], said[1::2], strict=True)}

    before = len(tasks_there(site))
    alone = answered(*[serving] * 4)
    site.edit({"update": {"edit_observe_seconds": 20}})
    site.edit({"vikunja": {"environment": {"VIKUNJA_SERVICE_MOTD": "beside"}}})
    argv = [str(DOIT), "apply", "--yes", "--config", str(site.file)]
    with subprocess.Popen(
        argv, env=site.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as apply:
        try:
            inside.shell('until curl -sf -o /dev/null "$1"; do sleep 0.1; done',
                         f"http://127.0.0.1:{ports[idle]}/health")  # fmt: skip
            together = answered(serving, idle, serving, idle)
        finally:
            site.edit({"update": {"edit_observe_seconds": 1}})
            assert apply.wait(timeout=120) == 0
    assert alone.keys() == together.keys() == {"201"}, (alone, together)
    assert len(tasks_there(site)) == before + alone["201"] + together["201"]
    assert Inside(site).serving == idle
