"""Builds at once, builds that are killed, artifacts that are damaged, caches that are bounded."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from build_trees import COMPILE, Recorded, Repository, instance_of, shell
from msgspec.structs import replace

from tasks.builds import Artifact, artifact_key, build, find, git, prune, verify
from tasks.builds import artifact as store
from tasks.errors import BuildError
from tasks.host import locks
from tasks.model.instance import Git, Instance
from tasks.paths import Paths

CHILD = """
import json, pickle, sys
from tasks.builds import build
instance, commit, paths = pickle.load(open(sys.argv[1], "rb"))
print(build(instance, commit, paths).sha256)
"""


def in_a_process(instance: Instance, commit: str, paths: Paths) -> subprocess.Popen[bytes]:
    """`build` in a process of its own; it prints the artifact's digest."""
    plain = replace(
        instance,
        document={},
        build=replace(instance.build, environment=dict(instance.build.environment)),
        vikunja=replace(instance.vikunja, environment={}),
    )
    job = paths.prefix / f"job-{time.monotonic_ns()}"
    job.write_bytes(pickle.dumps((plain, commit, paths)))
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(job)],
        env=dict(os.environ) | {"PYTHONPATH": str(Path(__file__).parents[3])},
        stdout=subprocess.PIPE,
    )


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.01)


def left_overs(paths: Paths) -> list[str]:
    artifacts = [entry.name for entry in (paths.cache / "artifacts").iterdir()]
    work = [entry.name for entry in (paths.cache / "build").iterdir()]
    return [name for name in artifacts if not name.endswith((".tar", ".json", ".lock"))] + work


def test_two_processes_that_want_the_same_make_one_build(
    repository: Repository, paths: Paths
) -> None:
    commit = repository.commit({"a": "1"})
    builds = paths.prefix / "builds"
    builds.touch()
    builds.chmod(0o666)
    counted = shell(f"echo build >> {builds}; sleep 0.5; cp /bin/true vikunja")
    one = instance_of(repository.url, id="vikunja-one", backend=(counted,))
    two = replace(one, id="vikunja-two")

    first, second = in_a_process(one, commit, paths), in_a_process(two, commit, paths)
    digests = {first.communicate()[0], second.communicate()[0]}

    assert first.returncode == second.returncode == 0
    assert len(digests) == 1
    assert builds.read_text() == "build\n"


def test_different_builds_on_one_machine_take_turns(repository: Repository, paths: Paths) -> None:
    commit = repository.commit({"a": "1"})
    spans = paths.prefix / "spans"
    spans.touch()
    spans.chmod(0o666)
    script = f"echo begin >> {spans}; sleep 0.3; echo end >> {spans}; cp /bin/true vikunja"
    one = instance_of(repository.url, backend=(shell(script),))
    two = instance_of(repository.url, backend=(shell(script),), environment={"OTHER": "1"})

    children = [in_a_process(desired, commit, paths) for desired in (one, two)]
    for child in children:
        child.communicate()

    assert [child.returncode for child in children] == [0, 0]
    assert spans.read_text().split() == ["begin", "end", "begin", "end"]


def test_a_waiting_build_says_so(repository: Repository, paths: Paths) -> None:
    commit = repository.commit({"a": "1"})
    started = paths.prefix / "started"
    paths.prefix.chmod(0o777)
    slow = shell(f"touch {started}; sleep 0.7; cp /bin/true vikunja")
    instance = instance_of(repository.url, backend=(slow,))
    child = in_a_process(instance, commit, paths)
    wait_until(started.exists)
    progress = Recorded()

    made = build(instance, commit, paths, progress)

    assert child.communicate()[0].decode().strip() == made.sha256
    assert progress.texts == ["waiting for another build of the same commit and settings"]


@pytest.mark.parametrize("moment", ["before", "compiling", "packed"])
def test_a_killed_build_leaves_nothing_that_counts_and_the_next_one_cleans_up(
    repository: Repository, paths: Paths, moment: str
) -> None:
    commit = repository.commit({"a": "1"})
    paths.prefix.chmod(0o777)
    reached = paths.prefix / "reached"
    go_on = paths.prefix / "go-on"
    waiting = f"touch {reached}; while [ ! -e {go_on} ]; do sleep 0.02; done;"
    script = {
        "before": f"{waiting} cp /bin/true vikunja",
        "compiling": f"cp /bin/true vikunja; {waiting} :",
        "packed": f"cp /bin/true vikunja; {waiting} dd if=/dev/zero bs=1M count=300 >> vikunja",
    }[moment]
    instance = instance_of(repository.url, backend=(shell(script),))
    key = artifact_key(instance, commit)
    child = in_a_process(instance, commit, paths)
    wait_until(reached.exists)
    if moment == "packed":
        go_on.touch()
        folder = paths.cache / "artifacts"
        wait_until(lambda: any(entry.name.endswith(".partial") for entry in folder.iterdir()))
    child.send_signal(signal.SIGKILL)
    child.communicate()

    assert find(paths, key) is None
    assert left_overs(paths)
    go_on.touch()
    wait_until(lambda: not _running(str(reached)))
    made = build(instance, commit, paths)
    verify(made)
    assert left_overs(paths) == []


def _running(words: str) -> bool:
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if words in file.read_bytes().decode(errors="replace"):
                return True
        except (FileNotFoundError, ProcessLookupError):
            continue
    return False


def test_what_a_killed_build_left_goes_with_the_build_of_something_else(
    repository: Repository, paths: Paths
) -> None:
    commit = repository.commit({"a": "1"})
    dead = "d" * 64
    store.work_path(paths, dead).joinpath("tree").mkdir(parents=True)
    (paths.cache / "artifacts").mkdir()
    (paths.cache / "artifacts" / f".{dead}.1.partial").write_text("half")
    (paths.cache / "artifacts" / f"{dead}.tar").write_text("an archive without its record")

    build(instance_of(repository.url), commit, paths)

    assert left_overs(paths) == []
    assert not (paths.cache / "artifacts" / f"{dead}.tar").exists()


def test_a_commands_processes_die_with_the_build(repository: Repository, paths: Paths) -> None:
    commit = repository.commit({"a": "1"})
    paths.prefix.chmod(0o777)
    started = paths.prefix / "started"
    # What leaves the session is out of reach of a user who may not make process namespaces.
    stray = "(setsid sleep 765432 &);" if os.geteuid() == 0 else ""
    script = f"touch {started}; {stray} exec sleep 765432"
    child = in_a_process(instance_of(repository.url, backend=(shell(script),)), commit, paths)
    wait_until(started.exists)
    wait_until(lambda: _running("765432"))

    child.send_signal(signal.SIGKILL)
    child.communicate()

    wait_until(lambda: not _running("765432"))


def damaged(artifact: Artifact) -> None:
    with artifact.path.open("r+b") as file:
        file.seek(artifact.size // 2)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))


def test_a_damaged_archive_is_found_by_verify_and_leaves_the_cache(
    repository: Repository, paths: Paths
) -> None:
    commit = repository.commit({"a": "1"})
    made = build(instance_of(repository.url), commit, paths)
    damaged(made)
    assert find(paths, made.key) == made

    with pytest.raises(BuildError, match="damaged") as caught:
        verify(made)
    assert made.sha256 in caught.value.what
    assert find(paths, made.key) is None


def test_a_damaged_archive_is_built_again(repository: Repository, paths: Paths) -> None:
    commit = repository.commit({"a": "1"})
    instance = instance_of(repository.url)
    made = build(instance, commit, paths)
    damaged(made)

    again = build(instance, commit, paths)

    assert again == made
    verify(again)


@pytest.mark.parametrize(
    "record", [b"", b"{", b"[]", b"null", b'{"key": 1}', b"\xff\xfe", b'"text"']
)
def test_a_damaged_record_is_no_artifact(
    repository: Repository, paths: Paths, record: bytes
) -> None:
    made = build(instance_of(repository.url), repository.commit({"a": "1"}), paths)
    store.record_path(paths, made.key).write_bytes(record)

    assert find(paths, made.key) is None


def test_a_short_archive_is_no_artifact(repository: Repository, paths: Paths) -> None:
    made = build(instance_of(repository.url), repository.commit({"a": "1"}), paths)
    with made.path.open("r+b") as file:
        file.truncate(made.size - 1)

    assert find(paths, made.key) is None


def test_the_record_says_everything(repository: Repository, paths: Paths) -> None:
    made = build(instance_of(repository.url), repository.commit({"a": "1"}), paths)
    record = json.loads(store.record_path(paths, made.key).read_text())

    assert set(record) == {
        "key", "commit", "version", "sha256", "size", "parts", "built_at", "seconds",
        "repository", "course",
    }  # fmt: skip
    assert abs(record["built_at"] - time.time()) < 60
    assert 0 < record["seconds"] < 60


def test_finding_reads_nothing_of_the_archive(repository: Repository, paths: Paths) -> None:
    made = build(instance_of(repository.url), repository.commit({"a": "1"}), paths)
    size = made.size
    made.path.unlink()
    with made.path.open("wb") as sparse:
        sparse.truncate(size)

    assert find(paths, made.key) == made


def test_the_cache_keeps_what_is_used_and_the_newest(repository: Repository, paths: Paths) -> None:
    commit = repository.commit({"a": "1"})
    keys = []
    for number in range(5):
        instance = instance_of(repository.url, environment={"N": str(number)})
        made = build(instance, commit, paths)
        os.utime(store.record_path(paths, made.key), (number, number))
        keys.append(made.key)

    removed = prune(paths, [keys[0]], keep=2)

    assert set(removed) == {keys[1], keys[2]}
    assert [find(paths, key) is not None for key in keys] == [True, False, False, True, True]
    for key in removed:
        assert not store.log_path(paths, key).exists()
        assert not (paths.cache / "artifacts" / f"{key}.lock").exists()


def test_the_cache_keeps_what_is_being_built(repository: Repository, paths: Paths) -> None:
    made = build(instance_of(repository.url), repository.commit({"a": "1"}), paths)
    with store.lock(paths, made.key):
        assert prune(paths, (), keep=0) == ()
    assert find(paths, made.key) == made
    assert prune(paths, (), keep=0) == (made.key,)


def test_a_lock_whose_file_was_removed_is_taken_anew(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    with locks.locked(file):
        file.unlink()
        with locks.tried(file) as mine:
            assert mine
        with locks.locked(file), locks.tried(file) as second:
            assert not second


def test_the_tool_costs_little_beside_the_commands(repository: Repository, paths: Paths) -> None:
    commit = repository.commit({"a": "1"})

    def used() -> float:
        """Processor seconds of this process and its children; waiting for others is not ours."""
        times = os.times()
        return sum(times[:4])

    before = used()
    build(instance_of(repository.url, backend=(shell("sleep 1"), COMPILE)), commit, paths)

    assert used() - before < 1


def test_mirrors_that_nothing_was_fetched_into_for_long_go(
    repository: Repository, paths: Paths
) -> None:
    commit = repository.commit({"a": "1"})
    used = Git(repository.url, "main")
    unused = Git(str(repository.path), "main")
    for desired in (used, unused):
        git.fetch(desired, commit, paths)
    os.utime(git.mirror_path(unused, paths), (0, 0))
    os.utime(git.mirror_path(used, paths), (0, 0))
    git.fetch(used, commit, paths)

    prune(paths, ())

    assert git.mirror_path(used, paths).exists()
    assert not git.mirror_path(unused, paths).exists()
    assert git.fetch(unused, commit, paths).exists()
