"""A release whose files are not as they were put there is laid anew, in the other color."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from model_claims import apply_killed, check_converged
from model_files import Tree
from model_machine import GREEN
from model_site import Site

BINARY = "/opt/vikunja/backend/blue/vikunja"


@pytest.fixture
def deployed(site: Site) -> Site:
    site.deploy()
    return site


def edit(files: Tree) -> None:
    node = files.get(BINARY)
    assert node is not None
    files.put(BINARY, replace(node, content=node.content[:-1] + b"#"))


DAMAGE: dict[str, tuple[Callable[[Tree], None], str]] = {
    "edited": (edit, "backend/blue/vikunja was edited"),
    "rights": (
        lambda files: files.change(BINARY, mode="0644"),
        "backend/blue/vikunja has other rights",
    ),
    "added": (
        lambda files: files.write("/opt/vikunja/frontend/blue/more", b"by hand\n"),
        "frontend/blue/more was added",
    ),
}


@pytest.mark.parametrize("how", DAMAGE)
def test_what_was_damaged_serves_until_the_other_color_does(deployed: Site, how: str) -> None:
    damage, said = DAMAGE[how]
    damage(deployed.machine.files)
    _, plan = deployed.plan()
    release, *_ = plan.entries
    assert release.address == "release:green"
    reason = f"what blue runs is not as it was released: {said}"
    assert [one.text for one in release.reasons] == [reason]
    assert not any(entry.interrupts for entry in plan.entries)
    deployed.apply()
    assert deployed.machine.files.get(GREEN) is not None
    check_converged(deployed)


def test_where_the_other_color_has_the_release_the_switch_says_why_it_takes_over(
    deployed: Site,
) -> None:
    deployed.document["vikunja"] = {"max_upload_mb": 77}
    deployed.write()
    deployed.apply()
    assert deployed.machine.files.get(GREEN) is not None
    deployed.machine.files.write("/opt/vikunja/frontend/green/more", b"by hand\n")
    _, plan = deployed.plan()
    by_address = {entry.address: entry for entry in plan.entries}
    assert "release:blue" not in by_address
    (reason,) = by_address["color:active"].reasons
    assert reason.text == "what green runs is not as it was released: frontend/green/more was added"
    assert not any(entry.interrupts for entry in plan.entries)
    deployed.apply()
    assert deployed.machine.files.get(GREEN) is None
    check_converged(deployed)


def test_a_damaged_release_is_no_reason_where_another_one_is_to_serve(deployed: Site) -> None:
    edit(deployed.machine.files)
    deployed.repository.commit()
    _, plan = deployed.plan()
    (release,) = (entry for entry in plan.entries if entry.address == "release:green")
    assert "as it was released" not in release.reasons[0].text


def test_what_was_released_before_anything_was_noted_is_let_alone(deployed: Site) -> None:
    deployed.machine.files.remove("/opt/vikunja/backend/blue/.files")
    edit(deployed.machine.files)
    _, plan = deployed.plan()
    assert plan.empty


def test_what_rests_is_laid_anew_before_it_serves_again(deployed: Site) -> None:
    deployed.repository.commit()
    deployed.apply()
    edit(deployed.machine.files)
    _, plan = deployed.plan()
    assert plan.empty
    deployed.repository.reset("main", 1)
    _, plan = deployed.plan()
    assert "release:blue" in [entry.address for entry in plan.entries]


def test_a_release_that_is_laid_anew_in_place_is_taken_up(deployed: Site) -> None:
    """Where the other color has none, and nothing is left to serve from."""
    deployed.machine.files.remove(BINARY)
    _, plan = deployed.plan()
    assert [entry.address for entry in plan.entries][:3] == [
        "release:blue",
        "unit:vikunja-backend@blue.service",
        "health:site",
    ]
    deployed.apply()
    assert deployed.machine.unit("vikunja-backend@blue.service").starts == 2
    check_converged(deployed)


def test_one_that_was_killed_between_the_two_is_taken_up_by_the_next(deployed: Site) -> None:
    deployed.machine.files.remove(BINARY)
    looks, plan = deployed.plan()
    assert apply_killed(deployed, looks, plan, 10)
    assert deployed.machine.files.get(BINARY) is not None
    _, plan = deployed.plan()
    assert not any(entry.interrupts for entry in plan.entries)
    deployed.apply()
    # There is something to serve from again: it does, beside what runs with what is gone.
    assert deployed.machine.files.get(GREEN) is not None
    blue, green = (deployed.machine.unit(f"vikunja-backend@{c}.service") for c in ("blue", "green"))
    assert (blue.active, blue.starts, green.active) == ("inactive", 1, "active")
    check_converged(deployed)
