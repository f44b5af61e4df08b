from __future__ import annotations

import json
from pathlib import Path

import pytest
from configuration_samples import BASE

from tasks.commands.instances import Instances, known_ids, the_one
from tasks.errors import DeployError, ResourceError, UsageError
from tasks.model import registry
from tasks.model.operations import operation
from tasks.model.registry import Registered
from tasks.paths import PREFIX_VARIABLE, Paths

MAIN = Registered(
    instance_id="vikunja-main",
    driver="proxmox",
    node="pve",
    container_id=100,
    container_name="vikunja-main",
    ip_address="192.168.1.100/24",
    domain="vikunja.example.com",
    created_at="2025-10-19T10:30:00Z",
    config="/etc/vikunja-deploy/main.yaml",
)
DEMO = Registered(
    instance_id="vikunja-demo",
    driver="lxc",
    node=None,
    container_id=None,
    container_name="demo",
    ip_address="10.77.0.2/24",
    domain="demo.example.com",
    created_at="2025-10-19T10:30:00Z",
    config="/etc/vikunja-deploy/demo.yaml",
)

NO_CONFIG = {"config": None}


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    monkeypatch.setenv(PREFIX_VARIABLE, str(tmp_path))
    return Paths(tmp_path)


def deploy(paths: Paths, instance_id: str, container_id: int | None = None) -> str:
    """Returns when."""
    with operation(paths, instance_id, "deploy", container_id=container_id) as op:
        assert op.state is not None
        return op.state.last_operation_time


def test_the_table_shows_every_instance_with_its_state(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    registry.add(paths, MAIN)
    registry.add(paths, DEMO)
    when = deploy(paths, "vikunja-main", 100)
    deploy(paths, "unfinished", 205)
    with pytest.raises(DeployError), operation(paths, "unfinished", "update"):
        raise DeployError("no")
    assert Instances().parse_execute([]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["INSTANCE", "STATUS", "CONTAINER", "ADDRESS", "DOMAIN", "LAST", "OPERATION"]
    assert lines[1][:5] == ["unfinished", "failed", "205", "-", "-"]
    assert lines[1][5::2] == ["update", "failure"]
    assert lines[2] == ["vikunja-demo", "unknown", "demo", "10.77.0.2/24", "demo.example.com", "-"]
    assert (
        lines[3]
        == (
            "vikunja-main running 100 on pve 192.168.1.100/24 vikunja.example.com "
            f"deploy {when} success"
        ).split()
    )


def test_json_holds_the_registry_entry_and_the_state(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    registry.add(paths, MAIN)
    deploy(paths, "vikunja-main", 100)
    assert Instances().parse_execute(["--json"]) == 0
    (document,) = json.loads(capsys.readouterr().out)
    assert document["registered"] == json.loads(paths.registry.read_text())[0]
    assert document["state"] == json.loads(paths.state("vikunja-main").read_text())
    assert (document["interrupted"], document["problem"]) == (False, None)


def test_an_operation_that_was_killed_shows_as_interrupted(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    deploy(paths, "vikunja-main")
    state = paths.state("vikunja-main")
    state.write_text(
        state.read_text().replace("running", "updating").replace("success", "in_progress")
    )
    assert Instances().parse_execute([]) == 0
    assert "updating (interrupted)" in capsys.readouterr().out


def test_an_operation_under_way_shows_as_such(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    with operation(paths, "vikunja-main", "deploy"):
        assert Instances().parse_execute([]) == 0
    text = capsys.readouterr().out.splitlines()[1]
    assert text.split()[:2] == ["vikunja-main", "deploying"]
    assert text.endswith(" in progress")


def test_a_damaged_state_hides_no_other_instance(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    deploy(paths, "one")
    deploy(paths, "two")
    paths.state("one").write_text("{")
    assert Instances().parse_execute([]) == 1
    captured = capsys.readouterr()
    rows = [line.split()[:2] for line in captured.out.splitlines()[1:]]
    assert rows == [["one", "unreadable"], ["two", "running"]]
    assert f"{paths.state('one')}: is damaged" in captured.err


def test_a_damaged_registry_is_an_error_without_a_traceback(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    paths.registry.parent.mkdir(parents=True)
    paths.registry.write_text("{")
    assert Instances().parse_execute([]) == 1
    assert capsys.readouterr().err.startswith(f"error: {paths.registry}: is damaged, not JSON")


def test_without_instances_it_says_so(paths: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    assert Instances().parse_execute([]) == 0
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "No instances yet: ./doit apply makes the first\n")
    assert Instances().parse_execute(["--json"]) == 0
    assert capsys.readouterr().out == "[]\n"
    assert list(paths.prefix.iterdir()) == []


def test_an_argument_is_refused(paths: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    assert Instances().parse_execute(["vikunja-main"]) == 3
    assert capsys.readouterr().err == (
        "error: instances takes no arguments\n       ./doit status vikunja-main shows one\n"
    )
    assert known_ids(paths) == []


def test_the_only_instance_need_not_be_named(paths: Paths) -> None:
    with pytest.raises(ResourceError, match="there is no instance yet"):
        the_one(paths, NO_CONFIG, [], "history")
    deploy(paths, "one")
    assert the_one(paths, NO_CONFIG, [], "history") == "one"
    deploy(paths, "two")
    with pytest.raises(UsageError) as caught:
        the_one(paths, NO_CONFIG, [], "history")
    assert caught.value.hint == "Name one: ./doit history ID. There is: one, two"
    assert the_one(paths, NO_CONFIG, ["two"], "history") == "two"


def test_it_is_the_one_that_is_configured(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(BASE)
    deploy(paths, "one")
    assert the_one(paths, NO_CONFIG, [], "history") == "one"
    deploy(paths, "two")
    monkeypatch.chdir(tmp_path)
    assert the_one(paths, NO_CONFIG, [], "history") == "vikunja-main"
    file.write_text("broken")
    with pytest.raises(UsageError, match="history works on one instance"):
        the_one(paths, NO_CONFIG, [], "history")
    file.write_text(BASE)
    monkeypatch.chdir("/")
    assert the_one(paths, {"config": str(file)}, [], "history") == "vikunja-main"
    assert the_one(paths, {"config": str(file)}, ["two"], "history") == "two"


@pytest.mark.parametrize("name", ["three", "../one", "one/../one", "one\0", "", "..", "on"])
def test_what_is_no_instance_is_refused(paths: Paths, name: str) -> None:
    deploy(paths, "one")
    with pytest.raises(ResourceError) as caught:
        the_one(paths, NO_CONFIG, [name], "history")
    assert str(caught.value) == f"no instance {name!r} on this host"
    assert caught.value.hint == "There is: one"


def test_an_uninstalled_instance_can_be_named_as_long_as_its_log_is_there(paths: Paths) -> None:
    deploy(paths, "one")
    with operation(paths, "one", "uninstall"):
        pass
    assert known_ids(paths) == []
    assert the_one(paths, NO_CONFIG, ["one"], "history") == "one"
