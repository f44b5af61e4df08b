"""What runs and does not answer as it should is in the plan, and an apply starts it anew."""

from __future__ import annotations

from dataclasses import replace

import model_services
import pytest
from model_claims import check_converged
from model_machine import SECRETS, Refused
from model_site import Site

from tasks.model.layout import MAINTENANCE
from tasks.model.plan import PlanEntry

BACKEND = "vikunja-backend@blue.service"
GREEN_BACKEND = "vikunja-backend@green.service"
MCP = "vikunja-mcp@blue.service"
NGINX = "nginx.service"
REDIS = "redis-server.service"
RECORD = "record:/etc/vikunja/deployment-config.yaml"


@pytest.fixture
def deployed(site: Site) -> Site:
    site.document["services"] = {"mcp": {"enabled": True}}
    site.document["redis"] = {"enabled": True}
    site.write()
    site.deploy()
    return site


def entries(site: Site) -> list[PlanEntry]:
    _, plan = site.plan()
    return list(plan.entries)


def said(entry: PlanEntry) -> tuple[str, str, list[str]]:
    changes = [f"{change.name}: {change.before} → {change.after}" for change in entry.changes]
    reasons = [reason.text for reason in entry.reasons if reason.text]
    return entry.address, ", ".join(reasons), changes


@pytest.mark.parametrize("name", [BACKEND, MCP, NGINX, REDIS])
def test_one_that_hangs_is_started_anew(deployed: Site, name: str) -> None:
    unit = deployed.machine.unit(name)
    unit.hangs = True
    first, *_ = planned = entries(deployed)
    assert said(first) == (
        f"unit:{name}",
        "drift: does not answer",
        ["health: does not answer → well"],
    )
    assert first.interrupts
    assert planned[-1].address == RECORD
    deployed.apply()
    assert (unit.starts, unit.reloads, unit.hangs) == (2, 0, False)
    check_converged(deployed)


def test_a_proxy_that_waits_for_what_hangs_is_let_alone(deployed: Site) -> None:
    deployed.machine.unit(BACKEND).hangs = True
    assert [entry.address for entry in entries(deployed)] == [
        f"unit:{BACKEND}",
        "health:site",
        RECORD,
    ]


def test_redis_with_another_password_than_its_file_s_is_started_anew(deployed: Site) -> None:
    running = deployed.machine.unit(REDIS).running
    running["/etc/redis/vikunja-password.conf"] = b"requirepass other\n"
    first, *_ = entries(deployed)
    assert said(first)[:2] == (f"unit:{REDIS}", "drift: refuses its password")
    deployed.apply()
    check_converged(deployed)


def test_what_needs_what_hangs_is_started_after_it(deployed: Site) -> None:
    deployed.machine.unit(REDIS).hangs = True
    first, second, *_ = entries(deployed)
    assert said(first)[:2] == (f"unit:{REDIS}", "drift: does not answer")
    assert said(second)[:2] == (f"unit:{BACKEND}", "drift: answers 500")


def test_a_site_that_does_not_answer_for_no_reason_of_ours_is_looked_at(deployed: Site) -> None:
    """Whoever closes it behind the tool's back."""
    running = deployed.machine.unit(NGINX).running
    site = running["/etc/nginx/conf.d/vikunja.conf"]
    running["/etc/nginx/conf.d/vikunja.conf"] = site.replace(b"server_name", b"other_name")
    first, *_ = entries(deployed)
    assert said(first) == ("health:site", "drift: answers 421", ["health: answers 421 → well"])
    failures = deployed.carry_out(*deployed.plan())
    assert [failure.exit_code for failure in failures.values()] == [10]


def test_a_site_that_was_left_closed_is_opened_and_stays_so(deployed: Site) -> None:
    deployed.machine.files.write(MAINTENANCE, b"")
    first, second, *_ = entries(deployed)
    assert (first.action, *said(first)[:2]) == (
        "delete",
        f"absent:{MAINTENANCE}",
        "drift: put there: everybody gets a 503",
    )
    assert said(second) == ("health:site", f"absent:{MAINTENANCE} changes", [])
    deployed.apply()
    assert deployed.machine.files.get(MAINTENANCE) is None
    check_converged(deployed)


def test_an_update_that_fails_does_not_close_what_it_had_opened(
    deployed: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise Refused("it does not come up", 10)

    deployed.machine.files.write(MAINTENANCE, b"")
    deployed.repository.commit()
    monkeypatch.setitem(model_services.HEALTH, "backend", refused)
    failures = deployed.carry_out(*deployed.plan())
    assert [failure.exit_code for failure in failures.values()] == [11]
    assert deployed.machine.files.get(MAINTENANCE) is None


def test_a_file_that_keeps_nginx_from_its_next_reload_is_put_aside(deployed: Site) -> None:
    files = deployed.machine.files
    files.write("/etc/nginx/conf.d/ours-by-hand.conf", b"# well\n")
    files.write("/etc/nginx/conf.d/broken.conf", b"")
    files.write("/etc/nginx/conf.d/broken-too.conf", b"")
    first, *_ = entries(deployed)
    assert said(first)[:2] == (
        "nginx-files:/etc/nginx/conf.d",
        "drift: nginx refuses broken-too.conf",
    )
    deployed.document["network"]["domain"] = "other.example.com"
    deployed.write()
    deployed.apply()
    kept = [path.rpartition("/")[2] for path in files.below("/etc/nginx/conf.d")]
    assert [name for name in kept if name.endswith(".conf")] == [
        "ours-by-hand.conf",
        "vikunja.conf",
    ]
    assert len([name for name in kept if ".conf.replaced-" in name]) == 2


def test_what_is_to_listen_elsewhere_is_not_said_to_be_unwell(deployed: Site) -> None:
    deployed.document["services"]["backend"] = {"port_blue": 3556}
    deployed.document["network"]["domain"] = "other.example.com"
    deployed.write()
    planned = entries(deployed)
    found = {entry.address: said(entry) for entry in planned}
    assert found["file:/etc/vikunja/environment.green"][1] == (
        "network.domain changed, services.backend.port_blue changed"
    )
    assert not [changes for *_, changes in found.values() if "health" in str(changes)]
    # What served is to be elsewhere when it serves again, and nginx is told that it rests.
    assert [said(one)[1] for one in planned if one.address == f"unit:{NGINX}"] == [
        "network.domain changed, file:/etc/nginx/conf.d/vikunja.conf and 1 more change",
        "file:/etc/vikunja/nginx/blue.conf changes",
    ]
    assert not any(one.interrupts for one in planned)
    deployed.apply()
    assert deployed.machine.unit(NGINX).starts == 1
    assert deployed.machine.unit(BACKEND).active == "inactive"
    check_converged(deployed)


def test_a_proxy_that_hangs_is_not_reloaded_whatever_else_it_takes_up(deployed: Site) -> None:
    deployed.machine.unit(NGINX).hangs = True
    deployed.document["network"]["domain"] = "other.example.com"
    deployed.write()
    deployed.apply()
    assert deployed.machine.unit(NGINX).starts == 2
    check_converged(deployed)


def test_nobody_is_asked_who_is_stopped_or_at_rest(deployed: Site) -> None:
    deployed.machine.stop(BACKEND)
    deployed.machine.stop(NGINX)
    reasons = {said(entry)[:2] for entry in entries(deployed)}
    assert {(f"unit:{BACKEND}", "drift: stopped"), (f"unit:{NGINX}", "drift: stopped")} <= reasons
    assert "answer" not in str(reasons)


def test_a_password_of_redis_that_is_made_anew_is_no_other_one(deployed: Site) -> None:
    deployed.machine.files.remove(f"{SECRETS}/redis-password")
    deployed.apply()
    check_converged(deployed)


def test_another_service_secret_counts_from_now_on_and_is_shown_before(deployed: Site) -> None:
    path = f"{SECRETS}/service-secret"
    files = deployed.machine.files
    node = files.get(path)
    files.put(path, replace(node, content=b"another\n"))
    first, *_ = planned = entries(deployed)
    assert said(first) == (
        f"secret:{path}",
        "drift: edited",
        [
            "from now on: None → what is there now, and everybody signs in anew",
            "content: (sensitive) → (sensitive, changed)",
        ],
    )
    # It is taken up by the other color, beside what serves.
    (copies,) = (entry for entry in planned if entry.address == "color-secrets:green")
    assert said(copies)[1] == f"secret:{path} changes"
    assert f"unit:{GREEN_BACKEND}" in [entry.address for entry in planned]
    assert not any(entry.interrupts for entry in planned)
    assert "another" not in "".join(str(entry.as_data()) for entry in planned)
    deployed.apply()
    assert files.content(path) == b"another\n"
    running = deployed.machine.unit(GREEN_BACKEND).running
    assert running[f"{SECRETS}/green/service-secret"] == b"another\n"
    assert deployed.machine.unit(BACKEND).active == "inactive"
    check_converged(deployed)


def test_a_database_server_that_is_reached_from_outside_is_shut(site: Site) -> None:
    site.document["database"] = {"type": "postgresql"}
    site.write()
    site.deploy()
    site.machine.exposed = True
    first, *_ = entries(site)
    assert said(first)[:2] == ("postgresql-database:vikunja", "drift: exposed")
    assert first.interrupts == "requests, for 2 to 4 s"
    site.apply()
    check_converged(site)


def test_one_that_was_never_noted_is_noted_by_the_next_apply(deployed: Site) -> None:
    deployed.machine.noted.clear()
    assert entries(deployed) == []
    deployed.repository.commit()
    deployed.apply()
    assert list(deployed.machine.noted) == [f"{SECRETS}/service-secret"]
