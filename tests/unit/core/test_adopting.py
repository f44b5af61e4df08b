"""`apply --adopt`: a container of whose proof a part was lost is taken as its instance's again."""

from __future__ import annotations

import pytest
from model_site import NAME, Site

from tasks.commands.apply import Apply
from tasks.model.history import operations
from tasks.model.operation_log import read_entries
from tasks.model.operations import operation
from tasks.output import console

LOST = f"container {NAME} gets its marker back"


def apply(site: Site, *arguments: str) -> int:
    code: int = Apply().parse_execute([*arguments, "--config", str(site.config)])
    return code


@pytest.fixture
def unproven(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Site:
    """Deployed, with another domain configured, and the marker in its container is gone."""
    monkeypatch.setattr("tasks.workflows.adoption.container_for", site.world.container_for)
    site.deploy()
    site.document["network"]["domain"] = "other.example.com"
    site.write()
    site.place.owner, site.place.lost = None, "marker"
    site.world.log.clear()
    capsys.readouterr()
    return site


def test_without_it_nothing_is_changed(unproven: Site) -> None:
    assert apply(unproven, "--yes") == 4
    assert unproven.world.log == []


def test_what_was_lost_is_said_put_back_and_written_down_before_the_plan_is_done(
    unproven: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    assert apply(unproven, "--adopt", "--yes") == 0
    assert unproven.world.log[0] == (f"container:{NAME}", "adopt")
    assert len(unproven.world.log) > 1
    assert f"{NAME}: {LOST}" in capsys.readouterr().err
    entries = list(read_entries(unproven.paths, NAME))
    assert f"Adopted: {LOST}" in [entry.message for entry in entries]
    assert [one.outcome for one in operations(entries)][-2:] == ["success", "success"]
    unproven.world.log.clear()
    assert apply(unproven, "--adopt", "--yes") == 0
    assert unproven.world.log == []


@pytest.mark.parametrize(("answer", "code"), [("n", 20), ("", 20)])
def test_it_is_asked_for(
    unproven: Site, monkeypatch: pytest.MonkeyPatch, answer: str, code: int
) -> None:
    asked: list[str] = []

    def ask(question: str) -> str:
        asked.append(question)
        return answer

    monkeypatch.setattr(console, "interactive", lambda: True)
    monkeypatch.setattr(console, "ask", ask)
    assert apply(unproven, "--adopt") == code
    assert asked == ["Take it as its own? [y/N] "]
    assert unproven.world.log == []


def test_where_nobody_can_be_asked_it_needs_yes(unproven: Site) -> None:
    assert apply(unproven, "--adopt") == 3
    assert unproven.world.log == []


def test_what_too_little_speaks_for_is_refused_and_left_as_it_is(
    unproven: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    unproven.place.lost = None
    assert apply(unproven, "--adopt", "--yes") == 4
    assert "too little speaks for it" in capsys.readouterr().err
    assert unproven.world.log == []


def test_a_saved_plan_adopts_nothing(unproven: Site) -> None:
    assert apply(unproven, "--adopt", "--yes", "--plan", "somewhere") == 3


def test_a_live_operation_keeps_it_from_being_adopted(
    unproven: Site,
) -> None:
    with operation(unproven.paths, NAME, "backup"):
        assert apply(unproven, "--adopt", "--yes") == 5
    assert unproven.world.log == []
