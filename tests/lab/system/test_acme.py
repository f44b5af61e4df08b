"""A certificate of a real authority (pebble), got and renewed by the container's own timer."""

from __future__ import annotations

import base64
import os
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from acme_server import Authority, serve_names
from system_lab import DOMAIN, VERSION, Site

from tasks.errors import CertificateError
from tasks.host.packages import ensure
from tasks.status.guest_facts import look_inside

ZONE = "example.org"
SECRET = base64.b64encode(os.urandom(32)).decode()
ALIASES = ["www.tasks.example.org", "192.0.2.60"]


def address(site: Site) -> str:
    return site.instance.network.ip_address.partition("/")[0]


def serve(site: Site, **elsewhere: str) -> None:
    """All names of the site lead to it, but for these."""
    names = dict.fromkeys(("tasks", "www.tasks"), address(site))
    serve_names(site.inside, ZONE, {**names, **elsewhere}, SECRET)


@pytest.fixture(scope="module")
def authority(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authority]:
    ensure(["pebble"])
    folder = tmp_path_factory.mktemp("authority")
    found = Authority(folder, str(site.instance.network.gateway), address(site))
    serve(site)
    found.start()
    yield found
    found.stop()
    # The container is others' as well.
    site.inside.sh("systemctl disable -q --now named.service")
    site.inside.apply(site.instance, "blue")


def with_acme(site: Site, authority: Authority, aliases: list[str], **acme: Any) -> Site:
    instance = site.inside.instance(
        redis={"enabled": True},
        services={
            "mcp": {"enabled": True},
            "frontend": {
                "tls": "acme",
                "acme": {"server": authority.url, "ca_file": str(authority.ca_file), **acme},
            },
        },
        network={"aliases": aliases},
        vikunja={"registration": True, "environment": {"SAMPLE_VERSION": VERSION}},
    )
    return Site(site.inside, instance)


@pytest.fixture
def asking(site: Site, authority: Authority) -> Site:
    """The site with a certificate of the authority."""
    found = with_acme(site, authority, ALIASES)
    found.inside.apply(found.instance, "blue")
    return found


def shown(site: Site) -> dict[str, str]:
    """Of the certificate that a client is shown: its issuer, serial number, names."""
    with site.connect() as connection:
        assert isinstance(connection, ssl.SSLSocket)
        pem = ssl.DER_cert_to_PEM_cert(connection.getpeercert(binary_form=True) or b"")
    said = site.inside.sh(
        'printf %s "$1" | openssl x509 -noout -issuer -serial -ext subjectAltName', pem
    )
    issuer, serial, _, *names = said.strip().splitlines()
    return {"issuer": issuer, "serial": serial, "names": " ".join(names).strip()}


START = """
    # More often than systemd lets anything fail or be started in ten seconds.
    systemctl reset-failed vikunja-acme.service
    systemctl start vikunja-acme.service && exit
    journalctl -q -o cat -n 40 -u vikunja-acme.service >&2
    exit 1
"""


def start(site: Site, check: bool = True) -> None:
    """As the timer does it."""
    site.inside.sh(START, check=check, timeout=120)


def renew(site: Site, check: bool = True) -> None:
    site.inside.sh("touch /var/lib/vikunja-acme/renew")
    start(site, check)


def tried(site: Site) -> str:
    return site.inside.sh("cut -d ' ' -f 2- /var/lib/vikunja-acme/tried").strip()


def test_the_first_certificate_fails_and_the_next_apply_tries_again(
    site: Site, authority: Authority
) -> None:
    asking = with_acme(site, authority, ALIASES)
    serve(site, tasks="192.0.2.1")
    with pytest.raises(CertificateError) as failure:
        asking.inside.apply(asking.instance, "blue")
    before, left = shown(asking), asking.inside.plan(asking.instance, "blue")
    page = asking.ask("/")
    serve(site)
    asking.inside.apply(asking.instance, "blue")

    assert DOMAIN in failure.value.what
    assert "Vikunja" in before["issuer"]
    assert [entry.address for entry in left] == ["acme-certificate:/etc/vikunja/tls/acme"]
    assert page.status == 200
    assert "Pebble" in shown(asking)["issuer"]
    assert shown(asking)["names"] == f"DNS:{DOMAIN}, DNS:www.{DOMAIN}"
    assert asking.inside.plan(asking.instance, "blue") == ()


def test_a_renewal_loses_no_request_and_is_no_drift(asking: Site) -> None:
    before = shown(asking)
    statuses: list[int] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            statuses.append(asking.ask("/api/v1/info").status)

    clients = [threading.Thread(target=ask) for _ in range(4)]
    for client in clients:
        client.start()
    renew(asking)
    done.set()
    for client in clients:
        client.join()

    assert shown(asking)["serial"] != before["serial"]
    assert set(statuses) == {200}
    assert asking.inside.plan(asking.instance, "blue") == ()
    # Nothing is due any more: the timer's next try asks nobody.
    serial = shown(asking)["serial"]
    start(asking)
    assert shown(asking)["serial"] == serial


def test_while_the_server_is_down_the_old_one_serves_and_status_says_so(
    asking: Site, authority: Authority
) -> None:
    before = shown(asking)
    authority.stop()
    renew(asking, check=False)
    down = look_inside(asking.instance, asking.inside.container)
    authority.start()

    assert shown(asking) == before
    assert "Connection refused" in tried(asking)
    assert down.renewal is not None and not down.renewal.well
    assert asking.inside.plan(asking.instance, "blue") == ()


def test_an_account_that_is_lost_is_made_anew(asking: Site, authority: Authority) -> None:
    # The server was started anew by the test before: it knows no account.
    before = shown(asking)
    renew(asking)
    forgotten = shown(asking)
    asking.inside.sh("rm -r /var/lib/vikunja-acme/config/accounts")
    renew(asking)

    assert len({before["serial"], forgotten["serial"], shown(asking)["serial"]}) == 3
    assert tried(asking) == "got"


def test_what_certbot_was_killed_over_is_made_anew(asking: Site) -> None:
    serial = shown(asking)["serial"]
    asking.inside.sh(": >/var/lib/vikunja-acme/config/renewal/site.conf")
    start(asking)
    lineages = asking.inside.sh("ls /var/lib/vikunja-acme/config/renewal").split()

    assert lineages == ["site.conf"]
    assert shown(asking)["serial"] != serial


def test_a_pair_that_is_gone_is_put_there_again(asking: Site) -> None:
    serial = shown(asking)["serial"]
    asking.inside.sh('rm -r "/etc/vikunja/tls/acme/$(readlink /etc/vikunja/tls/acme/current)"')
    asking.inside.apply(asking.instance, "blue")

    assert shown(asking)["serial"] == serial
    assert asking.inside.plan(asking.instance, "blue") == ()


def test_other_names_are_asked_for_anew(asking: Site, authority: Authority) -> None:
    fewer = with_acme(asking, authority, [])
    entries = fewer.inside.apply(fewer.instance, "blue")

    assert "acme-certificate:/etc/vikunja/tls/acme" in {entry.address for entry in entries}
    assert shown(fewer)["names"] == f"DNS:{DOMAIN}"


def test_by_records_of_a_name_server_and_with_an_account_of_the_authority(
    asking: Site, authority: Authority, tmp_path: Path
) -> None:
    credentials, account = tmp_path / "dns.ini", tmp_path / "eab"
    credentials.write_text(
        "dns_rfc2136_server = 127.0.0.1\ndns_rfc2136_name = acme\n"
        f"dns_rfc2136_secret = {SECRET}\ndns_rfc2136_algorithm = HMAC-SHA256\n"
    )
    key = base64.urlsafe_b64encode(os.urandom(32)).decode().rstrip("=")
    account.write_text(f"kid-1\n{key}\n")
    for file in (credentials, account):
        file.chmod(0o600)
    dns = {
        "provider": "rfc2136",
        "credentials_file": str(credentials),
        "propagation_seconds": 1,
    }
    # Nothing is asked of port 80.
    serve(asking, tasks="192.0.2.1", **{"www.tasks": "192.0.2.1"})
    authority.stop()
    with authority.running(
        externalAccountBindingRequired=True, externalAccountMACKeys={"kid-1": key}
    ):
        before = shown(asking)
        found = with_acme(
            asking, authority, ALIASES, challenge="dns", dns=dns, eab_file=str(account)
        )
        found.inside.apply(found.instance, "blue")
        found.inside.sh("rm -r /var/lib/vikunja-acme/config/accounts")
        renew(found)
    seen = found.inside.sh(
        "journalctl -q -o cat -u vikunja-acme.service; cat /var/lib/vikunja-acme/logs/*; "
        "stat -c %a:%U /etc/vikunja/acme/dns-credentials /etc/vikunja/acme/eab"
    )
    serve(asking)
    authority.start()

    assert "Pebble" in shown(found)["issuer"]
    assert shown(found)["serial"] != before["serial"]
    assert SECRET not in seen and key not in seen
    assert seen.splitlines()[-2:] == ["600:vikunja-acme", "600:vikunja-acme"]
