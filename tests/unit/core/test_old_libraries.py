"""What runs libraries of before an update is replaced: by the other color, where there is one."""

from __future__ import annotations

import pytest
from model_claims import check_converged
from model_machine import GREEN
from model_site import Site

BLUE = "vikunja-backend@blue.service"
SAID = "runs libraries that were updated since: libc6, libssl3"


@pytest.fixture
def deployed(site: Site) -> Site:
    site.deploy()
    return site


def update(site: Site, *units: str) -> None:
    """Two libraries are updated while these run."""
    for unit in units:
        site.machine.unit(unit).outdated = ("libssl3", "libc6")


def test_the_other_color_takes_over_and_nobody_waits(deployed: Site) -> None:
    update(deployed, BLUE, "nginx.service")
    _, plan = deployed.plan()
    entries = {entry.address: entry for entry in plan.entries}
    assert [one.text for one in entries["color:active"].reasons] == [f"blue {SAID}"]
    assert [one.text for one in entries["unit:nginx.service"].reasons] == [SAID]
    assert entries["unit:nginx.service"].changes[0].name == "libraries"
    assert not any(entry.interrupts or entry.destructive for entry in plan.entries)
    starts = deployed.machine.unit("nginx.service").starts
    deployed.apply()
    assert deployed.machine.files.get(GREEN) is not None
    assert deployed.machine.unit(BLUE).starts == 1
    assert deployed.machine.unit("nginx.service").starts == starts
    check_converged(deployed)


def test_nginx_alone_leaves_the_color_where_it_is(deployed: Site) -> None:
    update(deployed, "nginx.service")
    _, plan = deployed.plan()
    assert "color:active" not in {entry.address for entry in plan.entries}
    deployed.apply()
    assert deployed.machine.files.get(GREEN) is None
    check_converged(deployed)


def test_where_an_edit_calls_for_the_other_color_too_that_is_the_reason(deployed: Site) -> None:
    update(deployed, BLUE)
    deployed.document["vikunja"] = {"max_upload_mb": 77}
    deployed.write()
    _, plan = deployed.plan()
    entries = {entry.address: entry for entry in plan.entries}
    assert SAID not in str(entries["color:active"].reasons)
    deployed.apply()
    check_converged(deployed)


def test_a_database_server_is_started_anew_and_the_plan_says_what_that_stops(site: Site) -> None:
    site.document["database"] = {"type": "postgresql"}
    site.write()
    site.deploy()
    update(site, "postgresql.service")
    _, plan = site.plan()
    entry = next(one for one in plan.entries if one.address == "unit:postgresql.service")
    assert [one.text for one in entry.reasons] == [SAID]
    assert entry.interrupts == "requests, for 2 to 4 s"
    site.apply()
    check_converged(site)
