"""What a failed or a killed apply only announced never makes a later plan one that loses data.

Each seed is one instance that was deployed, and edited; that apply is killed somewhere, or fails.
Then the configuration is what it was before, but for an edit that loses nothing.
"""

from __future__ import annotations

import copy
from random import Random

import pytest
from model_claims import apply_killed, check_settled
from model_edits import database, edit
from model_site import Site

TRIES = 24
ROUNDS = 5


@pytest.mark.parametrize("seed", range(TRIES))
def test_an_edit_that_is_taken_back_after_an_apply_that_did_not_finish_loses_nothing(
    site: Site, seed: int
) -> None:
    random = Random(seed)
    site.apply()
    site.machine.migrations = "SCHEMA_INIT 20250101000000"
    before = copy.deepcopy(site.document)
    story = [f"seed {seed}", database(site, random)]
    site.write()
    story += [edit(site, random) for _ in range(random.randrange(3))]
    for _ in range(2):
        # What else was edited comes first, the database then.
        looks, plan = site.plan()
        if random.random() < 0.5:
            at = random.randint(1, 2 * len(plan.entries) + 20)
            story.append(f"killed at {at}: {apply_killed(site, looks, plan, at)}")
        else:
            site.machine.fails_to_restore = True
            story += [str(why) for why in site.carry_out(looks, plan).values()]
            site.machine.fails_to_restore = False
    site.document = {**before, "vikunja": {"registration": True}}
    site.write()
    print("\n".join(story))
    for _ in range(ROUNDS):
        looks, plan = site.plan()
        assert [entry.full_address for entry in plan.destructive] == []
        if plan.empty:
            break
        assert site.carry_out(looks, plan) == {}
    check_settled(site)
