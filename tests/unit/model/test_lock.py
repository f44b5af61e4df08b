from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from killed_lines import KilledAnywhere

from tasks.errors import LockedError
from tasks.model.holder import evaluate, inspect, ourselves, start_time
from tasks.model.lock import Lock, force_unlock
from tasks.paths import ROOT, Paths

NAME = "vikunja-main"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write_lock(paths: Paths, **files: str) -> Path:
    folder = paths.lock(NAME)
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(f"{text}\n")
    return folder


@pytest.fixture
def somebody() -> Iterator[subprocess.Popen[bytes]]:
    """A live process that is not this one."""
    process = subprocess.Popen(["sleep", "60"])
    yield process
    process.kill()
    process.wait()


def files_of(pid: int, *, operation: str = "update", hours: int = 0) -> dict[str, str]:
    _, timestamp, owner, started = ourselves()
    boot, namespace, _ = started.split()
    return {
        "pid": str(pid),
        "timestamp": str(int(timestamp) - 3600 * hours),
        "owner": owner,
        "operation": operation,
        "started": f"{boot} {namespace} {start_time(pid)}",
    }


def test_a_held_lock_is_the_folder_of_the_data_model(paths: Paths) -> None:
    before = int(time.time())
    with Lock.acquire(paths, NAME, "deploy"):
        folder = paths.prefix / "var/lock/vikunja-deploy/vikunja-main.lock"
        assert names(folder) == ["operation", "owner", "pid", "started", "timestamp"]
        assert (folder / "pid").read_text() == f"{os.getpid()}\n"
        assert before <= int((folder / "timestamp").read_text()) <= time.time()
        assert (folder / "owner").read_text().endswith(f"@{socket.gethostname()}\n")
        assert (folder / "operation").read_text() == "deploy\n"
        assert names(folder.parent).count("vikunja-main.lock") == 1
    assert names(folder.parent) == [".vikunja-main.lock.guard"]


def test_a_second_taker_is_told_holder_operation_and_since_when(paths: Paths) -> None:
    with Lock.acquire(paths, NAME, "deploy"):
        info = inspect(paths, NAME)
        assert info is not None
        with pytest.raises(LockedError) as caught:
            Lock.acquire(paths, NAME, "backup")
    user = info.owner
    assert str(caught.value) == (
        f"vikunja-main: locked by deploy by {user} (pid {os.getpid()}) since {info.since}"
    )
    assert caught.value.exit_code == 5
    assert caught.value.hint == "Wait until it has finished, or end it if it hangs."
    with Lock.acquire(paths, NAME, "backup"):
        pass


def test_other_instances_are_not_locked(paths: Paths) -> None:
    with Lock.acquire(paths, "one", "deploy"), Lock.acquire(paths, "two", "deploy"):
        assert inspect(paths, "one") and inspect(paths, "two")


def test_a_lock_object_can_be_entered_again_and_the_outermost_releases(paths: Paths) -> None:
    with Lock.acquire(paths, NAME, "deploy") as lock:
        with lock, lock:
            assert inspect(paths, NAME)
        assert inspect(paths, NAME)
    assert inspect(paths, NAME) is None
    lock.release()


def test_an_error_inside_releases_it(paths: Paths) -> None:
    with pytest.raises(ZeroDivisionError), Lock.acquire(paths, NAME, "deploy"):
        raise ZeroDivisionError
    assert inspect(paths, NAME) is None


def test_a_forked_child_does_not_release_its_parents_lock(paths: Paths) -> None:
    with Lock.acquire(paths, NAME, "deploy") as lock:
        child = os.fork()
        if child == 0:
            lock.release()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        info = inspect(paths, NAME)
        assert info is not None and info.holder == "alive"
    assert inspect(paths, NAME) is None


def test_waiting_gets_the_lock_when_it_is_released(paths: Paths) -> None:
    first = Lock.acquire(paths, NAME, "deploy")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(Lock.acquire, paths, NAME, "backup", 20)
        time.sleep(0.2)
        assert not waiting.done()
        first.release()
        waiting.result(20).release()


def test_waiting_ends_after_the_given_time(paths: Paths) -> None:
    begun = time.monotonic()
    with Lock.acquire(paths, NAME, "deploy"), pytest.raises(LockedError):
        Lock.acquire(paths, NAME, "backup", wait_seconds=0.3)
    assert 0.3 <= time.monotonic() - begun < 60


def test_a_live_holder_is_never_stale_however_old(
    paths: Paths, somebody: subprocess.Popen[bytes]
) -> None:
    write_lock(paths, **files_of(somebody.pid, hours=1000))
    info = inspect(paths, NAME)
    assert info is not None and (info.holder, info.stale) == ("alive", False)
    with pytest.raises(LockedError, match=f"pid {somebody.pid}"):
        Lock.acquire(paths, NAME, "deploy")


@pytest.mark.parametrize("waited_for", [True, False])
def test_a_killed_holder_frees_the_lock_at_once_with_a_warning(
    paths: Paths, somebody: subprocess.Popen[bytes], waited_for: bool
) -> None:
    files = files_of(somebody.pid)
    write_lock(paths, **files)
    somebody.kill()
    if waited_for:
        somebody.wait()
    else:
        os.waitid(os.P_PID, somebody.pid, os.WEXITED | os.WNOWAIT)
    warnings: list[str] = []
    with Lock.acquire(paths, NAME, "deploy", warn=warnings.append):
        assert (paths.lock(NAME) / "pid").read_text() == f"{os.getpid()}\n"
    assert len(warnings) == 1
    assert warnings[0].startswith(
        f"Freed the lock of update by {files['owner']} (pid {somebody.pid}) since 20"
    )
    assert warnings[0].endswith(": it ended without releasing it")


def test_a_later_process_with_the_holders_pid_does_not_keep_the_lock(
    paths: Paths, somebody: subprocess.Popen[bytes]
) -> None:
    files = files_of(somebody.pid)
    boot, namespace, start = files["started"].split()
    write_lock(paths, **{**files, "started": f"{boot} {namespace} {int(start) - 1}"})
    Lock.acquire(paths, NAME, "deploy").release()


def test_a_holder_from_before_the_boot_does_not_keep_the_lock(
    paths: Paths, somebody: subprocess.Popen[bytes]
) -> None:
    files = files_of(somebody.pid)
    _, namespace, start = files["started"].split()
    boot = "00000000-0000-4000-8000-000000000000"
    write_lock(paths, **{**files, "started": f"{boot} {namespace} {start}"})
    Lock.acquire(paths, NAME, "deploy").release()


OTHER_BOOT = "00000000-0000-4000-8000-000000000000 [1] 5"


@pytest.mark.parametrize(
    ("owner", "started", "holder"),
    [
        ("root@elsewhere", None, "unknown"),
        ("root@elsewhere", OTHER_BOOT, "unknown"),
        (None, OTHER_BOOT, "unknown"),
        ("root@HERE", OTHER_BOOT, "dead"),
        ("root@HERE", "BOOT [1] 5", "unknown"),
        ("root@HERE", "BOOT NAMESPACE 5", "dead"),
        ("root@elsewhere", "BOOT NAMESPACE START", "alive"),
        ("root@HERE", None, "alive"),
    ],
)
def test_only_a_process_of_this_boot_and_namespace_can_be_judged(
    owner: str | None, started: str | None, holder: str
) -> None:
    boot, namespace, start = ourselves()[3].split()
    words = {"BOOT": boot, "NAMESPACE": namespace, "START": start, "HERE": socket.gethostname()}
    for word, value in words.items():
        owner = owner and owner.replace(word, value)
        started = started and started.replace(word, value)
    assert evaluate(os.getpid(), owner, started) == holder


def test_the_start_time_is_found_behind_any_command_name(tmp_path: Path) -> None:
    tool = tmp_path / "a) Z (b 1 2"
    tool.write_bytes(Path("/bin/sleep").read_bytes())
    tool.chmod(0o755)
    process = subprocess.Popen([tool, "60"])
    try:
        text = start_time(process.pid)
        assert text is not None
        ticks = os.sysconf("SC_CLK_TCK")
        uptime = float(Path("/proc/uptime").read_text().split()[0])
        assert abs(uptime - int(text) / ticks) < 30
    finally:
        process.kill()
        process.wait()


def test_a_lock_of_another_host_needs_unlock_even_when_it_is_stale(paths: Paths) -> None:
    now = int(time.time())
    write_lock(
        paths, pid="1", timestamp=str(now - 3500), owner="root@elsewhere", operation="backup"
    )
    info = inspect(paths, NAME)
    assert info is not None and (info.holder, info.stale) == ("unknown", False)
    with pytest.raises(LockedError) as caught:
        Lock.acquire(paths, NAME, "deploy")
    assert "./doit unlock --force vikunja-main" in caught.value.hint
    (paths.lock(NAME) / "timestamp").write_text(f"{now - 3700}\n")
    info = inspect(paths, NAME)
    assert info is not None and (info.holder, info.stale) == ("unknown", True)
    with pytest.raises(LockedError) as caught:
        Lock.acquire(paths, NAME, "deploy")
    assert caught.value.hint.endswith("./doit unlock vikunja-main")
    assert force_unlock(paths, NAME)
    Lock.acquire(paths, NAME, "deploy").release()


def test_an_empty_folder_of_another_tool_is_a_lock_judged_by_its_own_time(paths: Paths) -> None:
    folder = write_lock(paths)
    with pytest.raises(LockedError, match="locked by an unknown operation by somebody since"):
        Lock.acquire(paths, NAME, "deploy")
    os.utime(folder, (time.time() - 4000,) * 2)
    info = inspect(paths, NAME)
    assert info is not None and info.stale and info.pid is None
    with pytest.raises(LockedError, match="locked by"):
        Lock.acquire(paths, NAME, "deploy")
    assert folder.is_dir()


def test_a_tool_that_follows_the_data_model_by_hand_is_kept_out_and_keeps_out(
    paths: Paths,
) -> None:
    folder = paths.lock(NAME)
    with Lock.acquire(paths, NAME, "deploy"):
        assert subprocess.run(["mkdir", folder], stderr=subprocess.DEVNULL).returncode == 1
    subprocess.run(["mkdir", folder], check=True)
    with pytest.raises(LockedError):
        Lock.acquire(paths, NAME, "deploy")


@pytest.mark.parametrize("text", ["", "abc", "-1", "0", "9" * 30, "\0\0\0", "1 2"])
def test_a_pid_that_is_none_is_a_holder_that_cannot_be_judged(paths: Paths, text: str) -> None:
    write_lock(paths, **{**files_of(os.getpid()), "pid": text})
    with pytest.raises(LockedError, match="locked by update by"):
        Lock.acquire(paths, NAME, "deploy")


def test_releasing_leaves_alone_what_unlock_gave_to_another(paths: Paths) -> None:
    first = Lock.acquire(paths, NAME, "deploy")
    assert force_unlock(paths, NAME)
    with Lock.acquire(paths, NAME, "backup"):
        first.release()
        info = inspect(paths, NAME)
        assert info is not None and info.operation == "backup"


def test_unlocking_refuses_when_the_lock_has_changed_hands(paths: Paths) -> None:
    write_lock(paths, pid="1", timestamp="5", owner="root@elsewhere", operation="backup")
    shown = inspect(paths, NAME)
    assert force_unlock(paths, NAME, shown)
    assert not force_unlock(paths, NAME, shown)
    with Lock.acquire(paths, NAME, "deploy"), pytest.raises(LockedError, match="deploy by"):
        force_unlock(paths, NAME, shown)


def test_unlocking_where_there_never_was_a_lock_makes_nothing(paths: Paths) -> None:
    assert not force_unlock(paths, NAME)
    assert names(paths.prefix) == []


def test_killed_at_any_line_it_leaves_a_lock_that_can_be_taken_at_once(
    paths: Paths, killed_anywhere: KilledAnywhere
) -> None:
    def work() -> None:
        with Lock.acquire(paths, NAME, "deploy"):
            pass

    held = free = 0
    for _ in killed_anywhere(work):
        free += not paths.lock(NAME).exists()
        held += paths.lock(NAME).exists()
        with Lock.acquire(paths, NAME, "backup"):
            assert len(list(paths.lock(NAME).iterdir())) == 5
        assert names(paths.lock(NAME).parent) == [".vikunja-main.lock.guard"]
    assert held and free > 3


def _contend(paths: Paths, rounds: int, inside: Path, won: Path) -> None:
    for _ in range(rounds):
        try:
            with Lock.acquire(paths, NAME, "deploy"):
                # Fails where another is inside.
                inside.mkdir()
                inside.rmdir()
                descriptor = os.open(won, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
                os.write(descriptor, b".")
                os.close(descriptor)
        except LockedError:
            time.sleep(0.001)


def test_of_many_processes_one_at_a_time_has_the_lock(paths: Paths, tmp_path: Path) -> None:
    inside, won = tmp_path / "inside", tmp_path / "won"
    context = get_context("fork")
    children = [context.Process(target=_contend, args=(paths, 40, inside, won)) for _ in range(8)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
        assert child.exitcode == 0
    assert won.stat().st_size >= 40
    assert inspect(paths, NAME) is None


def _free_and_hold(paths: Paths, start: Any, done: Any, results: Any) -> None:
    start.wait(30)
    warnings: list[str] = []
    try:
        lock = Lock.acquire(paths, NAME, "deploy", warn=warnings.append)
    except LockedError:
        results.put(("refused", len(warnings)))
    else:
        results.put(("won", len(warnings)))
        done.wait(30)
        lock.release()


def test_of_many_processes_freeing_the_same_dead_lock_one_wins(paths: Paths) -> None:
    context = get_context("fork")
    dead = subprocess.Popen(["true"])
    files = files_of(dead.pid)
    dead.wait()
    for _ in range(10):
        write_lock(paths, **files)
        start, done, results = context.Event(), context.Event(), context.Queue()
        children = [
            context.Process(target=_free_and_hold, args=(paths, start, done, results))
            for _ in range(10)
        ]
        for child in children:
            child.start()
        start.set()
        outcomes = sorted(results.get(timeout=30) for _ in children)
        done.set()
        for child in children:
            child.join(30)
            assert child.exitcode == 0
        assert outcomes == [("refused", 0)] * 9 + [("won", 1)]
        assert inspect(paths, NAME) is None


def test_of_many_threads_one_has_the_lock(paths: Paths) -> None:
    def take(_: int) -> Lock | None:
        try:
            return Lock.acquire(paths, NAME, "deploy")
        except LockedError:
            return None

    with ThreadPoolExecutor(8) as pool:
        taken = [lock for lock in pool.map(take, range(40)) if lock is not None]
    assert len(taken) == 1
    taken[0].release()
    assert inspect(paths, NAME) is None


def test_inspecting_while_the_lock_changes_hands_never_shows_a_mixture(paths: Paths) -> None:
    program = (
        "import sys, pathlib\n"
        "from tasks.paths import Paths\n"
        "from tasks.model.lock import Lock\n"
        "paths = Paths(pathlib.Path(sys.argv[1]))\n"
        "print(flush=True)\n"
        "while True:\n"
        "    Lock.acquire(paths, 'vikunja-main', 'deploy').release()\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program, paths.prefix], stdout=subprocess.PIPE, cwd=ROOT
    )
    assert child.stdout is not None
    child.stdout.readline()
    try:
        seen = 0
        deadline = time.monotonic() + 60
        while seen < 100 and time.monotonic() < deadline:
            info = inspect(paths, NAME)
            # The holder's own folder is empty for a moment between its two steps.
            if info is not None and info.pid is not None:
                seen += 1
                assert (info.pid, info.operation, info.holder) == (child.pid, "deploy", "alive")
        assert seen == 100
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
