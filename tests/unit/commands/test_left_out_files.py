"""A folder of configurations of which one is wrong: the others are worked on, and it is told."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from model_site import NAME, Site, model_site

from tasks.commands.apply import Apply
from tasks.commands.base import DeployCommand
from tasks.commands.check import Check, find
from tasks.commands.plan import Plan
from tasks.commands.rollback import Rollback
from tasks.commands.status import Status
from tasks.config import load_instances, load_sound
from tasks.errors import ConfigError

OTHER = "vikunja-other"


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with model_site(monkeypatch) as made:
        made.publish()
        yield made


def written(site: Site, **changes: Any) -> Path:
    """A folder with the site's configuration in a.yaml and another in b.yaml. changes: of the
    other, by section."""
    folder = site.folder / "configurations"
    folder.mkdir(exist_ok=True)
    (folder / "a.yaml").write_text(site.config.read_text())
    other = copy.deepcopy(site.document)
    other["deployment"]["instance_id"] = OTHER
    other["network"]["ip_address"] = "10.99.0.11/24"
    for section, values in changes.items():
        other.setdefault(section, {}).update(values)
    (folder / "b.yaml").write_text(json.dumps(other))
    return folder


WRONG = {"resources": {"cpu_cores": -1}}


def test_the_others_are_planned_applied_and_it_is_told(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(written(site, **WRONG))
    assert Plan().parse_execute(["--detailed-exitcode", "--config", folder]) == 3
    said = capsys.readouterr()
    assert f"container:{NAME}" in said.out and OTHER not in said.out
    (line,) = [line for line in said.err.splitlines() if line.startswith("error:")]
    assert "b.yaml" in line and "resources.cpu_cores" in line

    assert Apply().parse_execute(["--yes", "--config", folder]) == 3
    assert set(site.world.places) == {NAME}
    assert "resources.cpu_cores" in capsys.readouterr().err

    # That there is nothing to do does not hide it.
    assert Plan().parse_execute(["--config", folder]) == 3
    said = capsys.readouterr()
    assert said.out == f"Nothing to do: {NAME} is up to date.\n"
    assert "resources.cpu_cores" in said.err
    assert Status().parse_execute(["--config", folder]) != 0
    assert "resources.cpu_cores" in capsys.readouterr().err


def test_who_is_named_is_not_kept_by_the_file_of_another(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(written(site, **WRONG))
    assert Plan().parse_execute([NAME, "--config", folder]) == 0
    said = capsys.readouterr()
    assert "b.yaml is left out, problems: 1 (./doit check)" in said.err
    assert "error:" not in said.err
    assert Apply().parse_execute([NAME, "--yes", "--config", folder]) == 0
    # Nothing has served before; what matters is that it is asked.
    capsys.readouterr()
    assert Rollback().parse_execute([NAME, "--yes", "--config", folder]) != 3
    assert "resources.cpu_cores" not in capsys.readouterr().err


@pytest.mark.parametrize("command", [Plan, Apply, Rollback])
def test_who_is_named_and_wrong_is_told_what_is(
    site: Site, capsys: pytest.CaptureFixture[str], command: type[DeployCommand]
) -> None:
    folder = str(written(site, **WRONG))
    assert command().parse_execute([OTHER, "--config", folder]) == 3
    assert "resources.cpu_cores" in capsys.readouterr().err
    assert site.world.places == {}


def test_a_command_for_one_asks_which_where_another_is_wrong(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    assert Rollback().parse_execute(["--yes", "--config", str(written(site, **WRONG))]) == 3
    assert "resources.cpu_cores" in capsys.readouterr().err


def test_of_two_that_share_what_only_one_may_have_none_is_worked_on(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = written(site, network={"ip_address": site.document["network"]["ip_address"]})
    third = copy.deepcopy(site.document)
    third["deployment"]["instance_id"] = "vikunja-third"
    third["network"]["ip_address"] = "10.99.0.12/24"
    (folder / "c.yaml").write_text(json.dumps(third))
    instances, wrong = load_sound(sorted(folder.iterdir()))
    assert [one.id for one in instances] == ["vikunja-third"]
    assert wrong is not None and "is the address in " in str(wrong)
    with pytest.raises(ConfigError):
        load_instances(sorted(folder.iterdir()))
    assert Plan().parse_execute([NAME, "--config", str(folder)]) == 3
    assert Plan().parse_execute(["--json", "--config", str(folder)]) == 3
    (planned,) = json.loads(capsys.readouterr().out)["instances"]
    assert planned["instance"] == "vikunja-third"


def test_where_none_is_right_nothing_is_done(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = written(site, **WRONG)
    (folder / "a.yaml").unlink()
    assert Apply().parse_execute(["--yes", "--config", str(folder)]) == 3
    said = capsys.readouterr()
    assert said.err.count("resources.cpu_cores") == 1 and said.out == ""


def test_a_check_looks_at_the_others_too(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []

    def check_all(instances: Any, paths: Any) -> list[Any]:
        looked.extend(one.id for one in instances)
        return []

    monkeypatch.setattr("tasks.checks.run.check_all", check_all)
    folder = str(written(site, **WRONG))
    found = find({"config": folder}, [], site.paths)
    assert [one.level for one in found] == ["problem", "ok"] and looked == [NAME]
    assert [one.level for one in find({"config": folder}, [NAME], site.paths)] == ["ok"]
    assert [one.level for one in find({"config": folder}, [OTHER], site.paths)] == ["problem"]
    assert Check().parse_execute(["--config", folder]) == 3
