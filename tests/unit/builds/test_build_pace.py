"""How far a build is: by what the last one of its repository took."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from build_trees import Repository, instance_of, shell

from tasks.builds import build
from tasks.builds.artifact import record_path
from tasks.builds.pace import (
    NEARLY,
    Pace,
    PacedProgress,
    Passed,
    last_course,
    repository_digest,
)
from tasks.paths import Paths


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


BEFORE = (Passed("fetch", 10, 0), Passed("command 1: npm", 60, 100), Passed("packing", 30, 0))


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_without_a_build_before_nothing_is_known_of_it(clock: Clock) -> None:
    pace = Pace((), clock)
    pace.step("fetch")
    clock.now += 50
    assert pace.fraction() is None


def test_a_step_that_says_nothing_moves_by_its_time(clock: Clock) -> None:
    pace = Pace(BEFORE, clock)
    pace.step("fetch")
    assert pace.fraction() == 0
    clock.now += 5
    assert pace.fraction() == pytest.approx(0.05)
    pace.step("command 1: npm")
    assert pace.fraction() == pytest.approx(0.1)
    clock.now += 30
    assert pace.fraction() == pytest.approx(0.4)


def test_lines_move_it_where_they_come_faster_than_before(clock: Clock) -> None:
    pace = Pace(BEFORE, clock)
    pace.step("fetch")
    pace.step("command 1: npm")
    for _ in range(50):
        pace.line()
    assert pace.fraction() == pytest.approx(0.1 + 0.6 * 0.5)


def test_a_step_that_takes_longer_than_it_did_is_not_done_by_that(clock: Clock) -> None:
    pace = Pace(BEFORE, clock)
    pace.step("fetch")
    clock.now += 1000
    assert pace.fraction() == pytest.approx(0.1 * NEARLY)


def test_it_never_goes_back_and_never_beyond_all_of_it(clock: Clock) -> None:
    pace = Pace(BEFORE, clock)
    reached = []
    for name in ("fetch", "command 1: npm", "something new", "packing", ""):
        pace.step(name)
        for _ in range(3):
            clock.now += 20
            reached.append(pace.fraction() or 0.0)
    assert reached == sorted(reached)
    assert reached[-1] == 1.0


def test_what_a_build_took_is_kept(clock: Clock) -> None:
    pace = Pace((), clock)
    pace.step("fetch")
    clock.now += 2
    pace.step("command 1: npm")
    pace.line()
    pace.line()
    clock.now += 3
    pace.step("")
    assert pace.passed == (Passed("fetch", 2, 0), Passed("command 1: npm", 3, 2))


def test_the_newest_build_of_the_same_repository_is_the_one_to_go_by(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    folder = paths.cache / "artifacts"
    folder.mkdir(parents=True)

    def record(key: str, text: str, age: int) -> None:
        path = record_path(paths, key * 64)
        path.write_text(text)
        os.utime(path, (age, age))

    mine = repository_digest("https://git.example.com/vikunja.git")
    assert last_course(paths, mine) == ()

    def course(repository: str, seconds: int) -> str:
        passed = {"name": "fetch", "seconds": seconds, "lines": 0}
        return json.dumps({"repository": repository, "course": [passed]})

    record("a", course(mine, 1), 100)
    record("b", course(mine, 2), 200)
    record("c", course(repository_digest("other"), 3), 300)
    record("d", json.dumps({"key": "d"}), 400)
    record("e", "no JSON", 500)
    assert last_course(paths, mine) == (Passed("fetch", 2.0, 0),)


class Told:
    """Progress that keeps the last texts with their fractions."""

    def __init__(self) -> None:
        self.told: list[tuple[str, float | None, float | None]] = []

    def step(self, text: str, fraction: float | None = None, since: float | None = None) -> None:
        self.told.append((text, fraction, since))


def test_the_second_build_of_a_repository_says_how_far_it_is(
    repository: Repository, paths: Paths
) -> None:
    backend = shell("echo one; cp /bin/true vikunja; sleep 0.4; echo two; sleep 0.3; echo three")
    first, second = Told(), Told()
    instance = instance_of(repository.url, backend=(backend,))
    build(instance, repository.commit({"a": "1"}), paths, first)
    assert {fraction for _, fraction, _ in first.told} == {None}
    assert all(since is not None for text, _, since in first.told if text.startswith("backend"))

    build(instance, repository.commit({"a": "2"}), paths, second)

    reached = [fraction for _, fraction, _ in second.told if fraction is not None]
    assert reached == sorted(reached)
    assert reached[-1] > 0.7
    for record in (paths.cache / "artifacts").glob("*.json"):
        assert repository.url not in record.read_text()


def test_it_moves_while_nothing_is_said(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.builds.pace.SHOWN_EVERY_SECONDS", 0.01)
    told = Told()
    paced = PacedProgress(told, Pace(BEFORE, clock))
    paced.pace.step("fetch")
    paced.step("fetching")
    with paced.moving():
        clock.now += 5
        until = time.monotonic() + 10
        while told.told[-1][1] != pytest.approx(0.05):
            assert time.monotonic() < until
    assert {text for text, _, _ in told.told} == {"fetching"}
