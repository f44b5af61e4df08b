"""`kill -9` at every step of an apply: the next plan is true, the next apply finishes."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Iterator

import pytest
from journey import Site, new_site

from tasks.paths import Paths

MOST_KILLS = 40

ONCE = ("create container:", "create user:", "create package:", "create artifact:")
"""What must never be done a second time once the log says that it was done."""


@pytest.fixture(scope="module")
def site(lab_paths: Paths, lab_network: object) -> Iterator[Site]:
    yield new_site(lab_paths, lab_network, "kill")


def apply_with_kills(site: Site) -> int:
    """Apply again and again, each run killed as soon as it begins its second piece of work (the
    first of each run is what the run before was killed in), or one more than the run before where
    that brought nothing about: what an edit changes is in the plan until it serves. Returns the
    number of kills."""
    piece = 2
    for kills in range(MOST_KILLS):
        before = site.addresses()
        if not before:
            return kills
        said = site.apply_killed_at(piece)
        after = site.addresses()
        piece = piece + 1 if after == before else 2
        hidden = any(address.startswith("running:") for address in before)
        assert hidden or len(after) <= len(before), f"work was made: {before} → {after}: {said}"
        print(kills, len(before), len(after), said[-2:], before[:3])
        finished = {message.partition(" ")[2] for message in site.done()}
        again = [address for address in after if address in finished and is_whole(address)]
        assert not again, f"done, and planned again: {again}"
    return MOST_KILLS


def is_whole(address: str) -> bool:
    """Whether an address stands for one thing that stays once done; the rest may be redone when
    what it depends on was interrupted."""
    return address.split(":")[0] in ("container", "user", "package", "artifact", "directory")


def served(site: Site) -> str:
    command = ["curl", "-sk", "--max-time", "10", f"https://{site.address}/api/v1/info"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def test_a_first_apply_killed_at_every_step_ends_serving(site: Site) -> None:
    kills = apply_with_kills(site)
    assert 8 <= kills < MOST_KILLS
    assert site.addresses() == []
    assert '"version":"v1.0.0"' in served(site)
    assert "Nothing to do" in site.run("apply", "--yes").stdout
    done = Counter(message for message in site.done() if message.startswith(ONCE))
    assert [message for message, times in done.items() if times > 1] == []


def test_an_edit_killed_at_every_step_ends_as_desired(site: Site) -> None:
    site.edit({"network": {"domain": "edited.example.com"}})
    kills = apply_with_kills(site)
    assert 3 <= kills < MOST_KILLS
    assert "edited.example.com" in served(site)
    assert site.run("plan", "--detailed-exitcode").returncode == 0
