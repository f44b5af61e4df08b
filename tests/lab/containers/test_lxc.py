"""The plain LXC driver on real containers."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tasks.containers.lxc.container import LxcContainer
from tasks.containers.lxc.identity import AS_WRITTEN, NAME_FILES
from tasks.errors import DeployError, ResourceError
from tasks.paths import Paths

MakeContainer = Callable[[str], LxcContainer]


@pytest.fixture(scope="module")
def box(make_container: MakeContainer) -> Iterator[LxcContainer]:
    container = make_container("box")
    container.create()
    container.start()
    yield container
    container.destroy()


def text_of(container: LxcContainer, *argv: str) -> str:
    return container.run(argv).stdout.decode().strip()


def test_a_created_container_exists_stopped_and_is_ours(make_container: MakeContainer) -> None:
    container = make_container("created")
    assert not container.observe().exists
    container.create()
    facts = container.observe()
    assert (facts.exists, facts.running, facts.owner) == (True, False, container.spec.instance_id)
    desired = {
        name: getattr(container.spec, name)
        for name in container.spec.__struct_fields__
        if name not in ("disk_size_gb", "more", "template_named")
    }
    names = dict.fromkeys(NAME_FILES, AS_WRITTEN)
    assert dict(facts.attributes) == {
        **desired,
        **names,
        "autostart": True,
        "identity": "recorded",
    }


def test_creating_and_starting_twice_changes_nothing(box: LxcContainer) -> None:
    before = (box.folder / "config").read_bytes(), text_of(box, "cat", "/etc/machine-id")
    box.create()
    box.start()
    assert ((box.folder / "config").read_bytes(), text_of(box, "cat", "/etc/machine-id")) == before


def test_systemd_is_up_without_a_failed_unit(box: LxcContainer) -> None:
    assert text_of(box, "systemctl", "is-system-running") == "running"


def test_root_in_the_container_is_nobody_on_the_host(box: LxcContainer) -> None:
    box.run(["touch", "/root/mine"])
    assert (box.folder / "upper/root/mine").stat().st_uid >= 100000


def test_a_command_has_a_clean_environment_and_starts_in_the_root_folder(
    box: LxcContainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANARY", "should not get in")
    lines = text_of(box, "env").splitlines()
    assert not [line for line in lines if line.startswith("CANARY")]
    assert "LANG=C.UTF-8" in lines and "HOME=/root" in lines
    assert text_of(box, "pwd") == "/"
    assert text_of(box, "id", "-u") == "0"


@pytest.mark.parametrize("code", [0, 1, 2, 7, 126, 127, 255])
def test_exit_codes_are_exact(box: LxcContainer, code: int) -> None:
    assert box.run(["sh", "-c", f"exit {code}"], check=False).returncode == code


def test_arguments_arrive_as_they_are(box: LxcContainer) -> None:
    odd = ["a b", "$HOME", "'", '"', "*", "--name=x", "ä", "", "a\nb"]
    assert box.run(["printf", "%s\\0", *odd]).stdout == b"".join(
        word.encode() + b"\0" for word in odd
    )


def test_stdout_and_stderr_are_apart(box: LxcContainer) -> None:
    completed = box.run(["sh", "-c", "echo out; echo err >&2"])
    assert (completed.stdout, completed.stderr) == (b"out\n", b"err\n")


def test_five_megabytes_of_any_bytes_pass_unchanged(box: LxcContainer) -> None:
    data = os.urandom(5 << 20)
    assert box.run(["cat"], stdin=data).stdout == data


def test_files_serve_as_input_and_output(box: LxcContainer, tmp_path: Path) -> None:
    data = os.urandom(300_000)
    source, target = tmp_path / "in", tmp_path / "out"
    source.write_bytes(data)
    with source.open("rb") as stdin, target.open("wb") as stdout:
        assert box.run(["cat"], stdin=stdin, stdout=stdout).stdout == b""
    assert target.read_bytes() == data


def test_a_failed_command_names_its_program_only_and_shows_its_last_words(
    box: LxcContainer,
) -> None:
    with pytest.raises(DeployError) as caught:
        box.run(["sh", "-c", "echo sorry >&2; exit 3", "secret-argument"])
    assert str(caught.value) == f"{box.spec.name}: sh failed with exit code 3"
    assert caught.value.evidence == ("sorry",)


def test_a_command_over_its_time_is_killed_with_all_below_it(box: LxcContainer) -> None:
    script = "sleep 4711 & setsid sleep 4712 & sh -c 'sleep 4713; :' & wait"
    started = time.monotonic()
    with pytest.raises(DeployError, match="was killed"):
        box.run(["sh", "-c", script], timeout=0.5)
    assert time.monotonic() - started < 60
    left = box.run(["pgrep", "-af", "^sleep 471"], check=False)
    assert left.stdout == b""
    # Nor does anything stay behind that a shutdown would wait for.
    states = box.run(["ps", "-eo", "stat="]).stdout.decode().split()
    assert not [state for state in states if state.startswith("Z")]


def test_every_command_counts_as_one_round_trip(box: LxcContainer) -> None:
    before = box.round_trips
    box.run(["true"])
    box.run(["false"], check=False)
    box.observe()
    assert box.round_trips == before + 2


def test_limits_change_live_and_stay(box: LxcContainer) -> None:
    changed = LxcContainer(replace(box.spec, cpu_cores=2, memory_mb=700), box.paths)
    changed.configure()
    script = """
    for file in memory/memory.limit_in_bytes cpu/cpu.cfs_quota_us memory.max cpu.max; do
        [ ! -f "$1/$file" ] || cat "$1/$file"
    done
    """
    inside = text_of(changed, "sh", "-c", script, "sh", "/sys/fs/cgroup")
    for value in (str(700 << 20), "200000"):
        assert value in inside.split() or host_limits(changed) == (2, 700)
    assert host_limits(changed) == (2, 700)
    changed.stop()
    facts = changed.observe()
    assert (facts.attributes["cpu_cores"], facts.attributes["memory_mb"]) == (2, 700)
    changed.start()
    assert host_limits(changed) == (2, 700)
    box.configure()
    assert host_limits(box) == (box.spec.cpu_cores, box.spec.memory_mb)


def host_limits(container: LxcContainer) -> tuple[object, object]:
    attributes = container.observe().attributes
    return attributes["cpu_cores"], attributes["memory_mb"]


def test_a_process_over_the_memory_limit_is_killed(box: LxcContainer) -> None:
    limited = LxcContainer(replace(box.spec, memory_mb=256), box.paths)
    limited.configure()
    # tail keeps a line without an end in memory.
    hog = box.run(["sh", "-c", "head -c 400000000 /dev/zero | tail >/dev/null"], check=False)
    assert hog.returncode != 0
    assert text_of(box, "systemctl", "is-system-running") == "running"
    box.configure()


def test_a_new_hostname_is_live_and_stays(box: LxcContainer) -> None:
    renamed = LxcContainer(replace(box.spec, hostname="renamed.example.org"), box.paths)
    renamed.configure()
    assert text_of(renamed, "hostname") == "renamed.example.org"
    assert text_of(renamed, "getent", "hosts", "renamed").split()[0] == "127.0.1.1"
    assert renamed.observe().attributes["hostname"] == "renamed.example.org"
    renamed.stop()
    renamed.start()
    assert text_of(renamed, "hostname") == "renamed.example.org"
    box.configure()


def test_new_nameservers_are_live(box: LxcContainer) -> None:
    changed = LxcContainer(replace(box.spec, nameservers=("192.0.2.53",)), box.paths)
    changed.configure()
    assert text_of(changed, "cat", "/etc/resolv.conf") == "nameserver 192.0.2.53"
    assert changed.observe().attributes["nameservers"] == ("192.0.2.53",)
    box.configure()
    assert box.observe().attributes["nameservers"] == ()


def test_a_new_address_takes_effect_by_the_restart_that_it_asks_for(
    box: LxcContainer, make_container: MakeContainer
) -> None:
    address = make_container("address").spec.ip_address
    moved = LxcContainer(replace(box.spec, ip_address=address), box.paths)
    assert moved.needs_restart(frozenset({"ip_address", "memory_mb"})) == {"ip_address"}
    moved.configure()
    assert address not in text_of(moved, "ip", "address")
    moved.stop()
    moved.start()
    assert address in text_of(moved, "ip", "address")
    assert moved.observe().attributes["ip_address"] == address
    box.configure()
    box.stop()
    box.start()


def test_an_address_that_another_container_has_is_refused_before_anything_is_made(
    box: LxcContainer, make_container: MakeContainer
) -> None:
    made = make_container("taken")
    double = LxcContainer(replace(made.spec, ip_address=box.spec.ip_address), box.paths)
    with pytest.raises(ResourceError, match=f"is taken by the container {box.spec.name}") as caught:
        double.create()
    assert caught.value.exit_code == 4
    assert not double.observe().exists
    assert not double.folder.exists()


def test_packages_install_from_the_machines_own_archive(box: LxcContainer) -> None:
    box.run(
        ["apt-get", "--yes", "--quiet", "--no-install-recommends", "install", "hello"], timeout=120
    )
    assert text_of(box, "hello") == "Hello, world!"


def test_observing_starts_nothing_but_the_questions_about_nat(
    box: LxcContainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []
    begin = subprocess.Popen

    def watched(argv: Any, *arguments: Any, **named: Any) -> Any:
        started.append(argv[0])
        return begin(argv, *arguments, **named)

    def refused() -> int:
        raise AssertionError("sh starts a program")

    monkeypatch.setattr("subprocess.Popen", watched)
    monkeypatch.setattr("os.fork", refused)
    facts = box.observe()
    assert facts.running
    assert facts.attributes["forwarding"] is True
    assert set(started) == {"iptables-save"}


def test_list_owned_names_the_container_and_its_instance(
    box: LxcContainer, lab_paths: Paths
) -> None:
    assert (box.spec.name, box.spec.instance_id) in LxcContainer.list_owned(lab_paths)


def test_another_name_for_an_instance_that_has_a_container_is_refused(box: LxcContainer) -> None:
    other = LxcContainer(replace(box.spec, name=f"{box.spec.name}-other"), box.paths)
    with pytest.raises(ResourceError, match="containers keep their name") as refused:
        other.observe()
    assert box.spec.name in str(refused.value)
    assert f"lxc.name: {box.spec.name}" in refused.value.hint
