"""The deployed page in a real browser, as a person uses it. Pictures go to test-output/."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from browser import Browser
from journey import Site

from tasks.host.packages import ensure
from tasks.paths import ROOT

PICTURES = ROOT / "test-output"
TITLES = "[...document.querySelectorAll('#tasks .title')].map((title) => title.textContent)"
CONNECTED = "document.querySelector('#link').dataset.state === 'live'"
LISTED = "document.querySelector('#version').textContent === 'v1.0.0'"
"""The version is shown together with the first list."""
TASK = "Bäume gießen"
HOLD_LISTS = """
    const ask = fetch;
    window.held = [];
    window.fetch = async (path, request) => {
      const answer = await ask(path, request);
      const list = path.endsWith("/api/v1/tasks") && request.method === "GET";
      if (list) await new Promise((release) => held.push(release));
      return answer;
    };
"""
"""Lists have been answered, but do not arrive before they are released."""


@pytest.fixture
def browser(deployed: Site, tmp_path: Path) -> Iterator[Browser]:
    ensure(("chromium",))
    network = deployed.document["network"]
    with Browser(
        tmp_path / "profile",
        {network["domain"]: deployed.address},
        bridge=network["bridge"],
        address=f"{network['gateway'].rpartition('.')[0]}.250/24",
    ) as browser:
        yield browser


def url(site: Site) -> str:
    return f"https://{site.document['network']['domain']}/"


def test_a_task_that_is_added_is_there_after_a_reload(browser: Browser, deployed: Site) -> None:
    browser.resize(1280, 800)
    browser.open(url(deployed))
    browser.wait_for(f"{CONNECTED} && {LISTED}")
    before = browser.evaluate(TITLES)
    browser.click("#title")
    browser.type(TASK)
    browser.click("#add button[type=submit]")
    browser.wait_for(f"{TITLES}.includes({TASK!r})")
    browser.reload()
    browser.wait_for(f"{CONNECTED} && {LISTED}")
    after = browser.evaluate(TITLES)
    assert sorted(after) == sorted([*before, TASK])
    assert browser.evaluate("location.protocol") == "https:"
    browser.screenshot(PICTURES / "page-desktop.png")
    assert browser.complaints() == []


def test_opened_by_the_containers_address_it_works_as_well(
    browser: Browser, deployed: Site
) -> None:
    browser.resize(1280, 800)
    browser.open(f"https://{deployed.address}/")
    browser.wait_for(f"{CONNECTED} && {LISTED}")
    assert browser.complaints() == []


def test_the_page_fits_a_phone(browser: Browser, deployed: Site) -> None:
    browser.resize(390, 844, phone=True)
    browser.open(url(deployed))
    browser.wait_for(CONNECTED)
    assert browser.evaluate("document.documentElement.scrollWidth") <= 390
    browser.screenshot(PICTURES / "page-phone.png")
    assert browser.complaints() == []


def test_a_change_reaches_an_open_page_by_itself(browser: Browser, deployed: Site) -> None:
    browser.resize(1280, 800)
    browser.open(url(deployed))
    browser.wait_for(CONNECTED)
    title = "Added behind the page's back"
    add(browser, title)
    browser.wait_for(f"{TITLES}.includes({title!r})")


def test_a_list_older_than_a_change_does_not_undo_it(browser: Browser, deployed: Site) -> None:
    browser.prepare(HOLD_LISTS)
    browser.open(url(deployed))
    browser.wait_for(CONNECTED)
    browser.wait_for("held.length === 2")
    title = "Newer than both lists"
    add(browser, title)
    browser.wait_for(f"{TITLES}.includes({title!r})")
    browser.evaluate("held.forEach((release) => release())")
    browser.wait_for(LISTED)
    assert browser.evaluate(f"{TITLES}.includes({title!r})")


def test_containers_that_come_and_go_beside_it_keep_no_page_from_loading(
    browser: Browser, deployed: Site
) -> None:
    """A browser gives up what it loads when an interface of its machine changes."""
    with coming_and_going(f"vkdlst{os.getpid()}"):
        for _ in range(5):
            browser.open(url(deployed))
            browser.wait_for(CONNECTED)


@contextmanager
def coming_and_going(bridge: str) -> Iterator[None]:
    """A bridge is made and removed again and again meanwhile, as that of a container."""
    script = """
        while read -r _; do
            ip link add "$1" type bridge
            ip address add 192.0.2.1/24 dev "$1"
            ip link set "$1" up
            sleep 0.1
            ip link delete "$1"
        done
    """
    argv = ["sh", "-euc", f"yes | head -n 3000 | {{ {script} }}", "sh", bridge]
    process = subprocess.Popen(argv, start_new_session=True)
    try:
        yield
        assert process.poll() is None, "it was over before the end"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        subprocess.run(["ip", "link", "delete", bridge], check=False, stderr=subprocess.DEVNULL)


def add(browser: Browser, title: str) -> None:
    """Add a task without the page's doing."""
    added = browser.evaluate(
        "fetch('/api/v1/tasks', {method: 'POST', headers: {'content-type': 'application/json'},"
        f" body: JSON.stringify({{title: {title!r}}})}}).then((answer) => answer.ok)"
    )
    assert added
