"""`start`, `stop`, `restart` and `logs` of a real instance, as a user runs them."""

from __future__ import annotations

import http.client
import signal
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from asking import LIMIT_SECONDS, Clients, status, wait_for
from inside import Inside
from journey import DOIT, Site
from mail_server import MailServer

from bench.support import clients as load

MARKER = "etc/vikunja/active/green"
LEFT = "ls /run/systemd/system/vikunja-standin-* /var/lib/vikunja-deploy/switching 2>/dev/null || :"


@pytest.fixture
def inside(deployed: Site) -> Inside:
    return Inside(deployed)


def started(site: Site, *arguments: str, **streams: Any) -> subprocess.Popen[str]:
    argv = [str(DOIT), *arguments, "--config", str(site.file)]
    return subprocess.Popen(argv, env=site.environment, text=True, **streams)


@contextmanager
def patience(site: Site, seconds: int) -> Iterator[None]:
    before = site.document.get("vikunja", {})
    site.edit({"vikunja": {"start_timeout_seconds": seconds}})
    try:
        yield
    finally:
        site.edit({"vikunja": None})
        site.edit({"vikunja": before} if before else {})


def test_what_was_stopped_rests_until_it_is_started(deployed: Site, inside: Inside) -> None:
    said = deployed.run("stop")
    assert f"{deployed.id}: stopped after" in said.stdout
    units = ("nginx.service", "vikunja-backend@blue.service")
    assert [inside.active(unit) for unit in units] == ["inactive", "inactive"]
    assert inside.shell("systemctl is-enabled nginx vikunja-backend@blue || :").split() == [
        "disabled",
        "disabled",
    ]
    found = status(deployed)
    assert found["state"]["status"] == "stopped"
    assert found["health"]["overall_status"] == "unknown"
    planned = deployed.addresses()
    assert {"unit:nginx.service", "unit:vikunja-backend@blue.service"} <= set(planned)
    deployed.run("stop")

    assert f"{deployed.id}: serves after" in deployed.run("start").stdout
    found = status(deployed)
    assert (found["state"]["status"], found["backend"]["code"]) == ("running", 200)
    assert deployed.plan() == []
    log = deployed.log()
    assert "[SUCCESS] [stop] Shutdown completed in" in log
    assert "[SUCCESS] [start] Startup completed in" in log


def test_a_stopped_container_is_started_with_what_is_in_it(deployed: Site, inside: Inside) -> None:
    inside.container.stop()
    deployed.run("start")
    assert status(deployed)["backend"]["code"] == 200
    assert deployed.plan() == []


def test_a_restart_costs_no_request(deployed: Site, inside: Inside) -> None:
    def process() -> str:
        return inside.run("systemctl", "show", "-p", "MainPID", "--value", "vikunja-backend@blue")

    before, files = process(), inside.seen()
    with Clients(deployed) as clients:
        deployed.run("restart")
        answered = clients.answered
        wait_for(lambda: clients.answered > answered + 10, "answers after the restart")
    assert clients.failures == []
    assert process() != before
    assert inside.seen() == files
    assert inside.shell(LEFT) == ""
    assert deployed.plan() == []


DRAIN_SECONDS = 300
"""What holds a stop up, holds it up for so long."""


@pytest.mark.parametrize(("command", "noun"), [("restart", "restart"), ("stop", "shutdown")])
def test_open_websockets_hold_neither_a_restart_nor_a_stop_up(
    deployed: Site, command: str, noun: str
) -> None:
    def seconds() -> float:
        begun = time.monotonic()
        deployed.run(command)
        return time.monotonic() - begun

    deployed.edit({"update": {"websocket_seconds": 1, "drain_seconds": DRAIN_SECONDS}})
    try:
        alone = seconds()
        deployed.run("start")
        tabs = load.Clients(deployed.address, deployed.document["network"]["domain"])
        with tabs.web_sockets(4, 0.1):
            # They end with their color.
            tabs.cutting = True
            wait_for(lambda: len(tabs.tally.answered) > 8, "they are open")
            beside_tabs = seconds()
    finally:
        deployed.run("start")
        deployed.edit({"update": {"websocket_seconds": None, "drain_seconds": None}})
    said = deployed.log().rpartition(f"Starting {noun}")[2]
    assert "blue: 4 WebSockets ended when it was stopped" in said
    assert beside_tabs < alone + DRAIN_SECONDS
    assert deployed.plan() == []


def test_a_restart_that_was_killed_finishes_and_costs_no_request(
    deployed: Site, inside: Inside
) -> None:
    marker = deployed.paths.lxc / deployed.id / "upper" / MARKER

    def killed_behind_the_stand_in() -> bool:
        process = started(deployed, "restart", stderr=subprocess.DEVNULL)
        wait_for(lambda: marker.exists() or process.poll() is not None, "the stand-in serves")
        process.send_signal(signal.SIGKILL)
        process.wait()
        wait_for(lambda: not marker.exists(), "blue serves again")
        interrupted: bool = status(deployed)["interrupted"]
        return interrupted

    with Clients(deployed) as clients:
        # A slow machine may look too late.
        wait_for(killed_behind_the_stand_in, "it was killed in the middle")
        found = status(deployed)
        hints = {note["what"]: note["hint"] for note in found["notes"]}
        assert hints["the last restart was cut short"] == (
            f"./doit restart {deployed.id} does it again"
        )
        deployed.run("restart")
    assert clients.failures == []
    assert inside.shell(LEFT) == ""
    assert deployed.plan() == []


@pytest.mark.parametrize("command", ["stop", "start"])
def test_killed_in_the_middle_the_next_command_goes_on(
    deployed: Site, inside: Inside, command: str
) -> None:
    noun = {"stop": "shutdown", "start": "startup"}[command]
    count = deployed.log().count(f"Starting {noun}")
    process = started(deployed, command, stderr=subprocess.DEVNULL)
    wait_for(lambda: deployed.log().count(f"Starting {noun}") > count, "it has begun")
    process.send_signal(signal.SIGKILL)
    process.wait()
    deployed.run("start")
    assert status(deployed)["state"]["last_operation_status"] == "success"
    assert deployed.plan() == []


def test_a_release_that_does_not_start_anew_leaves_what_runs_serving_and_is_mailed(
    deployed: Site, inside: Inside
) -> None:
    binary = "/opt/vikunja/backend/blue/vikunja"
    mode = inside.run("stat", "-c", "%a", binary).strip()
    inside.run("chmod", "0600", binary)
    with MailServer() as mails:
        smtp = {"host": "127.0.0.1", "port": mails.port, "encryption": "none"}
        deployed.edit({"notifications": {"mail": "smtp", "smtp": smtp}})
        try:
            with patience(deployed, 2), Clients(deployed) as clients:
                said = deployed.run("restart", code=11)
            inside.run("chmod", mode, binary)
            assert inside.shell(LEFT) == ""
            deployed.run("restart")
        finally:
            inside.run("chmod", mode, binary)
            deployed.edit({"notifications": None})
    assert "a second v1.0.0 does not come up; what ran serves on" in said.stderr
    assert clients.failures == []
    assert deployed.plan() == []
    subjects = [one.mail["Subject"] for one in mails.received]
    assert subjects == [f"[{deployed.id}] restart failed", f"[{deployed.id}] restart works again"]


def test_what_does_not_serve_is_restarted_all_the_same(deployed: Site, inside: Inside) -> None:
    inside.run("systemctl", "stop", "nginx.service")
    said = deployed.run("restart")
    assert "it does not serve well" in said.stderr
    assert status(deployed)["backend"]["code"] == 200
    assert deployed.plan() == []


def test_logs_of_all_components_come_in_the_order_of_their_times(deployed: Site) -> None:
    status(deployed)
    lines = deployed.run("logs", "--lines", "5").stdout.splitlines()
    names = {line.split()[0] for line in lines}
    assert {"backend-blue", "nginx-access", "nginx", "deploy"} <= names
    deploy = deployed.run("logs", "--component", "deploy", "-n", "1").stdout
    assert deploy == deployed.log().splitlines()[-1] + "\n"
    one = deployed.run("logs", "--component", "nginx", "--since", "1h").stdout
    assert "curl/" in one and "backend-blue" not in one
    future = deployed.run("logs", "--component", "nginx", "--since", "2199-01-01")
    assert (future.stdout, future.stderr) == ("", "Nothing was written since then\n")


def test_logs_are_followed_until_ctrl_c(deployed: Site, inside: Inside) -> None:
    process = started(deployed, "logs", "--follow", "-n", "1", stdout=subprocess.PIPE)
    seen: list[str] = []
    assert process.stdout is not None
    stream = process.stdout
    reader = threading.Thread(target=lambda: seen.extend(iter(stream.readline, "")))
    reader.start()
    try:
        # Only what is written after it has begun to follow is sure to be seen.
        number = 0

        def asked_and_seen() -> bool:
            nonlocal number
            number += 1
            context = ssl._create_unverified_context()
            client = http.client.HTTPSConnection(deployed.address, timeout=30, context=context)
            client.request("GET", f"/followed-{number}")
            client.getresponse().read()
            client.close()
            return any("nginx-access" in line and "/followed-" in line for line in seen)

        wait_for(asked_and_seen, "a line that was just written")
    finally:
        process.send_signal(signal.SIGINT)
        code = process.wait(timeout=LIMIT_SECONDS)
        reader.join()
    assert code == 0
    left = "for f in /proc/[0-9]*/cmdline; do tr '\\0' ' ' <$f; echo; done 2>/dev/null"
    assert "tail -q" not in inside.shell(left)


def test_without_its_container_the_host_s_own_log_is_shown(deployed: Site, inside: Inside) -> None:
    inside.container.stop()
    try:
        said = deployed.run("logs", "-n", "1")
    finally:
        deployed.run("start")
    assert "does not run: only what this machine wrote is shown" in said.stderr
    assert len(said.stdout.splitlines()) == 1


def test_an_instance_that_is_not_there_cannot_be_started(deployed: Site) -> None:
    other = Site(deployed.paths, {**deployed.document})
    other.edit({"deployment": {"instance_id": "vkd-lab-none"}, "lxc": {"name": "vkd-lab-none"}})
    said = other.run("start", code=4)
    assert "start needs a deployed instance" in said.stderr


def test_a_restart_that_is_cancelled_is_put_back(deployed: Site, inside: Inside) -> None:
    marker = deployed.paths.lxc / deployed.id / "upper" / MARKER

    def cancelled_behind_the_stand_in() -> bool:
        process = started(deployed, "restart", stderr=subprocess.DEVNULL)
        wait_for(lambda: marker.exists() or process.poll() is not None, "the stand-in serves")
        process.send_signal(signal.SIGINT)
        return process.wait(timeout=LIMIT_SECONDS) == 20

    # A slow machine may look too late.
    wait_for(cancelled_behind_the_stand_in, "it was cancelled in the middle")
    assert not marker.exists()
    assert inside.shell(LEFT) == ""
    assert status(deployed)["backend"]["code"] == 200
    assert deployed.plan() == []
    deployed.run("start")
