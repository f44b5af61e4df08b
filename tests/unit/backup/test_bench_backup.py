"""What bench/backup measures with: the same data each time, and a process that does the work."""

from __future__ import annotations

import gzip
import hashlib
import subprocess
import sys
from pathlib import Path

from bench.support import backup_data
from tasks.backup.verify import verify
from tasks.model.archive import Archive
from tasks.paths import ROOT

ARCHIVER = ROOT / "bench/support/archiver.py"
SIZE = 3_000_000


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def run(*arguments: str) -> float:
    """The peak that it says, MiB."""
    argv = [sys.executable, str(ARCHIVER), *arguments]
    return float(subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout)


def test_the_data_is_the_same_every_time_and_as_large_as_asked(tmp_path: Path) -> None:
    written = backup_data.make(tmp_path / "one", SIZE)
    backup_data.make(tmp_path / "other", SIZE)
    found = digests(tmp_path / "one")
    assert found == digests(tmp_path / "other")
    assert sum((tmp_path / "one" / name).stat().st_size for name in found) == written
    assert len(found) == 1 + 1 + backup_data.SMALL_FILES * SIZE // 10**9


def test_text_shrinks_as_language_does_and_pictures_do_not(tmp_path: Path) -> None:
    backup_data.make(tmp_path / "data", SIZE)
    dump = (tmp_path / "data/database/vikunja.sql").read_bytes()
    picture = (tmp_path / "data/files/1").read_bytes()
    assert 2 < len(dump) / len(gzip.compress(dump, 6)) < 5
    assert len(gzip.compress(picture, 6)) > len(picture)


def test_the_measured_process_really_backs_up_verifies_and_restores(tmp_path: Path) -> None:
    backup_data.make(tmp_path / "data", SIZE)
    archive = Archive(1, tmp_path / "archives")
    out = tmp_path / "out"
    out.mkdir()
    run("backup", str(tmp_path / "data"), str(archive.path), "2")
    assert verify(archive).sidecars
    assert run("verify", str(archive.path)) > 5
    run("restore", str(archive.path), str(out))
    restored = digests(out)
    for name, digest in digests(tmp_path / "data").items():
        assert restored[name] == digest
