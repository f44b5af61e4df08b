from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from instance_samples import SOURCE, sample_instance

from tasks.commands import status as command
from tasks.commands.status import Status, choose, report
from tasks.errors import DeployError, ResourceError
from tasks.model import registry
from tasks.model import state as states
from tasks.model.holder import LockInfo
from tasks.model.lock import Lock
from tasks.model.operations import operation
from tasks.model.registry import Registered
from tasks.model.state import State
from tasks.paths import PREFIX_VARIABLE, Paths
from tasks.resources.base import Facts, FileFact, UnitFact
from tasks.status import facts
from tasks.status.facts import Answer, Inside, Standing, conclude, parse_answer
from tasks.status.notes import Note, notes
from tasks.status.view import ago, document, page, table

NOW = datetime(2025, 10, 19, 12, 0, 0, tzinfo=UTC)
COMMIT = "0123456789abcdef0123456789abcdef01234567"
STATE = State(
    instance_id="vikunja-main",
    container_id=None,
    status="running",
    active_color="blue",
    last_operation="update",
    last_operation_time="2025-10-19T11:55:00Z",
    last_operation_status="success",
    deployed_version="v1.2.0",
    deployed_commit=COMMIT,
    uptime_start="2025-10-19T09:00:00Z",
)
INSIDE = Inside(
    units={
        "nginx.service": "active",
        "vikunja-backend@blue.service": "active",
        "vikunja-backend@green.service": "inactive",
    },
    serving="blue",
    recorded="blue",
    version="v1.2.0",
    commit=COMMIT,
    answer=Answer(200, "v1.2.0"),
    certificate_until=datetime(2026, 10, 19, tzinfo=UTC),
)
RUNNING = Standing(
    "vikunja-main",
    configured=True,
    container_name="vikunja-main",
    container="running",
    address="10.98.0.10",
    url="https://vikunja.example.com",
    state=STATE,
    inside=INSIDE,
    config=str(SOURCE),
)
NEW = replace(RUNNING, instance_id="new", container="absent", state=None, inside=None)
LOCK = LockInfo(
    instance_id="vikunja-main",
    pid=4711,
    timestamp=1760874900,
    owner="root@pve",
    operation="update",
    started=None,
    holder="alive",
    stale=False,
)
UNDER_WAY = replace(
    STATE,
    status="updating",
    last_operation_time="2025-10-19T11:59:30Z",
    last_operation_status="in_progress",
)
MEND = "./doit plan vikunja-main shows what was changed, ./doit apply vikunja-main mends it"
LEFT = "./doit plan vikunja-main shows what is left to do, ./doit apply vikunja-main does it"


def with_inside(**changes: Any) -> Standing:
    return replace(RUNNING, inside=replace(INSIDE, **changes))


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    monkeypatch.setenv(PREFIX_VARIABLE, str(tmp_path))
    monkeypatch.delenv("VIKUNJA_DEPLOY_CONFIG", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.chdir(tmp_path)
    return Paths(tmp_path)


def test_the_page_of_one_instance_says_what_serves() -> None:
    assert page(RUNNING, NOW) == (
        "vikunja-main\n"
        "  State           running, up since 2025-10-19T09:00:00Z (3 h)\n"
        "  Version         v1.2.0\n"
        "  Commit          0123456789\n"
        "  Colour          blue\n"
        "  URL             https://vikunja.example.com\n"
        "  Address         10.98.0.10\n"
        "  Container       vikunja-main running\n"
        "  Services        nginx active, vikunja-backend@blue active\n"
        "  Certificate     until 2026-10-19\n"
        "  Last operation  update success 5 min ago (2025-10-19T11:55:00Z)"
    )


def test_the_page_of_an_instance_that_was_never_deployed() -> None:
    assert page(NEW, NOW) == (
        "new\n"
        "  State           never deployed\n"
        "  Version         -\n"
        "  Commit          -\n"
        "  Colour          -\n"
        "  URL             https://vikunja.example.com\n"
        "  Address         10.98.0.10\n"
        "  Container       vikunja-main none\n"
        "  Last operation  -"
    )


def test_several_instances_are_a_table_with_one_line_each() -> None:
    stopped = replace(RUNNING, instance_id="b", container="stopped", inside=None)
    failed = replace(
        with_inside(units={**INSIDE.units, "nginx.service": "failed"}), instance_id="c"
    )
    lines = table([stopped, failed, NEW], NOW).splitlines()
    assert [" ".join(line.split()) for line in lines] == [
        "INSTANCE STATE VERSION COMMIT COLOUR ADDRESS CONTAINER SERVICES LAST OPERATION URL",
        "b running v1.2.0 0123456789 blue 10.98.0.10 stopped - update success 5 min ago "
        "https://vikunja.example.com",
        "c running v1.2.0 0123456789 blue 10.98.0.10 running nginx failed, 1 active "
        "update success 5 min ago https://vikunja.example.com",
        "new never deployed - - - 10.98.0.10 none - - https://vikunja.example.com",
    ]
    assert not any(line.endswith(" ") for line in lines)


@pytest.mark.parametrize(
    ("standing", "expected"),
    [
        pytest.param(RUNNING, [], id="nothing where all agrees"),
        pytest.param(
            with_inside(answer=Answer(0, error="Connection refused")),
            [Note("unhealthy", "the backend (blue) does not answer: Connection refused", MEND)],
            id="no answer",
        ),
        pytest.param(
            with_inside(answer=Answer(500)),
            [
                Note(
                    "unhealthy",
                    "the backend (blue) answers /health with 500",
                    "./doit history vikunja-main shows what was done last",
                )
            ],
            id="a failing health check",
        ),
        pytest.param(
            with_inside(answer=Answer(200, "v1.1.0")),
            [Note("warning", "the backend (blue) answers as v1.1.0, its release is v1.2.0", MEND)],
            id="another version answers",
        ),
        pytest.param(
            with_inside(units={**INSIDE.units, "nginx.service": "inactive"}),
            [Note("unhealthy", "nginx is inactive", MEND)],
            id="nginx stopped",
        ),
        pytest.param(
            with_inside(units={**INSIDE.units, "vikunja-backend@green.service": "failed"}),
            [],
            id="what the idle colour does makes nobody unhealthy",
        ),
        pytest.param(
            with_inside(recorded=None),
            [
                Note(
                    "warning",
                    "nginx passes requests to blue, the record in the container says nothing",
                    "nginx counts: ./doit plan vikunja-main shows the difference, "
                    "./doit apply vikunja-main mends it",
                )
            ],
            id="no record in the container",
        ),
        pytest.param(
            replace(RUNNING, state=replace(STATE, active_color="green")),
            [
                Note(
                    "warning",
                    "nginx passes requests to blue, the state file says green",
                    "nginx counts: ./doit plan vikunja-main shows the difference, "
                    "./doit apply vikunja-main mends it",
                )
            ],
            id="colours disagree",
        ),
        pytest.param(
            replace(RUNNING, container="stopped", inside=None),
            [
                Note(
                    "unhealthy",
                    "container vikunja-main is stopped",
                    "./doit apply vikunja-main starts it",
                )
            ],
            id="a stopped container",
        ),
        pytest.param(
            replace(
                RUNNING, container="stopped", inside=None, state=replace(STATE, status="stopped")
            ),
            [],
            id="a stopped container that is meant to be",
        ),
        pytest.param(
            replace(RUNNING, container="absent", inside=None),
            [
                Note(
                    "unhealthy",
                    "container vikunja-main is gone",
                    "./doit apply vikunja-main makes a new one, empty; its data is in the backups",
                )
            ],
            id="a container that is gone",
        ),
        pytest.param(
            replace(RUNNING, container="foreign", inside=None, state=None),
            [
                Note(
                    "warning",
                    "container vikunja-main exists and is not proven to be this instance's",
                    "Choose another container name, or remove that container yourself",
                )
            ],
            id="somebody else's container",
        ),
        pytest.param(
            NEW, [Note("note", "never deployed", "./doit apply new")], id="never deployed"
        ),
        pytest.param(
            replace(RUNNING, state=UNDER_WAY, lock=LOCK),
            [
                Note(
                    "note",
                    "under way: update by root@pve (pid 4711) since 2025-10-19T11:55:00Z",
                    "Wait until it has finished",
                )
            ],
            id="an operation under way",
        ),
        pytest.param(
            replace(RUNNING, lock=replace(LOCK, holder="unknown", stale=True)),
            [
                Note(
                    "warning",
                    "locked: update by root@pve (pid 4711) since 2025-10-19T11:55:00Z",
                    "Its process cannot be judged from here; if it is gone: "
                    "./doit unlock vikunja-main",
                )
            ],
            id="a lock of another host",
        ),
        pytest.param(
            replace(RUNNING, state=UNDER_WAY, lock=replace(LOCK, holder="dead")),
            [Note("warning", "the last update was cut short", LEFT)],
            id="killed",
        ),
        pytest.param(
            replace(RUNNING, state=replace(STATE, last_operation_status="failure")),
            [
                Note(
                    "warning",
                    "the last update failed",
                    f"./doit history vikunja-main says why; {LEFT}",
                )
            ],
            id="failed",
        ),
        pytest.param(
            with_inside(certificate_until=datetime(2025, 11, 2, tzinfo=UTC)),
            [
                Note(
                    "warning",
                    "the certificate expires on 2025-11-02, in 13 days",
                    "Renew it, then: ./doit apply vikunja-main",
                )
            ],
            id="a certificate near its end",
        ),
        pytest.param(
            with_inside(certificate_until=datetime(2025, 10, 1, tzinfo=UTC)),
            [
                Note(
                    "warning",
                    "the certificate expired on 2025-10-01",
                    "Renew it, then: ./doit apply vikunja-main",
                )
            ],
            id="an expired certificate",
        ),
        pytest.param(
            replace(RUNNING, configured=False, inside=None),
            [
                Note(
                    "note",
                    f"not configured here: it was applied from {SOURCE}",
                    f"./doit status --config {SOURCE}",
                )
            ],
            id="not configured here",
        ),
    ],
)
def test_what_needs_a_hand_is_said_with_what_to_type(
    standing: Standing, expected: list[Note]
) -> None:
    assert list(notes(standing, NOW)) == expected


def test_the_worst_comes_first_and_decides_the_exit_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    bad = with_inside(recorded="green", answer=Answer(0, error="Connection refused"))
    assert report([bad], NOW) == 10
    assert capsys.readouterr().err == (
        "error: vikunja-main: the backend (blue) does not answer: Connection refused\n"
        f"       {MEND}\n"
        "warning: vikunja-main: nginx passes requests to blue, "
        "the record in the container says green\n"
        "       nginx counts: ./doit plan vikunja-main shows the difference, "
        "./doit apply vikunja-main mends it\n"
    )


def test_what_could_not_be_looked_at_is_an_error_with_its_own_exit_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    problem = ResourceError("no such place", hint="Look there.")
    assert report([replace(RUNNING, inside=None, problems=(problem,))], NOW) == 4
    assert "no such place" in capsys.readouterr().err


def test_warnings_and_notes_leave_the_exit_code_at_0() -> None:
    assert report([with_inside(recorded="green"), NEW], NOW) == 0


def test_json_has_the_documented_keys() -> None:
    found = document(RUNNING, NOW)
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
        "url",
        "container",
        "services",
        "backend",
        "colors",
        "certificate_until",
        "lock",
        "notes",
        "problems",
    ]
    assert found["commit"] == COMMIT
    assert found["certificate_until"] == "2026-10-19T00:00:00Z"
    assert found["colors"] == {"nginx": "blue", "container": "blue", "state": "blue"}


def test_json_of_an_instance_never_deployed_holds_nulls() -> None:
    found = document(NEW, NOW)
    empty = ("state", "version", "commit", "active_color", "services", "backend", "lock")
    assert {found[key] for key in empty} == {None}
    assert found["container"] == {"name": "vikunja-main", "status": "absent"}


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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('200 {"version":"v1.2.0"}', Answer(200, "v1.2.0")),
        ('500 {"version":"v1.2.0"}', Answer(500, "v1.2.0")),
        ("200 <html>", Answer(200)),
        ("200 []", Answer(200)),
        ("000 Failed to connect", Answer(0, error="Failed to connect")),
        ("", Answer(0, error="nothing could be asked: curl is missing in the container")),
    ],
)
def test_the_probe_is_read_whatever_answers(text: str, expected: Answer) -> None:
    assert parse_answer(text) == expected


def test_facts_of_one_round_trip_become_what_they_mean() -> None:
    instance = sample_instance()
    file = FileFact("file", "0640", "root", "root", size=7)
    record = b"services:\n  backend:\n    port_blue: 1\n    active_color: green\n"
    found = conclude(
        instance,
        Facts(
            files={
                "/etc/vikunja/active/green": file,
                "/opt/vikunja/backend/green/vikunja": file,
                facts.DOCUMENT: replace(file, content=record),
            },
            texts={"/opt/vikunja/backend/green/.release": f"key v2.0.0 {COMMIT} 7"},
            units={"nginx.service": UnitFact("loaded", "active", "enabled", False)},
            probes={("backend-answer", "3456", "3457"): '200 {"version":"v2.0.0"}'},
        ),
    )
    assert found == Inside(
        units={"nginx.service": "active"},
        serving="green",
        recorded="green",
        version="v2.0.0",
        commit=COMMIT,
        answer=Answer(200, "v2.0.0"),
    )


def test_every_unit_that_may_serve_is_asked_after() -> None:
    full = sample_instance(
        database={"type": "postgresql"},
        redis={"enabled": True},
        services={"mcp": {"enabled": True}},
    )
    units = [question[1] for question in facts.questions(full) if question[0] == "unit"]
    assert units == [
        "nginx.service",
        "postgresql.service",
        "redis-server.service",
        "vikunja-backend@blue.service",
        "vikunja-mcp@blue.service",
        "vikunja-backend@green.service",
        "vikunja-mcp@green.service",
    ]


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
    assert [line.split()[:2] for line in output.out.splitlines()[1:]] == [
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
