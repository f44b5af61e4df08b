"""The property that plan and apply stand for: apply does what the plan shows, in that order and
nothing else, and a plan right after it is empty; whatever was edited, drifted or killed before.

Each seed is one life of an instance, in steps; each step edits and breaks some things, is killed
now and then, and is put right. A failure prints the life so far.
"""

from __future__ import annotations

from random import Random

import pytest
from model_claims import (
    apply_killed,
    check_apply,
    check_as_new,
    check_built_before_its_release,
    check_converged,
    executed,
    host_records,
    on_the_host,
    parted,
    seen_address,
)
from model_drifts import drift
from model_edits import edit
from model_site import Site

from tasks.resources.migration import DATABASE_FILE

LIVES = 52
STEPS = 6
ROUNDS = 5

SQLITE = ("sqlite", "")

FOREIGN = {
    "/srv/users/data": b"somebody's\n",
    "/etc/nginx/conf.d/somebody.conf": b"# somebody's\n",
    "/etc/systemd/system/somebody.service": b"[Service]\n",
    "/etc/vikunja/somebody": b"somebody's\n",
    DATABASE_FILE: b"everybody's tasks\n",
    "/var/lib/vikunja/files/1": b"an attachment\n",
}


MORE = (164, 178, 196, 318, 444)
"""Lives that something was found by."""


@pytest.mark.parametrize("seed", (*range(LIVES), *MORE))
def test_apply_does_what_the_plan_shows_and_the_next_plan_is_empty(site: Site, seed: int) -> None:
    random = Random(seed)
    story: list[str] = [f"seed {seed}"]
    try:
        _live(site, random, story)
    except BaseException:
        print("\n".join(story))
        raise


def _live(site: Site, random: Random, story: list[str]) -> None:
    if random.random() < 0.5:
        story.append("born with: " + "; ".join(edit(site, random) for _ in range(3)))
    _put_right(site, random, story, killed=random.random() < 0.4)
    for number in range(STEPS):
        foreign = _let_somebody_move_in(site)
        used = site.machine.database_in_use()
        story.append(f"step {number}")
        container = site.container
        for _ in range(random.choice([1, 1, 2, 3])):
            change = edit if random.random() < 0.5 else drift
            story.append(f"  {change(site, random)}")
        if container not in site.world.places:
            foreign = {}
        else:
            moved = foreign.keys() - set(_somebodys(site))
            foreign = {path: text for path, text in foreign.items() if path not in moved}
        _put_right(site, random, story, killed=random.random() < 0.35)
        if used != SQLITE and site.machine.database_in_use() == SQLITE:
            # The data was carried over into it.
            foreign.pop(DATABASE_FILE, None)
        assert foreign.items() <= _somebodys(site).items()
    check_as_new(site)


def _let_somebody_move_in(site: Site) -> dict[str, bytes]:
    """Files that are not ours, in and beside our folders."""
    for path, content in FOREIGN.items():
        site.machine.files.make_folders(path.rpartition("/")[0])
        site.machine.files.write(path, content)
    return _somebodys(site)


def _somebodys(site: Site) -> dict[str, bytes]:
    """Those that are where they were put: by a link that somebody laid, they are somewhere else."""
    files = site.world.places[site.container].machine.files
    found = {path: files.content(path) for path in FOREIGN if files.place(path) == path}
    return {path: content for path, content in found.items() if content is not None}


def _put_right(site: Site, random: Random, story: list[str], *, killed: bool) -> None:
    if killed:
        _put_right_until_killed(site, random, story)
    for _ in range(ROUNDS):
        looks, plan = site.plan()
        story.append("  plan: " + ", ".join(f"{e.action} {e.address}" for e in plan.entries))
        if plan.empty:
            break
        before = host_records(site)
        site.world.log.clear()
        failures = site.carry_out(looks, plan)
        assert failures == {}, "\n".join(
            line for failure in failures.values() for line in (str(failure), *failure.evidence)
        )
        check_apply(site, plan, before)
        if not any(instance.unseen for instance in plan.instances):
            break
    check_converged(site)


def _put_right_until_killed(site: Site, random: Random, story: list[str]) -> None:
    looks, plan = site.plan()
    if plan.empty:
        return
    at = random.randint(1, 2 * len(plan.entries) + 20)
    site.world.log.clear()
    was_killed = apply_killed(site, looks, plan, at)
    builds, others = parted(site.world.log)
    if builds:
        check_built_before_its_release(site.world.log, plan.entries)
    planned = [seen_address(e) for e in plan.entries if not on_the_host(e) and e.step != "build"]
    done = [address for address, _ in executed(others)]
    story.append(f"  {'killed' if was_killed else 'not killed'} at {at} after {done}")
    assert done == planned[: len(done)]
    assert was_killed or len(done) == len(planned)
