"""What all commands that change an instance have in common: root, PATH, lock, leftovers."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from model_site import NAME, Site, model_site

from tasks.backup import take
from tasks.commands.apply import Apply
from tasks.commands.backup import Backup
from tasks.commands.base import DeployCommand
from tasks.commands.drill import Drill
from tasks.commands.restart import Restart
from tasks.commands.restore import Restore
from tasks.commands.rollback import Rollback
from tasks.commands.start import Start
from tasks.commands.stop import Stop
from tasks.commands.uninstall import Uninstall
from tasks.model.operations import operation

TAKE = take.take

CHANGING: dict[type[DeployCommand], tuple[str, ...]] = {
    Apply: ("--yes",),
    Backup: (),
    Drill: ("--from", "/nowhere"),
    Restart: (),
    Restore: ("--yes", "--from", "/nowhere"),
    Rollback: ("--yes",),
    Start: (),
    Stop: (),
    Uninstall: ("--yes",),
}

IN_ITS_CONTAINER = (Apply, Backup, Restart, Rollback, Start, Stop, Uninstall)
"""Those that begin with what is in the container, as it is."""


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """One release serves, one more is configured, and another has served before."""
    with model_site(monkeypatch) as made:
        for place in (
            "tasks.workflows.rollback.container_for",
            "tasks.containers.container_for",
            "tasks.workflows.lifecycle.container_for",
            "tasks.workflows.remains.container_for",
        ):
            monkeypatch.setattr(place, made.world.container_for)
        made.deploy()
        made.repository.commit()
        made.deploy()
        made.repository.commit()
        made.world.log.clear()
        # The model has no backups; how one begins is asked here.
        monkeypatch.setattr("tasks.backup.take.take", TAKE)
        yield made


def run(command: type[DeployCommand], site: Site) -> int:
    code: int = command().parse_execute([*CHANGING[command], "--config", str(site.config)])
    return code


@pytest.mark.parametrize("command", CHANGING)
def test_it_is_for_root_alone(
    command: type[DeployCommand],
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    capsys.readouterr()
    assert run(command, site) == 3
    assert capsys.readouterr().err.startswith(f"error: {command.name} needs root\n")
    assert "/usr/sbin" in os.environ["PATH"].split(":")
    assert site.world.log == []


@pytest.mark.parametrize("command", IN_ITS_CONTAINER)
def test_it_begins_nothing_while_another_holds_the_lock(
    command: type[DeployCommand], site: Site
) -> None:
    with operation(site.paths, NAME, "drill"):
        assert run(command, site) == 5
    assert site.world.log == []


@pytest.mark.parametrize("command", IN_ITS_CONTAINER)
def test_it_begins_nothing_while_what_a_killed_run_left_is_working(
    command: type[DeployCommand], site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.machine.works_for_ever = True
    capsys.readouterr()
    code = run(command, site)
    said = capsys.readouterr().err
    # An uninstall says of its last backup that it failed for that.
    assert code == (4 if command is Uninstall else 5), said
    assert "what an earlier run left working in it does not end" in said
    assert site.world.log == []
