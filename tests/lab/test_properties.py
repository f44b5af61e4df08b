"""On a real container: apply does what the plan shows, in that order; the next plan is empty."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any

import pytest
from inside import Inside, explained
from journey import Site, new_site

from tasks.paths import Paths

SEED = 20251019

NGINX = "/etc/nginx/conf.d/vikunja.conf"
FILES = (
    "/etc/vikunja/environment.SERVING",
    NGINX,
    "/etc/systemd/system/vikunja-backend@SERVING.service",
    "/etc/vikunja/nginx/SERVING.conf",
    "/etc/systemd/system/nginx.service.d/vikunja.conf",
    "/etc/logrotate.d/vikunja",
)
SECRETS = ("/etc/vikunja/secrets/service-secret", "/etc/vikunja/secrets/SERVING/service-secret")
UNITS = ("nginx.service", "logrotate.timer", "vikunja-backend@SERVING.service")


def one_of(names: Sequence[str], inside: Inside, random: Random) -> str:
    return random.choice(names).replace("SERVING", inside.serving)


def edit(site: Site, inside: Inside, random: Random) -> str:
    changes: list[dict[str, Any]] = [
        {"network": {"domain": f"site{random.randrange(99)}.example.com"}},
        {"vikunja": {"registration": random.random() < 0.5, "max_upload_mb": 30}},
        {"vikunja": {"environment": {"VIKUNJA_LOG_LEVEL": random.choice(["INFO", "DEBUG"])}}},
        {"resources": {"memory_mb": random.choice([2048, 2560, 3072])}},
        {"network": {"nameservers": [f"10.0.0.{random.randrange(1, 9)}"]}},
        {"network": {"nameservers": None}},
        {"services": {"backend": {"port_blue": random.randrange(3460, 3510)}}},
        {"services": {"backend": {"port_green": random.randrange(3510, 3560)}}},
        {"backup": {"retention_count": random.randrange(1, 30)}},
        {"files": [{"path": "/srv/own/file", "content": f"{random.random()}\n"}]},
        {"files": []},
    ]
    change = random.choice(changes)
    site.edit(change)
    return str(change)


def edited(site: Site, inside: Inside, random: Random) -> str:
    path = one_of(FILES, inside, random)
    inside.shell('echo "# by hand" >>"$1"', path)
    return f"{path} edited"


def another_mode(site: Site, inside: Inside, random: Random) -> str:
    path = one_of([*FILES, "/etc/vikunja/secrets", SECRETS[0]], inside, random)
    inside.run("chmod", "0640" if path == NGINX else "0604", path)
    return f"{path} has another mode"


def another_owner(site: Site, inside: Inside, random: Random) -> str:
    path = one_of([*FILES, "/var/lib/vikunja"], inside, random)
    inside.run("chown", "www-data:www-data", path)
    return f"{path} has another owner"


def deleted(site: Site, inside: Inside, random: Random) -> str:
    more = ("/etc/vikunja/environment", "/etc/vikunja/tls/self-signed/key.pem", SECRETS[1])
    path = one_of([*FILES, *more], inside, random)
    inside.run("rm", path)
    return f"{path} deleted"


def linked(site: Site, inside: Inside, random: Random) -> str:
    path = one_of([*FILES, *SECRETS], inside, random)
    inside.run("mv", path, f"{path}.moved")
    inside.run("ln", "-s", f"{path}.moved", path)
    return f"{path} moved and linked"


def emptied(site: Site, inside: Inside, random: Random) -> str:
    path = one_of(SECRETS, inside, random)
    inside.run("truncate", "-s", "0", path)
    return f"{path} emptied"


def unit_changed(site: Site, inside: Inside, random: Random) -> str:
    verb, unit = random.choice(["stop", "disable", "restart"]), one_of(UNITS, inside, random)
    inside.run("systemctl", verb, unit)
    return f"{unit}: {verb}"


def masked(site: Site, inside: Inside, random: Random) -> str:
    unit = random.choice([UNITS[0], UNITS[1]])
    inside.run("systemctl", "mask", "--now", unit)
    return f"{unit} masked"


def default_site(site: Site, inside: Inside, random: Random) -> str:
    inside.shell("ln -sf ../sites-available/default /etc/nginx/sites-enabled/default")
    return "Debian's default site is back"


def shell_of_user(site: Site, inside: Inside, random: Random) -> str:
    inside.run("usermod", "--shell", "/bin/sh", "vikunja")
    return "user has a shell"


def release_damaged(site: Site, inside: Inside, random: Random) -> str:
    inside.run("rm", "-r", f"/opt/vikunja/mcp-server/{inside.serving}")
    return "folder of the release deleted"


def document_edited(site: Site, inside: Inside, random: Random) -> str:
    inside.shell("echo edited >>/etc/vikunja/deployment-config.yaml")
    return "document edited"


def records_lost(site: Site, inside: Inside, random: Random) -> str:
    path = random.choice([site.paths.applied(site.id), site.paths.state(site.id)])
    path.unlink()
    return f"{path.name} deleted"


def stopped(site: Site, inside: Inside, random: Random) -> str:
    inside.container.stop()
    return "container stopped"


CHANGES: tuple[Callable[[Site, Inside, Random], str], ...] = (
    edit,
    edited,
    edit,
    another_mode,
    unit_changed,
    linked,
    deleted,
    another_owner,
    emptied,
    masked,
    edit,
    default_site,
    shell_of_user,
    release_damaged,
    document_edited,
    records_lost,
    stopped,
    edit,
)


@pytest.fixture(scope="module")
def site(lab_paths: Paths, lab_network: object) -> Iterator[Site]:
    site = new_site(lab_paths, lab_network, "prop")
    site.run("apply", "--yes")
    yield site


def test_random_edits_and_drifts_are_mended_exactly_as_planned(site: Site) -> None:
    random = Random(SEED)
    inside = Inside(site)
    order = random.sample(CHANGES, len(CHANGES))
    for number, change in enumerate(order):
        said = [change(site, inside, random)]
        if number % 3 == 0:
            said.append(edit(site, inside, random))
        print(f"step {number}: {said}")
        _put_right(site, inside)


def _put_right(site: Site, inside: Inside) -> None:
    planned = site.addresses()
    hidden = [address for address in planned if address.startswith("running:")]
    if hidden:
        # What a stopped container hides is known once it runs: a plan and an apply of its own.
        inside.container.start()
        planned = site.addresses()
    print("  plan:", planned)
    before, done = inside.seen(), len(site.done())
    site.run("apply", "--yes")
    assert [message.partition(" ")[2] for message in site.done()[done:]] == planned
    after = inside.seen()
    changed = [p for p in before.keys() | after.keys() if before.get(p) != after.get(p)]
    assert [path for path in sorted(changed) if not explained(path, planned)] == []
    assert site.addresses() == []
