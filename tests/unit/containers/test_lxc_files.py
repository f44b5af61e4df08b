"""Configuration, limits, ids and records of the plain LXC driver."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tasks.containers.base import ContainerFacts, ContainerSpec
from tasks.containers.lxc import boot, cgroup, config, identity, init, network
from tasks.containers.lxc.attach import Seen, attach_argv, belonging_to
from tasks.containers.lxc.cgroup import Hierarchy, Layout
from tasks.containers.lxc.identity import hosts_file
from tasks.errors import DeployError, NetworkError, ResourceError
from tasks.host import user_ids
from tasks.host.process import Completed, mounts_below
from tasks.paths import Paths
from tasks.resources.base import Facts
from tasks.resources.container import DesiredContainer

FOLDER = Path("/var/lib/lxc/box")
LOCK = Path("/var/lib/vikunja-deploy/lxc-network.lock")
VERSION_1 = Layout(
    cpu=Hierarchy(Path("/sys/fs/cgroup/cpu"), 1), memory=Hierarchy(Path("/sys/fs/cgroup/memory"), 1)
)
VERSION_2 = Layout(
    cpu=Hierarchy(Path("/sys/fs/cgroup"), 2), memory=Hierarchy(Path("/sys/fs/cgroup"), 2)
)
SPEC = ContainerSpec(
    name="box",
    instance_id="vikunja-main",
    template="bookworm",
    hostname="box.example.org",
    cpu_cores=2,
    memory_mb=2048,
    disk_size_gb=20,
    bridge="vkd0",
    ip_address="10.1.2.3/24",
    gateway="10.1.2.1",
)
SETTINGS = config.from_spec(SPEC, lower=Path("/bases/key"), bridge_mode="own", mtu=1400)


def rendered(settings: config.Settings, layout: Layout = VERSION_2, apparmor: bool = False) -> str:
    return config.render(
        settings,
        folder=FOLDER,
        lock=LOCK,
        ids=user_ids.IdMap(100000, 200000),
        layout=layout,
        apparmor=apparmor,
    )


@pytest.mark.parametrize("layout", [VERSION_1, VERSION_2])
@given(
    cores=st.integers(1, 64),
    memory=st.integers(64, 1 << 20),
    mode=st.sampled_from(["own", "foreign"]),
    servers=st.lists(st.ip_addresses(v=4).map(str), max_size=3),
    address=st.sampled_from(["10.1.2.3/24", "192.0.2.9/31", "2001:db8::5/64"]),
    second=st.sampled_from([("", ""), ("2001:db8::7/64", ""), ("2001:db8::7/64", "fe80::1")]),
    hardware=st.sampled_from(["", "bc:24:11:2a:3b:4c"]),
)
def test_a_configuration_reads_back_as_it_was_written(
    layout: Layout,
    cores: int,
    memory: int,
    mode: str,
    servers: list[str],
    address: str,
    second: tuple[str, str],
    hardware: str,
) -> None:
    second = ("", "") if ":" in address else second
    settings = replace(
        SETTINGS,
        cpu_cores=cores,
        memory_mb=memory,
        bridge_mode="own" if mode == "own" else "foreign",
        nameservers=tuple(servers),
        ip_address=address,
        gateway="2001:db8::1" if ":" in address else "10.1.2.1",
        ip6_address=second[0],
        gateway6=second[1],
        mac_address=hardware,
    )
    assert config.parse(rendered(settings, layout)) == settings


def test_the_whole_configuration() -> None:
    hook = "/var/lib/lxc/box/hook"
    network_words = f"{LOCK} own vkd0 10.1.2.1/24 10.1.2.0/24"
    assert rendered(SETTINGS).splitlines() == [
        "# vikunja-deploy: instance=vikunja-main",
        "# vikunja-deploy: template=bookworm",
        "# vikunja-deploy: nameservers=host",
        "# Written by vikunja-deploy; the next apply writes it again.",
        "lxc.include = /usr/share/lxc/config/common.conf",
        "lxc.include = /usr/share/lxc/config/userns.conf",
        "lxc.uts.name = box.example.org",
        "lxc.rootfs.path = dir:/var/lib/lxc/box/rootfs",
        "lxc.idmap = u 0 100000 65536",
        "lxc.idmap = g 0 200000 65536",
        "lxc.apparmor.profile = unconfined",
        "lxc.mount.auto =",
        "lxc.mount.auto = proc:mixed sys:ro cgroup:mixed",
        "lxc.tty.max = 0",
        "lxc.signal.halt = SIGRTMIN+3",
        "lxc.start.auto = 1",
        "lxc.net.0.type = veth",
        "lxc.net.0.link = vkd0",
        "lxc.net.0.name = eth0",
        f"lxc.net.0.hwaddr = {config.hardware_address(FOLDER)}",
        "lxc.net.0.mtu = 1400",
        "lxc.net.0.flags = up",
        "lxc.net.0.ipv4.address = 10.1.2.3/24 10.1.2.255",
        "lxc.net.0.ipv4.gateway = 10.1.2.1",
        "lxc.cgroup2.cpu.max = 200000 100000",
        "lxc.cgroup2.memory.max = 2147483648",
        "lxc.hook.version = 1",
        f"lxc.hook.pre-start = {hook} pre-start /var/lib/lxc/box /bases/key {network_words}",
        f"lxc.hook.start-host = {hook} start-host /var/lib/lxc/box",
        f"lxc.hook.post-stop = {hook} post-stop /var/lib/lxc/box",
    ]


def test_where_the_host_has_apparmor_the_container_is_confined_by_it() -> None:
    lines = rendered(SETTINGS, apparmor=True).splitlines()
    assert "lxc.apparmor.profile = generated" in lines
    assert "lxc.apparmor.allow_nesting = 1" in lines
    assert "lxc.apparmor.profile = unconfined" not in lines


def test_limits_of_version_1_are_written_by_its_names() -> None:
    lines = rendered(SETTINGS, VERSION_1).splitlines()
    assert [line for line in lines if "cgroup." in line] == [
        "lxc.cgroup.cpu.cfs_period_us = 100000",
        "lxc.cgroup.cpu.cfs_quota_us = 200000",
        "lxc.cgroup.memory.limit_in_bytes = 2147483648",
    ]


def test_an_edit_by_hand_shows() -> None:
    text = rendered(SETTINGS).replace("memory.max = 2147483648", "memory.max = 1073741824")
    settings = config.parse(text)
    assert settings is not None and settings.memory_mb == 1024


def test_a_configuration_of_somebody_else_is_none_of_ours() -> None:
    assert config.parse("lxc.uts.name = box\n") is None
    assert config.parse("# vikunja-deploy: instance=x\nlxc.uts.name = box\n") is None


@pytest.mark.parametrize(
    ("mountinfo", "controllers", "expected"),
    [
        (
            "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
            "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
            "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
            {"/sys/fs/cgroup/unified": ""},
            VERSION_1,
        ),
        (
            "30 24 0:26 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw,nsdelegate\n",
            {"/sys/fs/cgroup": "cpuset cpu io memory hugetlb pids\n"},
            VERSION_2,
        ),
        (
            "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
            "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
            {"/sys/fs/cgroup/unified": "memory\n"},
            Layout(
                Hierarchy(Path("/sys/fs/cgroup/cpu,cpuacct"), 1),
                Hierarchy(Path("/sys/fs/cgroup/unified"), 2),
            ),
        ),
        ("22 1 0:20 / /proc rw - proc proc rw\n", {}, Layout(None, None)),
    ],
)
def test_each_controller_is_found_in_its_own_hierarchy(
    mountinfo: str, controllers: dict[str, str], expected: Layout
) -> None:
    assert cgroup.parse_layout(mountinfo, controllers) == expected


def test_a_containers_own_group_is_above_the_groups_of_its_systemd() -> None:
    unified = "0::/lxc.payload.box/init.scope\n"
    assert cgroup.group_of(unified, "cpu", Hierarchy(Path("/sys/fs/cgroup"), 2)) == Path(
        "/sys/fs/cgroup/lxc.payload.box"
    )
    legacy = "4:memory:/outer/lxc.payload.box-1\n1:cpu,cpuacct:/lxc.payload.box-1\n0::/\n"
    memory = Hierarchy(Path("/sys/fs/cgroup/memory"), 1)
    assert cgroup.group_of(legacy, "memory", memory) == Path(
        "/sys/fs/cgroup/memory/outer/lxc.payload.box-1"
    )
    assert cgroup.group_of("0::/system.slice\n", "cpu", VERSION_2.cpu or memory) is None


@pytest.mark.parametrize("version", [1, 2])
def test_limits_are_applied_and_read_in_a_running_group(version: int, tmp_path: Path) -> None:
    hierarchy = Hierarchy(tmp_path, version)
    group = cgroup.Group(Layout(hierarchy, hierarchy), tmp_path, tmp_path)
    group.apply(3, 512)
    assert group.limits() == (3, 512)
    names = {path.name for path in tmp_path.iterdir()}
    assert ("cpu.max" in names) == (version == 2)


@pytest.mark.parametrize(
    ("quota", "period", "cores"),
    [("150000", "100000", 1.5), ("max", "100000", None), ("-1", "100000", None), ("1", "0", None)],
)
def test_cores_are_quota_over_period(quota: str, period: str, cores: float | None) -> None:
    assert cgroup.parse_cpu(quota, period) == cores


def test_no_memory_limit_reads_as_none() -> None:
    assert cgroup.parse_memory("max") is None
    assert cgroup.parse_memory("9223372036854771712") is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "root:100000:65536\n"),
        ("alice:100000:65536\n", "alice:100000:65536\nroot:165536:65536\n"),
        ("alice:100000:65536", "alice:100000:65536\nroot:165536:65536\n"),
        ("bob:165536:65536\nal:100000:65536\n", None),
        ("root:500000:65536\n", "root:500000:65536\n"),
        ("root:1000:10\n", "root:1000:10\nroot:100000:65536\n"),
    ],
)
def test_root_gets_ids_that_nobody_else_has(before: str, after: str | None) -> None:
    expected = before + "root:231072:65536\n" if after is None else after
    assert user_ids.with_root_range(before) == expected
    assert user_ids.with_root_range(expected) == expected


def test_without_ids_for_root_the_error_says_what_to_add(tmp_path: Path) -> None:
    with pytest.raises(ResourceError) as caught:
        user_ids.read_idmap(tmp_path)
    assert "root:100000:65536" in caught.value.hint


def test_a_name_in_a_stat_line_may_hold_anything() -> None:
    rest = " ".join(["S", "1", *map(str, range(2, 19)), "777", "20"])
    assert init.parse_stat(f"12 (a) Z 3 (b) {rest}") == ("S", 777)


def test_a_broken_record_of_the_first_process_counts_as_none(tmp_path: Path) -> None:
    assert init.running_init(tmp_path) is None
    for text in ("", "12\n", "a b\n", "1 999999999999\n"):
        (tmp_path / "init").write_text(text)
        assert init.running_init(tmp_path) is None


def test_an_address_taken_by_any_container_is_named_whatever_the_prefix() -> None:
    foreign = "lxc.net.0.ipv4.address = 10.1.2.3/16 10.1.255.255\n"
    assert network.conflict(SPEC, {"other": foreign}) == (SPEC.ip_address, "other")
    assert network.conflict(SPEC, {"box": foreign}) is None
    assert network.conflict(SPEC, {"other": "lxc.net.0.ipv4.address = 10.1.2.33/24\n"}) is None
    assert network.conflict(SPEC, {"other": "lxc.net.0.ipv4.address = nonsense\n"}) is None
    both = "lxc.net.0.ipv4.address = 10.9.9.9/16\nlxc.net.0.ipv6.address = 2001:db8:0::7/64\n"
    second = replace(SPEC, ip6_address="2001:db8::7/48")
    assert network.conflict(second, {"other": both}) == ("2001:db8::7/48", "other")
    assert network.conflict(SPEC, {"other": both}) is None


def test_a_bridge_is_ours_only_with_the_alias_of_this_prefix(tmp_path: Path) -> None:
    ours = Paths(Path("/somewhere"))
    assert network.bridge_mode("br0", ours, tmp_path) == "own"
    (tmp_path / "br0/bridge").mkdir(parents=True)
    assert network.bridge_mode("br0", ours, tmp_path) == "foreign"
    (tmp_path / "br0/ifalias").write_text(network.alias_of(Paths()) + "\n")
    assert network.bridge_mode("br0", ours, tmp_path) == "foreign"
    (tmp_path / "br0/ifalias").write_text(network.alias_of(ours) + "\n")
    assert network.bridge_mode("br0", ours, tmp_path) == "own"
    (tmp_path / "eth0").mkdir()
    with pytest.raises(ResourceError, match="eth0 exists and is not a bridge"):
        network.bridge_mode("eth0", ours, tmp_path)


def test_the_way_out_is_the_route_to_everywhere() -> None:
    routes = (
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n"
        "br0\t0001010A\t00000000\t0001\t0\t0\t0\t00FFFFFF\n"
        "eth7\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\n"
    )
    assert network.default_interface(routes) == "eth7"
    assert network.default_interface("Iface\n") is None


def test_resolvers_are_read_without_comments() -> None:
    text = "# nameserver 1.1.1.1\nnameserver 192.0.2.1\noptions x\n nameserver 2001:db8::1\n"
    assert network.resolvers(text) == ("192.0.2.1", "2001:db8::1")


def test_a_full_name_resolves_by_its_first_part_too() -> None:
    assert "127.0.1.1 box.example.org box\n" in hosts_file("box.example.org")
    assert "127.0.1.1 box\n" in hosts_file("box")


def test_mounts_below_a_folder_come_deepest_first() -> None:
    lines = [
        "1 0 8:1 / / rw - ext4 /dev/a rw",
        "2 1 0:5 / /a/b rw - tmpfs t rw",
        "3 2 0:6 / /a/b/c\\040d rw - tmpfs t rw",
        "4 1 0:7 / /a/bc rw - tmpfs t rw",
    ]
    assert mounts_below(Path("/a/b"), "\n".join(lines)) == ["/a/b/c d", "/a/b"]


def test_a_command_reaches_lxc_attach_word_for_word() -> None:
    argv = attach_argv("box", Path("/var/lib/lxc"), ["--odd", "a b"])
    assert argv[:4] == ["lxc-attach", "--lxcpath=/var/lib/lxc", "--name=box", "--clear-env"]
    assert argv[-3:] == ["--", "--odd", "a b"]
    assert "--uid=0" in argv and "--gid=0" in argv


def test_all_below_a_process_and_in_its_group_belong_to_it() -> None:
    seen = [Seen(10, 1, 10), Seen(11, 10, 10), Seen(12, 11, 12), Seen(13, 1, 10), Seen(14, 1, 14)]
    assert sorted(one.pid for one in belonging_to(10, seen)) == [11, 12, 13]


def completed(code: int, text: str) -> Completed:
    return Completed(("sh",), code, text.encode(), b"why\n")


def test_a_degraded_boot_names_the_units_that_failed() -> None:
    text = "degraded\na.service loaded failed failed A\nb.mount loaded failed failed B\n"
    assert boot.evaluate(completed(0, text), SPEC) == ("a.service", "b.mount")
    assert boot.evaluate(completed(0, "running\n"), SPEC) == ()


def test_a_boot_that_failed_is_an_error_with_its_state() -> None:
    with pytest.raises(NetworkError, match=r"box: the container has no route to 10\.1\.2\.1"):
        boot.evaluate(completed(3, "running\n"), SPEC)
    with pytest.raises(NetworkError, match="somebody else on vkd0 has an address"):
        boot.evaluate(completed(5, "running\n"), SPEC)
    with pytest.raises(DeployError, match="did not come up: maintenance"):
        boot.evaluate(completed(4, "maintenance\n"), SPEC)


def test_files_that_name_the_container_are_looked_at_as_they_were_written(tmp_path: Path) -> None:
    identity.write_identity(tmp_path, SETTINGS, (os.getuid(), os.getgid()))
    written = dict.fromkeys(("/etc/hostname", "/etc/hosts"), identity.AS_WRITTEN)
    assert identity.observed_names(tmp_path, SETTINGS) == written
    with (tmp_path / "etc/hosts").open("a") as file:
        file.write("192.0.2.1 elsewhere\n")
    (tmp_path / "etc/hostname").unlink()
    assert identity.observed_names(tmp_path, SETTINGS) == {
        "/etc/hostname": "missing",
        "/etc/hosts": "edited",
    }


@pytest.mark.parametrize("named", [(), ("192.0.2.53",)])
@pytest.mark.parametrize("left", [b"", b"# nobody\n", None])
def test_name_servers_that_were_taken_away_inside_are_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: tuple[str, ...], left: bytes | None
) -> None:
    monkeypatch.setattr(network, "host_nameservers", lambda: ("192.0.2.1",))
    settings = replace(SETTINGS, nameservers=named)
    file = tmp_path / "etc/resolv.conf"
    file.parent.mkdir()
    file.write_text(identity.resolver_file(named))
    assert identity.observed_nameservers(tmp_path, settings) == named
    if left is None:
        file.unlink()
    else:
        file.write_bytes(left)
    assert identity.observed_nameservers(tmp_path, settings) == identity.NO_NAMESERVER
    desired = DesiredContainer(spec=replace(SPEC, nameservers=named))
    seen = {"nameservers": identity.NO_NAMESERVER}
    difference = desired.difference(Facts(container=ContainerFacts(True, True, "box", seen)))
    assert difference is not None
    assert [(one.name, one.before) for one in difference.changes] == [
        ("nameservers", "no name server")
    ]
    # What manages it from inside keeps it.
    file.unlink(missing_ok=True)
    file.symlink_to("../run/systemd/resolve/stub-resolv.conf")
    assert identity.observed_nameservers(tmp_path, settings) is None
