"""What `plan` says, exactly."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from model_site import NAME, Site

from tasks.builds import resolve
from tasks.commands.plan import Plan
from tasks.model.operations import operation

DOMAIN_PLAN = """\
vikunja-main
    settings: 1 changed, blue → green, no request interrupted
  + release:green                                           green takes over from blue
      build: {commit:.10} (v1.0.0-{commit:.8})
  + file:/etc/vikunja/environment.green                     network.domain changed
  + file:/etc/systemd/system/vikunja-backend@green.service  the same as in what serves
  + file:/usr/local/lib/vikunja/backend.green               the same as in what serves
  + color-secrets:green                                     the same as in what serves
  ▸ systemd:unit-files-of-green                             file:/etc/systemd/system/vikunja-backend@green.service changes
  + unit:vikunja-backend@green.service                      release:green and 4 more change
      state: active
  ~ file:/etc/nginx/conf.d/vikunja.conf                     network.domain changed
  ~ self-signed-certificate:/etc/vikunja/tls/self-signed    network.domain changed
      state: other-domain → present
  ▸ unit:nginx.service                                      network.domain changed, file:/etc/nginx/conf.d/vikunja.conf and 1 more change
  ~ color:active                                            unit:vikunja-backend@green.service changes
      color: blue → green
  ▸ health:site                                             color:active and 2 more change
  ~ link:/etc/vikunja/environment                           color:active changes
      target: environment.blue → environment.green
  - unit:vikunja-backend@blue.service                       color:active changes
      state: active → stopped
      enabled: enabled → disabled
  - file:/etc/vikunja/environment.blue                      color:active changes
  - retired-secrets:blue                                    color:active changes
  ~ record:registry                                         written when an apply is done
      says: vikunja-main 10.99.0.10/24 tasks.example.com {config} → vikunja-main 10.99.0.10/24 other.example.com {config}
  ~ record:/etc/vikunja/deployment-config.yaml              16 entries above
  ~ record:state                                            written when an apply is done
      says: running blue {commit} → running green {commit}

Plan: 6 to create, 7 to update, 3 to remove, 3 to run.
"""  # noqa: E501


def plan(site: Site, *arguments: str) -> int:
    code: int = Plan().parse_execute([*arguments, "--config", str(site.config)])
    return code


def commit(site: Site) -> str:
    git = site.instance.git
    assert git is not None
    return resolve(git)


@pytest.fixture
def deployed(site: Site, capsys: pytest.CaptureFixture[str]) -> Site:
    site.deploy()
    capsys.readouterr()
    return site


@pytest.fixture
def moved(deployed: Site) -> Site:
    """Deployed, and another domain is configured since."""
    deployed.document["network"]["domain"] = "other.example.com"
    deployed.write()
    return deployed


def test_nothing_to_do_is_one_line(deployed: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert plan(deployed, "--detailed-exitcode") == 0
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("Nothing to do: vikunja-main is up to date.\n", "")


def test_another_domain_shows_exactly_its_consequences(
    moved: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    assert plan(moved) == 0
    captured = capsys.readouterr()
    assert captured.out == DOMAIN_PLAN.format(config=moved.config, commit=commit(moved))
    assert captured.err == ""
    assert plan(moved, "--detailed-exitcode") == 2


def test_a_plan_changes_nothing(moved: Site) -> None:
    before = (len(moved.world.log), moved.machine.files.clock)
    records = {p: p.read_bytes() for p in moved.paths.library.rglob("*") if p.is_file()}
    assert plan(moved, "--diff", "--detailed-exitcode") == 2
    assert (len(moved.world.log), moved.machine.files.clock) == before
    after = {p: p.read_bytes() for p in moved.paths.library.rglob("*") if p.is_file()}
    assert after == records


def test_diff_shows_the_lines_that_change(moved: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert plan(moved, "--diff", "--target", "file:/etc/vikunja/environment.green") == 0
    assert capsys.readouterr().out == (
        "vikunja-main\n"
        "  + file:/etc/vikunja/environment.green  network.domain changed\n"
        "      --- /etc/vikunja/environment.blue (found)\n"
        "      +++ /etc/vikunja/environment.blue (desired)\n"
        "      @@ -1,6 +1,6 @@\n"
        "       # Vikunja's settings, blue. Written by vikunja-deploy:"
        " an edit is undone by the next apply.\n"
        '       VIKUNJA_SERVICE_INTERFACE="127.0.0.1:3456"\n'
        '      -VIKUNJA_SERVICE_PUBLICURL="https://tasks.example.com/"\n'
        '      +VIKUNJA_SERVICE_PUBLICURL="https://other.example.com/"\n'
        '       VIKUNJA_SERVICE_ROOTPATH="/var/lib/vikunja"\n'
        '       VIKUNJA_SERVICE_ENABLEREGISTRATION="false"\n'
        '       VIKUNJA_SERVICE_TIMEZONE="UTC"\n'
        "\n"
        "Plan: 1 to create.\n"
    )


def test_json_is_one_document_with_addresses_actions_and_typed_reasons(
    moved: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    assert plan(moved, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    (instance,) = document["instances"]
    assert (document["format"], document["targets"]) == (1, [])
    assert (instance["instance"], instance["unseen"]) == (NAME, False)
    entries = {entry["address"]: entry for entry in instance["entries"]}
    settings = entries[f"{NAME}/file:/etc/vikunja/environment.green"]
    assert (settings["step"], settings["action"]) == ("switch", "create")
    assert settings["reasons"] == [
        {"kind": "configuration", "subject": "network.domain", "text": "network.domain changed"}
    ]
    backend = entries[f"{NAME}/unit:vikunja-backend@green.service"]
    assert (backend["step"], backend["action"]) == ("switch", "create")
    assert [(one["kind"], one["subject"]) for one in backend["reasons"]] == [
        ("trigger", "release:green"),
        ("trigger", "file:/etc/vikunja/environment.green"),
        ("trigger", "file:/etc/systemd/system/vikunja-backend@green.service"),
        ("trigger", "file:/usr/local/lib/vikunja/backend.green"),
        ("trigger", "color-secrets:green"),
    ]
    assert entries[f"{NAME}/unit:vikunja-backend@blue.service"]["action"] == "delete"
    certificate = entries[f"{NAME}/self-signed-certificate:/etc/vikunja/tls/self-signed"]
    assert certificate["changes"] == [
        {"name": "state", "before": "other-domain", "after": "present"}
    ]


def test_target_cuts_the_plan_and_a_star_takes_all_that_begin_so(
    moved: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    targets = ("--target", f"{NAME}/file:*", "--target", "health:site", "--target", "color:active")
    assert plan(moved, *targets) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines if line.startswith("  ") and line[2] != " "] == [
        "file:/etc/vikunja/environment.green",
        "file:/etc/systemd/system/vikunja-backend@green.service",
        "file:/usr/local/lib/vikunja/backend.green",
        "file:/etc/nginx/conf.d/vikunja.conf",
        "color:active",
        "health:site",
        "file:/etc/vikunja/environment.blue",
    ]


def test_a_target_that_does_not_exist_is_an_error(
    moved: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    assert plan(moved, "--target", "file:/etc/vikunja/enviroment") == 3
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (
        "error: --target file:/etc/vikunja/enviroment: no such address\n"
        "       ./doit plan --json lists addresses of what would change.\n"
    )


def test_drift_is_told_from_edits(deployed: Site, capsys: pytest.CaptureFixture[str]) -> None:
    machine = deployed.machine
    machine.files.write("/etc/vikunja/environment.green", b"mine\n", "0640", group="vikunja")
    machine.files.change("/etc/vikunja/secrets", mode="0755")
    machine.stop("nginx.service")
    deployed.document["vikunja"] = {"max_upload_mb": 40}
    deployed.write()
    assert plan(deployed) == 0
    shown = capsys.readouterr().out
    lines = {line.split()[1]: " ".join(line.split()[2:]) for line in shown.splitlines()[1:-2]}
    assert lines["directory:/etc/vikunja/secrets"] == "drift: mode changed"
    # Whatever somebody has put in its place, it is compared with what serves.
    assert lines["file:/etc/vikunja/environment.green"] == "vikunja.max_upload_mb changed"
    assert "    settings: 1 changed, blue → green, no request interrupted\n" in shown
    assert lines["unit:nginx.service"] == "file:/etc/nginx/conf.d/vikunja.conf changes"
    assert "mode: 0755 → 0700" in shown
    assert "state: inactive → active" in shown


def test_a_changed_template_is_a_reason_of_its_own(
    deployed: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    deployed.edit_template("logrotate/vikunja.j2", "# more\n")
    assert plan(deployed) == 0
    assert capsys.readouterr().out.splitlines()[:2] == [
        "vikunja-main",
        "  ~ file:/etc/logrotate.d/vikunja               template changed",
    ]


def test_a_stopped_container_says_that_the_rest_is_known_later(
    moved: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    moved.place.running = False
    assert plan(moved) == 0
    assert capsys.readouterr().out == (
        "vikunja-main\n"
        "  ~ running:vikunja-main  drift: stopped\n"
        "      state: stopped → running\n"
        "    The container is stopped: what is in it is (known after apply).\n"
        "\n"
        "Plan: 1 to update.\n"
    )


def test_somebody_elses_container_is_an_error_before_anything_changed(
    deployed: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    deployed.place.owner = None
    assert plan(deployed) == 4
    assert capsys.readouterr().err == (
        "error: vikunja-main: container vikunja-main exists and is not proven ours\n"
        "       Choose another name for this instance; that container is left as it is.\n"
    )


def test_a_saved_plan_is_for_its_owner_only(
    moved: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved = tmp_path / "plan.json"
    assert plan(moved, "--out", str(saved)) == 0
    assert capsys.readouterr().err == (f"Saved to {saved}. Apply it: ./doit apply --plan {saved}\n")
    assert saved.stat().st_mode & 0o777 == 0o600
    assert json.loads(saved.read_text())["instances"][0]["instance"] == NAME


def test_a_plan_is_saved_over_an_older_one_and_over_nothing_else(
    moved: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved = tmp_path / "plan.json"
    assert plan(moved, "--out", str(saved)) == 0
    assert plan(moved, "--out", str(saved)) == 0
    before = moved.config.read_text()
    capsys.readouterr()
    assert plan(moved, "--out", str(moved.config)) == 3
    assert plan(moved, "--out", str(tmp_path)) == 3
    assert capsys.readouterr().err.startswith(
        f"error: {moved.config}: is there already, and is no saved plan\n"
    )
    assert moved.config.read_text() == before


def test_a_plan_made_while_an_operation_is_under_way_says_so(
    moved: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    with operation(moved.paths, NAME, "backup"):
        assert plan(moved) == 0
    error = capsys.readouterr().err
    assert error.startswith(f"warning: {NAME}: backup by ")
    assert error.endswith(" is under way: plan again when it has ended\n")
    assert plan(moved) == 0
    assert capsys.readouterr().err == ""


def test_another_database_type_is_marked_as_losing_data_where_the_old_one_is_not_known(
    deployed: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    deployed.document["database"] = {"type": "postgresql"}
    deployed.write()
    assert plan(deployed) == 0
    assert "destructive" not in capsys.readouterr().out
    deployed.machine.files.remove("/etc/vikunja/environment")
    assert plan(deployed) == 0
    # Nothing but the link is gone: the color has its settings.
    assert "destructive" not in capsys.readouterr().out
    deployed.machine.files.remove("/etc/vikunja/environment.blue")
    assert plan(deployed) == 0
    assert "      destructive: data is lost\n" in capsys.readouterr().out


def test_a_service_that_serves_and_is_started_anew_says_what_that_interrupts(
    deployed: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    backend = deployed.machine.unit("vikunja-backend@blue.service")
    backend.hangs = True
    assert plan(deployed) == 0
    lines = capsys.readouterr().out.splitlines()
    at = next(n for n, line in enumerate(lines) if "unit:vikunja-backend@blue.service " in line)
    assert lines[at + 1 : at + 3] == [
        "      health: does not answer → well",
        "      interrupts: requests, for 1 to 2 s",
    ]
    backend.hangs = False
    # The other color starts beside the one that serves.
    deployed.document["vikunja"] = {"registration": True}
    deployed.write()
    assert plan(deployed) == 0
    assert "interrupts" not in capsys.readouterr().out
    deployed.apply()
    deployed.repository.commit()
    capsys.readouterr()
    assert plan(deployed) == 0
    assert "interrupts" not in capsys.readouterr().out


def test_a_container_that_is_gone_is_no_first_deployment(
    deployed: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deployed.document["backup"] = {"directory": str(tmp_path / "backups")}
    deployed.write()
    deployed.backup_sidecar(1729338000)
    backup = deployed.backup_sidecar(1729338600)
    # `latest` passes over what a restore took of what it replaced.
    deployed.backup_sidecar(1729339200, trigger="restore")
    assert plan(deployed) == 0
    assert "gone" not in capsys.readouterr().out
    deployed.world.lose(NAME)
    assert plan(deployed) == 0
    assert capsys.readouterr().out.splitlines()[1:3] == [
        "    Its container is gone, with all that was in it. A new one is made, without its data.",
        "    The newest backup is of 2024-10-19T11:50:00Z; bring it back after this: ./doit restore"
        f" {NAME} --from latest",
    ]
    shutil.rmtree(backup.folder)
    assert plan(deployed) == 0
    assert "    There is no backup of it in backup.directory.\n" in capsys.readouterr().out
    assert plan(deployed, "--json") == 0
    (found,) = json.loads(capsys.readouterr().out)["instances"]
    assert found["lost_container"] == {"newest_backup": None, "fuller_backup": None}


def test_nginx_is_interrupted_by_nothing_but_a_change_of_its_own_unit(
    deployed: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    deployed.edit_template("nginx/vikunja.conf.j2", "# changed\n")
    assert plan(deployed) == 0
    assert "interrupts" not in capsys.readouterr().out
    deployed.edit_template("systemd/nginx.conf.j2", "# changed\n")
    assert plan(deployed) == 0
    lines = capsys.readouterr().out.splitlines()
    at = next(n for n, line in enumerate(lines) if "unit:nginx.service " in line)
    assert lines[at + 1] == "      interrupts: every request, for about 1 s"


def test_another_template_replaces_the_container(
    deployed: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    deployed.document["lxc"] = {"template": "bookworm"}
    deployed.write()
    assert plan(deployed) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(
        "vikunja-main\n"
        f"  ± container:vikunja-main{' ' * 42}lxc.template changed\n"
        "      template: trixie → bookworm\n"
        "      interrupts: the site, for some seconds, once all is copied to a new container\n"
        f"  ▸ running:vikunja-main{' ' * 44}container:vikunja-main changes\n"
        "      state: running → started anew\n"
        "  + package:ca-certificates "
    )
