"""What the plain LXC driver must never do, whatever happens to it."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from msgspec.structs import asdict, replace

from tasks.containers.lxc import init, network
from tasks.containers.lxc.apt import read_setup
from tasks.containers.lxc.container import LxcContainer
from tasks.containers.lxc.rootfs import ensure_rootfs
from tasks.errors import DeployError, NetworkError, ResourceError
from tasks.host.process import mounts_below
from tasks.host.user_ids import read_idmap
from tasks.paths import Paths

MakeContainer = Callable[[str], LxcContainer]
SCRIPT = Path(__file__).with_name("create_and_start.py")
ROOT = Path(__file__).parents[3]


def start_in_another_process(container: LxcContainer) -> subprocess.Popen[bytes]:
    """A process that is about to create and start it."""
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), str(container.paths.prefix)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdin and process.stdout
    process.stdin.write(json.dumps(asdict(container.spec)).encode())
    process.stdin.close()
    assert process.stdout.readline() == b"ready\n"
    return process


def host_rules() -> str:
    return "".join(
        subprocess.run(["iptables", "-w", "-t", table, "-S"], capture_output=True, text=True).stdout
        for table in ("nat", "filter")
    )


def test_killed_at_any_time_it_is_whole_or_not_there_and_the_next_call_finishes(
    make_container: MakeContainer,
) -> None:
    container = make_container("killed")
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    found = []
    for _ in range(12):
        process = start_in_another_process(container)
        # Most of creating is over in 100 ms, starting in a second.
        time.sleep(chance.uniform(0, 0.15) if chance.random() < 0.6 else chance.uniform(0, 1.0))
        process.kill()
        process.wait()
        facts = container.observe()
        assert facts.owner == (container.spec.instance_id if facts.exists else None), seed
        found.append((facts.exists, facts.running))
        container.create()
        container.start()
        assert container.observe().running, seed
        assert container.run(["systemctl", "is-system-running"], check=False).stdout == b"running\n"
        container.destroy()
        assert not container.observe().exists
        assert not list(container.paths.lxc.glob(f"*{container.spec.name}*")), seed
    assert len(set(found)) > 1, f"every kill met the same moment: {found}"


def test_a_killed_mmdebstrap_leaves_no_process_no_mount_and_no_root_file_system(
    lab_paths: Paths,
) -> None:
    cache = lab_paths.prefix / "killed-cache"
    setup, ids = read_setup("bookworm"), read_idmap()
    child = os.fork()
    if child == 0:
        os.close(1)
        ensure_rootfs(cache, "bookworm", setup, ids)
        os._exit(0)
    deadline = time.monotonic() + 60
    while not list(cache.glob("rootfs/.*making-*/root/usr/bin/dpkg")):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    deadline = time.monotonic() + 60
    while left := [pid for pid, line in command_lines().items() if str(cache) in line]:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)
    assert mounts_below(cache, Path("/proc/self/mountinfo").read_text()) == []
    assert not [path for path in (cache / "rootfs").iterdir() if not path.name.startswith(".")]


def command_lines() -> dict[int, str]:
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                found[int(folder.name)] = (folder / "cmdline").read_bytes().decode(errors="replace")
            except (FileNotFoundError, ProcessLookupError):
                continue
    return found


def everything_refuses(container: LxcContainer) -> None:
    for act in (
        container.create,
        container.configure,
        container.start,
        container.stop,
        container.destroy,
        lambda: container.run(["true"]),
    ):
        with pytest.raises(ResourceError, match="not proven") as caught:
            act()
        assert caught.value.exit_code == 4


def test_a_foreign_container_is_never_touched(make_container: MakeContainer) -> None:
    container = make_container("foreign")
    container.folder.mkdir(parents=True)
    file = container.folder / "config"
    file.write_text("lxc.uts.name = foreign\nlxc.rootfs.path = dir:/nonexistent\n")
    try:
        facts = container.observe()
        assert (facts.exists, facts.running, facts.owner) == (True, False, None)
        everything_refuses(container)
        assert file.read_text().startswith("lxc.uts.name = foreign\n")
        assert list(container.folder.iterdir()) == [file]
    finally:
        file.unlink()
        container.folder.rmdir()


def test_a_foreign_folder_without_a_configuration_is_never_touched(
    make_container: MakeContainer,
) -> None:
    container = make_container("folder")
    container.folder.mkdir(parents=True)
    precious = container.folder / "precious"
    precious.write_text("data")
    try:
        with pytest.raises(ResourceError, match="holds no container of ours"):
            container.create()
        container.destroy()
        assert precious.read_text() == "data"
    finally:
        precious.unlink()
        container.folder.rmdir()


def test_another_instances_container_is_never_touched(make_container: MakeContainer) -> None:
    container = make_container("theirs")
    container.create()
    container.start()
    other = LxcContainer(replace(container.spec, instance_id="somebody-else"), container.paths)
    assert other.observe().owner == container.spec.instance_id
    everything_refuses(other)
    assert container.observe().running


def test_without_its_marker_a_container_is_nobodys(make_container: MakeContainer) -> None:
    container = make_container("unmarked")
    container.create()
    marker = container.folder / "upper/etc/vikunja-deploy"
    text = marker.read_text()
    marker.write_text("somebody-else\n")
    assert container.observe().owner is None
    everything_refuses(container)
    marker.unlink()
    assert container.observe().owner is None
    everything_refuses(container)
    marker.symlink_to("/etc/hostname")
    assert container.observe().owner is None
    marker.unlink()
    marker.write_text(text)
    assert container.observe().owner == container.spec.instance_id


def test_links_made_in_the_container_do_not_lead_the_host_astray(
    make_container: MakeContainer, tmp_path: Path
) -> None:
    container = make_container("links")
    container.create()
    victim = tmp_path / "victim"
    victim.write_text("host's own")
    resolver = container.folder / "upper/etc/resolv.conf"
    resolver.unlink()
    resolver.symlink_to(victim)
    assert "nameservers" not in container.observe().attributes
    container.configure()
    assert victim.read_text() == "host's own"
    assert resolver.is_file() and not resolver.is_symlink()


def test_a_frozen_or_dead_container_does_not_run(make_container: MakeContainer) -> None:
    container = make_container("frozen")
    container.create()
    container.start()
    arguments = [f"--lxcpath={container.paths.lxc}", f"--name={container.spec.name}"]
    subprocess.run(["lxc-freeze", *arguments], check=True)
    assert not container.observe().running
    container.start()
    assert container.observe().running
    pid = init.running_init(container.folder)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while container.observe().running:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    with pytest.raises(ResourceError, match="does not run"):
        container.run(["true"])
    container.start()
    assert container.observe().running


def test_after_a_reboot_a_start_brings_back_bridge_and_nat(make_container: MakeContainer) -> None:
    container = make_container("reboot")
    container.create()
    container.start()
    container.stop()
    bridge = container.spec.bridge
    subprocess.run(["sh", str(network.HOOK), "network-down", bridge], check=True)
    assert not Path("/sys/class/net", bridge).exists()
    assert bridge not in host_rules()
    # As LXC's own service does it at boot, without this project.
    subprocess.run(
        ["lxc-start", f"--lxcpath={container.paths.lxc}", f"--name={container.spec.name}"],
        check=True,
    )
    assert host_rules().count(bridge) >= 3
    container.start()
    gateway = container.spec.gateway
    route = container.run(["ip", "route", "get", gateway]).stdout.decode()
    assert f"{gateway} dev eth0" in route


def test_the_last_container_takes_its_bridge_and_rules_along(
    make_container: MakeContainer,
) -> None:
    first, second = make_container("first"), make_container("second")
    name = f"vkdlst{os.getpid()}"
    first, second = (
        LxcContainer(
            replace(item.spec, bridge=name, gateway="10.77.1.1", ip_address=f"10.77.1.{number}/24"),
            item.paths,
        )
        for number, item in ((11, first), (12, second))
    )
    for container in (first, second):
        container.create()
        container.start()
    elsewhere = make_container("elsewhere")
    spec = replace(
        elsewhere.spec, bridge=f"{name}b", gateway="10.77.1.1", ip_address="10.77.1.13/24"
    )
    elsewhere = LxcContainer(spec, elsewhere.paths)
    elsewhere.create()
    with pytest.raises(NetworkError) as refused:
        elsewhere.start()
    assert (
        f"the network 10.77.1.0/24 is reached through {name} already" in refused.value.evidence[-1]
    )
    assert not Path("/sys/class/net", f"{name}b").exists()
    elsewhere.destroy()
    alias = Path("/sys/class/net", name, "ifalias")
    assert alias.read_text().startswith("vikunja-deploy:")
    assert host_rules().count(f"vikunja-deploy:{name}") == 3
    first.destroy()
    assert alias.exists()
    assert second.run(["ip", "route", "get", "10.77.1.1"]).returncode == 0
    second.destroy()
    assert not alias.exists()
    assert name not in host_rules()


def test_a_bridge_that_is_not_ours_is_used_as_it_is(make_container: MakeContainer) -> None:
    name = f"vkdfgn{os.getpid()}"
    subprocess.run(["ip", "link", "add", name, "type", "bridge"], check=True)
    try:
        subprocess.run(["ip", "link", "set", name, "up"], check=True)
        made = make_container("bridged")
        container = LxcContainer(replace(made.spec, bridge=name), made.paths)
        container.create()
        container.start()
        shown = subprocess.run(
            ["ip", "-4", "address", "show", "dev", name], capture_output=True, text=True, check=True
        )
        assert "inet" not in shown.stdout
        assert name not in host_rules()
        container.destroy()
        assert Path("/sys/class/net", name).exists()
    finally:
        subprocess.run(["ip", "link", "delete", name], check=True)


def test_several_are_created_at_once(make_container: MakeContainer) -> None:
    containers = [make_container(f"many{number}") for number in range(4)]

    def bring_up(container: LxcContainer) -> bytes:
        container.create()
        container.start()
        return container.run(["cat", "/etc/vikunja-deploy"]).stdout

    with ThreadPoolExecutor(4) as pool:
        markers = list(pool.map(bring_up, containers))
    assert markers == [f"{item.spec.instance_id}\n".encode() for item in containers]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(LxcContainer.destroy, containers))


def test_of_two_that_want_one_address_at_once_one_gets_it(make_container: MakeContainer) -> None:
    first, second = make_container("race1"), make_container("race2")
    second = LxcContainer(replace(second.spec, ip_address=first.spec.ip_address), second.paths)

    def attempt(container: LxcContainer) -> str:
        try:
            container.create()
        except DeployError as error:
            return error.what
        return "created"

    with ThreadPoolExecutor(2) as pool:
        outcomes = sorted(pool.map(attempt, (first, second)))
    assert outcomes[0] == "created"
    assert "is taken by the container" in outcomes[1]


def test_a_failed_start_shows_why(make_container: MakeContainer) -> None:
    container = make_container("broken")
    container.create()
    (container.folder / "upper/sbin").write_text("no link to usr/sbin, so no /sbin/init")
    with pytest.raises(DeployError, match="did not start") as caught:
        container.start()
    assert any("init" in line for line in caught.value.evidence)
    assert not container.observe().running
    container.destroy()


def test_destroying_what_is_gone_or_half_gone_succeeds(make_container: MakeContainer) -> None:
    container = make_container("gone")
    container.destroy()
    container.create()
    container.start()
    container.stop()
    container.folder.rename(container.paths.lxc / f".vikunja-deploy-{container.spec.name}")
    assert not container.observe().exists
    container.destroy()
    assert not list(container.paths.lxc.glob(f"*{container.spec.name}*"))


def test_emptying_the_cache_loses_no_container(make_container: MakeContainer) -> None:
    container = make_container("cacheless")
    container.create()
    text = (container.folder / "config").read_text()
    assert "/var/cache/" not in text
    bases = (container.paths.lxc / ".vikunja-deploy.bases").iterdir()
    # Others here may stand on another release's.
    (base,) = [base for base in bases if f" {base} " in text]
    # Hard links: the same file, with a name of its own.
    assert (base / "usr/bin/env").stat().st_nlink > 1


def test_gateways_outside_the_subnet_are_reached(make_container: MakeContainer) -> None:
    """As hosters give them; by the second address as by the first, as soon as it is started."""
    name = f"vkdlink{os.getpid() % 10000}"
    made = make_container("onlink")
    spec = replace(
        made.spec,
        bridge=name,
        ip_address="203.0.113.7/32",
        gateway="203.0.113.1",
        ip6_address="2001:db8:7::7/64",
        gateway6="fe80::1",
        mac_address="bc:24:11:2a:3b:4c",
    )
    container = LxcContainer(spec, made.paths)
    for words in (
        ["link", "add", name, "type", "bridge"],
        ["link", "set", name, "up"],
        ["address", "add", "203.0.113.1/32", "dev", name],
        ["address", "add", "198.51.100.1/32", "dev", name],
        ["route", "add", "203.0.113.7/32", "dev", name],
        ["-6", "address", "add", "fe80::1/64", "dev", name, "nodad"],
        ["-6", "address", "add", "2001:db8:8::1/128", "dev", name, "nodad"],
        ["-6", "route", "add", "2001:db8:7::7/128", "dev", name],
    ):
        subprocess.run(["ip", *words], check=True)
    try:
        container.create()
        # Its addresses of IPv6 are new to a bridge that has long been up: the slowest there is.
        for _ in range(2):
            container.start()
            # Not the gateway itself: what is behind it.
            for behind, family in (
                ("198.51.100.1", socket.AF_INET),
                ("2001:db8:8::1", socket.AF_INET6),
            ):
                with socket.create_server((behind, 0), family=family) as server:
                    host, port, *_ = server.getsockname()
                    container.run(["timeout", "10", "bash", "-c", f": </dev/tcp/{host}/{port}"])
            container.stop()
        assert container.observe().attributes["mac_address"] == "bc:24:11:2a:3b:4c"

        # What another interface of the bridge has is not had twice.
        twice = ["ip", "-6", "address", "add", "2001:db8:7::7/128", "dev", name, "nodad"]
        subprocess.run(twice, check=True)
        with pytest.raises(NetworkError, match=r"somebody else on .* has an address"):
            container.start()
    finally:
        container.destroy()
        subprocess.run(["ip", "link", "delete", name], check=True)
