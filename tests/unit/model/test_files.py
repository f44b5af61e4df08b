from __future__ import annotations

import fcntl
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest

from tasks.errors import DeployError
from tasks.host.files import as_record, exclusive, read_json, write_atomically, write_json


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_writing_creates_parents_and_sets_the_mode_whatever_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "secret"
    before = os.umask(0o077)
    try:
        write_atomically(path, b"one", 0o644)
        assert stat.S_IMODE(path.stat().st_mode) == 0o644
    finally:
        os.umask(before)
    write_atomically(path, b"two", 0o600)
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert names(path.parent) == ["secret"]


def test_a_killed_writer_leaves_the_old_content_or_the_new(tmp_path: Path, kill_at: Any) -> None:
    path = tmp_path / "folder" / "file"
    seen = set()
    for line in range(1, 1000):
        write_atomically(path, b"old")
        if not kill_at(line, lambda: write_atomically(path, b"new content", 0o600)):
            break
        seen.add((path.read_bytes(), stat.S_IMODE(path.stat().st_mode)))
        assert len(names(path.parent)) <= 2
    assert line > 10
    assert seen == {(b"old", 0o644), (b"new content", 0o600)}
    write_atomically(path, b"last")
    assert names(path.parent) == ["file"]


def test_what_a_killed_writer_left_is_not_readable_by_others(tmp_path: Path, kill_at: Any) -> None:
    path = tmp_path / "secret"
    aside = tmp_path / ".secret.new"
    for line in range(1, 1000):
        aside.unlink(missing_ok=True)
        if not kill_at(line, lambda: write_atomically(path, b"secret", 0o600)):
            break
        if aside.exists():
            assert stat.S_IMODE(aside.stat().st_mode) == 0o600
    assert line > 10


def test_a_reader_never_sees_half_of_what_parallel_writers_write(tmp_path: Path) -> None:
    path = tmp_path / "file"
    contents = [bytes([letter]) * 20_000 for letter in b"abcdef"]
    write_atomically(path, contents[0])

    def write(content: bytes) -> None:
        for _ in range(15):
            write_atomically(path, content)

    with ThreadPoolExecutor(len(contents)) as pool:
        jobs = [pool.submit(write, content) for content in contents]
        reads = 0
        while not all(job.done() for job in jobs) or reads < 20:
            assert path.read_bytes() in contents
            reads += 1
        for job in jobs:
            job.result()
    assert names(tmp_path) == ["file"]


def test_a_file_that_cannot_be_written_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    with pytest.raises(DeployError) as caught:
        write_atomically(tmp_path / "folder", b"x")
    assert str(caught.value) == f"{tmp_path}/folder: cannot be written: Is a directory"
    (tmp_path / "plain").write_bytes(b"")
    with pytest.raises(DeployError) as caught:
        write_atomically(tmp_path / "plain" / "file", b"x")
    assert str(caught.value) == f"{tmp_path}/plain/file: cannot be written: Not a directory"
    assert caught.value.hint == (
        f"Look at {tmp_path}/plain: is its disk full, read-only or not mounted?"
    )


def test_a_full_disk_leaves_the_old_content_and_no_file_aside(tmp_path: Path) -> None:
    import resource
    import signal

    path = tmp_path / "file"
    write_atomically(path, b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(DeployError, match="cannot be written: File too large"):
            write_atomically(path, b"x" * 2000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_json_comes_back_as_it_was_written(tmp_path: Path) -> None:
    value = {"b": [1, None, "ä"], "a": {"x": True}}
    write_json(tmp_path / "file", value)
    assert read_json(tmp_path / "file") == value
    assert (tmp_path / "file").read_text(encoding="utf-8").startswith('{\n  "b": [')


def test_a_file_that_is_not_there_reads_as_none(tmp_path: Path) -> None:
    assert read_json(tmp_path / "none") is None


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "not JSON at line 1 column 1: Expecting value"),
        (b'{"a": 1,\n "b" 2}', "not JSON at line 2 column 6: Expecting ':' delimiter"),
        (b"\xff\xfe\x00", "not JSON: 'utf-8' codec can't decode byte 0xff in position 0"),
        (b'{"a": "\xe4"}', "not JSON: 'utf-8' codec can't decode byte 0xe4 in position 7"),
        (b"[NaN]", "not JSON: NaN is no JSON value"),
        (b"[" * 100_000, "not JSON: maximum recursion depth exceeded"),
        (b"null", "it holds nothing"),
        (b"\0" * 40, "not JSON"),
    ],
)
def test_a_damaged_file_is_an_error_that_names_it(
    tmp_path: Path, content: bytes, what: str
) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(DeployError) as caught:
        read_json(path, "Do this.")
    assert str(caught.value).startswith(f"{path}: is damaged, {what}")
    assert caught.value.hint == "Do this."


def test_a_folder_in_place_of_a_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(DeployError, match="cannot be read: Is a directory"):
        read_json(tmp_path)


def test_everything_wrong_with_a_record_is_said_at_once() -> None:
    class Pair(msgspec.Struct, forbid_unknown_fields=True):
        a: Literal[1]
        b: Literal[2]
        d: int = 0

    assert as_record({"a": 1, "b": 2}, Pair) == Pair(1, 2)
    with pytest.raises(ValueError, match=r"^an object is expected, not list$"):
        as_record([], Pair)
    with pytest.raises(
        ValueError, match=r"^b is missing, c is no field of it, a cannot be 2, d cannot be 'x'$"
    ):
        as_record({"a": 2, "c": 3, "d": "x"}, Pair)


def _count_up(path: Path, times: int) -> None:
    for _ in range(times):
        with exclusive(path.with_name("guard")):
            number = int(path.read_text())
            path.write_text(str(number + 1))


def test_exclusive_lets_one_in_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "number"
    path.write_text("0")
    context = get_context("fork")
    children = [context.Process(target=_count_up, args=(path, 200)) for _ in range(4)]
    for child in children:
        child.start()
    for child in children:
        child.join(30)
        assert child.exitcode == 0
    assert path.read_text() == "800"


def test_exclusive_is_free_again_although_a_forked_child_has_it_open(tmp_path: Path) -> None:
    with exclusive(tmp_path / "guard"):
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(write)
            os.read(read, 1)
            os._exit(0)
    descriptor = os.open(tmp_path / "guard", os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(descriptor)
    os.close(read)
    os.close(write)
    os.waitpid(child, 0)
