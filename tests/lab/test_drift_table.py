"""What is broken behind the tool's back: a plan says what and what will be done, one apply does it.

A row each: how it is broken, the plan's own entries (what follows from them left out), and what
must hold in the container afterwards. The site must answer then, and the next plan be empty.
"""

from __future__ import annotations

import re
import ssl
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from inside import Inside
from journey import Site, new_site

from tasks.paths import Paths

BACKEND = "unit:vikunja-backend@SERVING.service"
COLORS = """
serving=blue idle=green
[ ! -e /etc/vikunja/active/green ] || { serving=green; idle=blue; }
"""
REDIS_PASSWORD = 'export REDISCLI_AUTH="$(cat /etc/vikunja/secrets/redis-password)"'


@dataclass(frozen=True)
class Drift:
    """name: what is so. damage: shell in the container, which knows the colors $serving and $idle.
    entries: lines of the plan, with what is below an entry after a bar. after: shell that must
    succeed when it is mended."""

    name: str
    damage: str
    entries: tuple[str, ...]
    after: str = ":"


TAKEN_OVER = "color: SERVING → IDLE, no request interrupted"
NOTHING_IDLE = "rm -f /opt/vikunja/backend/$idle/vikunja"
"""Else the other color may have that release from another row."""
FOREIGN = "[Service]\\nExecStart=\\nExecStart=/bin/sleep 1000\\n"

TABLE = (
    Drift(
        "a drop-in with another program",
        "cd /etc/systemd/system && mkdir -p vikunja-backend@$serving.service.d &&"
        f" printf '{FOREIGN}' >vikunja-backend@$serving.service.d/x.conf &&"
        " systemctl daemon-reload && systemctl restart vikunja-backend@$serving",
        (
            TAKEN_OVER,
            "- override:/etc/systemd/system/vikunja-backend@SERVING.service.d/x.conf"
            " drift: changes vikunja-backend@SERVING.service, and is not of the configuration"
            " | put aside as: x.conf.replaced-…",
        ),
        "ls /etc/systemd/system/vikunja-backend@*.service.d/x.conf.replaced-*",
    ),
    Drift(
        "a drop-in that systemd has yet to load",
        "cd /etc/systemd/system && mkdir -p service.d"
        " && printf '[Service]\\nNice=1\\n' >service.d/x.conf",
        (
            "color: SERVING → IDLE",
            "- override:/etc/systemd/system/service.d/x.conf drift: changes postgresql.service"
            " and 6 more, and is not of the configuration"
            " | put aside as: x.conf.replaced-…",
        ),
    ),
    Drift(
        "a unit file in the place of a package's",
        "cp /usr/lib/systemd/system/redis-server.service /etc/systemd/system/ &&"
        " echo '[Service]\nNice=1' >>/etc/systemd/system/redis-server.service &&"
        " systemctl daemon-reload",
        (
            "- override:/etc/systemd/system/redis-server.service drift: changes"
            " redis-server.service, and is not of the configuration"
            " | put aside as: redis-server.service.replaced-…",
        ),
    ),
    Drift(
        "PostgreSQL on all addresses",
        "sed -i \"s/^#*listen_addresses.*/listen_addresses = '*'/\""
        " /etc/postgresql/*/main/postgresql.conf && systemctl restart postgresql",
        (
            "~ postgresql-database:vikunja drift: exposed | state: exposed → present"
            " | interrupts: requests, for 2 to 4 s",
        ),
        "! ss -ltn | grep -E '(0.0.0.0|\\*|\\[::\\]):5432'",
    ),
    Drift(
        "another service secret",
        "printf 'another value, put there by somebody\\n' >/etc/vikunja/secrets/service-secret",
        (
            TAKEN_OVER,
            "~ secret:/etc/vikunja/secrets/service-secret drift: edited"
            " | from now on: what is there now, and everybody signs in anew"
            " | content: (sensitive) → (sensitive, changed)",
        ),
        "digest=$(sha256sum </etc/vikunja/secrets/service-secret | cut -c 1-64);"
        ' ! grep -rlE "another value|$digest"'
        " /etc/vikunja/deployment-config.yaml /var/lib/vikunja-deploy",
    ),
    Drift(
        "a broken file beside nginx's own",
        "echo broken >/etc/nginx/conf.d/zz.conf",
        (
            "~ nginx-files:/etc/nginx/conf.d drift: nginx refuses zz.conf"
            " | state: nginx refuses zz.conf → present",
        ),
        "nginx -t -q && ls /etc/nginx/conf.d/zz.conf.replaced-*",
    ),
    Drift(
        "another host name",
        "hostname other && echo other >/etc/hostname",
        (
            "~ container:SITE drift: /etc/hostname, hostname changed"
            " | /etc/hostname: edited → as vikunja-deploy writes it"
            " | hostname: other → SITE",
        ),
        'test "$(cat /etc/hostname)" = "$(hostname)" && ! hostname | grep other',
    ),
    Drift(
        "another /etc/hosts",
        "echo 203.0.113.1 localhost >/etc/hosts",
        (
            "~ container:SITE drift: /etc/hosts changed"
            " | /etc/hosts: edited → as vikunja-deploy writes it",
        ),
        "grep '127.0.0.1 localhost' /etc/hosts",
    ),
    Drift(
        "a site that was left closed",
        "touch /etc/vikunja/active/maintenance",
        ("- absent:/etc/vikunja/active/maintenance drift: put there: everybody gets a 503",),
    ),
    Drift(
        "a backend that hangs",
        "systemctl kill -s STOP vikunja-backend@$serving",
        (
            f"~ {BACKEND} drift: does not answer | health: does not answer → well"
            " | interrupts: requests, for 1 to 2 s",
        ),
    ),
    Drift(
        "an MCP server that hangs",
        "systemctl kill -s STOP vikunja-mcp@$serving",
        (
            "~ unit:vikunja-mcp@SERVING.service drift: does not answer"
            " | health: does not answer → well"
            " | interrupts: MCP sessions, which clients open anew",
        ),
    ),
    Drift(
        "a proxy that hangs",
        "systemctl kill -s STOP nginx",
        (
            "~ unit:nginx.service drift: does not answer | health: does not answer → well"
            " | interrupts: every request, for about 1 s",
        ),
    ),
    Drift(
        "one byte of the released program changed",
        f"{NOTHING_IDLE}; cd /opt/vikunja/backend/$serving && cp -p vikunja other &&"
        " printf X | dd of=other bs=1 seek=100000 conv=notrunc && mv other vikunja",
        (
            TAKEN_OVER,
            "+ release:IDLE what SERVING runs is not as it was released:"
            " backend/SERVING/vikunja was edited | build: COMMIT (v1.0.0)",
        ),
    ),
    Drift(
        "a released file changed that no process has open",
        f"{NOTHING_IDLE}; echo '// by hand' >>/opt/vikunja/mcp-server/$serving/dist/index.js",
        (
            TAKEN_OVER,
            "+ release:IDLE what SERVING runs is not as it was released:"
            " mcp-server/SERVING/dist/index.js was edited | build: COMMIT (v1.0.0)",
        ),
    ),
    Drift(
        "the released program without its execute bit",
        f"{NOTHING_IDLE}; chmod -x /opt/vikunja/backend/$serving/vikunja"
        " && systemctl restart vikunja-backend@$serving",
        (
            TAKEN_OVER,
            "+ release:IDLE what SERVING runs is not as it was released:"
            " backend/SERVING/vikunja has other rights | build: COMMIT (v1.0.0)",
        ),
    ),
    Drift(
        "redis with another password at run time",
        f"{REDIS_PASSWORD}; redis-cli config set requirepass other",
        (
            "~ unit:redis-server.service drift: refuses its password"
            " | health: refuses its password → well"
            " | interrupts: requests that need redis, for about 1 s",
            f"~ {BACKEND} drift: answers 500 | health: answers 500 → well"
            " | interrupts: requests, for 1 to 2 s",
        ),
        f"{REDIS_PASSWORD}; redis-cli ping | grep -qx PONG",
    ),
)


@pytest.fixture(scope="module")
def site(lab_paths: Paths, lab_network: object) -> Iterator[Site]:
    site = new_site(
        lab_paths,
        lab_network,
        "table",
        database={"type": "postgresql"},
        redis={"enabled": True},
        services={"mcp": {"enabled": True}},
    )
    site.run("apply", "--yes")
    yield site


@pytest.fixture(scope="module")
def inside(site: Site) -> Inside:
    return Inside(site)


def own_entries(plan: str, serving: str) -> tuple[str, ...]:
    """The plan's entries with what is below each; without what only follows from others. Colors and
    commits are called what they are."""
    idle = "blue" if serving == "green" else "green"
    plan = plan.replace(serving, "SERVING").replace(idle, "IDLE")
    plan = re.sub(r"\b[0-9a-f]{10}\b", "COMMIT", plan)
    found: list[str] = []
    for line in plan.splitlines():
        text = " ".join(line.split())
        if line.startswith("      "):
            found[-1] += f" | {text}"
        elif line.startswith("  "):
            found.append(text)
    follows = (
        *("changes", "more change", "entries above", "written when an apply is done"),
        *("IDLE takes over from SERVING", "the same as in what serves"),
    )
    return tuple(one for one in found if not one.partition(" | ")[0].endswith(follows))


def answers(site: Site) -> None:
    """As it does to everybody."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for path, text in (("/", b'name="version"'), ("/health", b"OK")):
        url = f"https://{site.address}{path}"
        with urllib.request.urlopen(url, timeout=10, context=context) as answer:
            assert text in answer.read()


@pytest.mark.parametrize("drift", TABLE, ids=[drift.name for drift in TABLE])
def test_it_is_in_the_plan_and_one_apply_mends_it(site: Site, inside: Inside, drift: Drift) -> None:
    serving = inside.shell(f"{COLORS} echo $serving; {drift.damage}").split()[0]
    plan = site.run("plan", "--detailed-exitcode", code=2).stdout
    assert own_entries(plan.replace(site.id, "SITE"), serving) == drift.entries
    site.run("apply", "--yes")
    takes_over = any(entry.startswith("color: ") for entry in drift.entries)
    assert (inside.serving != serving) == takes_over
    assert site.run("plan").stdout == f"Nothing to do: {site.id} is up to date.\n"
    answers(site)
    site.run("status")
    inside.shell(drift.after)
