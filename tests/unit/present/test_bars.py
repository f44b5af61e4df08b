"""Bars as a terminal shows them, without one."""

from __future__ import annotations

import io
import time

import pytest
from rich.console import Console

from tasks.model.plan import InstancePlan, Plan, PlanEntry, Reason
from tasks.output.bars import StepBar, display, with_times
from tasks.output.plan_progress import Bars, Lines

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


def build_and_file() -> tuple[PlanEntry, PlanEntry]:
    reasons = (Reason("missing", "not there yet"),)
    return (
        PlanEntry("a", "build", "artifact:x", "create", reasons),
        PlanEntry("a", "system", "file:/one", "create", reasons),
    )


def test_a_build_that_knows_how_far_it_is_moves_the_whole() -> None:
    artifact, file = build_and_file()
    shown = display()
    bars = Bars(Plan((InstancePlan("a", (artifact, file), {}, {}),)), shown)
    (task,) = shown.tasks
    build = bars.of("a")
    build.step("create artifact:x")
    build.step("backend: go build", 0.5, time.monotonic())
    assert 48 < task.percentage < 50
    build.step("backend: go build", 0.25, time.monotonic())
    assert task.percentage > 48
    bars.done(artifact)
    assert 98 < task.percentage < 99
    build.step("create file:/one")
    bars.done(file)
    assert task.percentage == 100


def test_a_build_of_which_nothing_is_known_moves_and_says_since_when() -> None:
    artifact, file = build_and_file()
    shown = display()
    bars = Bars(Plan((InstancePlan("a", (artifact, file), {}, {}),)), shown)
    (task,) = shown.tasks
    build, other = bars.of("a"), bars.of("a")
    build.step("create artifact:x")
    other.step("create file:/one")
    build.step("backend: go build", None, time.monotonic() - 65)
    assert task.total == 61
    other.step("")
    assert task.total is None
    assert with_times(task.fields["said"]) == "(1 min 5 s) backend: go build"
    bars.done(artifact)
    build.step("")
    assert task.total == 61


def test_a_short_while_is_not_worth_a_word() -> None:
    now = time.monotonic()
    said = [("one", now - 1), ("", None), ("two", None), ("three", now - 61)]
    assert with_times(said) == "one | two | (1 min 1 s) three"


def test_lines_say_how_far_a_build_is_and_only_when_something_changes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    artifact, file = build_and_file()
    lines = Lines(Plan((InstancePlan("a", (artifact, file), {}, {}),)))
    build = lines.of("a")
    build.step("create artifact:x")
    for part in range(5):
        build.step("backend: go build", part / 10, time.monotonic())
    build.step("packing", 0.9, time.monotonic())
    said = [line.split("%")[0].split()[1] for line in capsys.readouterr().err.splitlines()]
    assert said == ["0", "0", "88"]
