"""A rollback over a migration: the old version with its data, or what was there, never a mix.

What lies beside is put there by these tests; archives and databases are real in tests/lab.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import SimpleNamespace

import pytest
from killed_moments import moments
from model_migration import MAINTENANCE
from model_site import NAME, Site

from tasks.backup.cutover import RESTORED
from tasks.backup.staging import Staged
from tasks.commands.apply import carry_out
from tasks.errors import DeployError
from tasks.model import measured
from tasks.model.measured import Measured
from tasks.model.plan import Plan
from tasks.planning.inspection import Inspection
from tasks.resources.migration import JOURNAL
from tasks.workflows.rollback import inspect_rollback

OLD = "SCHEMA_INIT 20250101000000"
NEW = f"{OLD} 20250901120000"


@pytest.fixture
def site(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A migration stands between what serves, in green, and what served before."""
    monkeypatch.setattr("tasks.workflows.rollback.container_for", site.world.container_for)
    site.document["backup"] = {"directory": str(site.folder / "backups")}
    site.write()
    site.repository.commit(migrations=["20250101000000"])
    site.deploy()
    site.machine.migrations = OLD
    site.backup_sidecar(1729338000)
    site.repository.commit()
    site.deploy()
    site.machine.migrations = NEW
    site.machine.nothing_to_migrate = True

    def found(*_: object) -> SimpleNamespace:
        return SimpleNamespace(instance=site.instance, color="green", version="-")

    def laid(*_: object, **__: object) -> Staged:
        site.machine.places[RESTORED] = OLD
        return Staged(None, None, "")  # type: ignore[arg-type]

    monkeypatch.setattr("tasks.backup.running_instance.find", found)
    monkeypatch.setattr("tasks.backup.staging.stage", laid)
    yield site


def go_back(looks: Mapping[str, Inspection], plan: Plan, site: Site) -> Mapping[str, DeployError]:
    return carry_out(
        looks,
        plan,
        site.paths,
        whole=False,
        allow_destroy=True,
        name="rollback",
        inspection=inspect_rollback,
    )


def look(site: Site) -> tuple[Mapping[str, Inspection], Plan]:
    found = inspect_rollback(site.instance, site.paths)
    return {NAME: found}, Plan((found.plan,))


def active(site: Site) -> str:
    return "green" if site.machine.files.get("/etc/vikunja/active/green") is not None else "blue"


def together(site: Site) -> tuple[str, str]:
    """The color that serves, and what its database has been through."""
    colors = [
        color
        for color in ("blue", "green")
        if site.machine.unit(f"vikunja-backend@{color}.service").active == "active"
    ]
    assert colors == [active(site)]
    assert site.machine.files.get(MAINTENANCE) is None
    assert site.machine.files.get(JOURNAL) is None
    return active(site), site.machine.migrations


def test_the_old_version_serves_with_its_data_and_how_long_that_took_is_known(site: Site) -> None:
    measured.write(site.paths, NAME, Measured(2.5, 60.0))
    assert go_back(*look(site), site) == {}
    assert together(site) == ("blue", OLD)
    assert site.machine.places == {}
    took = measured.read(site.paths, NAME)
    assert took.write_stop == 2.5
    assert took.rollback is not None and took.rollback_stop is not None
    assert took.rollback_stop < took.rollback < 60


def test_where_the_old_version_does_not_come_up_nothing_has_changed(site: Site) -> None:
    site.machine.fails_to_migrate = True
    failures = go_back(*look(site), site)
    assert failures[NAME].exit_code == 11
    assert "serves on, with the database as it was" in failures[NAME].what
    assert together(site) == ("green", NEW)
    assert site.machine.places == {}


def test_what_was_laid_beside_goes_where_it_is_cancelled_before_it_is_live(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    tidied = []

    def cancelled(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tasks.backup.cutover.Cutover.post_watchdog", cancelled)
    monkeypatch.setattr("tasks.backup.staging.discard", lambda *_: tidied.append(1))
    failures = go_back(*look(site), site)
    assert failures[NAME].exit_code == 20
    assert "serves on" in failures[NAME].what
    assert tidied == [1]
    assert together(site) == ("green", NEW)


def test_killed_at_every_moment_version_and_data_stay_together(site: Site) -> None:
    seen = set()
    for moment in moments(site, *look(site), lambda looks, plan: go_back(looks, plan, site)):
        moment.leave(site)
        looks, plan = site.plan()
        if plan.entries and plan.entries[0].address == "migrations:unfinished":
            journal = site.machine.files.content(JOURNAL)
            seen.add(journal.split()[0].decode())
            assert site.carry_out(looks, plan) == {}
        pair = (active(site), site.machine.migrations)
        assert pair in (("blue", OLD), ("green", NEW)), f"{moment.number}: {pair}"
        site.apply()
        assert together(site)[0] == "green"
    assert seen == {"stopping", "saved", "committed"}
