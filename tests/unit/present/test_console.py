"""What reaches a terminal of what others wrote: neither control characters nor secrets."""

from __future__ import annotations

import json
import sys

import pytest

from tasks.errors import BuildError
from tasks.output import console

HOSTILE = "root\x1b[2J\x9b5m\x07\r\x7f\u202e\u2028\ud800@host"
SHOWN = "root\\x1b[2J\\u009b5m\\x07\\x0d\\u007f\\u202e\\u2028\\ud800@host"


@pytest.mark.parametrize("say", [console.note, console.result, console.warning])
def test_control_characters_are_shown_and_not_obeyed(
    say: object, capsys: pytest.CaptureFixture[str]
) -> None:
    say(f"a\tb {HOSTILE}\nnext")  # type: ignore[operator]

    captured = capsys.readouterr()
    assert (captured.out + captured.err).removeprefix("warning: ") == f"a\tb {SHOWN}\nnext\n"


def test_an_error_with_its_evidence_and_hint_is_clean(capsys: pytest.CaptureFixture[str]) -> None:
    console.error(BuildError(HOSTILE, where=HOSTILE, hint=HOSTILE, evidence=[HOSTILE]))

    assert capsys.readouterr().err == (
        f"error: {SHOWN}: {SHOWN}\n       | {SHOWN}\n       {SHOWN}\n"
    )


def test_a_question_is_clean(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin.readline", lambda: "y\n", raising=False)

    assert console.ask(f"Remove {HOSTILE}? ") == "y"
    assert capsys.readouterr().err == f"Remove {SHOWN}? "


def test_on_a_terminal_the_colors_of_the_tool_stay_and_no_others(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "colors", lambda stream: True)
    console.note(f"{console.styled('bold', 'bold', sys.stderr)} \x1b[8mhidden\x1b[31;5m")

    assert capsys.readouterr().err == "\x1b[1mbold\x1b[0m \\x1b[8mhidden\\x1b[31;5m\n"


def test_what_is_secret_by_its_form_is_not_printed(capsys: pytest.CaptureFixture[str]) -> None:
    console.note("smtp://me:canary@mail refused; token=canary")

    assert capsys.readouterr().err == "smtp://(sensitive)@mail refused; token=(sensitive)\n"
    console.note("me:hunter2@tcp(db:3306)/x refused")
    assert capsys.readouterr().err == "(sensitive)@tcp(db:3306)/x refused\n"


def test_json_stays_json(capsys: pytest.CaptureFixture[str]) -> None:
    document = {"owner": HOSTILE.replace("\ud800", ""), "url": "https://u:p@h/?token=x"}
    console.result(json.dumps(document, ensure_ascii=False, indent=2))

    shown = json.loads(capsys.readouterr().out)
    assert shown == document | {"url": "https://(sensitive)@h/?token=(sensitive)"}
