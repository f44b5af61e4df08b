from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace
from standing_samples import (
    COMMIT,
    INSIDE,
    MEASURED,
    NEW,
    NOW,
    RUNNING,
    UNDER_WAY,
    with_inside,
    with_measured,
)

from tasks.commands import status as command
from tasks.commands.status import Evaluation, Status, choose, report, watch
from tasks.errors import DeployError, ResourceError
from tasks.model import registry
from tasks.model import state as states
from tasks.model.lock import Lock
from tasks.model.operations import operation
from tasks.model.registry import Registered
from tasks.paths import PREFIX_VARIABLE, Paths
from tasks.status import facts, health
from tasks.status.facts import Standing
from tasks.status.measured import Answer
from tasks.status.notes import notes
from tasks.status.view import ago, backups_text, document, page, table


def evaluated(standing: Standing) -> Evaluation:
    said = notes(standing, NOW)
    return Evaluation(standing, said, health.document(standing, said, NOW), NOW)


def shown(standing: Standing) -> str:
    return page(standing, evaluated(standing).health, NOW)


def as_json(standing: Standing) -> dict[str, object]:
    return document(standing, evaluated(standing).notes, evaluated(standing).health)


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    monkeypatch.setenv(PREFIX_VARIABLE, str(tmp_path))
    monkeypatch.delenv("VIKUNJA_DEPLOY_CONFIG", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.chdir(tmp_path)
    return Paths(tmp_path)


def test_the_page_of_one_instance_says_what_serves() -> None:
    assert shown(RUNNING) == (
        "vikunja-main\n"
        "  Health          healthy\n"
        "  State           running, up since 2025-10-19T09:00:00Z (3 h)\n"
        "  Version         v1.2.0\n"
        "  Commit          0123456789\n"
        "  Color           blue\n"
        "  URL             https://vikunja.example.com\n"
        "  Address         10.98.0.10\n"
        "  Container       vikunja-main running\n"
        "  Services        nginx active, vikunja-backend@blue active\n"
        "  Frontend        healthy, 200 in 12 ms\n"
        "  Backend         healthy, 200 in 45 ms, v1.2.0, up 1 h\n"
        "  MCP server      healthy, 200 in 34 ms, v1.0.0\n"
        "  Database        healthy, postgresql 15.3, 50.0 MB, 5 connections\n"
        "  Redis           healthy, up 2 h\n"
        "  Processor       15.2 % used\n"
        "  Memory          512 of 4096 MB used\n"
        "  Disk            15.0 GB free of 20.0 GB\n"
        "  Certificate     until 2026-10-19\n"
        "  Backups         3, newest 2 h ago (12.9 MB), verified: the one of 26 h ago\n"
        "  Last drill      3 h ago, v1.2.0 restored in 4.2 s: 1200 rows, 48 files\n"
        "  Last operation  update success 5 min ago (2025-10-19T11:55:00Z)"
    )


def test_the_page_of_an_instance_that_was_never_deployed() -> None:
    assert shown(NEW) == (
        "new\n"
        "  Health          unknown\n"
        "  State           never deployed\n"
        "  Version         -\n"
        "  Commit          -\n"
        "  Color           -\n"
        "  URL             https://vikunja.example.com\n"
        "  Address         10.98.0.10\n"
        "  Container       vikunja-main none\n"
        "  Backups         none\n"
        "  Last operation  -"
    )


def test_several_instances_are_a_table_with_one_line_each() -> None:
    stopped = replace(RUNNING, instance_id="b", container="stopped", inside=None)
    failed = replace(
        with_inside(units={**INSIDE.units, "nginx.service": "failed"}), instance_id="c"
    )
    three = [stopped, failed, NEW]
    lines = table(three, [evaluated(one).health for one in three], NOW).splitlines()
    assert [" ".join(line.split()) for line in lines] == [
        "INSTANCE HEALTH STATE VERSION COMMIT COLOR ADDRESS CONTAINER SERVICES LAST OPERATION URL",
        "b unhealthy running v1.2.0 0123456789 blue 10.98.0.10 stopped - update success 5 min ago "
        "https://vikunja.example.com",
        "c unhealthy running v1.2.0 0123456789 blue 10.98.0.10 running nginx failed, 1 active "
        "update success 5 min ago https://vikunja.example.com",
        "new unknown never deployed - - - 10.98.0.10 none - - https://vikunja.example.com",
    ]
    assert not any(line.endswith(" ") for line in lines)


def test_the_worst_comes_first_and_decides_the_exit_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    down = replace(MEASURED, backend=Answer(0, error="Connection refused"))
    assert report([evaluated(with_inside(recorded="green", measured=down))]) == 10
    assert capsys.readouterr().err == (
        "error: vikunja-main: the backend (blue) does not answer: Connection refused\n"
        "       ./doit restart vikunja-main starts it anew, "
        "./doit logs vikunja-main --component backend says why\n"
        "warning: vikunja-main: nginx passes requests to blue, "
        "the record in the container says green\n"
        "       nginx counts: ./doit plan vikunja-main shows the difference, "
        "./doit apply vikunja-main mends it\n"
    )


def test_what_could_not_be_looked_at_is_an_error_with_its_own_exit_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    problem = ResourceError("no such place", hint="Look there.")
    found = evaluated(replace(RUNNING, inside=None, problems=(problem,)))
    assert report([found]) == 4
    assert "no such place" in capsys.readouterr().err
    assert found.health["overall_status"] == "unknown"
    assert found.health["errors"] == [
        {"component": "container", "what": "no such place", "hint": "Look there."}
    ]


def test_warnings_and_notes_leave_the_exit_code_at_0() -> None:
    assert report([evaluated(with_inside(recorded="green")), evaluated(NEW)]) == 0


def test_json_has_the_documented_keys() -> None:
    found = as_json(RUNNING)
    assert json.loads(json.dumps(found)) == found
    assert list(found) == [
        "instance_id",
        "configured",
        "config",
        "state",
        "interrupted",
        "version",
        "commit",
        "active_color",
        "address",
        "further_addresses",
        "url",
        "container",
        "services",
        "backend",
        "colors",
        "certificate_until",
        "certificate_renewal",
        "lock",
        "health",
        "operations",
        "notes",
        "problems",
    ]
    assert found["commit"] == COMMIT
    assert found["backend"] == {"code": 200, "version": "v1.2.0", "error": ""}
    assert found["certificate_until"] == "2026-10-19T00:00:00Z"
    assert found["colors"] == {"nginx": "blue", "container": "blue", "state": "blue"}


def test_json_of_an_instance_never_deployed_holds_nulls() -> None:
    found = as_json(NEW)
    empty = ("state", "version", "commit", "active_color", "services", "backend", "lock")
    assert {found[key] for key in empty} == {None}
    assert found["container"] == {"name": "vikunja-main", "status": "absent"}


@pytest.mark.parametrize(
    ("verified", "text"),
    [
        (None, "2, newest 2 h ago (3.9 kB)"),
        ("2025-10-19T10:00:00Z", "2, newest 2 h ago (3.9 kB), verified"),
        ("2025-10-18T10:00:00Z", "2, newest 2 h ago (3.9 kB), verified: the one of 26 h ago"),
    ],
)
def test_backups_are_said_in_the_units_of_their_list(verified: str | None, text: str) -> None:
    found = {
        "count": 2,
        "last_backup": "2025-10-19T10:00:00Z",
        "last_size_bytes": 3940,
        "last_verified": verified,
    }
    assert backups_text(found, datetime(2025, 10, 19, 12, tzinfo=UTC)) == text


def test_watching_goes_on_until_ctrl_c_and_ends_with_the_last_code() -> None:
    codes = iter([0, 10])

    def once() -> int:
        try:
            return next(codes)
        except StopIteration:
            raise KeyboardInterrupt from None

    assert watch(once, 0) == 10


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("2025-10-19T11:59:01Z", "just now"),
        ("2025-10-19T11:58:00Z", "2 min ago"),
        ("2025-10-19T11:00:01Z", "59 min ago"),
        ("2025-10-18T12:00:00Z", "24 h ago"),
        ("2025-10-12T12:00:00Z", "7 days ago"),
        ("2025-10-19T12:00:05Z", "just now"),
    ],
)
def test_times_are_said_as_a_person_would(time: str, expected: str) -> None:
    assert ago(time, NOW) == expected


def test_configured_instances_come_first_and_the_host_s_others_after() -> None:
    assert choose(["b", "a"], ["a", "c"], []) == ["b", "a", "c"]
    assert choose(["b", "a"], ["a", "c"], ["c", "a"]) == ["a", "c"]
    with pytest.raises(ResourceError, match="no instance 'x'") as error:
        choose(["b"], ["c"], ["x"])
    assert error.value.hint == "There is: b, c"


def test_without_a_configuration_the_host_s_records_are_shown(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    registry.add(
        paths,
        Registered(
            instance_id="vikunja-main",
            driver="lxc",
            node=None,
            container_id=None,
            container_name="main",
            ip_address="10.98.0.10/24",
            domain="vikunja.example.com",
            created_at="2025-10-19T09:00:00Z",
            config="/srv/main.yaml",
        ),
    )
    with operation(paths, "vikunja-main", "deploy"):
        pass
    assert Status().parse_execute([]) == 0
    output = capsys.readouterr()
    assert "  State           running, up since" in output.out
    assert "  Container       main none\n" in output.out
    assert "vikunja-main: not configured here: it was applied from /srv/main.yaml\n" in output.err


def test_a_configuration_that_was_named_must_be_there(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    with operation(paths, "vikunja-main", "deploy"):
        pass
    assert Status().parse_execute(["--config", "nosuch.yaml"]) == 3
    assert "no such file or folder" in capsys.readouterr().err


def test_a_held_lock_keeps_nobody_from_looking(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    states.write(paths, UNDER_WAY)
    with Lock.acquire(paths, "vikunja-main", "deploy"):
        assert Status().parse_execute(["--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["lock"]["operation"], found["lock"]["holder"]) == ("deploy", "alive")
    assert found["interrupted"] is False


def test_a_damaged_state_is_told_and_hides_nothing_else(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    with operation(paths, "a", "deploy"), operation(paths, "b", "deploy"):
        pass
    paths.state("a").write_text("{")
    assert Status().parse_execute([]) == DeployError.exit_code
    output = capsys.readouterr()
    assert [line.split()[:3:2] for line in output.out.splitlines()[1:]] == [
        ["a", "unreadable"],
        ["b", "running"],
    ]
    assert str(paths.state("a")) in output.err


def test_nothing_at_all_says_what_to_do(paths: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    assert Status().parse_execute([]) == 3
    assert "no configuration" in capsys.readouterr().err


def test_all_instances_are_looked_at_at_once(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    from threading import Barrier

    together = Barrier(3, timeout=10)

    def look_from_outside(name: str, paths: Paths) -> Standing:
        together.wait()
        return replace(NEW, instance_id=name)

    monkeypatch.setattr(facts, "look_from_outside", look_from_outside)
    found = command.look_at(["c", "a", "b"], {}, paths)
    assert [standing.instance_id for standing in found] == ["c", "a", "b"]


def test_a_check_that_cannot_be_kept_is_a_warning_and_nothing_else(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = paths.health("x").parent
    folder.parent.mkdir(parents=True)
    folder.write_text("no folder")
    (found,) = command.evaluated([RUNNING], paths)
    assert ": this check is not kept" in capsys.readouterr().err
    assert report([found]) == 0


def test_what_was_measured_is_kept_and_cached_notes_are_told_again(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    from tasks.model import health as checks

    down = with_measured(redis="")
    command.evaluated([down], paths)
    kept = checks.read(paths, "vikunja-main")
    assert kept is not None and kept["overall_status"] == "unhealthy"
    (again,) = command.evaluated([replace(down, inside=None, checked=kept)], paths)
    assert report([again]) == 10
    assert "redis does not answer" in capsys.readouterr().err
    assert len(checks.history(paths, "vikunja-main")) == 1
