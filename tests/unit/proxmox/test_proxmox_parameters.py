"""Desired as the API's parameters, and back: against the contract, and against the stand-in."""

from __future__ import annotations

from ipaddress import ip_interface
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from pve.calls import answer
from pve.cluster import Cluster, Node, Storage
from pve.contract import VERSIONS, check_call, load

from tasks.containers.base import ContainerSpec
from tasks.containers.proxmox import properties
from tasks.containers.proxmox.answers import Setting, understood
from tasks.containers.proxmox.attributes import observed
from tasks.containers.proxmox.desired import DesiredProxmox, Mount
from tasks.containers.proxmox.parameters import (
    RESTART_FIELDS,
    Changes,
    Config,
    attributes_of,
    changes,
    create_parameters,
    interface_addresses,
    interface_of,
    parse_pending,
    tags_change,
)
from tasks.containers.proxmox.tags import TagRules
from tasks.errors import ResourceError

TEMPLATE = "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst"
IDENTITY, OTHER_IDENTITY = (f"{number}1111111-2222-3333-4444-555555555555" for number in "ab")
SPEC = ContainerSpec(
    name="vikunja-main",
    instance_id="vikunja-main",
    template="debian-12-standard",
    hostname="vikunja-main",
    cpu_cores=2,
    memory_mb=2048,
    disk_size_gb=20,
    bridge="vmbr0",
    ip_address="192.0.2.10/24",
    gateway="192.0.2.1",
    nameservers=("192.0.2.53",),
)
DESIRED = DesiredProxmox(node="pve", storage="local-lvm")
CONTRACTS = [load(version) for version in VERSIONS]

names = st.from_regex(r"[a-z][a-z0-9-]{0,20}[a-z0-9]", fullmatch=True)
addresses = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))


@st.composite
def specs(draw: st.DrawFn) -> ContainerSpec:
    interface = ip_interface(draw(addresses))
    name = draw(names)
    return ContainerSpec(
        name=name,
        instance_id=name,
        template=draw(st.sampled_from(["debian-12-standard", "debian-13-standard"])),
        hostname=name,
        cpu_cores=draw(st.integers(1, 512)),
        memory_mb=draw(st.integers(16, 1 << 20)),
        disk_size_gb=draw(st.integers(1, 2000)),
        bridge=draw(st.from_regex(r"[a-z][a-z0-9_.-]{0,14}", fullmatch=True)),
        ip_address=f"{interface.ip}/24",
        gateway=str(interface.ip),
        nameservers=tuple(str(a) for a in draw(st.lists(addresses, max_size=3, unique=True))),
    )


FEWER = settings(max_examples=40, deadline=None)

optional_names = st.none() | names
given_values = st.builds(
    DesiredProxmox,
    node=st.just("pve"),
    storage=st.just("local-lvm"),
    swap_mb=st.integers(0, 4096),
    vlan=st.none() | st.integers(1, 4094),
    mtu=st.none() | st.integers(576, 9000),
    firewall=st.booleans(),
    search_domain=st.none() | st.just("example.org"),
    onboot=st.booleans(),
    startup=st.none() | st.just("order=3,up=10"),
    protection=st.booleans(),
    tags=st.lists(names, max_size=3).map(tuple),
    pool=optional_names,
    timezone=st.none() | st.sampled_from(["host", "Europe/Berlin"]),
    ssh_keys=st.lists(st.just("ssh-ed25519 AAAA me@home"), max_size=2).map(tuple),
    mounts=st.sampled_from([(), (Mount("/srv/files", "local-lvm", 4),)]),
)


def cluster() -> Cluster:
    """One node, tasks that take no time, storage for everything."""
    made = Cluster(duration=0)
    made.nodes["pve"] = Node(
        "pve",
        mtu=9000,
        storages={"local-lvm": Storage("local-lvm", total=1 << 50)},
        templates=[TEMPLATE],
    )
    return made


def created(where: Cluster, spec: ContainerSpec, desired: DesiredProxmox) -> None:
    parameters = create_parameters(
        spec, desired, vmid=100, template=TEMPLATE, storage="local-lvm", identity=IDENTITY
    )
    call(where, "POST", "/nodes/pve/lxc", parameters)
    call(where, "PUT", "/nodes/pve/lxc/100/config", tags_change(spec, desired, Config({})))


def call(where: Cluster, method: str, path: str, parameters: dict[str, Any]) -> Any:
    text = {name: str(value) for name, value in parameters.items()}
    result = answer(where, "root@pam", method, path, text)
    where.finish_due()
    return result


def found(where: Cluster) -> Config:
    path = "/nodes/pve/lxc/100/pending"
    return parse_pending(understood(call(where, "GET", path, {}), list[Setting], path, "pve"))


def apply(where: Cluster, wanted: Changes) -> None:
    path = "/nodes/pve/lxc/100"
    if wanted.settings or wanted.deleted:
        deleted = {"delete": ",".join(wanted.deleted)} if wanted.deleted else {}
        call(where, "PUT", f"{path}/config", {**wanted.settings, **deleted})
    for disk, size in wanted.grow.items():
        call(where, "PUT", f"{path}/resize", {"disk": disk, "size": f"{size}G"})


def desired_attributes(spec: ContainerSpec) -> dict[str, object]:
    desired = {name: getattr(spec, name) for name in attributes_of({})}
    for name in ("instance_id", "template", "hostname", "cpu_cores", "memory_mb", "disk_size_gb"):
        desired[name] = getattr(spec, name)
    for name in ("bridge", "ip_address", "gateway"):
        desired[name] = getattr(spec, name)
    return desired


@FEWER
@given(specs(), given_values)
def test_every_create_keeps_the_contract(spec: ContainerSpec, desired: DesiredProxmox) -> None:
    parameters = create_parameters(
        spec, desired, vmid=100, template=TEMPLATE, storage="local-lvm", identity=IDENTITY
    )
    for contract in CONTRACTS:
        check_call(contract, "POST", "/nodes/pve/lxc", parameters)
    assert parameters["unprivileged"] == 1
    assert parameters["features"] == "nesting=1"


@FEWER
@given(specs(), given_values)
def test_what_is_created_is_found_as_desired(spec: ContainerSpec, desired: DesiredProxmox) -> None:
    where = cluster()
    created(where, spec, desired)
    config = found(where)
    assert attributes_of(config.current) == desired_attributes(spec)
    assert not changes(spec, desired, config, "pve")
    assert config.digest == where.guests[100].digest


@FEWER
@given(specs(), given_values, specs(), given_values)
def test_a_change_brings_any_container_to_any_desired_and_keeps_its_mac(
    old: ContainerSpec, old_desired: DesiredProxmox, new: ContainerSpec, new_desired: DesiredProxmox
) -> None:
    larger = max(old.disk_size_gb, new.disk_size_gb)
    new = replace(new, instance_id=old.instance_id, template=old.template, disk_size_gb=larger)
    where = cluster()
    created(where, old, old_desired)
    mac = properties.parse_properties(found(where).current["net0"])["hwaddr"]
    wanted = changes(new, new_desired, found(where), "pve")
    for contract in CONTRACTS:
        settings = {**wanted.settings, "digest": "0" * 40}
        check_call(contract, "PUT", "/nodes/pve/lxc/100/config", settings)
    apply(where, wanted)
    assert attributes_of(found(where).current) == desired_attributes(new)
    assert properties.parse_properties(found(where).current["net0"])["hwaddr"] == mac
    left = changes(new, new_desired, found(where), "pve")
    assert not left


def test_one_change_touches_one_setting() -> None:
    where = cluster()
    created(where, SPEC, DESIRED)
    config = found(where)
    assert changes(replace(SPEC, memory_mb=4096), DESIRED, config, "pve") == Changes(
        settings={"memory": 4096}
    )
    assert changes(replace(SPEC, disk_size_gb=32), DESIRED, config, "pve") == Changes(
        grow={"rootfs": 32}
    )
    assert changes(replace(SPEC, nameservers=()), DESIRED, config, "pve") == Changes(
        deleted=("nameserver",)
    )
    assert changes(SPEC, replace(DESIRED, node="pve2"), config, "pve") == Changes(migrate="pve2")
    assert changes(SPEC, replace(DESIRED, storage="ceph"), config, "pve") == Changes(move="ceph")
    assert changes(
        SPEC, replace(DESIRED, mounts=(Mount("/srv", "local-lvm", 8),)), config, "pve"
    ) == (Changes(settings={"mp0": "local-lvm:8,mp=/srv,backup=1"}))


def test_no_storage_desired_leaves_the_disk_where_it_is() -> None:
    where = cluster()
    created(where, SPEC, DESIRED)
    assert not changes(SPEC, replace(DESIRED, storage=None), found(where), "pve")


def test_a_disk_that_would_shrink_is_refused() -> None:
    where = cluster()
    created(where, SPEC, DESIRED)
    with pytest.raises(ResourceError, match="has 20 GiB and cannot shrink to 10 GiB"):
        changes(replace(SPEC, disk_size_gb=10), DESIRED, found(where), "pve")


def test_a_volume_of_a_mount_grows_and_does_not_shrink() -> None:
    config = Config({"rootfs": "a:v,size=20G", "mp3": "a:w,mp=/srv,size=4G"})

    def wanted(size: int) -> Changes:
        return changes(SPEC, replace(DESIRED, mounts=(Mount("/srv", "a", size),)), config, "pve")

    assert wanted(8).grow == {"mp3": 8}
    assert "mp0" not in wanted(8).settings
    with pytest.raises(ResourceError, match="mp3 has 4 GiB"):
        wanted(2)


def test_what_users_added_stays() -> None:
    where = cluster()
    created(where, SPEC, DESIRED)
    guest = where.guests[100]
    guest.config["tags"] = "home;vikunja-deploy.vikunja-main"
    guest.config["net0"] = f"{guest.config['net0']},ip6=auto,rate=10"
    guest.config["description"] = f"My notes\n{guest.config['description']}More"
    assert not changes(SPEC, DESIRED, found(where), "pve")
    wanted = changes(
        replace(SPEC, bridge="vmbr1"), replace(DESIRED, tags=("blue",)), found(where), ""
    )
    assert wanted.settings["tags"] == "blue;home;vikunja-deploy.vikunja-main"
    assert ",ip6=auto,rate=10" in str(wanted.settings["net0"])
    assert "description" not in wanted.settings
    assert attributes_of(found(where).current)["instance_id"] == "vikunja-main"


def test_an_interface_that_was_pulled_out_and_a_lost_feature_come_back() -> None:
    where = cluster()
    created(where, SPEC, DESIRED)
    guest = where.guests[100]
    guest.config["net0"] = f"{guest.config['net0']},link_down=1"
    guest.config["features"] = "fuse=1"
    seen = observed(DESIRED, found(where), "pve", 100, None, ())
    assert (seen["link"], seen["nesting"]) == ("down", False)
    wanted = changes(SPEC, DESIRED, found(where), "pve")
    assert set(wanted.settings) == {"net0", "features"}
    assert wanted.settings["features"] == "fuse=1,nesting=1"
    apply(where, wanted)
    seen = observed(DESIRED, found(where), "pve", 100, None, ())
    assert {name: seen[name] for name in ("link", "nesting")} == {"link": "up", "nesting": True}
    assert not changes(SPEC, DESIRED, found(where), "pve")


def test_what_waits_for_a_restart_is_told_apart_and_not_asked_for_again() -> None:
    where = cluster()
    created(where, SPEC, DESIRED)
    where.guests[100].running = True
    new = replace(SPEC, nameservers=("192.0.2.54",), memory_mb=1024)
    apply(where, changes(new, DESIRED, found(where), "pve"))
    config = found(where)
    assert attributes_of(config.current)["nameservers"] == ("192.0.2.53",)
    assert attributes_of(config.current)["memory_mb"] == 1024
    assert config.pending == {"nameserver": "192.0.2.54"}
    assert not changes(new, DESIRED, config, "pve")
    assert "nameservers" in RESTART_FIELDS
    call(where, "POST", "/nodes/pve/lxc/100/status/reboot", {})
    assert attributes_of(found(where).current)["nameservers"] == ("192.0.2.54",)


def test_a_setting_that_is_about_to_go_is_known() -> None:
    rows = [Setting("nameserver", "192.0.2.1", delete=True), Setting("cores", 2)]
    config = parse_pending(rows)
    assert config.current == {"nameserver": "192.0.2.1", "cores": "2"}
    assert config.pending == {"nameserver": None}
    assert config.coming == {"cores": "2"}


@pytest.mark.parametrize(
    ("has", "exact", "tags"),
    [
        ("", False, "Web;vikunja-deploy.vikunja-main"),
        ("web;vikunja-deploy.vikunja-main", False, None),
        ("web;vikunja-deploy.vikunja-main", True, "Web;vikunja-deploy.vikunja-main;web"),
        ("Home;vikunja-deploy.vikunja-main", False, "Home;Web;vikunja-deploy.vikunja-main"),
        ("vikunja-deploy.other;Home", True, "Home;Web;vikunja-deploy.vikunja-main"),
    ],
)
def test_tags_are_compared_as_the_cluster_does_and_nobodys_is_changed(
    has: str, exact: bool, tags: str | None
) -> None:
    config = Config({"tags": has}, tag_rules=TagRules(exact))
    change = tags_change(SPEC, DesiredProxmox("pve", tags=("Web",)), config)
    assert change.get("tags") == tags


# Notations


@settings(deadline=None)
@given(st.dictionaries(names, st.text("abc:/.0123456789", min_size=1), min_size=1))
def test_properties_round_trip(values: dict[str, str]) -> None:
    assert properties.parse_properties(properties.format_properties(values)) == values


def test_a_default_key_is_written_without_its_name() -> None:
    text = "local-lvm:vm-100-disk-0,size=8G"
    parsed = properties.parse_properties(text, "volume")
    assert parsed == {"volume": "local-lvm:vm-100-disk-0", "size": "8G"}
    assert properties.format_properties(parsed, "volume") == text


@pytest.mark.parametrize(
    ("text", "gib"),
    [("8G", 8), ("8192M", 8), ("1T", 1024), ("0.5T", 512), ("8589934592", 8), ("512M", 0.5)],
)
def test_sizes_are_gib(text: str, gib: float) -> None:
    assert properties.parse_gib(text) == gib


@pytest.mark.parametrize("text", ["", "8 G", "G", "-1G", "8X"])
def test_what_is_no_size_has_none(text: str) -> None:
    assert properties.parse_gib(text) is None


@settings(deadline=None)
@given(names, names)
def test_notes_name_one_instance(instance: str, other: str) -> None:
    notes = properties.notes_of(instance, "debian-12-standard", IDENTITY)
    assert properties.instance_in_notes(f"Mine\n{notes}") == instance
    assert properties.template_in_notes(notes) == "debian-12-standard"
    twice = notes + properties.notes_of(f"{instance}x{other}", "debian-12-standard", IDENTITY)
    assert properties.instance_in_notes(twice) is None
    assert properties.identity_in_notes(notes) == IDENTITY
    anew = properties.with_identity(f"{notes}Mine\n", OTHER_IDENTITY)
    assert properties.identity_in_notes(anew) == OTHER_IDENTITY
    assert properties.instance_in_notes(anew) == instance
    assert properties.identity_in_notes(f"{notes}identity: {OTHER_IDENTITY}\n") is None
    assert properties.identity_in_notes("identity: mine\n") is None
    assert properties.instance_in_notes("vikunja-deploy says hello") is None


SECOND = replace(SPEC, ip6_address="2001:db8::10/64", gateway6="fe80::1")


def test_a_second_address_is_given_and_goes_with_its_key_and_somebodys_own_stays() -> None:
    where = cluster()
    created(where, SPEC, DESIRED)
    assert interface_of(SPEC, found(where).current) == {}
    apply(where, changes(SECOND, DESIRED, found(where), "pve"))
    interface = properties.parse_properties(found(where).current["net0"])
    assert (interface["ip6"], interface["gw6"]) == ("2001:db8::10/64", "fe80::1")
    assert (interface["ip"], interface["gw"]) == (SPEC.ip_address, SPEC.gateway)
    seen = {"ip6_address": "2001:db8::10/64", "gateway6": "fe80::1"}
    assert interface_of(SECOND, found(where).current) == seen
    assert not changes(SECOND, DESIRED, found(where), "pve")

    announced = replace(SECOND, gateway6=None)
    apply(where, changes(announced, DESIRED, found(where), "pve"))
    assert "gw6" not in found(where).current["net0"]

    # Whose it is, the registry tells.
    assert not changes(SPEC, DESIRED, found(where), "pve")
    recorded = "2001:db8::10/64"
    assert interface_of(SPEC, found(where).current, recorded)["ip6_address"] == recorded
    apply(where, changes(SPEC, DESIRED, found(where), "pve", recorded))
    assert "ip6" not in found(where).current["net0"]
    assert interface_of(SPEC, found(where).current, recorded) == {}


@pytest.mark.parametrize("asked", ["auto", "dhcp"])
def test_a_second_address_that_others_give_comes_and_goes(asked: str) -> None:
    where = cluster()
    created(where, SECOND, DESIRED)
    asks = replace(SPEC, ip6_address=asked)
    apply(where, changes(asks, DESIRED, found(where), "pve"))
    interface = properties.parse_properties(found(where).current["net0"])
    assert (interface["ip6"], interface["ip"]) == (asked, SPEC.ip_address)
    assert "gw6" not in interface
    assert interface_addresses(found(where).current) == (SPEC.ip_address, asked)
    assert interface_of(asks, found(where).current)["ip6_address"] == asked
    assert not changes(asks, DESIRED, found(where), "pve")
    # The registry has what was given; who has none there is not its author.
    assert not changes(SPEC, DESIRED, found(where), "pve")
    given = "2001:db8::be24:11ff:fe2a:3b4c/64"
    assert interface_of(SPEC, found(where).current, given)["ip6_address"] == asked
    apply(where, changes(SPEC, DESIRED, found(where), "pve", given))
    assert "ip6" not in found(where).current["net0"]


def test_a_hardware_address_is_given_however_it_is_written_and_drift_of_it_shows() -> None:
    fixed = replace(SPEC, mac_address="bc:24:11:2a:3b:4c")
    where = cluster()
    created(where, fixed, DESIRED)
    assert "hwaddr=BC:24:11:2A:3B:4C" in found(where).current["net0"]
    assert interface_of(fixed, found(where).current) == {"mac_address": fixed.mac_address}
    guest = where.guests[100]
    guest.config["net0"] = str(guest.config["net0"]).replace(
        "BC:24:11:2A:3B:4C", "bc:24:11:2a:3b:4c"
    )
    assert not changes(fixed, DESIRED, found(where), "pve")
    guest.config["net0"] = str(guest.config["net0"]).replace("bc:24:11", "bc:24:12")
    assert interface_of(fixed, found(where).current) == {"mac_address": "bc:24:12:2a:3b:4c"}
    assert set(changes(fixed, DESIRED, found(where), "pve").settings) == {"net0"}
    assert not changes(SPEC, DESIRED, found(where), "pve")


def test_from_an_address_to_one_that_is_given_and_back() -> None:
    asks = replace(SPEC, ip_address="dhcp", gateway="")
    where = cluster()
    created(where, SPEC, DESIRED)
    for wanted, expected in ((asks, "dhcp"), (SPEC, SPEC.ip_address)):
        apply(where, changes(wanted, DESIRED, found(where), "pve"))
        interface = properties.parse_properties(found(where).current["net0"])
        assert (interface["ip"], interface.get("gw", "")) == (expected, wanted.gateway)
        assert interface_addresses(found(where).current) == (expected, None)
        assert not changes(wanted, DESIRED, found(where), "pve")
