"""What `apply` asks, refuses, does and says."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from model_claims import apply_killed, on_the_host, seen_address
from model_container import ModelContainer
from model_site import NAME, Site
from msgspec.structs import replace

from tasks.commands import plan as plan_command
from tasks.commands.apply import Apply
from tasks.commands.plan import Plan
from tasks.containers.lxc import section as lxc_section
from tasks.engine.session import Session
from tasks.errors import ResourceError, UnhealthyError
from tasks.model import state as states
from tasks.model.holder import inspect
from tasks.model.operations import operation
from tasks.output import console


def apply(site: Site, *arguments: str) -> int:
    code: int = Apply().parse_execute([*arguments, "--config", str(site.config)])
    return code


@pytest.fixture
def moved(site: Site, capsys: pytest.CaptureFixture[str]) -> Site:
    """Deployed, and another domain is configured since."""
    site.deploy()
    site.document["network"]["domain"] = "other.example.com"
    site.write()
    site.world.log.clear()
    capsys.readouterr()
    return site


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[str]]:
    """Somebody sits at a terminal and gives this answer; what was asked."""

    def answer(text: str) -> list[str]:
        asked: list[str] = []

        def ask(question: str) -> str:
            asked.append(question)
            return text

        monkeypatch.setattr(console, "interactive", lambda: True)
        monkeypatch.setattr(console, "ask", ask)
        return asked

    return answer


@pytest.mark.parametrize("code", [0, 11])
def test_an_instance_is_free_as_soon_as_its_own_part_is_done_or_has_failed(
    moved: Site, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """Whatever others there are in the same apply, which ends with the last of them."""
    held, close = [], Session.close

    def closing(session: Session) -> None:
        held.append(inspect(moved.paths, NAME))
        close(session)

    monkeypatch.setattr(Session, "close", closing)

    def failing(*_: object) -> None:
        raise UnhealthyError("the site does not answer")

    if code:
        monkeypatch.setattr("tasks.execution.apply", failing)
    assert apply(moved, "--yes") == code
    assert held == [None]


def test_a_yes_at_the_terminal_does_it(
    moved: Site, answered: Callable[[str], list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    asked = answered("y")
    assert apply(moved) == 0
    assert asked == ["Apply this? [y/N] "]
    captured = capsys.readouterr()
    assert "    settings: 1 changed, blue → green, no request interrupted\n" in captured.out
    assert "Plan: 6 to create, 7 to update, 3 to remove, 3 to run." in captured.out
    assert captured.err.splitlines()[-1].endswith(": https://other.example.com")
    _, plan = moved.plan()
    assert plan.empty


@pytest.mark.parametrize("text", ["", "n", "no", "yep"])
def test_any_other_answer_cancels_before_anything_changed(
    moved: Site,
    answered: Callable[[str], list[str]],
    text: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    answered(text)
    assert apply(moved) == 20
    assert capsys.readouterr().err == "error: cancelled; nothing was changed\n"
    assert moved.world.log == []


def test_where_nobody_can_be_asked_it_needs_yes(
    moved: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(console, "interactive", lambda: False)
    assert apply(moved) == 3
    assert capsys.readouterr().err == (
        "error: apply needs --yes where nobody can be asked\n       Run: ./doit apply --yes\n"
    )
    assert moved.world.log == []
    assert apply(moved, "--yes") == 0


def test_nothing_to_do_asks_nothing(
    moved: Site, answered: Callable[[str], list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    apply(moved, "--yes")
    capsys.readouterr()
    asked = answered("n")
    assert apply(moved) == 0
    assert asked == []
    assert capsys.readouterr().out == "Nothing to do: vikunja-main is up to date.\n"


@pytest.mark.parametrize("section", [{}, {"template": None}])
def test_a_container_keeps_the_release_that_it_was_made_of_where_none_is_named(
    moved: Site, capsys: pytest.CaptureFixture[str], section: dict[str, None]
) -> None:
    # As where it was deployed before another release became what new ones are made of.
    moved.document["lxc"] = {"template": "bookworm"}
    moved.write()
    moved.place.spec = replace(moved.place.spec, template="bookworm")
    assert apply(moved, "--yes") == 0
    moved.document["lxc"] = section
    moved.write()
    capsys.readouterr()
    assert apply(moved, "--yes") == 0
    assert capsys.readouterr().out == "Nothing to do: vikunja-main is up to date.\n"


def test_what_was_deployed_under_an_older_default_stays_what_it_is(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its file has never named a release, and all that this machine knows of it is of that time."""
    monkeypatch.setattr(lxc_section, "NEWEST_SUITE", "bookworm")
    assert apply(site, "--yes") == 0
    assert site.place.spec.template == "bookworm"
    monkeypatch.setattr(lxc_section, "NEWEST_SUITE", "trixie")
    capsys.readouterr()
    site.world.log.clear()
    _, plan = site.plan()
    assert plan.empty
    assert apply(site, "--yes") == 0
    assert capsys.readouterr().out == "Nothing to do: vikunja-main is up to date.\n"
    # An edit changes what it is about, and not what the container is of.
    site.document["network"]["domain"] = "other.example.com"
    site.write()
    assert apply(site, "--yes") == 0
    assert ("container:vikunja-main", "create") not in site.world.log
    assert site.place.spec.template == "bookworm"
    # Where it is lost, what takes its place is of what new ones are made of.
    site.world.places.clear()
    assert apply(site, "--yes", "--allow-destroy") == 0
    assert site.place.spec.template == "trixie"


def test_a_container_is_replaced_as_a_whole_or_not_at_all(
    moved: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    moved.document["lxc"] = {"template": "bookworm"}
    moved.write()
    assert apply(moved, "--yes", "--target", "container:vikunja-main") == 3
    assert capsys.readouterr().err.endswith(
        "error: vikunja-main: a new container takes the old one's place as a whole\n"
        "       Leave out --target.\n"
    )
    assert moved.world.log == []


def test_a_held_lock_ends_it_with_who_holds_it(
    moved: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    with operation(moved.paths, NAME, "backup"):
        assert apply(moved, "--yes") == 5
    error = capsys.readouterr().err
    assert NAME in error and "backup" in error and str(os.getpid()) in error
    assert moved.world.log == []


def test_a_saved_plan_is_applied_without_asking(
    moved: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved = tmp_path / "plan.json"
    Plan().parse_execute(["--out", str(saved), "--config", str(moved.config)])
    assert apply(moved, "--plan", str(saved)) == 0
    _, plan = moved.plan()
    assert plan.empty


def _template(site: Site) -> None:
    site.machine.files.write("/etc/vikunja/environment", b"mine\n", "0640", group="vikunja")


def _configuration(site: Site) -> None:
    site.document["network"]["domain"] = "third.example.com"
    site.write()


def _commit(site: Site) -> None:
    site.repository.commit()


def _unit(site: Site) -> None:
    site.machine.stop("nginx.service")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (_template, f"{NAME}: found: file:/etc/vikunja/environment changed"),
        (_configuration, f"{NAME}: configuration: network.domain changed"),
        (_commit, f"{NAME}: found: git:commit changed"),
        (_unit, f"{NAME}: found: unit:nginx.service changed"),
    ],
)
def test_a_stale_plan_is_refused_and_what_moved_is_named(
    moved: Site,
    tmp_path: Path,
    change: Callable[[Site], None],
    named: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    saved = tmp_path / "plan.json"
    Plan().parse_execute(["--out", str(saved), "--config", str(moved.config)])
    capsys.readouterr()
    change(moved)
    assert apply(moved, "--plan", str(saved)) == 21
    captured = capsys.readouterr()
    assert captured.err.startswith("error: the plan is stale: ")
    assert named in captured.err
    assert f"Make a new one: ./doit plan --out {saved}" in captured.err
    assert moved.world.log == []


def test_what_moves_while_somebody_is_asked_is_refused(
    moved: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def ask(_: str) -> str:
        _unit(moved)
        return "y"

    monkeypatch.setattr(console, "interactive", lambda: True)
    monkeypatch.setattr(console, "ask", ask)
    assert apply(moved) == 21
    assert "changed while the plan was looked at" in capsys.readouterr().err
    assert moved.world.log == []


def test_what_moves_before_the_lock_is_planned_anew_where_nobody_is_asked(
    moved: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown: list[Any] = []

    def show(plan: Any, options: Any) -> None:
        if not shown:
            _unit(moved)
        shown.append(plan)
        plan_command.show(plan, options)

    monkeypatch.setattr("tasks.commands.apply.show", show)
    assert apply(moved, "--yes") == 0
    captured = capsys.readouterr()
    assert "found: unit:nginx.service changed; planned anew\n" in captured.err
    assert len(shown) == 2
    planned = [seen_address(one) for one in shown[1].entries if not on_the_host(one)]
    assert [address for address, _ in moved.world.log] == planned
    assert "unit:nginx.service" in planned and "file:/etc/vikunja/environment.green" in planned
    _, plan = moved.plan()
    assert plan.empty


def test_what_is_no_plan_is_refused(
    moved: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved = tmp_path / "plan.json"
    assert apply(moved, "--plan", str(saved)) == 3
    saved.write_text("{}")
    assert apply(moved, "--plan", str(saved)) == 3
    assert capsys.readouterr().err == (
        f"error: {saved}: no such file\n"
        f"       Make it: ./doit plan --out {saved}\n"
        f"error: {saved}: not a saved plan of this version\n"
        "       Make one: ./doit plan --out FILE\n"
    )


def test_only_the_targets_are_applied_and_the_rest_stays_planned(moved: Site) -> None:
    assert apply(moved, "--yes", "--target", "file:/etc/nginx/conf.d/vikunja.conf") == 0
    assert moved.world.log == [("file:/etc/nginx/conf.d/vikunja.conf", "update")]
    _, plan = moved.plan()
    addresses = [entry.address for entry in plan.entries]
    assert "file:/etc/nginx/conf.d/vikunja.conf" not in addresses
    # nginx has not taken it up: that is left to do.
    assert "unit:nginx.service" in addresses
    assert apply(moved, "--yes") == 0
    assert moved.machine.behind() == {}


def test_a_stopped_container_is_started_and_the_rest_is_done_in_the_same_apply(
    moved: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    moved.place.running = False
    assert apply(moved, "--yes") == 0
    assert "The container is stopped" in capsys.readouterr().out
    _, plan = moved.plan()
    assert plan.empty


@pytest.mark.parametrize("serves", [True, False])
def test_a_failure_ends_with_its_own_code_evidence_and_hint_and_is_recorded(
    moved: Site, capsys: pytest.CaptureFixture[str], serves: bool
) -> None:
    # The site that nginx would serve is another's by a file of theirs that it cannot load.
    moved.machine.files.remove("/opt/vikunja/backend/blue/vikunja")
    moved.machine.files.write("/opt/vikunja/backend/blue/vikunja", b"x" * 48)
    binary = moved.machine.files.content("/opt/vikunja/backend/blue/vikunja")
    line = moved.machine.files.content("/opt/vikunja/backend/blue/.release") or b""
    line = line.rsplit(b" ", 1)[0] + f" {len(binary or b'')}\n".encode()
    for part in ("backend", "mcp-server"):
        moved.machine.files.write(f"/opt/vikunja/{part}/blue/.release", line)
    # As of an older version, which noted nothing else of what it released.
    moved.machine.files.remove("/opt/vikunja/backend/blue/.files")
    blue = moved.machine.unit("vikunja-backend@blue.service")
    if not serves:
        moved.machine.stop("vikunja-backend@blue.service")
    # Where something serves, it does so on.
    assert apply(moved, "--yes") == (11 if serves else 10)
    error = capsys.readouterr().err
    assert "error: vikunja-main: vikunja-backend@green.service is not healthy: " in error
    assert ("; blue (v1.0.0-" in error and ") serves on\n" in error) is serves
    assert "       | says version" in error
    assert "./doit logs vikunja-main" in error
    state = states.read(moved.paths, NAME)
    assert state is not None
    assert (state.status, state.last_operation_status, state.active_color, blue.starts) == (
        "running" if serves else "failed",
        "failure",
        "blue",
        1,
    )


def second_instance(site: Site) -> Path:
    """A folder with two instances, of which the second's repository does not exist."""
    folder = site.folder / "configurations"
    folder.mkdir()
    (folder / "a.yaml").write_text(site.config.read_text())
    other = json.loads(json.dumps(site.document))
    other["deployment"]["instance_id"] = "vikunja-other"
    other["network"]["ip_address"] = "10.99.0.11/24"
    other["git"]["repository"] = str(site.folder / "nowhere.git")
    (folder / "b.yaml").write_text(json.dumps(other))
    return folder


def test_of_several_instances_those_that_can_are_done_and_the_first_failure_is_the_code(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = second_instance(site)
    code = Apply().parse_execute(["--yes", "--config", str(folder)])
    assert code == 8
    error = capsys.readouterr().err
    assert "vikunja-main: done in " in error
    assert "error: vikunja-other" in error or "nowhere.git" in error
    _, plan = site.plan()
    recorded = [entry.address for entry in plan.entries]
    assert set(recorded) <= {"record:registry"}
    assert "vikunja-other" not in site.world.places


def test_two_instances_are_applied_at_once_and_apart(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = second_instance(site)
    other = json.loads((folder / "b.yaml").read_text())
    other["git"]["repository"] = str(site.repository.path)
    (folder / "b.yaml").write_text(json.dumps(other))
    assert Apply().parse_execute(["--yes", "--config", str(folder)]) == 0
    assert set(site.world.places) == {NAME, "vikunja-other"}
    for place in site.world.places.values():
        assert place.machine.unit("nginx.service").active == "active"
    capsys.readouterr()
    assert Plan().parse_execute(["--detailed-exitcode", "--config", str(folder)]) == 0
    assert capsys.readouterr().out == (
        "Nothing to do: vikunja-main, vikunja-other are up to date.\n"
    )


def test_a_first_apply_that_is_killed_goes_on_with_the_color_that_it_began(site: Site) -> None:
    at, before = 6, [""]
    while before:
        looks, plan = site.plan()
        addresses = [entry.address for entry in plan.entries]
        assert "color:active" not in addresses and "release:green" not in addresses
        # More events of what came to no end.
        at = at + 6 if addresses == before else 6
        before = addresses if apply_killed(site, looks, plan, at) else []
    assert site.machine.unit("vikunja-backend@blue.service").active == "active"
    assert site.plan()[1].empty


def test_a_killed_apply_shows_as_interrupted_and_goes_on(
    moved: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    looks, plan = moved.plan()
    # The color is prepared, and nginx's files are announced.
    assert apply_killed(moved, looks, plan, 24)
    capsys.readouterr()
    Plan().parse_execute(["--config", str(moved.config)])
    lines = [line.split(maxsplit=2) for line in capsys.readouterr().out.splitlines()]
    reasons = {line[1]: line[2] for line in lines if len(line) == 3}
    assert reasons["file:/etc/vikunja/environment.green"] == "network.domain changed"
    assert reasons["file:/etc/nginx/conf.d/vikunja.conf"] == "the last apply has not finished it"
    assert apply(moved, "--yes") == 0
    assert "did not finish" in capsys.readouterr().err
    _, plan = moved.plan()
    assert plan.empty


def test_a_service_that_fails_again_and_again_does_not_make_a_plan_stale(moved: Site) -> None:
    unit = moved.machine.unit("nginx.service")
    unit.active, unit.running = "failed", None
    looks, plan = moved.plan()
    # Between two of systemd's tries.
    unit.active = "activating"
    assert moved.carry_out(looks, plan) == {}
    assert unit.active == "active"


def test_what_the_machine_lacks_is_brought_about_before_anything_is_made(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def lacks(*_: object) -> None:
        raise ResourceError("apt-get could not install mmdebstrap", hint="run it by hand")

    monkeypatch.setattr(ModelContainer, "prepare_machine", lacks)
    assert apply(site, "--yes") == 4
    assert "apt-get could not install mmdebstrap" in capsys.readouterr().err
    assert site.world.log == []
    monkeypatch.undo()
