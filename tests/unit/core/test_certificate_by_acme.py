"""A site whose certificate comes by ACME: it is the last thing, and all that may be wanting."""

from __future__ import annotations

import pytest
from model_site import NAME, Site

from tasks.commands.apply import Apply
from tasks.model import applied as applied_records
from tasks.model import state as states

CERTIFICATE = "acme-certificate:/etc/vikunja/tls/acme"
REASON = "tasks.example.com: connection refused"


def apply(site: Site) -> int:
    code: int = Apply().parse_execute(["--yes", "--config", str(site.config)])
    return code


@pytest.fixture
def asking(site: Site) -> Site:
    site.document["services"] = {"frontend": {"tls": "acme"}}
    site.write()
    return site


def test_a_first_certificate_that_does_not_come_leaves_all_else_done(
    asking: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    code = first_apply_without_certificate(asking)
    said = capsys.readouterr()
    state = states.read(asking.paths, NAME)
    left = asking.plan()[1].instances[0].entries

    assert code == 4
    assert f"no certificate for tasks.example.com: {REASON}" in said.err
    assert "port 80 of tasks.example.com" in said.err
    assert state is not None
    assert (state.status, state.last_operation_status) == ("running", "failure")
    assert [entry.address for entry in left] == [CERTIFICATE]
    assert [reason.text for reason in left[0].reasons] == ["the last apply has not finished it"]
    assert applied_records.read(asking.paths, NAME).created_at


def first_apply_without_certificate(site: Site) -> int:
    site.world.refuses_certificate = REASON
    return apply(site)


def test_the_next_apply_tries_again_and_then_there_is_nothing_to_do(asking: Site) -> None:
    first_apply_without_certificate(asking)
    asking.world.refuses_certificate = ""

    assert apply(asking) == 0
    state = states.read(asking.paths, NAME)
    assert state is not None
    assert (state.status, state.last_operation_status) == ("running", "success")
    assert asking.plan()[1].empty


def test_an_update_is_done_though_no_certificate_comes_for_another_name(asking: Site) -> None:
    asking.apply()
    asking.document["network"]["domain"] = "other.example.com"
    asking.write()
    commit = asking.repository.commit()
    asking.world.refuses_certificate = REASON

    assert apply(asking) == 4
    state = states.read(asking.paths, NAME)
    assert state is not None
    assert (state.status, state.deployed_commit) == ("running", commit)
    assert [one.address for one in asking.plan()[1].instances[0].entries] == [CERTIFICATE]


def test_a_site_that_no_longer_asks_has_no_timer(asking: Site) -> None:
    asking.apply()
    assert asking.machine.unit("vikunja-acme.timer").active == "active"
    del asking.document["services"]
    asking.write()
    asking.apply()

    assert asking.machine.unit("vikunja-acme.timer").active == "inactive"
    assert asking.machine.files.get("/etc/systemd/system/vikunja-acme.service") is None
    # The account stays: who asks again is known.
    assert asking.machine.files.get("/var/lib/vikunja-acme") is not None
    assert asking.plan()[1].empty
