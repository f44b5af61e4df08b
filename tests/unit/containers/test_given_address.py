"""An address that a DHCP server gives: how a container asks for it, and who goes by it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from instance_samples import sample_instance
from msgspec.structs import replace

from tasks.commands.drill import network_at
from tasks.containers import spec_for
from tasks.containers.base import GIVEN, GIVEN6, ContainerFacts, ContainerSpec
from tasks.containers.lxc import boot, config, guest_files, identity
from tasks.containers.lxc.cgroup import Hierarchy, Layout
from tasks.containers.lxc.network import check_free, conflict, refuse_unmade
from tasks.containers.registry_entry import entry
from tasks.desired import proxy
from tasks.desired.rendering import Templated, render
from tasks.errors import NetworkError, ResourceError, UsageError
from tasks.guest.runner import script_text
from tasks.host.process import Completed
from tasks.host.user_ids import IdMap
from tasks.model import layout, registry
from tasks.model.applied import NOTHING_APPLIED
from tasks.model.host_files import NO_HOST_FILES
from tasks.model.instance import Instance
from tasks.paths import Paths
from tasks.resources.files import Absent
from tasks.resources.system import Script
from tasks.status.facts import addresses_of, as_applied

NETWORK = {"bridge": "vkdnone", "ip_address": "dhcp", "domain": "vikunja.example.com"}
APPLIED = replace(NOTHING_APPLIED, created_at="2026-11-30T00:00:00Z")


def asking(name: str = "vikunja-main", **more: Any) -> Instance:
    deployment = {"instance_id": name}
    return sample_instance(deployment=deployment, network={**NETWORK, **more})


def settings(**more: Any) -> config.Settings:
    spec = replace(spec_for(asking()), **more)
    return config.from_spec(spec, lower=Path("/bases/a-key"), bridge_mode="foreign", mtu=1500)


def rendered(wanted: config.Settings) -> str:
    hierarchy = Hierarchy(Path("/sys/fs/cgroup"), 2)
    return config.render(
        wanted,
        folder=Path("/var/lib/lxc/box"),
        lock=Path("/run/lock"),
        ids=IdMap(100000, 200000),
        layout=Layout(cpu=hierarchy, memory=hierarchy),
        apparmor=False,
    )


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"ip6_address": "2001:db8::7/64"},
        {"ip6_address": "2001:db8::7/64", "gateway6": "fe80::1"},
        {"ip6_address": "auto"},
        {"ip6_address": "dhcp"},
    ],
)
def test_plain_lxc_sets_no_address_and_reads_back_that_it_asks(more: dict[str, str]) -> None:
    wanted = settings(**more)
    text = rendered(wanted)
    assert "ipv4.address" not in text and "ipv4.gateway" not in text
    assert config.parse(text) == wanted
    # Set by hand, it has one.
    by_hand = config.parse(f"{text}lxc.net.0.ipv4.address = 10.1.2.3/24\n")
    assert by_hand is not None and by_hand.ip_address == "10.1.2.3/24"


def test_it_is_asked_for_from_inside_and_no_more_with_an_address(tmp_path: Path) -> None:
    owner = (os.getuid(), os.getgid())
    asks = settings(ip6_address="2001:db8::7/64", gateway6="fe80::1", nameservers=("10.0.0.1",))
    identity.write_identity(tmp_path, asks, owner)
    text = (tmp_path / identity.NETWORK_FILE.lstrip("/")).read_text()
    assert "DHCP=ipv4\nAddress=2001:db8::7/64\nGateway=fe80::1\n" in text
    assert identity.observed_names(tmp_path, asks)[identity.NETWORK_FILE] == identity.AS_WRITTEN
    unit = tmp_path / "etc/systemd/system/systemd-networkd.service"
    wanted = tmp_path / identity.WANTED.lstrip("/")
    assert str(unit.readlink()) == str(wanted.readlink()) == f"/usr/lib/systemd/system/{unit.name}"

    (tmp_path / identity.NETWORK_FILE.lstrip("/")).write_text("[Match]\n")
    assert identity.observed_names(tmp_path, asks)[identity.NETWORK_FILE] == "edited"

    fixed = replace(asks, ip_address="10.1.2.3/24", gateway="10.1.2.1")
    for _ in range(2):
        identity.write_identity(tmp_path, fixed, owner)
        assert str(unit.readlink()) == "/dev/null"
        assert not wanted.is_symlink() and identity.NETWORK_FILE not in identity.observed_names(
            tmp_path, fixed
        )
    guest_files.remove(tmp_path, "etc/nothing")


FIXED = {"ip_address": "10.1.2.3/24", "gateway": "10.1.2.1"}
NETWORKD = "# Written by vikunja-deploy.\n[Match]\nName=eth0\n[Network]\n"


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({}, "DHCP=ipv4\n[DHCPv4]\nClientIdentifier=mac\nUseHostname=no\n"),
        # What a router announces is taken anyway.
        ({"ip6_address": "auto"}, "DHCP=ipv4\n[DHCPv4]\nClientIdentifier=mac\nUseHostname=no\n"),
        (
            {"ip6_address": "dhcp"},
            "DHCP=yes\n[DHCPv4]\nClientIdentifier=mac\nUseHostname=no\n"
            "[IPv6AcceptRA]\nUseAutonomousPrefix=no\n"
            "[DHCPv6]\nDUIDType=link-layer\nUseHostname=no\n",
        ),
        (
            {**FIXED, "ip6_address": "dhcp"},
            "DHCP=ipv6\nAddress=10.1.2.3/24\n[Route]\nGateway=10.1.2.1\nGatewayOnLink=yes\n"
            "[IPv6AcceptRA]\nUseAutonomousPrefix=no\n"
            "[DHCPv6]\nDUIDType=link-layer\nUseHostname=no\n",
        ),
    ],
)
def test_a_server_is_asked_for_what_it_is_to_give(more: dict[str, str], text: str) -> None:
    assert identity.network_file(settings(**more)) == NETWORKD + text


def test_beside_a_fixed_address_the_kernel_sees_to_what_a_router_announces(tmp_path: Path) -> None:
    wanted = settings(**FIXED, ip6_address="auto", nameservers=("10.0.0.1",))
    assert not wanted.asks_within
    text = rendered(wanted)
    assert "ipv6" not in text.replace("ipv6only", "") and config.parse(text) == wanted
    identity.write_identity(tmp_path, wanted, (os.getuid(), os.getgid()))
    assert not (tmp_path / identity.NETWORK_FILE.lstrip("/")).exists()
    by_hand = config.parse(f"{text}lxc.net.0.ipv6.address = 2001:db8::9/64\n")
    assert by_hand is not None and by_hand.ip6_address == "2001:db8::9/64"
    from tasks.containers.lxc import DRIVER

    for second, more in (("auto", False), ("dhcp", True)):
        of_driver = DRIVER.more_of(asking(**FIXED, ip6_address=second))
        assert (identity.NETWORK_FILE in of_driver) is more


def test_without_it_nothing_is_written_that_was_not_before(tmp_path: Path) -> None:
    fixed = settings(ip_address="10.1.2.3/24", gateway="10.1.2.1", nameservers=("10.0.0.1",))
    identity.write_identity(tmp_path, fixed, (os.getuid(), os.getgid()))
    assert sorted(str(one.relative_to(tmp_path)) for one in tmp_path.rglob("*")) == [
        "etc",
        "etc/hostname",
        "etc/hosts",
        "etc/resolv.conf",
    ]
    assert config.ASKED not in rendered(fixed)


def test_no_bridge_is_made_where_nobody_would_answer(tmp_path: Path) -> None:
    spec = spec_for(asking())
    with pytest.raises(ResourceError, match="none is made for DHCP: nobody would answer there"):
        refuse_unmade(spec, "own")
    refuse_unmade(spec, "foreign")
    # There is no address that anybody could have.
    assert conflict(spec, {"other": "lxc.net.0.ipv4.address = 10.1.2.3/24\n"}) is None
    check_free(spec, Paths(tmp_path))


def test_a_start_waits_for_it_and_says_where_none_comes() -> None:
    spec = spec_for(asking(gateway=None))
    assert boot.wait_argv(spec)[-2:] == ["dhcp", "-"]
    fixed = replace(spec, ip_address="10.1.2.3/24", gateway="10.1.2.1")
    assert boot.wait_argv(fixed)[-3:] == ["-", "-", "10.1.2.1"]
    assert boot.wait_argv(replace(fixed, ip6_address="auto"))[-3:] == ["-", "auto", "10.1.2.1"]
    completed = Completed(("sh",), boot.NO_ADDRESS, b"running\n", b"")
    with pytest.raises(NetworkError, match="no DHCP server on vkdnone gave"):
        boot.evaluate(completed, spec)
    completed = Completed(("sh",), boot.NO_ADDRESS6, b"running\n", b"")
    for second, who in (("auto", "router"), ("dhcp", "DHCP server")):
        with pytest.raises(
            NetworkError, match=f"no {who} on vkdnone gave the container an address"
        ):
            boot.evaluate(completed, replace(spec, ip6_address=second))


def found(address: str | None, running: bool = True, second: str | None = None) -> ContainerFacts:
    given = {GIVEN: address, GIVEN6: second}
    return ContainerFacts(True, running, None, {name: one for name, one in given.items() if one})


def test_the_registry_has_what_was_given_and_nothing_is_taken_before() -> None:
    before = entry(asking(), APPLIED)
    assert (before.ip_address, before.addresses) == ("dhcp", ())
    given = entry(asking(), APPLIED, found("10.1.2.9/24"))
    assert given.addresses == ("10.1.2.9/24",)
    registry.refuse_conflicts(before, (entry(asking("other"), APPLIED),))
    with pytest.raises(ResourceError, match=r"address 10\.1\.2\.9 belongs to other"):
        registry.refuse_conflicts(given, (entry(asking("other"), APPLIED, found("10.1.2.9/8")),))


def test_the_second_one_that_is_given_is_known_like_the_first() -> None:
    instance = asking(**FIXED, ip6_address="auto")
    before = entry(instance, APPLIED)
    assert (before.ip6_address, before.addresses) == ("auto", ("10.1.2.3/24",))
    given = entry(instance, APPLIED, found(None, second="2001:db8::9/64"))
    assert given.addresses == ("10.1.2.3/24", "2001:db8::9/64")
    assert addresses_of(instance, found(None)) == ("10.1.2.3",)
    assert addresses_of(instance, found(None, second="2001:db8::a/64")) == (
        "10.1.2.3",
        "2001:db8::a",
    )
    applied = as_applied(instance, given)
    assert addresses_of(applied, found(None)) == ("10.1.2.3", "2001:db8::9")
    assert (spec_for(instance).addresses, spec_for(instance).asks6) == (["10.1.2.3/24"], True)


def test_of_a_second_one_alone_names_and_certificate_follow() -> None:
    instance = asking(**FIXED, ip6_address="auto")
    assert instance.network.any_given and not instance.network.is_given
    path = "/etc/nginx/conf.d/vikunja.conf"
    text = render(instance, proxy.templated(instance))[path].content.decode()
    assert text.count(f"\tinclude {layout.GIVEN_NAMES};") == 2
    assert "server_name vikunja.example.com 10.1.2.3;" in text
    assert "listen [::]:443 " in text
    names, certificate = given_resources(instance)
    assert isinstance(names, Script) and names.arguments == (layout.GIVEN_NAMES, "6")
    assert certificate.arguments[-3:] == ("vikunja.example.com", "given", "10.1.2.3")
    # What a restart brings is not known before.
    assert names.triggers == certificate.triggers == ("running:vikunja-main",)
    assert proxy.site_answers(instance)[-1] == "10.1.2.3"
    both = given_resources(asking(ip6_address="dhcp"))[0]
    assert isinstance(both, Script) and both.arguments == (layout.GIVEN_NAMES, "4", "6")


def test_what_was_given_is_named_no_more_once_nothing_is() -> None:
    gone, certificate = given_resources(asking(**FIXED))
    assert gone == Absent(path=layout.GIVEN_NAMES)
    assert "given" not in certificate.arguments
    assert certificate.triggers == ()


def given_resources(instance: Instance) -> tuple[Script | Absent, Script]:
    drop_in = "/etc/systemd/system/nginx.service.d/vikunja.conf"
    wanted = (*proxy.templated(instance), Templated("systemd/nginx.conf.j2", drop_in))
    declared = proxy.declare(instance, render(instance, wanted), NO_HOST_FILES, (), ())
    (names,) = (
        one
        for one in declared
        if (isinstance(one, Script) and one.script == "given-names")
        or (isinstance(one, Absent) and one.path == layout.GIVEN_NAMES)
    )
    (certificate,) = (
        one
        for one in declared
        if isinstance(one, Script) and one.script == "self-signed-certificate"
    )
    assert isinstance(names, Script | Absent)
    return names, certificate


def test_what_was_given_before_is_not_that_of_one_that_is_fixed_now() -> None:
    # The container still has what it was given when an edit is planned, and when it is applied.
    fixed = entry(asking(**FIXED), APPLIED, found("10.1.2.9/24", second="2001:db8::9/64"))
    assert fixed.addresses == ("10.1.2.3/24",)


def test_status_says_what_is_now() -> None:
    instance = asking(ip6_address="2001:db8::7/64")
    recorded = entry(instance, APPLIED, found("10.1.2.9/24"))
    applied = as_applied(instance, recorded)
    assert addresses_of(applied, found(None)) == ("10.1.2.9", "2001:db8::7")
    assert addresses_of(applied, found("10.1.2.10/24")) == ("10.1.2.10", "2001:db8::7")
    assert addresses_of(instance, found("10.1.2.10/24")) == ("10.1.2.10", "2001:db8::7")
    assert addresses_of(instance, found(None)) == ("2001:db8::7",)


def test_nginx_and_the_certificate_go_by_what_there_is_in_the_container() -> None:
    instance = asking()

    def nginx(instance: Instance) -> bytes:
        path = "/etc/nginx/conf.d/vikunja.conf"
        return render(instance, proxy.templated(instance))[path].content

    assert nginx(instance).count(f"\tinclude {layout.GIVEN_NAMES};".encode()) == 2
    fixed = asking(ip_address="10.1.2.3/24", gateway="10.1.2.1")
    assert layout.GIVEN_NAMES.encode() not in nginx(fixed)
    drop_in = "/etc/systemd/system/nginx.service.d/vikunja.conf"
    files = render(
        instance, (*proxy.templated(instance), Templated("systemd/nginx.conf.j2", drop_in))
    )
    declared = proxy.declare(instance, files, NO_HOST_FILES, (), ())
    names, certificate = (
        next(r for r in declared if isinstance(r, Script) and r.script == script)
        for script in ("given-names", "self-signed-certificate")
    )
    assert certificate.arguments[-2:] == ("vikunja.example.com", "given")
    assert {names.address, certificate.address} <= set(declared[-1].triggers)
    assert proxy.site_answers(instance)[-1] == "given"


def test_a_drill_asks_as_well() -> None:
    instance = asking()
    drilled = network_at(instance, "dhcp")
    assert drilled is not None and (drilled.address, drilled.gateway) == ("dhcp", None)
    with pytest.raises(UsageError, match=r"10\.1\.2\.9/24: not how the instance has its own"):
        network_at(instance, "10.1.2.9/24")
    with pytest.raises(UsageError):
        network_at(sample_instance(), "dhcp")


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ("", ""),
        ("2: eth0    inet 10.1.2.9/24 brd 10.1.2.255 scope global dynamic eth0\\  valid_lft 9sec",
         "server_name 10.1.2.9;"),
    ],
)  # fmt: skip
def test_names_are_of_the_addresses_that_ip_shows(
    tmp_path: Path, shown: str, expected: str
) -> None:
    program = tmp_path / "ip"
    program.write_text(f"#!/bin/sh\n[ \"$1\" = -6 ] || printf '%s' '{shown}'\n")
    program.chmod(0o755)
    script = f"PATH={tmp_path}:$PATH\n{script_text('given-names')}\n_given_names 4 6 | tail -n +2"
    said = subprocess.run(["sh", "-fuc", script], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == expected


def test_the_spec_of_one_that_asks_has_no_address_and_no_gateway() -> None:
    spec: ContainerSpec = spec_for(asking(gateway=None))
    assert (spec.asks, spec.addresses, spec.gateways) == (True, [], [])
