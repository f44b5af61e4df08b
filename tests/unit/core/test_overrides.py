"""Drop-ins and unit files that nobody asked for are put aside, and their units started anew."""

from __future__ import annotations

import pytest
from model_claims import apply_killed, check_converged
from model_machine import UNITS
from model_site import Site

from tasks.resources.base import Facts, UnitFact
from tasks.resources.overrides import find
from tasks.resources.system import Unit

BACKEND = "vikunja-backend@blue.service"
DROP_IN = f"{UNITS}/{BACKEND}.d/x.conf"
OTHER = b"[Service]\nExecStart=\nExecStart=/bin/sleep 1000\n"


@pytest.fixture
def deployed(site: Site) -> Site:
    site.deploy()
    return site


def put(site: Site, path: str, *, loaded: bool = True) -> None:
    site.machine.files.make_folders(path.rpartition("/")[0])
    site.machine.files.write(path, OTHER)
    if loaded:
        site.machine.daemon_reload()


def planned(site: Site) -> list[str]:
    _, plan = site.plan()
    return [entry.address for entry in plan.entries if not entry.address.startswith("record:")]


@pytest.mark.parametrize("loaded", [True, False])
def test_a_drop_in_of_somebody_s_is_put_aside_and_the_service_started_anew(
    deployed: Site, loaded: bool
) -> None:
    put(deployed, DROP_IN, loaded=loaded)
    _, plan = deployed.plan()
    entry = plan.entries[0]
    assert entry.full_address == f"vikunja-main/override:{DROP_IN}"
    assert entry.action == "delete"
    (reason,) = entry.reasons
    assert (reason.kind, reason.text) == (
        "drift",
        f"drift: changes {BACKEND}, and is not of the configuration",
    )
    # The other color serves, without it.
    assert planned(deployed)[:3] == [f"override:{DROP_IN}", "systemd:unit-files", "release:green"]
    assert not any(one.interrupts for one in plan.entries)
    deployed.apply()
    (aside,) = (p for p in deployed.machine.files.below(UNITS) if ".replaced-" in p)
    assert aside.startswith(DROP_IN)
    assert deployed.machine.files.content(aside) == OTHER
    check_converged(deployed)


def test_one_that_is_gone_from_the_disk_and_still_in_use_ends_too(deployed: Site) -> None:
    put(deployed, DROP_IN)
    deployed.machine.restart(BACKEND)
    deployed.machine.files.remove(DROP_IN)
    assert f"override:{DROP_IN}" in planned(deployed)
    deployed.apply()
    assert deployed.machine.unit(BACKEND).running is None
    check_converged(deployed)


def test_a_unit_file_of_ours_that_was_edited_is_left_for_another(deployed: Site) -> None:
    put(deployed, f"{UNITS}/{BACKEND}")
    assert planned(deployed)[0] == "release:green"
    deployed.apply()
    check_converged(deployed)


def test_nginx_is_started_anew_and_not_reloaded_even_after_a_kill(deployed: Site) -> None:
    put(deployed, f"{UNITS}/nginx.service.d/x.conf")
    nginx = deployed.machine.unit("nginx.service")
    deployed.machine.restart("nginx.service")
    _, plan = deployed.plan()
    (entry,) = (one for one in plan.entries if one.address == "unit:nginx.service")
    assert entry.interrupts == "every request, for about 1 s"
    # As a kill leaves it, between the two.
    deployed.machine.files.put_aside(f"{UNITS}/nginx.service.d/x.conf")
    deployed.machine.files.remove("/var/lib/vikunja-deploy/stamps/nginx.service")
    deployed.machine.daemon_reload()
    deployed.apply()
    assert (nginx.starts, nginx.reloads) == (3, 0)
    check_converged(deployed)


def test_one_that_the_configuration_names_is_wanted_and_goes_with_it(deployed: Site) -> None:
    path = f"{UNITS}/nginx.service.d/x.conf"
    deployed.document["files"] = [{"path": path, "content": "[Service]\nNice=1\n"}]
    deployed.write()
    nginx = deployed.machine.unit("nginx.service")
    assert planned(deployed) == [
        f"file:{path}",
        "systemd:unit-files",
        "unit:nginx.service",
        "health:site",
    ]
    deployed.apply()
    assert (nginx.starts, nginx.running[path]) == (2, b"[Service]\nNice=1\n")
    check_converged(deployed)
    deployed.document["files"] = []
    deployed.write()
    _, plan = deployed.plan()
    gone, reload, unit, *_ = plan.entries
    assert [one.address for one in (gone, reload, unit)] == [
        f"file:{path}",
        "systemd:unit-files-of-nginx",
        "unit:nginx.service",
    ]
    assert [one.text for one in gone.reasons] == ["no longer configured"]
    assert unit.interrupts == "every request, for about 1 s"
    deployed.apply()
    assert deployed.machine.files.get(path) is None
    # No reload takes it from what runs.
    assert (nginx.starts, nginx.reloads) == (3, 0)
    check_converged(deployed)


@pytest.mark.parametrize("at", range(2, 12))
def test_one_that_goes_with_the_configuration_goes_even_after_a_kill(
    deployed: Site, at: int
) -> None:
    path = f"{UNITS}/nginx.service.d/x.conf"
    deployed.document["files"] = [{"path": path, "content": "[Service]\nNice=1\n"}]
    deployed.write()
    deployed.apply()
    deployed.document["files"] = []
    deployed.write()
    assert apply_killed(deployed, *deployed.plan(), at)
    deployed.apply()
    assert path not in deployed.machine.unit("nginx.service").running
    check_converged(deployed)


def test_one_of_another_service_that_the_configuration_names_no_longer_is_forgotten(
    deployed: Site,
) -> None:
    path = f"{UNITS}/logrotate.timer.d/x.conf"
    deployed.document["files"] = [{"path": path, "content": "[Timer]\nAccuracySec=1h\n"}]
    deployed.write()
    deployed.apply()
    deployed.document["files"] = []
    deployed.write()
    assert planned(deployed) == [
        f"file:{path}",
        "systemd:unit-files-of-logrotate.timer",
        "unit:logrotate.timer",
    ]
    deployed.apply()
    assert planned(deployed) == []
    assert not deployed.machine.stale("logrotate.timer")


def test_one_that_is_another_unit_s_is_not_ours(deployed: Site) -> None:
    put(deployed, f"{UNITS}/ssh.service.d/x.conf", loaded=False)
    put(deployed, f"{UNITS}/somebody.service", loaded=False)
    assert planned(deployed) == []


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (DROP_IN, True),
        (f"{UNITS}/vikunja-backend@.service.d/x.conf", True),
        (f"{UNITS}/vikunja-.service.d/x.conf", True),
        (f"{UNITS}/service.d/x.conf", True),
        (f"{UNITS}.control/{BACKEND}.d/50-MemoryMax.conf", True),
        (f"/run/systemd/system/{BACKEND}.d/override.conf", True),
        ("/run/systemd/system/service.d/zzz-lxc-service.conf", False),
        (f"/run/systemd/generator/{BACKEND}.d/x.conf", False),
        (f"{UNITS}/vikunja-backend@green.service.d/x.conf", False),
        (f"{UNITS}/timer.d/x.conf", False),
        (f"{UNITS}/vikunja.service.d/x.conf", False),
    ],
)
def test_what_systemd_reads_for_a_unit_is_known_by_where_it_is(path: str, found: bool) -> None:
    facts = Facts(
        units={BACKEND: UnitFact("loaded", "active", "enabled", True)}, unit_files=(path,)
    )
    assert bool(find(facts, [Unit(unit=BACKEND)], {})) is found
    loaded = Facts(units={BACKEND: UnitFact("loaded", "active", "enabled", False, (path,))})
    if found:
        assert find(loaded, [Unit(unit=BACKEND)], {})


def test_of_a_masked_unit_the_link_that_masks_it_is_none() -> None:
    masked = UnitFact("masked", "inactive", "masked", False, (f"{UNITS}/{BACKEND}", DROP_IN))
    (found,) = find(Facts(units={BACKEND: masked}), [Unit(unit=BACKEND)], {})
    assert (found.path, found.units) == (DROP_IN, (BACKEND,))
