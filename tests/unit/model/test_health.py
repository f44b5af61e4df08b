from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from standing_samples import NEW, NOW, RUNNING, with_inside, with_measured

from tasks.errors import DeployError
from tasks.model import health as checks
from tasks.model.health import KEPT, Check
from tasks.paths import SCHEMAS, Paths
from tasks.status import health
from tasks.status.facts import Standing
from tasks.status.measured import Answer
from tasks.status.notes import notes

NAME = "vikunja-main"


def document(standing: Standing = RUNNING) -> dict[str, Any]:
    return health.document(standing, notes(standing, NOW), NOW)


@pytest.mark.parametrize(
    "standing", [RUNNING, NEW, with_inside(measured=None), with_measured(backend=Answer(0))]
)
def test_every_document_is_valid(standing: Standing) -> None:
    schema = json.loads((SCHEMAS / "health.schema.json").read_text())
    Draft202012Validator(schema).validate(document(standing))


def test_the_last_check_is_kept_with_a_line_in_the_history(paths: Paths) -> None:
    assert checks.read(paths, NAME) is None
    assert checks.history(paths, NAME) == ()
    checks.write(paths, document())
    checks.write(paths, document(with_measured(backend=Answer(500, 7))))
    assert checks.read(paths, NAME) == document(with_measured(backend=Answer(500, 7)))
    times = {"backend": 45, "frontend": 12, "mcp": 34}
    assert checks.history(paths, NAME) == (
        Check("2025-10-19T12:00:00Z", "healthy", times),
        Check("2025-10-19T12:00:00Z", "unhealthy", {**times, "backend": 7}),
    )


def test_the_history_is_bounded_and_keeps_the_newest(paths: Paths) -> None:
    first = document()
    for number in range(KEPT + KEPT // 10 + 5):
        first["components"]["backend"]["response_time_ms"] = number + 1
        checks.write(paths, first)
    lines = paths.health_history(NAME).read_text().splitlines()
    assert KEPT <= len(lines) <= KEPT + KEPT // 10
    found = checks.history(paths, NAME)
    assert len(found) == KEPT
    assert [check.milliseconds["backend"] for check in found[-2:]] == [number, number + 1]


def test_a_spoilt_line_costs_itself_only(paths: Paths) -> None:
    checks.write(paths, document())
    with paths.health_history(NAME).open("ab") as file:
        file.write(b'{"time":"2025\n[]\n\xff\n')
    checks.write(paths, document())
    assert len(checks.history(paths, NAME)) == 2


@pytest.mark.parametrize(
    ("timestamp", "expected"),
    [
        ("2025-10-19T12:00:00Z", True),
        ("2025-10-19T11:59:01Z", True),
        ("2025-10-19T11:59:00Z", False),
        ("2025-10-19T12:00:01Z", False),
        ("yesterday", False),
        (None, False),
    ],
)
def test_a_check_is_good_for_a_minute(timestamp: object, expected: bool) -> None:
    now = datetime(2025, 10, 19, 12, 0, 0, tzinfo=UTC)
    assert checks.fresh({"timestamp": timestamp}, now) is expected


def test_a_damaged_check_is_named(paths: Paths) -> None:
    checks.write(paths, document())
    paths.health(NAME).write_text('{"instance_id": "other"}')
    with pytest.raises(DeployError, match="is not the health of vikunja-main"):
        checks.read(paths, NAME)


def test_nothing_is_left_of_an_instance_that_goes(paths: Paths) -> None:
    checks.write(paths, document())
    checks.remove(paths, NAME)
    assert list(paths.health(NAME).parent.iterdir()) == []
    checks.remove(paths, NAME)
