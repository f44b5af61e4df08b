"""An address that a DHCP server gives, one of IPv6 beside it, a hardware address, authorities and
files of a database server: deployed, seen, changed, and no request lost where none need be."""

from __future__ import annotations

import os
import re
import ssl
import subprocess
import time
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from inside import Inside
from journey import Site, new_site
from router import Router, routing

from bench.support.clients import Clients
from tasks.host.packages import ensure
from tasks.model import registry
from tasks.paths import Paths

NUMBER = os.getpid() % 10000
BRIDGE, SUBNET = f"vkdnet{NUMBER}", f"10.{60 + NUMBER // 250}.{NUMBER % 250}"
MAC, SECOND = "bc:24:11:2a:3b:4c", f"2001:db8:{NUMBER:x}::7/64"
TUNING = "/etc/postgresql/17/main/conf.d/tune.conf"


@pytest.fixture(scope="module")
def router(lab_machine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Router]:
    ensure(["dnsmasq-base", "openssl"])
    with routing(BRIDGE, SUBNET, tmp_path_factory.mktemp("router")) as router:
        route = ["ip", "-6", "route", "add", SECOND.replace("/64", "/128"), "dev", BRIDGE]
        subprocess.run(route, check=True)
        yield router


def authority(folder: Path, name: str) -> Path:
    """A certificate of an authority of its own."""
    argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30"]
    argv += ["-subj", f"/CN={name}", "-keyout", str(folder / f"{name}.key")]
    subprocess.run([*argv, "-out", str(folder / f"{name}.pem")], check=True, capture_output=True)
    return folder / f"{name}.pem"


@pytest.fixture(scope="module")
def site(router: Router, lab_paths: Paths, lab_network: Any) -> Iterator[Site]:
    made = new_site(
        lab_paths,
        lab_network,
        "net",
        database={"type": "postgresql"},
        update={"edit_observe_seconds": 1, "drain_seconds": 6},
    )
    network = {
        "bridge": BRIDGE,
        "ip_address": "dhcp",
        "gateway": None,
        "ip6_address": SECOND,
        "gateway6": "fe80::1",
        "mac_address": MAC,
    }
    made.edit({"network": network})
    made.run("apply", "--yes")
    yield made


def given(number: int) -> str:
    return f"{SUBNET}.{number}"


def certificate_names(address: str) -> str:
    pem = ssl.get_server_certificate((address, 443))
    argv = ["openssl", "x509", "-noout", "-ext", "subjectAltName"]
    return subprocess.run(argv, input=pem, check=True, capture_output=True, text=True).stdout


def answer(address: str, scheme: str = "https") -> str:
    url = f"{scheme}://{f'[{address}]' if ':' in address else address}/api/v1/info"
    argv = ["curl", "--silent", "--insecure", "--noproxy", "*", "--max-time", "5"]
    argv += ["--output", "/dev/null", "--write-out", "%{http_code} %{redirect_url}", url]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


def served_at(site: Site, number: int, *second: str) -> None:
    """All that follows what was given follows this one, and the second address."""
    second = second or (SECOND,)
    every = (f"{given(number)}/24", *second)
    for address in (one.partition("/")[0] for one in every):
        assert answer(address) == "200", address
        assert answer(address, "http").startswith("301"), address
    names = re.findall(r"IP Address:([0-9A-Fa-f.:]+)", certificate_names(given(number)))
    assert {str(ip_address(one)) for one in names} == {one.partition("/")[0] for one in every}
    entry = registry.find(site.paths, site.id)
    assert entry is not None
    assert entry.addresses == every
    shown = site.run("status").stdout
    assert ", ".join(one.partition("/")[0] for one in every) in shown
    assert site.addresses() == []


def test_it_is_deployed_at_the_address_that_was_given(site: Site, router: Router) -> None:
    assert f"{MAC} {given(20)}" in router.leases
    served_at(site, 20)
    assert f"a DHCP server on {BRIDGE} is asked for it" in site.run("check").stdout


def test_another_lease_is_planned_and_followed(site: Site, router: Router) -> None:
    router.serve(21)
    inside = Inside(site)
    inside.shell("networkctl reconfigure eth0")
    deadline = time.monotonic() + 30
    while given(21) not in inside.shell("ip -4 -o address show dev eth0"):
        assert time.monotonic() < deadline, inside.shell("networkctl status eth0")
        time.sleep(0.2)
    assert f"{given(21)}, " in site.run("status").stdout
    planned = site.addresses()
    assert {"given-names:/etc/vikunja/nginx/given.conf", "unit:nginx.service"} <= set(planned)
    assert any(one.startswith("self-signed-certificate:") for one in planned)
    site.run("apply", "--yes")
    served_at(site, 21)


def test_after_a_restart_of_the_container_it_serves_at_what_it_gets(
    site: Site, router: Router
) -> None:
    router.serve(22)
    Inside(site).container.stop()
    site.run("apply", "--yes")
    served_at(site, 22)


def test_a_new_container_is_given_the_old_one_s_address(site: Site) -> None:
    site.edit({"rebuild": {"keep_days": 0}})
    site.run("rebuild", "--yes")
    site.run("apply", "--yes")
    served_at(site, 22)


def test_the_second_address_follows_from_what_a_router_says_and_the_first_is_fixed_and_back(
    site: Site, router: Router
) -> None:
    """A journey of edits of one running site: every way to its addresses, and none that was."""
    names = "/etc/vikunja/nginx/given.conf"
    inside = Inside(site)
    prefix = f"2001:db8:{NUMBER:x}:1::"
    made = f"{prefix[:-1]}be24:11ff:fe2a:3b4c/64"

    def edit(**network: str | None) -> None:
        site.edit({"network": network})
        site.run("apply", "--yes")

    router.serve(22, prefix)
    edit(ip6_address="auto", gateway6=None)
    served_at(site, 22, made)
    assert f"what a router announces on {BRIDGE} gives" in site.run("check").stdout

    # Beside a fixed one there is nobody in the container who asks.
    edit(ip_address=f"{given(30)}/24", gateway=given(1))
    served_at(site, 30, made)
    assert given(30) not in inside.run("cat", names)
    assert made.partition("/")[0] in inside.run("cat", names)
    assert inside.active("systemd-networkd.service") == "inactive"

    router.serve(22, prefix, leases=True)
    edit(ip6_address="dhcp")
    served_at(site, 30, f"{prefix}20/128")

    site.edit({"network": {"ip6_address": None}})
    assert f"absent:{names}" in site.addresses()
    site.run("apply", "--yes")
    assert "gone" in inside.shell(f"[ -e {names} ] || echo gone")
    assert answer(given(30)) == "200"
    assert site.addresses() == []

    router.serve(23, prefix, leases=True)
    edit(ip_address="dhcp", gateway=None, ip6_address="dhcp")
    served_at(site, 23, f"{prefix}20/128")
    # Who is told that there are leases asks for one, whatever else is configured.
    router.serve(23)
    edit(ip6_address=SECOND, gateway6="fe80::1")
    served_at(site, 23)


def test_where_no_router_says_anything_a_start_ends_with_that(site: Site, router: Router) -> None:
    router.serve(23)
    site.edit({"network": {"ip6_address": "auto", "gateway6": None}})
    failed = site.run("apply", "--yes", code=6)
    assert "gave the container an address of IPv6 within" in failed.stderr
    site.edit({"network": {"ip6_address": SECOND, "gateway6": "fe80::1"}})
    site.run("apply", "--yes")
    served_at(site, 23)


def test_an_authority_is_trusted_and_withdrawn_and_costs_no_request(
    site: Site, router: Router, tmp_path: Path
) -> None:
    inside = Inside(site)
    address = inside.shell("ip -4 -o address show dev eth0 scope global").split()[3].split("/")[0]
    first, second = authority(tmp_path, "first"), authority(tmp_path, "second")

    def trusts(file: Path) -> bool:
        lines = file.read_text().splitlines()
        return "\n".join(lines[1:-1]) in inside.shell("cat /etc/ssl/certs/ca-certificates.crt")

    load = Clients(address, site.document["network"]["domain"])
    load.keep_alive(3, 0.03).new_connections(1, 0.1).writing(1, 0.1)
    with load:
        for files in ([first], [first, second], [second], []):
            before = inside.serving
            site.edit({"network": {"trusted_ca": [str(one) for one in files]}})
            site.run("apply", "--yes")
            assert inside.serving != before
            assert [trusts(one) for one in (first, second)] == [
                one in files for one in (first, second)
            ]
            assert site.addresses() == []
    assert load.tally.failures == []
    assert load.tally.of("keep-alive") and load.tally.acknowledged
    assert "vikunja-" not in inside.shell("ls /usr/local/share/ca-certificates /etc/ssl/certs")

    # Emptied by hand, it is seen.
    site.edit({"network": {"trusted_ca": [str(first)]}})
    site.run("apply", "--yes")
    inside.shell("echo >/etc/ssl/certs/ca-certificates.crt")
    assert "trusted-authorities:/etc/ssl/certs/ca-certificates.crt" in site.addresses()
    site.run("apply", "--yes")
    assert trusts(first)
    site.edit({"network": {"trusted_ca": None}})
    site.run("apply", "--yes")


def test_a_file_of_the_database_server_takes_effect_and_a_broken_one_stops_nothing(
    site: Site,
) -> None:
    inside = Inside(site)

    def setting() -> str:
        return inside.shell("cd /; setpriv --reuid=postgres --regid=postgres --clear-groups "
                         "psql -Atc 'show work_mem'").strip()  # fmt: skip

    usual = setting()
    site.edit({"files": [{"path": TUNING, "content": "work_mem = '17MB'\n"}]})
    assert {f"file:{TUNING}", "unit:postgresql.service"} <= set(site.addresses())
    site.run("apply", "--yes")
    assert setting() == "17MB"
    assert site.addresses() == []

    site.edit({"files": [{"path": TUNING, "content": "work_mem = 'plenty'\n"}]})
    refused = site.run("apply", "--yes", code=None)
    assert refused.returncode != 0
    assert "serves on as it is" in refused.stderr
    assert setting() == "17MB"
    address = inside.shell("ip -4 -o address show dev eth0 scope global").split()[3].split("/")[0]
    assert answer(address) == "200"

    site.edit({"files": []})
    site.run("apply", "--yes")
    assert setting() == usual
    assert site.addresses() == []
