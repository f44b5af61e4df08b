"""What a failed or a killed apply only announced never makes a later plan one that loses data.

Each seed is one instance that was deployed, and edited; that apply is killed somewhere, or fails.
Then the configuration is what it was before, but for an edit that loses nothing.
"""

from __future__ import annotations

import copy
from random import Random

import pytest
from killed_moments import moments
from model_claims import apply_killed, check_converged
from model_edits import OWN_FILES, database, edit, files
from model_site import NAME, Site

from tasks.model import applied

TRIES = 24
ROUNDS = 5

# What nginx has not taken up would be behind.
PATHS = [path for path in OWN_FILES if not path.startswith("/etc/nginx")]
SOMEBODYS = b"somebody's\n"


@pytest.mark.parametrize("seed", range(TRIES))
def test_an_edit_that_is_taken_back_after_an_apply_that_did_not_finish_loses_nothing(
    site: Site, seed: int
) -> None:
    random = Random(seed)
    site.deploy()
    site.machine.migrations = "SCHEMA_INIT 20250101000000"
    before = copy.deepcopy(site.document)
    for path in PATHS:
        site.machine.files.make_folders(path.rpartition("/")[0])
        site.machine.files.write(path, SOMEBODYS)
    story = [f"seed {seed}", database(site, random), files(site, random)]
    site.write()
    story += [edit(site, random) for _ in range(random.randrange(3))]
    for _ in range(2):
        # What else was edited comes first, the database then.
        looks, plan = site.plan()
        if random.random() < 0.5:
            at = random.randint(1, 2 * len(plan.entries) + 20)
            story.append(f"killed at {at}: {apply_killed(site, looks, plan, at)}")
        else:
            site.machine.fails_to_copy = True
            story += [str(why) for why in site.carry_out(looks, plan).values()]
            site.machine.fails_to_copy = False
    site.document = {**before, "vikunja": {"registration": True}}
    site.write()
    print("\n".join(story))
    left = {path: site.machine.files.content(path) for path in PATHS}
    for _ in range(ROUNDS):
        looks, plan = site.plan()
        assert [entry.full_address for entry in plan.destructive] == []
        if plan.empty:
            break
        assert site.carry_out(looks, plan) == {}
    check_converged(site)
    for path, content in left.items():
        # What nothing was landed over is there, and somebody's.
        assert content != SOMEBODYS or site.machine.files.content(path) == SOMEBODYS


def test_somebody_s_file_that_an_apply_only_announced_to_replace_stays(site: Site) -> None:
    site.deploy()
    path, seen = "/srv/own.txt", set()
    site.machine.files.make_folders("/srv")
    site.machine.files.write(path, SOMEBODYS)
    site.document["files"] = [{"path": path, "content": "ours\n"}]
    site.write()
    for moment in moments(site, *site.plan()):
        moment.leave(site)
        announced = f"file:{path}" in applied.read(site.paths, NAME).resources
        there = site.machine.files.content(path)
        seen.add((announced, there))
        site.document["files"] = []
        site.write()
        site.apply()
        after = site.machine.files.content(path)
        assert after == (SOMEBODYS if there == SOMEBODYS else None), f"killed at {moment.number}"
        check_converged(site)
    assert {(True, SOMEBODYS), (True, b"ours\n")} <= seen
