"""What is told of an operation's end, and in which words."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from instance_samples import sample_instance
from msgspec.structs import replace

from tasks.errors import CancelledError, DatabaseError, DeployError, RolledBackError
from tasks.model.operations import Ended
from tasks.notify.message import Message, kind_of, message, topic
from tasks.paths import Paths
from tasks.secret import Secret

END = Ended(
    Paths(),
    "vikunja-main",
    "backup",
    None,
    datetime(2025, 10, 19, 10, 30, tzinfo=UTC),
    3.2,
    Path("/var/log/vikunja-deploy/vikunja-main.log"),
)
FAILURE = DatabaseError(
    "the dump failed", where="vikunja-main", hint="Is the disk full?", evidence=["pg_dump: geheim"]
)
SINCE = "2025-10-18T10:30:00Z"


def failed(error: BaseException) -> Ended:
    return replace(END, error=error)


@pytest.mark.parametrize(
    ("end", "failed_before", "success", "expected"),
    [
        (END, {}, False, None),
        (END, {}, True, "success"),
        (END, {"backup": SINCE}, False, "recovery"),
        (END, {"backup": SINCE}, True, "recovery"),
        (END, {"change": SINCE}, False, None),
        (failed(FAILURE), {}, False, "failure"),
        (failed(FAILURE), {"backup": SINCE}, False, "failure"),
        (failed(RolledBackError("x")), {}, False, "failure"),
        (failed(ValueError("x")), {}, False, "failure"),
        (failed(CancelledError("x")), {"backup": SINCE}, True, None),
        (failed(KeyboardInterrupt()), {}, True, None),
        (replace(END, operation="rollback"), {"change": SINCE}, False, "recovery"),
    ],
)
def test_failures_are_told_and_what_recovers_from_one(
    end: Ended, failed_before: dict[str, str], success: bool, expected: str | None
) -> None:
    assert kind_of(end, failed_before, success) == expected


def test_what_one_change_broke_another_one_mends() -> None:
    assert {topic(name) for name in ("deploy", "update", "reconfigure", "restore")} == {"change"}
    assert (topic("backup"), topic("restart")) == ("backup", "restart")


def test_a_failure_says_what_where_and_what_to_do_and_no_secret() -> None:
    sent = message("failure", sample_instance(), failed(FAILURE), "", "pve", [Secret("geheim")])
    assert sent == Message(
        "failure",
        "[vikunja-main] backup failed",
        "The backup of vikunja-main failed after 3.2s, with exit code 7:\n"
        "\n"
        "  vikunja-main: the dump failed\n"
        "  | pg_dump: (sensitive)\n"
        "\n"
        "What to do: Is the disk full?\n"
        "\n"
        "Machine: pve\n"
        "Begun:   2025-10-19T10:30:00Z\n"
        "Site:    https://vikunja.example.com\n"
        "More:    ./doit history vikunja-main, ./doit status vikunja-main, "
        "/var/log/vikunja-deploy/vikunja-main.log\n",
    )


def test_a_recovery_says_since_when() -> None:
    sent = message("recovery", sample_instance(), END, SINCE, "pve", [])
    assert sent.title == "[vikunja-main] backup works again"
    assert sent.body.startswith(
        "The backup of vikunja-main went well after 3.2s.\n"
        f"A failure was told on {SINCE}.\n"
        "\n"
        "Machine: pve\n"
    )


def test_an_error_without_a_hint_and_one_that_nobody_foresaw_are_told_too() -> None:
    instance = sample_instance()
    plain = message("failure", instance, failed(DeployError("it failed")), "", "pve", [])
    assert "  it failed\n\nMachine" in plain.body
    odd = message("failure", instance, failed(ValueError("odd")), "", "pve", [])
    assert "with exit code 1:\n\n  ValueError('odd')\n" in odd.body
