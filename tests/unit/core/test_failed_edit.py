"""An edit that fails serves nobody, stays planned with its reasons, and can be taken back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import model_services
import pytest
from model_claims import apply_killed, check_apply, check_converged, host_records
from model_machine import Answer, Refused
from model_site import NAME, Site

from tasks.commands.plan import Plan
from tasks.model.plan import PlanEntry
from tasks.output.plan_text import instance_lines

BACKEND = "vikunja-backend@blue.service"
SETTINGS = "file:/etc/vikunja/environment.green"
HEADER = "    settings: 1 changed, blue → green, no request interrupted"
DIFF = [
    "      --- /etc/vikunja/environment.blue (found)",
    "      +++ /etc/vikunja/environment.blue (desired)",
    "      @@ -3,7 +3,7 @@",
    '       VIKUNJA_SERVICE_PUBLICURL="https://tasks.example.com/"',
    '       VIKUNJA_SERVICE_ROOTPATH="/var/lib/vikunja"',
    '       VIKUNJA_SERVICE_ENABLEREGISTRATION="false"',
    '      -VIKUNJA_SERVICE_TIMEZONE="UTC"',
    '      +VIKUNJA_SERVICE_TIMEZONE="Europe/Berlin"',
]


@pytest.fixture
def edited(site: Site) -> Site:
    """Deployed, and another time zone is configured since."""
    site.deploy()
    configure(site, timezone="Europe/Berlin")
    return site


def configure(site: Site, **vikunja: object) -> None:
    site.document["vikunja"] = vikunja
    site.write()


@pytest.fixture
def fails(monkeypatch: pytest.MonkeyPatch) -> Callable[[Site], None]:
    """An apply with settings that the application does not survive."""

    def refused(*_: object) -> None:
        raise Refused("it does not come up", 10)

    def fail(site: Site) -> None:
        looks, plan = site.plan()
        with monkeypatch.context() as broken:
            broken.setitem(model_services.HEALTH, "backend", refused)
            failures = site.carry_out(looks, plan)
        assert [failure.exit_code for failure in failures.values()] == [11]
        backend = site.machine.unit(BACKEND)
        assert (backend.active, backend.starts) == ("active", 1)

    return fail


def planned(site: Site) -> dict[str, PlanEntry]:
    _, plan = site.plan()
    return {entry.address: entry for entry in plan.entries}


def shown(site: Site, *, diffs: bool = False) -> list[str]:
    _, plan = site.plan()
    (instance,) = plan.instances
    return instance_lines(instance, diffs=diffs)


def said(entry: PlanEntry) -> str:
    return ", ".join(reason.text for reason in entry.reasons if reason.text)


def test_an_edit_is_one_line_above_what_is_done_for_it(
    edited: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert Plan().parse_execute(["--config", str(edited.config)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [NAME, HEADER]
    assert "TIMEZONE" not in "".join(lines)
    assert Plan().parse_execute(["--diff", "--config", str(edited.config)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [NAME, HEADER]
    at = lines.index(DIFF[0])
    assert SETTINGS in lines[at - 1] and lines[at : at + len(DIFF)] == DIFF


def test_an_edit_with_several_keys_counts_them(edited: Site) -> None:
    configure(edited, timezone="Europe/Berlin", registration=True, max_upload_mb=50)
    assert shown(edited)[1] == HEADER.replace("1 changed", "3 changed")


def test_an_edit_that_interrupts_something_does_not_say_that_nothing_is(edited: Site) -> None:
    edited.document["resources"] = {"memory_mb": 4096}
    edited.document["network"]["ip_address"] = "10.99.0.11/24"
    edited.write()
    (header,) = (line for line in shown(edited) if line.startswith("    settings: "))
    assert header.endswith(" changed, blue → green")


def test_one_that_failed_is_planned_again_with_its_reasons_and_its_diff(
    edited: Site, fails: Callable[[Site], None]
) -> None:
    for _ in range(2):
        fails(edited)
        entry = planned(edited)[SETTINGS]
        assert [(one.kind, one.subject) for one in entry.reasons] == [
            ("configuration", "vikunja.timezone")
        ]
        lines = shown(edited, diffs=True)
        assert lines[1] == HEADER
        at = lines.index(DIFF[0])
        assert lines[at - 1].split() == ["▸", SETTINGS, "vikunja.timezone", "changed"]
        assert lines[at : at + len(DIFF)] == DIFF
        assert not any(one.interrupts for one in planned(edited).values())


def test_one_that_failed_is_done_by_an_apply_that_does_what_its_plan_says(
    edited: Site, fails: Callable[[Site], None]
) -> None:
    fails(edited)
    looks, plan = edited.plan()
    before = host_records(edited)
    edited.world.log.clear()
    assert edited.carry_out(looks, plan) == {}
    check_apply(edited, plan, before)
    check_converged(edited)


def test_one_that_failed_and_is_mended_shows_all_that_is_other_than_what_serves(
    edited: Site, fails: Callable[[Site], None]
) -> None:
    fails(edited)
    configure(edited, timezone="Europe/Paris", registration=True)
    entry = planned(edited)[SETTINGS]
    assert said(entry) == "vikunja.registration changed, vikunja.timezone changed"
    assert '-VIKUNJA_SERVICE_TIMEZONE="UTC"' in entry.diff and "Berlin" not in entry.diff
    edited.apply()
    check_converged(edited)


def test_one_that_failed_and_is_taken_back_leaves_what_serves_alone(
    edited: Site, fails: Callable[[Site], None]
) -> None:
    fails(edited)
    configure(edited)
    entries = planned(edited)
    # Of the system, which was done before it failed.
    timer = "vikunja-updates.timer"
    file = f"file:/etc/systemd/system/{timer}"
    assert {address: (one.action, said(one)) for address, one in entries.items()} == {
        file: ("update", "vikunja.timezone changed"),
        "systemd:unit-files": ("run", f"{file} changes"),
        f"unit:{timer}": ("run", f"{file} changes"),
        SETTINGS: ("delete", "the last apply has not finished it"),
        "retired-secrets:green": ("delete", "left by an apply that came to no end"),
        "record:/etc/vikunja/deployment-config.yaml": ("update", f"{file} and 4 more change"),
    }
    assert not any(one.interrupts or one.destructive for one in entries.values())
    edited.apply()
    backend = edited.machine.unit(BACKEND)
    assert (backend.active, backend.starts) == ("active", 1)
    check_converged(edited)


def test_a_template_that_failed_is_planned_again_as_what_it_is(
    site: Site, fails: Callable[[Site], None]
) -> None:
    site.deploy()
    site.edit_template("systemd/vikunja-backend@.service.j2", "# another sandbox\n")
    fails(site)
    entry = planned(site)["file:/etc/systemd/system/vikunja-backend@green.service"]
    assert (entry.action, said(entry)) == ("run", "template changed")
    assert "+# another sandbox" in entry.diff
    site.apply()
    check_converged(site)


def test_what_takes_over_though_no_key_has_changed_is_a_line_of_its_own(site: Site) -> None:
    site.deploy()
    site.edit_template("systemd/vikunja-backend@.service.j2", "# another sandbox\n")
    assert shown(site)[1] == "    color: blue → green, no request interrupted"


def test_settings_that_somebody_put_where_no_color_serves_go(site: Site) -> None:
    site.deploy()
    site.machine.files.write(SETTINGS.removeprefix("file:"), b"mine\n", "0640", group="vikunja")
    entries = planned(site)
    assert list(entries) == [SETTINGS, "record:/etc/vikunja/deployment-config.yaml"]
    assert (entries[SETTINGS].action, said(entries[SETTINGS])) == ("delete", "drift: put there")
    site.apply()
    check_converged(site)


def test_settings_that_somebody_edited_where_a_color_serves_are_drift(site: Site) -> None:
    site.deploy()
    files = site.machine.files
    mine = files.content("/etc/vikunja/environment") + b"MINE=1\n"
    files.write("/etc/vikunja/environment.blue", mine, "0640", group="vikunja")
    entry = planned(site)[SETTINGS]
    assert said(entry) == "drift: edited in the container"
    assert entry.diff.endswith("\n-MINE=1")
    assert not any(one.interrupts for one in planned(site).values())
    site.apply()
    check_converged(site)


@pytest.mark.parametrize("at", range(4, 40, 4))
def test_one_that_was_killed_says_what_it_is_about_and_interrupts_nobody(
    edited: Site, at: int
) -> None:
    if not apply_killed(edited, *edited.plan(), at):
        check_converged(edited)
        return
    entries = planned(edited)
    assert not any(one.interrupts for one in entries.values())
    serving = edited.machine.files.get("/etc/vikunja/active/green") is not None
    assert (SETTINGS in entries) is not serving
    if not serving:
        assert said(entries[SETTINGS]) == "vikunja.timezone changed"
        assert shown(edited)[1] == HEADER
    edited.apply()
    check_converged(edited)
    assert edited.machine.unit(BACKEND).starts == 1


@pytest.mark.parametrize("mcp", [True, False])
def test_a_service_that_could_not_be_added_is_taken_back_without_a_switch(
    site: Site, fails: Callable[[Site], None], mcp: bool
) -> None:
    site.deploy()
    site.document["redis"] = {"enabled": True}
    site.document["services"] = {"mcp": {"enabled": mcp}}
    site.write()
    fails(site)
    del site.document["redis"], site.document["services"]
    site.write()
    entries = planned(site)
    assert entries and not {"color:active", f"unit:{BACKEND}", "release:blue"} & entries.keys()
    assert not any(one.interrupts for one in entries.values())
    assert said(entries["unit:redis-server.service"]) == "no longer configured"
    site.apply()
    assert site.machine.unit(BACKEND).starts == 1
    check_converged(site)


def test_a_color_that_starts_says_which_of_its_settings_it_starts_for(edited: Site) -> None:
    edited.apply()
    configure(edited, timezone="Europe/Paris")
    # It has its release already, and served with other settings before.
    assert [reason.subject for reason in planned(edited)[f"unit:{BACKEND}"].reasons] == [
        "file:/etc/vikunja/environment.blue",
        "color-secrets:blue",
    ]


def test_what_the_proxy_had_for_one_that_failed_is_as_it_was(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.deploy()
    before = site.machine.unit("nginx.service").running
    site.document["network"]["domain"] = "other.example.com"
    site.write()
    looks, plan = site.plan()
    with monkeypatch.context() as broken:
        gone_back = Answer(stderr=b"it errs\n", returncode=11)
        broken.setattr(model_services, "flip", lambda *_: gone_back)
        failures = site.carry_out(looks, plan)
    assert [failure.exit_code for failure in failures.values()] == [11]
    nginx = site.machine.unit("nginx.service")
    assert nginx.active == "active" and before is not None and nginx.running is not None
    assert {path for path, text in nginx.running.items() if text != before.get(path)} == set()
    assert site.machine.behind() == {}
    assert said(planned(site)[SETTINGS]) == "network.domain changed"
    assert "file:/etc/nginx/conf.d/vikunja.conf" in planned(site)
    site.apply()
    check_converged(site)


def test_what_was_kept_of_the_proxy_for_an_earlier_edit_is_no_way_back_for_a_later_one(
    edited: Site, fails: Callable[[Site], None]
) -> None:
    machine = edited.machine
    before = machine.unit("nginx.service").running
    # The apply that kept it was killed once its switch was confirmed.
    old = {path: node for path, node in machine.files.nodes.items() if "/etc/nginx/" in path}
    machine.kept_proxy = {
        path: replace(node, content=b"of an earlier name\n") for path, node in old.items()
    }
    fails(edited)
    assert machine.unit("nginx.service").running == before
    assert machine.behind() == {}


def test_another_user_of_postgresql_shuts_out_what_serves_until_the_other_color_does(
    site: Site,
) -> None:
    site.document["database"] = {"type": "postgresql"}
    site.write()
    site.deploy()
    site.document["database"] = {"type": "postgresql", "user": "tasks"}
    site.write()
    entry = planned(site)["postgresql-database:vikunja"]
    assert entry.interrupts == "requests, until the other color serves"
    site.apply()
    check_converged(site)


def test_redis_at_another_port_is_missed_until_the_other_color_serves(site: Site) -> None:
    site.document["redis"] = {"enabled": True, "port": 6379}
    site.write()
    site.deploy()
    site.document["redis"] = {"enabled": True, "port": 6380}
    site.write()
    entry = planned(site)["unit:redis-server.service"]
    assert entry.interrupts == "requests that need redis, until the other color serves"
