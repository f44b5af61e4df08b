from __future__ import annotations

import io
import sys

import pytest

from tasks.commands.apply import Apply
from tasks.commands.status import Status
from tasks.errors import CancelledError
from tasks.output import console


class CtrlC(io.StringIO):
    def readline(self, *_: object) -> str:  # type: ignore[override]
        raise KeyboardInterrupt


def test_ctrl_c_at_a_question_says_on_a_line_of_its_own_that_nothing_was_changed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", CtrlC())
    with pytest.raises(CancelledError) as caught:
        console.ask("Apply this? [y/N] ")
    assert str(caught.value) == "cancelled; nothing was changed"
    assert capsys.readouterr().err == "Apply this? [y/N] \n"


def test_the_end_of_input_at_a_question_ends_its_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert console.ask("Apply this? [y/N] ") == ""
    assert capsys.readouterr().err == "Apply this? [y/N] \n"


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (Apply, "error: cancelled\n       ./doit plan shows what is left to do\n"),
        (Status, "error: cancelled\n"),
    ],
)
def test_ctrl_c_points_to_a_plan_only_where_something_may_have_been_begun(
    command: type[Apply] | type[Status],
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "perform", interrupted)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert command().parse_execute([]) == 20
    assert capsys.readouterr().err == says


def test_the_terminal_s_own_ctrl_c_is_taken_off_the_line_of_the_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    def interrupted(*_: object) -> int:
        print("^C", end="", file=sys.stderr)
        raise KeyboardInterrupt

    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(Status, "perform", interrupted)
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    assert Status().parse_execute([]) == 20
    assert screen.getvalue() == "^C\r  \rerror: cancelled\n"


def test_a_step_is_a_line_however_often_its_fraction_changes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = console.Lines()
    lines.step("Copying the database")
    for part in range(3):
        lines.step("Writing the archive", part / 2)
    assert capsys.readouterr().err == "Copying the database\nWriting the archive\n"
