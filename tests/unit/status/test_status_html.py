"""The page and its charts."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from msgspec.structs import replace
from standing_samples import NEW, NOW, RUNNING, STATE, with_measured

from tasks.errors import NetworkError
from tasks.model.health import Check
from tasks.model.history import Performed
from tasks.status import health
from tasks.status.chart import EDGE, HEIGHT, WIDTH, chart
from tasks.status.facts import Standing
from tasks.status.html import CHECKS, Shown, render
from tasks.status.measured import Answer
from tasks.status.notes import notes

HISTORY = tuple(
    Check(f"2025-10-19T11:{minute:02d}:00Z", "healthy", {"backend": minute + 1, "frontend": 5})
    for minute in range(30)
)


def shown(standing: Standing = RUNNING, history: tuple[Check, ...] = HISTORY) -> Shown:
    said = notes(standing, NOW)
    return Shown(standing, said, health.document(standing, said, NOW), history)


def page(*all_shown: Shown) -> str:
    return render(all_shown, NOW)


class Reader(HTMLParser):
    """The text that is seen, and what the page asks for from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self.open: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag not in ("meta", "link"):
            self.open.append(tag)
        if tag in ("script", "img", "iframe") or (tag == "link" and values["href"] != "data:,"):
            self.fetched.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.text += f" {data} "


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    assert reader.open == []
    reader.text = " ".join(reader.text.split())
    return reader


def test_a_page_says_everything_and_needs_nothing_beside_it() -> None:
    done = Performed("update", NOW, "failure", 12, 11, "it <failed>\nand more")
    text = page(shown(replace(RUNNING, operations=(done,))))
    found = read(text)
    assert found.fetched == []
    assert "url(" not in text and "@import" not in text
    for words in (
        "vikunja-main healthy https://vikunja.example.com",
        "Backend healthy 200 in 45 ms, v1.2.0, up 1 h 1 to 30 ms over 30 checks",
        "Database healthy postgresql 15.3, 50.0 MB, 5 connections",
        "blue v1.2.0 0123456789 serves",
        "green v1.1.0 fedcba9876 for a rollback",
        "3, newest 2 h ago (12.9 MB)",
        "2 h ago 2025-10-19T10:00:00Z 12.9 MB",
        "Last drill: 3 h ago, v1.2.0 restored in 4.2 s: 1200 rows, 48 files",
        "update just now failure it <failed> 12s",
        "Disk 25.0 %",
        "until 2026-10-19, in 364 days",
    ):
        assert words in found.text, found.text


def test_findings_stand_with_what_to_type() -> None:
    text = read(page(shown(with_measured(backend=Answer(500, 9))))).text
    assert (
        "the backend (blue) answers /health with 500 "
        "./doit logs vikunja-main --component backend says why" in text
    )


def test_the_worst_instance_is_the_page_s_title() -> None:
    well, ill = shown(), shown(with_measured(backend=Answer(500, 9)))
    assert "<title>unhealthy " in page(well, ill)
    assert "<title>unknown " in page(well, shown(NEW))
    assert "<title>healthy " in page(well)


def test_nothing_that_is_shown_is_taken_for_markup() -> None:
    problem = NetworkError("<script>alert(1)</script>", hint="<b>look</b>")
    lost = replace(RUNNING, container="unknown", inside=None, problems=(problem,))
    text = page(shown(lost))
    assert "<script>" not in text and "&lt;script&gt;" in text
    assert read(text).text.count("<b>look</b>") == 1


@pytest.mark.parametrize(
    "standing",
    [NEW, replace(RUNNING, configured=False, inside=None, backups=None, state=STATE)],
)
def test_an_instance_that_nothing_is_known_of_has_its_place_too(standing: Standing) -> None:
    assert standing.instance_id in read(page(shown(standing, ()))).text


def test_without_instances_it_says_what_to_do() -> None:
    assert "./doit apply makes the first" in read(page()).text


def test_only_the_last_checks_are_drawn() -> None:
    many = tuple(Check("2025-10-19T11:00:00Z", "healthy", {"backend": n + 1}) for n in range(500))
    assert f"over {CHECKS} checks" in page(shown(RUNNING, many))


def test_a_chart_s_line_goes_from_edge_to_edge_and_its_top_is_the_slowest() -> None:
    drawn = chart([10, 20, 40])
    assert drawn is not None
    points = [tuple(map(float, point.split(","))) for point in drawn.lines[0].split(" ")]
    assert [x for x, _ in points] == [EDGE, WIDTH / 2, WIDTH - EDGE]
    assert points[2][1] == EDGE
    assert points[0][1] > points[1][1] > points[2][1]
    assert all(0 <= y <= HEIGHT for _, y in points)
    assert drawn.label == "40 ms now, 10 to 40 ms over 3 checks"


def test_where_no_answer_came_the_line_is_broken() -> None:
    drawn = chart([10, 10, None, 10, None])
    assert drawn is not None
    assert (len(drawn.lines), len(drawn.dots), len(drawn.gaps)) == (1, 1, 2)
    assert drawn.label.startswith("no answer now")
    assert chart([None, None]) is None
    assert chart([]) is None


def test_one_check_is_a_dot() -> None:
    drawn = chart([7])
    assert drawn is not None
    assert (drawn.lines, len(drawn.dots)) == ((), 1)
    assert re.search(r'class="dot-only" points="3.0,3.0 3.0,3.0"', page(shown(history=HISTORY[:1])))
