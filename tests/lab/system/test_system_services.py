"""Vikunja and its MCP server under systemd: sandboxed, and working."""

from __future__ import annotations

import re

import pytest
from system_lab import VERSION, Site

SERVICES = ("vikunja-backend@blue.service", "vikunja-mcp@blue.service")


@pytest.mark.parametrize("unit", SERVICES)
def test_a_service_is_exposed_no_more_than_one_and_a_half(site: Site, unit: str) -> None:
    evaluated = site.inside.sh('systemd-analyze --no-pager security "$1" | tail -n 1', unit)

    assert site.inside.sh('systemctl is-active "$1"', unit).strip() == "active"
    figure = re.search(r"exposure level for \S+: ([\d.]+)", evaluated)
    assert figure is not None and float(figure[1]) <= 1.5


@pytest.mark.parametrize("unit", SERVICES)
def test_the_sandbox_is_in_force_in_an_unprivileged_container(site: Site, unit: str) -> None:
    shown = site.inside.sh(
        """
        pid=$(systemctl show -p MainPID --value "$1")
        grep -E '^(NoNewPrivs|Seccomp|CapBnd|Uid):' "/proc/$pid/status"
        awk '{ print "mount", $5, $6 }' "/proc/$pid/mountinfo"
        """,
        unit,
    )

    assert "NoNewPrivs:\t1" in shown
    assert "Seccomp:\t2" in shown
    assert "CapBnd:\t0000000000000000" in shown
    assert not re.search(r"^Uid:\t0\b", shown, re.MULTILINE)
    assert re.search(r"^mount / ro\b", shown, re.MULTILINE)


def test_the_backend_writes_its_own_data_and_nothing_else(site: Site) -> None:
    refused = site.inside.sh(
        """
        pid=$(systemctl show -p MainPID --value vikunja-backend@blue.service)
        for file in /var/lib/vikunja/files/probe /opt/vikunja/backend/blue/probe /etc/probe; do
            nsenter --target "$pid" --mount touch "$file" 2>/dev/null && echo "written $file"
        done
        rm -f /var/lib/vikunja/files/probe
        """,
        check=False,
    )

    assert refused.split() == ["written", "/var/lib/vikunja/files/probe"]


def test_both_services_log_to_the_files_of_their_color_that_others_cannot_read(
    site: Site,
) -> None:
    site.ask("/api/v1/info")
    listed = site.inside.sh("stat -c '%n %a %U %s' /var/log/vikunja/*-blue.log").splitlines()

    found = {line.split()[0]: line.split()[1:] for line in listed}
    for name in ("backend", "mcp"):
        mode, owner, size = found[f"/var/log/vikunja/{name}-blue.log"]
        assert (mode, owner) == ("640", "vikunja")
        assert int(size) > 0


def test_a_stop_lets_a_request_finish(site: Site) -> None:
    said = site.inside.sh(
        """
        curl -s -o /dev/null -w '%{http_code}' 'http://127.0.0.1:3456/api/v1/slow?seconds=2' &
        sleep 0.5
        systemctl stop vikunja-backend@blue.service
        wait
        systemctl start vikunja-backend@blue.service
        """
    )
    site.inside.apply(site.instance, "blue")

    assert said.strip() == "200"


def test_a_service_that_dies_comes_back(site: Site) -> None:
    said = site.inside.sh(
        """
        unit=vikunja-backend@blue.service
        before=$(systemctl show -p MainPID --value "$unit")
        kill -9 "$before"
        tries=0
        until curl -sf -o /dev/null http://127.0.0.1:3456/health || [ $tries -ge 100 ]; do
            sleep 0.1; tries=$((tries + 1))
        done
        after=$(systemctl show -p MainPID --value "$unit")
        [ "$before" != "$after" ] && [ "$after" != 0 ] && echo back
        """
    )

    assert said.strip() == "back"


def test_values_of_the_users_own_arrive_as_they_were_written(site: Site) -> None:
    odd = {
        "VIKUNJA_MAILER_FROMEMAIL": 'a "quoted" $HOME `id` \\ name\'s <x@example.org>  ',
        "SAMPLE_ODD": "#no comment; 100% = ä",
    }
    desired = {"redis": {"enabled": True}, "vikunja": {"registration": True, "environment": odd}}
    site.inside.apply(site.inside.instance(**desired), "blue")
    environ = site.inside.sh(
        "cat /proc/$(systemctl show -p MainPID --value vikunja-backend@blue.service)/environ"
    ).split("\0")
    site.inside.apply(site.instance, "blue")

    for name, value in odd.items():
        assert f"{name}={value}" in environ


def test_secrets_reach_a_vikunja_before_1_0_by_its_environment_only(site: Site) -> None:
    desired = {
        "redis": {"enabled": True},
        "vikunja": {"registration": True, "secrets": "environment"},
    }
    instance = site.inside.instance(**desired)
    site.inside.apply(instance, "blue")
    secret = site.inside.sh("cat /etc/vikunja/secrets/service-secret").strip()
    redis = site.inside.sh("cat /etc/vikunja/secrets/redis-password").strip()
    process = site.inside.sh(
        """
        pid=$(systemctl show -p MainPID --value vikunja-backend@blue.service)
        tr '\\0' '\\n' <"/proc/$pid/cmdline"
        echo --
        tr '\\0' '\\n' <"/proc/$pid/environ"
        stat -c %a "/proc/$pid/environ"
        """
    )
    again = site.inside.plan(instance, "blue")
    site.inside.apply(site.instance, "blue")

    arguments, _, environment = process.partition("--\n")
    assert arguments.split() == ["/opt/vikunja/backend/blue/vikunja"]
    assert f"VIKUNJA_SERVICE_SECRET={secret}" in environment.split()
    assert f"VIKUNJA_SERVICE_JWTSECRET={secret}" in environment.split()
    assert f"VIKUNJA_REDIS_PASSWORD={redis}" in environment.split()
    assert environment.split()[-1] == "400"
    assert again == ()


def test_a_changed_environment_restarts_the_backend_once(site: Site) -> None:
    changed = site.inside.instance(
        redis={"enabled": True},
        services={"mcp": {"enabled": True}},
        vikunja={"registration": False, "environment": {"SAMPLE_VERSION": VERSION}},
    )
    done = [entry.address for entry in site.inside.apply(changed, "blue")]
    again = site.inside.plan(changed, "blue")
    site.inside.apply(site.instance, "blue")

    assert done == [
        "file:/etc/vikunja/environment.blue",
        "unit:vikunja-backend@blue.service",
        "health:site",
    ]
    assert again == ()


def test_logs_rotate_at_10_mb_and_are_written_on(site: Site) -> None:
    # What Vikunja writes of each request, where that is wanted.
    wordy = {"registration": True, "environment": {"VIKUNJA_LOG_HTTP": "stdout"}}
    desired = {"redis": {"enabled": True}, "services": {"mcp": {"enabled": True}}}
    site.inside.apply(site.inside.instance(**desired, vikunja=wordy), "blue")
    site.inside.sh(
        """
        cd /var/log/vikunja
        for log in backend-blue mcp-blue nginx-access; do
            head -c 11000000 /dev/zero | tr '\\0' x >>$log.log
        done
        systemctl start logrotate.service
        """
    )
    rotated = site.inside.sh("cd /var/log/vikunja && ls *.gz && stat -c '%n %a %U %s' *.log")
    site.ask("/api/v1/info")
    site.ask("/mcp")
    # nginx writes its lines in a moment; what writes to a rotated file never comes.
    await_line = "timeout 60 sh -c 'until [ -s \"$1\" ]; do sleep 0.05; done' sh"
    for name in ("backend-blue", "mcp-blue", "nginx-access"):
        site.inside.sh(f'{await_line} "/var/log/vikunja/$1.log"', name)
    site.inside.sh("rm /var/log/vikunja/*.gz")
    site.inside.apply(site.instance, "blue")

    assert rotated.split()[:3] == [
        "backend-blue.log.1.gz",
        "mcp-blue.log.1.gz",
        "nginx-access.log.1.gz",
    ]
    assert "backend-blue.log 640 vikunja 0" in rotated
    assert "nginx-access.log 640 www-data 0" in rotated
    assert site.inside.plan(site.instance, "blue") == ()


def test_everything_is_back_after_the_container_was_restarted(site: Site) -> None:
    site.inside.container.stop()
    site.inside.container.start()
    site.inside.sh(
        """
        until systemctl is-active -q nginx.service && systemctl is-active -q "$1" &&
            systemctl is-active -q "$2" && curl -sf -o /dev/null http://127.0.0.1:3456/health
        do sleep 0.2; done
        """,
        *SERVICES,
        timeout=60,
    )

    assert VERSION.encode() in site.ask("/api/v1/info").body
    assert site.inside.plan(site.instance, "blue") == ()
