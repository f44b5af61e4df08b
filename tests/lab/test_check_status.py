"""`check` and `status` against a real instance, as a user runs them."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from journey import DOIT, Site, merged, sample_document

from tasks.config import load_instances
from tasks.containers import container_for
from tasks.containers.base import Container
from tasks.model.lock import Lock
from tasks.paths import Paths
from tasks.status.guest_facts import look_inside


@pytest.fixture
def container(deployed: Site) -> Container:
    (instance,) = load_instances([deployed.file])
    return container_for(instance, deployed.paths)


def status(site: Site, code: int = 0) -> dict[str, Any]:
    (document,) = json.loads(site.run("status", "--json", code=code).stdout)
    found: dict[str, Any] = document
    return found


def findings(completed: subprocess.CompletedProcess[str]) -> dict[str, tuple[str, str]]:
    """Level and text by topic."""
    document = json.loads(completed.stdout)
    return {f["topic"]: (f["level"], f["what"]) for f in document["findings"]}


@contextmanager
def changed(container: Container, *argv: str, back: tuple[str, ...]) -> Iterator[None]:
    container.run(argv)
    try:
        yield
    finally:
        container.run(back)


def records(paths: Paths) -> Mapping[str, bytes]:
    """Every file of the host's records."""
    folders = (paths.library, paths.lxc)
    return {
        str(file): file.read_bytes()
        for folder in folders
        for file in folder.glob("**/*.json" if folder == paths.library else "*/config")
    }


def check_other(paths: Paths, site: Site, **changes: Any) -> subprocess.CompletedProcess[str]:
    """`check` of an instance of another host, as far as records go, on the same bridge."""
    network = site.document["network"]
    document = sample_document(
        "vkd-lab-other",
        network["bridge"],
        network["ip_address"],
        network["gateway"],
        Path(site.document["git"]["repository"]),
    )
    other = Site(paths, document)
    other.edit(merged(document, changes))
    return other.run("check", "--json", code=None)


def test_a_deployed_instance_is_shown_as_it_serves(deployed: Site) -> None:
    document = status(deployed)
    serving = document["active_color"]
    assert document["version"] == "v1.0.0"
    assert document["backend"] == {"code": 200, "version": "v1.0.0", "error": ""}
    assert document["colors"] == {"nginx": serving, "container": serving, "state": serving}
    assert document["container"]["status"] == "running"
    assert document["services"]["nginx.service"] == "active"
    assert document["services"][f"vikunja-backend@{serving}.service"] == "active"
    # How full the machine's own disk is does not matter here.
    said = [note for note in document["notes"] if note["component"] != "resources"]
    assert said == document["problems"] == []
    page = deployed.run("status").stdout
    assert f"URL             https://{deployed.id}.example.com\n" in page
    assert f"Services        nginx active, vikunja-backend@{serving} active\n" in page


def test_a_first_certificate_that_does_not_come_leaves_all_else_done(deployed: Site) -> None:
    # Nobody listens there.
    acme = {"tls": "acme", "acme": {"server": "https://127.0.0.1:9/directory"}}
    deployed.edit({"services": {"frontend": acme}})
    failed = deployed.run("apply", "--yes", code=4)
    left, document = deployed.addresses(), status(deployed)
    page = deployed.run("status", code=None).stdout
    deployed.edit({"services": None})
    deployed.run("apply", "--yes")

    assert f"no certificate for {deployed.id}.example.com: " in failed.stderr
    assert "Connection refused" in failed.stderr
    assert left == ["acme-certificate:/etc/vikunja/tls/acme"]
    assert document["state"]["status"] == "running"
    assert document["backend"]["code"] == 200
    assert document["certificate_renewal"]["waiting"]
    assert "Connection refused" in document["certificate_renewal"]["failure"]
    assert "renewal tried just now, failed" in page
    assert deployed.addresses() == []


def test_a_look_into_a_container_is_one_round_trip(deployed: Site, container: Container) -> None:
    (instance,) = load_instances([deployed.file])
    found = look_inside(instance, container)
    assert found.measured is not None
    assert found.measured.backend.healthy and found.measured.application
    assert found.certificate_until is not None
    assert container.round_trips == 1


def test_a_backend_that_does_not_answer_is_exit_10(deployed: Site, container: Container) -> None:
    unit = f"vikunja-backend@{status(deployed)['active_color']}.service"
    with changed(container, "systemctl", "stop", unit, back=("systemctl", "start", unit)):
        completed = deployed.run("status", code=10)
    assert "does not answer: Failed to connect" in completed.stderr
    assert f"{unit.removesuffix('.service')} is inactive" in completed.stderr
    container.run(
        [
            "sh",
            "-c",
            "for i in $(seq 100); do curl -fs 127.0.0.1:3456/health && exit; sleep .1; done",
        ]
    )
    assert status(deployed)["health"]["components"]["backend"]["status"] == "healthy"


def test_a_color_switched_by_hand_is_told_with_what_to_type(
    deployed: Site, container: Container
) -> None:
    assert status(deployed)["active_color"] == "blue"
    marker = "/etc/vikunja/active/green"
    with changed(container, "touch", marker, back=("rm", marker)):
        document = status(deployed, code=10)
    assert document["colors"] == {"nginx": "green", "container": "blue", "state": "blue"}
    reported = {note["what"]: note["hint"] for note in document["notes"]}
    what = (
        "nginx passes requests to green, the state file says blue, "
        "the record in the container says blue"
    )
    assert f"./doit apply {deployed.id} mends it" in reported[what]


def test_a_stopped_container_reads_well_and_is_exit_10(
    deployed: Site, container: Container
) -> None:
    container.stop()
    try:
        completed = deployed.run("status", code=10)
    finally:
        container.start()
    assert f"Container       {deployed.id} stopped\n" in completed.stdout
    assert (
        f"error: {deployed.id}: container {deployed.id} is stopped\n"
        f"       ./doit start {deployed.id} starts it\n" in completed.stderr
    )


def test_a_held_lock_shows_who_does_what_and_keeps_nobody_from_looking(deployed: Site) -> None:
    with Lock.acquire(deployed.paths, deployed.id, "update"):
        seen = deployed.run("status")
        checked = deployed.run("check", code=5)
    assert f"under way: update by root@{os.uname().nodename} (pid {os.getpid()})" in seen.stderr
    assert f"lock: locked by update by root@{os.uname().nodename}" in checked.stdout


def test_an_instance_without_a_configuration_is_shown_from_the_records(
    deployed: Site, tmp_path: Path
) -> None:
    environment = {**deployed.environment, "VIKUNJA_DEPLOY_CONFIG": ""}
    completed = subprocess.run(
        [str(DOIT), "status"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "State           running" in completed.stdout
    assert f"not configured here: it was applied from {deployed.file}" in completed.stderr


def test_check_finds_nothing_wrong_with_what_is_deployed_and_changes_nothing(
    deployed: Site,
) -> None:
    before = records(deployed.paths)
    completed = deployed.run("check")
    assert records(deployed.paths) == before
    assert "problem" not in completed.stdout.replace("no problem", "")
    address = deployed.address
    assert f"ok       {deployed.id}: address: {address} is the container's\n" in completed.stdout
    assert f"container: {deployed.id} is this instance's own, running\n" in completed.stdout


def test_check_asks_the_bridge_who_has_the_address(deployed: Site, lab_paths: Paths) -> None:
    taken = check_other(lab_paths, deployed)
    assert taken.returncode == 4
    level, what = findings(taken)["address"]
    assert (level, what.startswith(f"{deployed.address} is in use on ")) == ("problem", True)
    free = deployed.address.rpartition(".")[0] + ".99"
    fine = check_other(lab_paths, deployed, network={"ip_address": f"{free}/24"})
    assert fine.returncode == 0, fine.stdout
    assert findings(fine)["address"][0] == findings(fine)["gateway"][0] == "ok"


def test_check_asks_the_bridge_for_the_gateway(deployed: Site, lab_paths: Paths) -> None:
    start = deployed.address.rpartition(".")[0]
    completed = check_other(
        lab_paths,
        deployed,
        network={"ip_address": f"{start}.99/24", "gateway": f"{start}.98"},
    )
    assert completed.returncode == 6
    level, what = findings(completed)["gateway"]
    assert level == "problem"
    assert what.startswith(f"{start}.98 does not answer on ")


def test_check_reports_everything_at_once_and_ends_with_the_first_kind(
    deployed: Site, lab_paths: Paths, tmp_path: Path
) -> None:
    password = tmp_path / "password"
    password.write_text("geheim\n")
    password.chmod(0o600)
    completed = check_other(
        lab_paths,
        deployed,
        network={"ip_address": deployed.address.rpartition(".")[0] + ".99/24"},
        database={
            "type": "postgresql",
            "host": "127.0.0.1",
            "port": 1,
            "password_file": str(password),
        },
        git={"branch": "nosuch"},
        lxc={"template": "nosuch"},
        backup={"directory": "/etc/hostname/backups"},
    )
    found = findings(completed)
    wrong = {topic: what for topic, (level, what) in found.items() if level == "problem"}
    assert wrong.keys() == {"template", "git", "database", "backups"}
    assert completed.returncode == 4
    assert "geheim" not in completed.stdout + completed.stderr
    assert wrong["database"] == "postgresql at 127.0.0.1:1 cannot be reached: Connection refused"
    assert not (lab_paths.lxc / "vkd-lab-other").exists()
