from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import IO

import pytest
from backup_samples import OWN

from tasks.backup import blocks
from tasks.backup.unpack import extract_argv, unpack
from tasks.errors import DeployError
from tasks.model import archive as model
from tasks.model.archive import Archive


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def into(folder: Path, stream: IO[bytes]) -> None:
    """Unpacks a stream as the container's GNU tar does."""
    argv = extract_argv(str(folder))
    done = subprocess.run(argv, stdin=stream, stderr=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise DeployError(f"tar failed with exit code {done.returncode}")


def seen(folder: Path) -> dict[str, tuple[int, float, bytes | str]]:
    found: dict[str, tuple[int, float, bytes | str]] = {}
    for path in folder.rglob("*"):
        if path.is_symlink():
            found[str(path.relative_to(folder))] = (0, 0, str(path.readlink()))
        elif path.is_file():
            stat = path.stat()
            content = path.read_bytes()
            found[str(path.relative_to(folder))] = (stat.st_mode, int(stat.st_mtime), content)
    return found


def test_what_was_backed_up_is_unpacked(archive: Archive, data: Path, out: Path) -> None:
    checked = unpack(archive, lambda stream: into(out, stream))
    assert checked.sidecars
    assert checked.metadata == model.read_metadata(archive)
    unpacked = seen(out)
    for name in (*OWN, "metadata.json"):
        unpacked.pop(name)
    assert unpacked == seen(data)


def test_owners_and_modes_are_kept(data: Path, out: Path, back_up: object) -> None:
    os.chown(data / "files/1", 1, 1)
    (data / "files/1").chmod(0o640)
    archive = back_up()  # type: ignore[operator]
    unpack(archive, lambda stream: into(out, stream))
    stat = (out / "files/1").stat()
    assert (stat.st_uid, stat.st_gid, stat.st_mode & 0o7777) == (1, 1, 0o640)


@pytest.mark.parametrize("where", ["middle", "end", "sidecar"])
def test_a_damaged_archive_is_never_taken_as_unpacked(
    archive: Archive, out: Path, where: str
) -> None:
    path = archive.sidecar if where == "sidecar" else archive.path
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2 if where == "middle" else -9] ^= 1
    path.write_bytes(whole)
    with pytest.raises(DeployError, match="damaged"):
        unpack(archive, lambda stream: into(out, stream))


def test_the_failure_of_who_unpacks_is_told_even_if_it_stops_reading(archive: Archive) -> None:
    def full(stream: IO[bytes]) -> None:
        os.read(stream.fileno(), blocks.BLOCK)
        raise DeployError("the container's disk is full")

    with pytest.raises(DeployError, match="the container's disk is full"):
        unpack(archive, full)


def test_tar_that_cannot_write_is_a_failure(archive: Archive, out: Path) -> None:
    with pytest.raises(DeployError, match="tar failed with exit code 2"):
        unpack(archive, lambda stream: into(out / "nowhere", stream))
