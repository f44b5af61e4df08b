"""Removes what runs of the tests left on this machine that no living run owns.

A run may end by Ctrl-C, kill -9 or a crash between any two steps. The next one, `./doit test
--clean` and every run's own end remove its processes, containers, bridges with their rules,
mounts and folders. Whatever cannot be proven to be of a run that is gone stays.
"""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Set
from functools import partial
from pathlib import Path

import pytest
from places import MACHINE_CACHE, destroy_all
from runs import BRIDGE, FOLDER, FORMER_FOLDER, MARK, any_lives, lives, numbers_in, our_mark

from tasks.containers.lxc import init, network
from tasks.errors import DeployError
from tasks.host.locks import locked
from tasks.host.process import execute, mounts_below, remove_tree
from tasks.paths import Paths

LOCK = Path("/run/lock/vkd-lab-clean-up.lock")
"""One cleans up at a time."""
INTERFACES = Path("/sys/class/net")
KILL_LIMIT = 30
"""Seconds."""
RULE = re.compile(r'--comment "?vikunja-deploy:(vkd\w+)')


def temporary_places() -> tuple[Path, ...]:
    places = (Path(tempfile.gettempdir()), Path("/tmp"), Path("/dev/shm"))
    return tuple(dict.fromkeys(place for place in places if place.is_dir()))


def clean_up(ended: Set[str] = frozenset()) -> tuple[list[str], list[str]]:
    """What was removed, and what could not be. ended: marks of runs that live and need nothing."""
    removed: list[str] = []
    failed: list[str] = []

    def attempt(what: str, remove: Callable[[], object]) -> None:
        try:
            remove()
        except (DeployError, OSError) as error:
            failed.append(f"{what}: {error}")
        else:
            removed.append(what)

    with locked(LOCK):
        for pid, mark in sorted(processes_of_the_dead(ended).items()):
            attempt(f"process {pid} of run {mark}", partial(kill, pid, mark))
        for folder in folders_of_the_dead(ended):
            attempt(str(folder), partial(remove_folder, folder))
        for bridge in bridges_of_the_dead(ended):
            attempt(f"bridge {bridge}", partial(remove_bridge, bridge))
        for point in mounts_of_the_dead():
            attempt(f"mount {point}", partial(execute, ["umount", point]))
        for lock in builder_locks_of_the_dead():
            attempt(str(lock), lock.unlink)
    return removed, failed


def processes_of_the_dead(ended: Set[str]) -> dict[int, str]:
    """Process id → mark, of this machine's own processes that a run which is gone started.

    Those in a container, and the monitors of containers, end with the container.
    """
    here = Path("/proc/self/ns/pid").readlink()
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "ns/pid").readlink() != here or int(process.name) == os.getpid():
                continue
            if (process / "cmdline").read_bytes().startswith(b"[lxc monitor]"):
                continue
        except OSError:
            continue
        mark = mark_of(int(process.name))
        if mark is not None and is_over(mark, ended):
            found[int(process.name)] = mark
    return found


def mark_of(pid: int) -> str | None:
    """The run that started a process."""
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return None
    found = re.search(rf"(?:^|\0){MARK}=(\d+-\d+)\0", environment.decode(errors="replace"))
    return found and found[1]


def kill(pid: int, mark: str) -> None:
    """Kill a process that has this mark, and wait until it is gone."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        # Another process may have the number by now.
        if mark_of(pid) == mark:
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            select.select([descriptor], [], [], KILL_LIMIT)
    except ProcessLookupError:
        pass
    finally:
        os.close(descriptor)


def is_over(mark: str, ended: Set[str]) -> bool:
    return mark in ended or not lives(mark)


def folders_of_the_dead(ended: Set[str]) -> Iterator[Path]:
    for place in temporary_places():
        for folder in sorted(place.glob("vkd-lab-*")):
            if not folder.is_dir() or folder.is_symlink():
                continue
            found = FOLDER.fullmatch(folder.name)
            if found:
                if is_over(f"{found[1]}-{found[2]}", ended):
                    yield folder
            elif FORMER_FOLDER.fullmatch(folder.name) and former_is_over(folder):
                yield folder


def former_is_over(folder: Path) -> bool:
    """Whether a folder without a process in its name is certainly nobody's: its containers say
    who made them and none of these lives, or no run of tests does that is older than it."""
    makers = [
        number
        for container in Paths(folder).lxc.glob("vkd-lab-*")
        for number in numbers_in(container.name)
    ]
    if makers:
        return not any_lives(makers)
    return not any(
        b"pytest" in line for line in _command_lines() if line != _command_line(os.getpid())
    )


def _command_lines() -> Iterator[bytes]:
    for process in Path("/proc").glob("[0-9]*"):
        yield _command_line(int(process.name))


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def remove_folder(folder: Path) -> None:
    """A prefix with its containers and bridges, or any other folder of a run."""
    paths = Paths(folder)
    destroy_all(paths)
    for container in paths.lxc.glob("[!.]*"):
        # Not proven ours, as tests may leave one, and nobody else's: it is in the run's folder.
        pid = init.running_init(container)
        if pid is not None and not init.kill_init(pid, KILL_LIMIT):
            raise DeployError(f"the first process of {container.name} cannot be killed")
        init.wait_for_monitor(container, KILL_LIMIT)
    network.remove_unused(paths)
    remove_tree(folder)


def bridges_of_the_dead(ended: Set[str]) -> list[str]:
    """Bridges, also those whose rules alone are left, that no living run made or has a use for."""
    saved = subprocess.run(["iptables-save"], capture_output=True, text=True, check=False).stdout
    names = {interface.name for interface in INTERFACES.glob("vkd*")} | set(RULE.findall(saved))
    found = []
    over = {mark.partition("-")[0] for mark in ended}
    for name in sorted(names):
        match = BRIDGE.fullmatch(name)
        if not match or (match[1] not in over and any_lives([int(match[1])])):
            continue
        ports = INTERFACES / name / "brif"
        if not (ports.is_dir() and any(ports.iterdir())):
            found.append(name)
    return found


def remove_bridge(name: str) -> None:
    if (INTERFACES / name / "bridge").is_dir():
        execute(["ip", "link", "delete", name])
    for table in ("filter", "nat"):
        argv = ["iptables", "-w", "-t", table]
        listed = execute([*argv, "-S"]).stdout.decode().splitlines()
        for line in listed:
            if f"vikunja-deploy:{name}" in line.replace('"', "").split():
                execute([*argv, "-D", *line.replace('"', "").split()[1:]])


def mounts_of_the_dead() -> Iterator[str]:
    """Mounts in a folder of pytest's whose lock names a process that is gone."""
    mounted = Path("/proc/self/mountinfo").read_text()
    for place in temporary_places():
        for folder in place.glob("pytest-of-*/pytest-[0-9]*"):
            try:
                holder = int((folder / ".lock").read_text())
            except (OSError, ValueError):
                continue
            if not any_lives([holder]):
                yield from mounts_below(folder, mounted)


def builder_locks_of_the_dead() -> Iterator[Path]:
    for lock in MACHINE_CACHE.glob("vkd-lab-builder-*.lock"):
        if not any_lives(numbers_in(lock.name)):
            yield lock


def pytest_configure(config: pytest.Config) -> None:
    os.environ[MARK] = our_mark()
    if os.geteuid() == 0 and not hasattr(config, "workerinput"):
        _say(*clean_up())


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    if os.geteuid() == 0 and not hasattr(config, "workerinput"):
        _say(*clean_up({our_mark()}))


def _say(removed: list[str], failed: list[str]) -> None:
    for what in removed:
        print(f"left by a run of tests that is over, removed: {what}", file=sys.stderr)
    for what in failed:
        print(f"left by a run of tests that is over, and not removed: {what}", file=sys.stderr)


if __name__ == "__main__":
    outcome = clean_up()
    _say(*outcome)
    sys.exit(1 if outcome[1] else 0)
