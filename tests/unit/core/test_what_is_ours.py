"""What the tool has its hands in, and what not: found by random lives, kept as examples."""

from __future__ import annotations

import pytest
from model_claims import check_converged
from model_machine import GREEN, SECRETS
from model_site import NAME, Site
from msgspec.structs import replace

from tasks.model import state as states


@pytest.fixture
def deployed(site: Site) -> Site:
    site.deploy()
    return site


def addresses(site: Site) -> list[str]:
    _, plan = site.plan()
    return [entry.address for entry in plan.entries]


def test_a_file_that_was_dropped_from_the_configuration_goes_and_is_forgotten(
    deployed: Site,
) -> None:
    deployed.document["files"] = [{"path": "/etc/motd", "content": "ours\n"}]
    deployed.write()
    deployed.apply()
    deployed.document["files"] = []
    deployed.write()
    assert addresses(deployed)[0] == "file:/etc/motd"
    deployed.apply()
    assert deployed.machine.files.get("/etc/motd") is None
    deployed.machine.files.write("/etc/motd", b"somebody's\n")
    assert addresses(deployed) == []


def test_a_dropped_file_that_was_gone_already_is_forgotten_with_the_next_apply(
    deployed: Site,
) -> None:
    deployed.document["files"] = [{"path": "/etc/motd", "content": "ours\n"}]
    deployed.write()
    deployed.apply()
    deployed.machine.files.remove("/etc/motd")
    deployed.document["files"] = []
    deployed.document["vikunja"] = {"timezone": "Europe/Berlin"}
    deployed.write()
    deployed.apply()
    deployed.machine.files.write("/etc/motd", b"somebody's\n")
    assert addresses(deployed) == []


def test_a_password_that_is_given_no_longer_stays_as_it_is(deployed: Site) -> None:
    password = deployed.folder / "password"
    password.write_text("given\n")
    password.chmod(0o600)
    deployed.document["database"] = {"type": "postgresql", "password_file": str(password)}
    deployed.write()
    deployed.apply()
    deployed.document["database"] = {"type": "postgresql"}
    deployed.write()
    deployed.apply()
    assert deployed.machine.files.content(f"{SECRETS}/db-password") == b"given\n" or (
        deployed.machine.files.content(f"{SECRETS}/db-password") == b"given"
    )
    check_converged(deployed)


def test_a_folder_that_was_moved_and_linked_comes_back_with_all_that_is_desired_in_it(
    deployed: Site,
) -> None:
    files = deployed.machine.files
    files.move("/etc/vikunja/secrets", "/srv/secrets")
    from model_files import Node

    files.put("/etc/vikunja/secrets", Node("link", target="/srv/secrets"))
    planned = addresses(deployed)
    assert planned[:2] == [
        "directory:/etc/vikunja/secrets",
        "secret:/etc/vikunja/secrets/service-secret",
    ]
    deployed.apply()
    check_converged(deployed)
    assert files.content("/srv/secrets/service-secret")


def test_a_deleted_unit_file_does_not_hide_a_change_of_the_environment(deployed: Site) -> None:
    machine = deployed.machine
    machine.files.remove("/etc/systemd/system/vikunja-backend@blue.service")
    deployed.document["vikunja"] = {"max_upload_mb": 50}
    deployed.write()
    deployed.apply()
    running = machine.unit("vikunja-backend@green.service").running
    assert b'VIKUNJA_FILES_MAXSIZE="50MB"' in running["/etc/vikunja/environment.green"]
    serving = machine.files.content("/etc/vikunja/environment")
    assert serving == running["/etc/vikunja/environment.green"]
    assert machine.unit("vikunja-backend@blue.service").active == "inactive"
    check_converged(deployed)


def test_a_changed_drop_in_of_nginx_is_taken_up_by_a_restart_and_a_site_by_a_reload(
    deployed: Site,
) -> None:
    unit = deployed.machine.unit("nginx.service")
    deployed.edit_template("nginx/vikunja.conf.j2", "# more\n")
    deployed.apply()
    assert (unit.starts, unit.reloads) == (1, 1)
    deployed.edit_template("systemd/nginx.conf.j2", "# more\n")
    deployed.apply()
    assert (unit.starts, unit.reloads) == (2, 1)
    check_converged(deployed)


def test_a_new_commit_goes_to_the_idle_color_and_the_old_one_rests(deployed: Site) -> None:
    commit = deployed.repository.commit()
    _, plan = deployed.plan()
    assert [entry.address for entry in plan.entries] == [
        f"artifact:{commit[:10]}",
        "release:green",
        "file:/etc/vikunja/environment.green",
        "file:/etc/systemd/system/vikunja-backend@green.service",
        "file:/usr/local/lib/vikunja/backend.green",
        "color-secrets:green",
        "systemd:unit-files-of-green",
        "unit:vikunja-backend@green.service",
        "color:active",
        "health:site",
        "link:/etc/vikunja/environment",
        "unit:vikunja-backend@blue.service",
        "file:/etc/vikunja/environment.blue",
        "retired-secrets:blue",
        "record:/etc/vikunja/deployment-config.yaml",
        "record:state",
    ]
    deployed.apply()
    machine = deployed.machine
    assert machine.files.get(GREEN) is not None
    states = [
        machine.unit(f"vikunja-backend@{color}.service").active for color in ("blue", "green")
    ]
    assert states == ["inactive", "active"]
    # For the way back: the release and how it is started, and nothing that may be secret.
    assert machine.files.content("/opt/vikunja/backend/blue/vikunja")
    assert machine.files.content("/etc/systemd/system/vikunja-backend@blue.service")
    assert machine.files.get("/etc/vikunja/environment.blue") is None
    assert machine.files.below(f"{SECRETS}/blue") == []


@pytest.mark.parametrize("edits", [0, 1])
def test_the_records_on_the_host_may_be_lost_without_harm(deployed: Site, edits: int) -> None:
    """Also once each color has files of its own."""
    for _ in range(edits):
        deployed.document["vikunja"] = {"timezone": "Europe/Berlin"}
        deployed.write()
        deployed.apply()
    for path in (
        deployed.paths.applied(NAME),
        deployed.paths.state(NAME),
        deployed.paths.registry,
        deployed.paths.engine_database,
    ):
        path.unlink()
    deployed.world.log.clear()
    deployed.apply()
    assert [address for address, _ in deployed.world.log] == [
        "record:/etc/vikunja/deployment-config.yaml"
    ]
    check_converged(deployed)


def test_a_stopped_container_s_plan_says_that_its_record_will_say_that_it_runs(
    deployed: Site,
) -> None:
    state = states.read(deployed.paths, NAME)
    assert state is not None
    states.write(deployed.paths, replace(state, status="failed"))
    deployed.place.running = False
    assert addresses(deployed) == [f"running:{NAME}", "record:state"]
    deployed.apply()
    assert (found := states.read(deployed.paths, NAME)) and found.status == "running"
    check_converged(deployed)
