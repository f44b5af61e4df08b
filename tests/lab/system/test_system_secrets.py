"""What outsiders can reach and read: ports, redis, secrets."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from system_lab import VERSION, Site

CANARY = "canary-of-the-database-password"

SEEN = "canary-that-proves-the-sampler"

SAMPLER = """
while [ -e /run/lab-sampling ]; do
    cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n' | grep -F -f /run/lab-canaries \
        >>/run/lab-found
    for folder in /proc/[0-9]*; do
        # What the service users can read of each other's and root's processes.
        setpriv --reuid=nobody --clear-groups cat "$folder/environ" 2>/dev/null |
            tr '\\0' '\\n' | grep -F -f /run/lab-canaries >>/run/lab-found
    done
done
true
"""


def test_only_nginx_listens_beyond_loopback(site: Site) -> None:
    lines = site.inside.sh("ss -Hltnp; ss -Hlunp").splitlines()

    beyond = [line for line in lines if not line.split()[3].startswith(("127.0.0.1:", "[::1]:"))]
    assert {line.split()[3] for line in beyond} == {"0.0.0.0:80", "0.0.0.0:443"}
    assert all('"nginx"' in line for line in beyond)


def test_no_service_runs_as_root(site: Site) -> None:
    """Root's are systemd's own parts and what this test itself runs, started from outside."""
    listed = site.inside.sh("ps -e -o user=,ppid=,comm=; echo $$")
    *lines, own = listed.splitlines()
    services = [line.split() for line in lines if line.split()[1] not in ("0", own)]

    roots = {name for user, _, name in services if user == "root"}
    assert {name for name in roots if not name.startswith("systemd")} == set()
    assert {"nginx", "redis-server", "node", "vikunja"} <= {name for _, _, name in services}


def test_redis_answers_only_with_its_password(site: Site) -> None:
    said = site.inside.sh(
        """
        redis-cli ping
        IFS= read -r REDISCLI_AUTH </etc/vikunja/secrets/redis-password
        export REDISCLI_AUTH
        redis-cli ping
        redis-cli config get save
        redis-cli config get appendonly
        """
    )

    assert "NOAUTH" in said
    assert "PONG" in said
    assert said.endswith("save\n\nappendonly\nno\n")
    assert site.inside.sh("stat -c '%a %U' /etc/redis/vikunja-password.conf") == "600 redis\n"


def test_secrets_are_for_the_service_user_only(site: Site) -> None:
    listed = site.inside.sh(
        "cd /etc/vikunja/secrets && stat -c '%n %a %U:%G' . service-secret redis-password "
        "blue blue/service-secret blue/redis-password"
    )

    assert listed.splitlines() == [
        ". 700 vikunja:vikunja",
        "service-secret 600 vikunja:vikunja",
        "redis-password 600 vikunja:vikunja",
        "blue 700 vikunja:vikunja",
        "blue/service-secret 600 vikunja:vikunja",
        "blue/redis-password 600 vikunja:vikunja",
    ]


def test_the_color_that_serves_has_what_is_configured(site: Site) -> None:
    site.inside.sh(
        """
        cd /etc/vikunja/secrets
        for name in service-secret redis-password; do cmp "$name" "blue/$name"; done
        """
    )


def test_a_secret_is_made_once_and_kept(site: Site) -> None:
    read = "cd /etc/vikunja/secrets && grep -r . . | LC_ALL=C sort"
    before = site.inside.sh(read)
    changed = site.inside.instance(
        redis={"enabled": True},
        services={"mcp": {"enabled": True}},
        vikunja={"environment": {"SAMPLE_VERSION": VERSION}},
    )
    site.inside.apply(changed, "blue")
    site.inside.apply(site.instance, "blue")

    assert site.inside.sh(read) == before


@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
@pytest.mark.parametrize("secrets", ["files", "environment"])
def test_canaries_show_in_no_argument_environment_unit_or_readable_file(
    site: Site, tmp_path: Path, kind: str, secrets: str
) -> None:
    inside = site.inside
    password = tmp_path / "password"
    password.write_text(f"{CANARY}\n")
    instance = inside.instance(
        database={"type": kind, "password_file": str(password)},
        redis={"enabled": True},
        services={"mcp": {"enabled": True}},
        vikunja={"secrets": secrets, "environment": {"SAMPLE_VERSION": VERSION}},
    )
    inside.sh(
        """
        { cat /etc/vikunja/secrets/service-secret /etc/vikunja/secrets/redis-password
          printf '%s\\n' "$1" "$2"; } >/run/lab-canaries
        chmod 600 /run/lab-canaries
        rm -f /run/lab-found; (umask 077; : >/run/lab-found)
        touch /run/lab-sampling
        """,
        CANARY,
        SEEN,
    )
    sampler = threading.Thread(target=inside.sh, args=(SAMPLER,), kwargs={"timeout": 300})
    sampler.start()
    try:
        inside.sh("sleep 2; : $1", SEEN)
        inside.apply(instance, "blue")
        assert inside.plan(instance, "blue") == ()
    finally:
        inside.sh("rm /run/lab-sampling")
        sampler.join()
    found = inside.sh("cat /run/lab-found")
    readable = inside.sh(
        """
        find /etc /opt /usr/local /var/log /var/lib /run /tmp -xdev -type f -perm -o+r \
            -print0 | xargs -0 grep -lF -f /run/lab-canaries
        systemctl cat 'vikunja-*' redis-server nginx | grep -F -f /run/lab-canaries
        systemctl show 'vikunja-*' redis-server nginx | grep -F -f /run/lab-canaries
        journalctl --no-pager | grep -F -f /run/lab-canaries
        cat /var/log/vikunja/* /var/log/postgresql/* 2>/dev/null | grep -F -f /run/lab-canaries
        """,
        check=False,
    )
    used = inside.sh("systemctl is-active vikunja-backend@blue.service vikunja-mcp@blue.service")
    inside.apply(site.instance, "blue")

    assert used.split() == ["active", "active"]
    assert set(found.split()) == {SEEN}, "the sampler sees arguments, and no secret in any"
    assert readable == ""
