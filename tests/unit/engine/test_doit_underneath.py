"""The steps as doit's tasks: listed, rendered one by one, up to date where nothing differs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from doit.cmd_base import ModuleTaskLoader
from doit.doit_cmd import DoitMain
from model_site import NAME, Site

from tasks.commands.apply import carry_out
from tasks.desired import rendering
from tasks.engine.instance_run import InstanceRun
from tasks.engine.session import Session
from tasks.engine.steps import step_creators
from tasks.errors import DeployError
from tasks.model import state as states
from tasks.model.operations import operation
from tasks.model.plan import STEPS
from tasks.paths import PREFIX_VARIABLE, ROOT

DOIT = str(Path(sys.executable).with_name("doit"))


def run_doit(site: Site, *arguments: str, instances: Any = None) -> int:
    """doit with our steps, in this process."""
    session = Session(site.paths)
    config = {
        "backend": "write-through",
        "dep_file": str(site.paths.engine_database),
        "verbosity": 0,
        "par_type": "thread",
    }
    members = {**step_creators(instances or site.instances(), session), "DOIT_CONFIG": config}
    try:
        code: int = DoitMain(ModuleTaskLoader(members)).run(list(arguments))
    finally:
        session.close()
    return code


def rendered(site: Site) -> dict[str, int]:
    folder = site.paths.rendered(NAME)
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def test_a_user_of_doit_finds_the_steps_in_its_list(site: Site) -> None:
    environment = {**os.environ, PREFIX_VARIABLE: str(site.paths.prefix)}
    environment["VIKUNJA_DEPLOY_CONFIG"] = str(site.config)
    listed = subprocess.run(
        [DOIT, "list", "--all"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    names = [line.split()[0] for line in listed.stdout.splitlines()]
    steps = ["backup", "build", "provision", "record", "release", "render", "switch", "system"]
    steps.append("validate")
    assert names == [name for step in steps for name in (step, f"{step}:{NAME}")]
    assert "make the files of an instance from the templates" in listed.stdout


def test_an_edited_template_renders_one_file_anew(site: Site) -> None:
    assert run_doit(site, "render") == 0
    before = rendered(site)
    assert run_doit(site, "render") == 0
    assert rendered(site) == before
    site.edit_template("logrotate/vikunja.j2", "# more\n")
    assert run_doit(site, "render") == 0
    after = rendered(site)
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed == {"manifest.json", "etc__logrotate.d__vikunja"}


def test_an_edited_configuration_renders_only_what_reads_it(site: Site) -> None:
    run_doit(site, "render")
    before = rendered(site)
    site.document["vikunja"] = {"timezone": "Europe/Berlin"}
    site.write()
    run_doit(site, "render")
    after = rendered(site)
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed == {
        "manifest.json",
        "etc__vikunja__environment.blue",
        "etc__vikunja__environment.green",
        "etc__systemd__system__vikunja-updates.timer",
    }


def test_a_rendered_file_that_is_lost_comes_back(site: Site) -> None:
    run_doit(site, "render")
    lost = site.paths.rendered(NAME) / "etc__nginx__nginx.conf"
    lost.unlink()
    assert run_doit(site, "render") == 0
    assert lost.exists()


def test_the_steps_alone_deploy_as_apply_does(site: Site) -> None:
    assert run_doit(site, f"record:{NAME}") == 0
    _, plan = site.plan()
    assert plan.empty
    site.world.log.clear()
    assert run_doit(site, f"record:{NAME}") == 0
    assert site.world.log == []


def test_one_step_does_itself_and_what_it_depends_on(site: Site) -> None:
    assert run_doit(site, f"system:{NAME}") == 0
    addresses = [address for address, _ in site.world.log]
    assert addresses[0] == f"container:{NAME}"
    assert addresses[-2:] == ["unit:logrotate.timer", "unit:vikunja-updates.timer"]


def test_after_steps_before_the_switch_alone_a_new_instance_is_stopped(site: Site) -> None:
    def said() -> tuple[str, str]:
        state = states.read(site.paths, NAME)
        assert state is not None
        return state.status, state.last_operation_status

    assert run_doit(site, f"system:{NAME}") == 0
    assert said() == ("stopped", "success")
    assert run_doit(site, f"record:{NAME}") == 0
    assert said() == ("running", "success")
    site.document["system"] = {"updates": "all"}
    assert run_doit(site, f"system:{NAME}") == 0
    assert said() == ("running", "success")


def test_a_step_alone_never_loses_data(site: Site) -> None:
    run_doit(site, f"record:{NAME}")
    site.document["lxc"] = {"template": "bookworm"}
    site.write()
    site.world.log.clear()
    assert run_doit(site, f"provision:{NAME}") != 0
    assert site.world.log == []
    _, plan = site.plan()
    first = plan.entries[0]
    assert (first.action, first.address) == ("replace", f"container:{NAME}")
    assert plan.destructive == ()


def test_instances_run_in_threads_side_by_side(site: Site) -> None:
    folder = site.folder / "many"
    folder.mkdir()
    for number in range(4):
        document = {**site.document, "deployment": {"instance_id": f"one-{number}"}}
        document["network"] = {**document["network"], "ip_address": f"10.99.0.{20 + number}/24"}
        (folder / f"{number}.yaml").write_text(yaml.safe_dump(document))
    from tasks.config import load_instances

    instances = load_instances(sorted(folder.iterdir()))
    assert run_doit(site, "-n", "4", "record", instances=instances) == 0
    # By now all of them have been built from one commit, and share its archive.
    assert run_doit(site, "-n", "4", "record", instances=instances) == 0
    assert sorted(site.world.places) == [f"one-{number}" for number in range(4)]
    for place in site.world.places.values():
        assert place.machine.behind() == {}


def test_a_step_without_entries_is_up_to_date(site: Site) -> None:
    site.deploy()
    session = Session(site.paths)
    instance = site.instance
    assert all(session.settled(instance, step) for step in STEPS)
    unsettled = {"logrotate.timer": {"system", "record"}, "nginx.service": {"switch", "record"}}
    for unit, expected in unsettled.items():
        site.machine.stop(unit)
        session = Session(site.paths)
        assert {step for step in STEPS if not session.settled(instance, step)} == expected
        site.apply()


def test_a_programming_error_in_a_step_is_never_taken_for_success(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks, plan = site.plan()

    def broken(*_: object) -> None:
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr("tasks.execution.guest_changes.install", broken)
    failures = carry_out(looks, plan, site.paths, whole=True)
    assert str(failures[NAME]) == f"{NAME}: RuntimeError: a bug of ours"
    assert any("in broken" in line for line in failures[NAME].evidence)


def test_a_rendering_that_fails_is_never_taken_for_success(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks, plan = site.plan()
    site.paths.rendered(NAME).parent.mkdir(parents=True)
    site.paths.rendered(NAME).write_text("in the way")
    failures = carry_out(looks, plan, site.paths, whole=True)
    assert list(failures) == [NAME]
    assert site.world.log == []


def statuses(site: Site, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """What `list -s` says of each step of the instance, and of its group."""
    capsys.readouterr()
    assert run_doit(site, "list", "--all", "--status") == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    found = {line[1]: line[0] for line in lines}
    steps = {name: status for name, status in found.items() if ":" not in name}
    assert {name.partition(":")[0]: found[name] for name in found if ":" in name} == steps
    return steps


STEPS_OF_A_PLAN = {"provision", "system", "build", "release", "switch", "record"}


def test_the_list_tells_what_an_apply_would_do_and_looks_once(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    first = statuses(site, capsys)
    assert {first[step] for step in STEPS_OF_A_PLAN} == {"R"}
    site.apply()
    site.world.round_trips = 0
    after = statuses(site, capsys)
    assert {step: after[step] for step in (*STEPS_OF_A_PLAN, "render")} == dict.fromkeys(
        (*STEPS_OF_A_PLAN, "render"), "U"
    )
    assert site.world.round_trips == 1
    site.config.write_text(f"# a comment\n{site.config.read_text()}")
    after = statuses(site, capsys)
    assert {after[step] for step in STEPS_OF_A_PLAN} == {"U"}
    site.machine.stop("nginx.service")
    stopped = statuses(site, capsys)
    assert {step for step in STEPS_OF_A_PLAN if stopped[step] == "R"} == {"switch", "record"}


def test_what_cannot_be_inspected_is_tried_once_by_the_list(
    site: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def failing(*_: object) -> None:
        tried.append(1)
        raise DeployError("no answer")

    monkeypatch.setattr("tasks.planning.inspection.inspect", failing)
    found = statuses(site, capsys)
    assert {found[step] for step in STEPS_OF_A_PLAN} == {"R"}
    assert len(tried) == 1


def test_a_step_tells_the_files_that_it_is_about(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.deploy()
    run_doit(site, "validate")
    artifact = site.publish().path
    reported = {}
    for step in ("validate", "render", "system", "build", "switch"):
        capsys.readouterr()
        assert run_doit(site, "info", f"{step}:{NAME}") == 0
        reported[step] = capsys.readouterr().out
    nginx = str(site.paths.rendered(NAME) / "etc__nginx__nginx.conf")
    depends, makes = "file_dep", "targets"
    assert str(site.config) in reported["validate"] and "config.schema.json" in reported["validate"]
    assert nginx in reported["render"].partition(makes)[2]
    assert nginx in reported["system"].partition(depends)[2]
    assert nginx in reported["switch"].partition(depends)[2]
    assert str(artifact) in reported["build"].partition(makes)[2]
    site.machine.stop("nginx.service")
    assert run_doit(site, "info", f"system:{NAME}") == 0
    assert run_doit(site, "info", f"switch:{NAME}") == 1
    assert f"nothing for switch in ./doit plan {NAME}" in capsys.readouterr().out


def test_a_configuration_is_checked_again_where_it_has_changed(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks import config

    checked, load = [], config.load_instances
    instances = site.instances()

    def loading(*arguments: Any) -> Any:
        checked.append(arguments)
        return load(*arguments)

    monkeypatch.setattr(config, "load_instances", loading)
    assert [run_doit(site, "validate", instances=instances) for _ in range(2)] == [0, 0]
    assert len(checked) == 1
    site.document["network"]["domain"] = "no domain"
    site.write()
    assert run_doit(site, "validate", instances=instances) == 1
    assert len(checked) == 2


def test_what_doit_cannot_go_on_with_is_never_taken_for_success(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks, plan = site.plan()
    write = rendering.write

    def lost(*arguments: Any) -> Any:
        write(*arguments)
        (site.paths.rendered(NAME) / "etc__nginx__nginx.conf").unlink()

    monkeypatch.setattr(rendering, "write", lost)
    monkeypatch.setattr(Session, "settled", lambda *_: True)
    failures = carry_out(looks, plan, site.paths, whole=True)
    assert "etc__nginx__nginx.conf' does not exist" in str(failures[NAME])


@pytest.mark.parametrize("count", [0, 10, 1000])
def test_a_plan_takes_one_round_trip_whatever_the_number_of_resources(
    site: Site, count: int
) -> None:
    site.deploy()
    site.document["files"] = [
        {"path": f"/srv/many/{number}", "content": f"{number}\n"} for number in range(count)
    ]
    site.write()
    site.world.round_trips = 0
    looks, plan = site.plan()
    assert site.world.round_trips == 1
    assert looks[NAME].container.round_trips == 1
    assert sum(entry.address.startswith("file:/srv/many/") for entry in plan.entries) == count


def test_applying_many_files_takes_no_more_round_trips_than_applying_one(site: Site) -> None:
    site.deploy()
    counts = []
    for number in (1, 300, 2):
        site.document["files"] = [
            {"path": f"/srv/{number}/{n}"} | {"content": "x"} for n in range(number)
        ]
        site.write()
        looks, plan = site.plan()
        site.world.round_trips = 0
        assert site.carry_out(looks, plan) == {}
        counts.append(site.world.round_trips)
    # From the second on, what is no longer configured is removed, too.
    assert counts == [counts[0], counts[0] + 1, counts[0] + 1]


def test_an_operation_that_cannot_be_ended_keeps_no_other_from_its_end(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = Session(site.paths)
    first, second = InstanceRun(site.instance), InstanceRun(site.instance)
    full = DeployError("no space left on device")
    for name, run in (("first", first), ("second", second)):
        operation_begun = operation(site.paths, name, "deploy")
        operation_begun.__enter__()
        run.operation = operation_begun
        session.runs[name] = run

    def exits(*_: object) -> None:
        raise full

    monkeypatch.setattr(first.operation, "_succeed", exits)
    session.close()
    assert first.failure is full
    assert second.failure is None
    state = states.read(site.paths, "second")
    assert state is not None
    assert state.last_operation_status == "success"
