"""The page of `status --html` in a real browser, on a phone and on a desk."""

from __future__ import annotations

from pathlib import Path

import pytest
from browser import Browser
from journey import Site

from tasks.host.packages import ensure
from tasks.paths import ROOT

PICTURES = ROOT / "test-output"
CHECKS = 3


@pytest.fixture(scope="module")
def page(deployed: Site) -> Path:
    """Written by the tool, after some checks that its charts are made of."""
    file = deployed.paths.prefix / "status.html"
    for _ in range(CHECKS - 1):
        deployed.run("status", code=None)
    deployed.run("status", "--html", str(file), code=None)
    return file


def test_the_page_fits_a_phone_and_shows_what_there_is(
    page: Path, deployed: Site, tmp_path: Path
) -> None:
    ensure(("chromium",))
    with Browser(tmp_path / "profile") as browser:
        browser.resize(390, 1700, phone=True)
        browser.open(page.as_uri())
        assert browser.evaluate("document.documentElement.scrollWidth") <= 390
        assert browser.evaluate("document.querySelector('h2').textContent") == deployed.id
        names = "[...document.querySelectorAll('.component strong')].map((e) => e.textContent)"
        assert browser.evaluate(names) == ["Frontend", "Backend", "Database"]
        # Each chart is drawn, as wide as its card allows.
        widths = "[...document.querySelectorAll('svg')].map((e) => e.getBoundingClientRect().width)"
        drawn = browser.evaluate(widths)
        assert len(drawn) == 2 and min(drawn) > 200
        lines = "[...document.querySelectorAll('svg polyline')].map((e) => e.points.length)"
        assert all(points >= 2 for points in browser.evaluate(lines))
        words = browser.evaluate("document.body.innerText")
        for expected in ("v1.0.0", "serves", "Last operations", "Resources", "Backups"):
            assert expected in words
        browser.screenshot(PICTURES / "status-phone.png")
        browser.resize(1280, 900)
        assert browser.evaluate("document.documentElement.scrollWidth") <= 1280
        browser.screenshot(PICTURES / "status-desktop.png")
        assert browser.complaints() == []
