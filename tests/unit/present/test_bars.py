"""Bars as a terminal shows them, without one."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from tasks.model.plan import InstancePlan, Plan, PlanEntry, Reason
from tasks.output.bars import StepBar, display
from tasks.output.plan_progress import Bars

LONG = "frontend: pnpm run build: " + "a very long line of what is being built " * 5


def drawn(columns: int, monkeypatch: pytest.MonkeyPatch, *steps: tuple[str, float | None]) -> str:
    """The one line that is shown after these steps, in a terminal of that width."""
    monkeypatch.setenv("COLUMNS", str(columns))
    shown = display()
    bar = StepBar(shown, "vikunja-main")
    for text, fraction in steps:
        bar.step(text, fraction)
    page = io.StringIO()
    Console(file=page, width=columns).print(shown.get_renderable())
    (line,) = page.getvalue().splitlines()
    return line.rstrip()


def test_a_step_without_a_fraction_shows_no_percentage(monkeypatch: pytest.MonkeyPatch) -> None:
    line = drawn(100, monkeypatch, ("Reading", 0.5), ("Starting", None))
    assert line.endswith("Starting")
    assert "%" not in line


def test_the_clock_goes_on_behind_a_step_that_is_done() -> None:
    shown = display()
    bar = StepBar(shown, "vikunja-main")
    (task,) = shown.tasks
    bar.step("Reading the archive", 1.0)
    assert round(task.percentage) == 100
    assert not task.finished
    bar.step("Loading the database")
    assert task.finished_time is None


@pytest.mark.parametrize("columns", [50, 60, 80, 200])
def test_a_long_step_leaves_name_percentage_and_time(
    columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = drawn(columns, monkeypatch, (LONG, 0.25))
    assert line.startswith("vikunja-main ")
    assert "25% 0:00:0" in line
    assert line.endswith("…")


def test_what_a_build_says_cannot_steer_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    line = drawn(200, monkeypatch, ("npm: \x1b[2Jgone\x9b8m, https://me:canary@host/", None))
    assert line.endswith("npm: \\x1b[2Jgone\\u009b8m, https://(sensitive)@host/")


@pytest.mark.parametrize("text", ["[/usr/bin] not found", "[vite] built", "[bold]x"])
def test_what_looks_like_markup_is_shown_as_it_is(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert drawn(100, monkeypatch, (text, None)).endswith(text)


def test_a_line_leaves_room_for_what_a_terminal_writes_at_ctrl_c(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert display().console.width == 77


def test_an_instance_that_is_finished_says_so_while_others_are_not() -> None:
    first, last = (
        PlanEntry("a", "system", address, "create", (Reason("missing", "not there yet"),))
        for address in ("file:/one", "file:/two")
    )
    shown = display()
    bars = Bars(Plan((InstancePlan("a", (first, last), {}, {}),)), shown)
    (task,) = shown.tasks
    bars.of("a").step("create file:/one")
    bars.done(first)
    assert task.fields["step"] == "create file:/one"
    bars.done(last)
    assert task.fields["step"] == "done"


def test_a_build_and_what_is_done_beside_it_share_a_bar() -> None:
    entry = PlanEntry("a", "build", "artifact:x", "create", (Reason("missing", "not there yet"),))
    shown = display()
    bars = Bars(Plan((InstancePlan("a", (entry,), {}, {}),)), shown)
    (task,) = shown.tasks
    container, build = bars.of("a"), bars.of("a")
    container.step("create 7 packages")
    build.step("backend: go build", 0.5)
    assert task.fields["step"] == "create 7 packages | backend: go build (50%)"
    container.step("")
    assert task.fields["step"] == "backend: go build (50%)"
