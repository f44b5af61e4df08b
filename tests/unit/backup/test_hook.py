"""The second target: a real program, whatever becomes of it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from instance_samples import sample_instance
from msgspec.structs import replace

from tasks.backup.hook import hook_argv, run_hook
from tasks.errors import NetworkError
from tasks.model.archive import Archive
from tasks.model.instance import Instance

EPOCH = 1729335600


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    archive = Archive(EPOCH, tmp_path / "a folder")
    archive.folder.mkdir()
    archive.path.write_bytes(b"archive")
    return archive


def instance(*command: str, seconds: int = 60) -> Instance:
    desired = sample_instance()
    backup = replace(desired.backup, after=command, after_timeout_seconds=seconds)
    return replace(desired, backup=backup)


def script(archive: Archive, text: str) -> str:
    path = archive.folder.parent / "hook"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_placeholders_stay_within_their_word(archive: Archive) -> None:
    command = ["copy", "{archive}", "--to={instance}:{folder}", "{x}", "{archive}{instance}"]
    assert hook_argv(command, archive, "vikunja-main") == [
        "copy",
        str(archive.path),
        f"--to=vikunja-main:{archive.folder}",
        "{x}",
        f"{archive.path}vikunja-main",
    ]


def test_what_is_filled_in_is_not_looked_at_again() -> None:
    archive = Archive(EPOCH, Path("/b/{instance}"))
    assert hook_argv(["{archive}"], archive, "x") == [f"/b/{{instance}}/{EPOCH}.tar.gz"]


def test_the_program_gets_the_archive_as_one_word(archive: Archive) -> None:
    command = script(archive, 'printf "%s\\n" "$#" "$1" "$(pwd)" >"$2"; cat')
    out = archive.folder.parent / "out"
    run_hook(instance(command, "{archive}", str(out)), archive)
    assert out.read_text() == f"2\n{archive.path}\n{archive.folder}\n"


def test_a_failure_shows_its_last_words_and_leaves_the_archive(archive: Archive) -> None:
    command = script(archive, "seq 1 20; echo no route to host >&2; exit 7")
    with pytest.raises(NetworkError, match=r"complete, but .* failed with exit code 7") as raised:
        run_hook(instance(command, "{archive}"), archive)
    assert raised.value.evidence[-1] == "no route to host"
    assert len(raised.value.evidence) == 8
    assert raised.value.exit_code == 6
    assert str(archive.path) in raised.value.hint
    assert archive.path.read_bytes() == b"archive"


def test_a_program_that_is_not_there_is_named(archive: Archive) -> None:
    with pytest.raises(NetworkError, match="rclone-x cannot be run: No such file"):
        run_hook(instance("rclone-x", "copy"), archive)


def test_one_that_hangs_is_ended_with_all_that_it_started(archive: Archive) -> None:
    pid = archive.folder.parent / "pid"
    command = script(archive, f"sleep 600 & echo $! >{pid}; echo waiting; wait")
    with pytest.raises(NetworkError, match="did not finish in 4 s and was killed") as raised:
        run_hook(instance(command, seconds=4), archive)
    assert raised.value.evidence == ("waiting",)
    child = int(pid.read_text())
    deadline = time.monotonic() + 60
    while alive(child):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # Whoever adopts it may take its time to collect it.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
