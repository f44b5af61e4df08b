"""Files of a real container into an archive on the host, and back into the container."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import IO

import pytest
from tables import tables

from tasks.backup.manifest import Counted
from tasks.backup.source import STAGING, container_stream, create_argv
from tasks.backup.stream import write_archive
from tasks.backup.unpack import extract_argv, unpack
from tasks.backup.verify import verify
from tasks.containers.lxc.container import LxcContainer
from tasks.databases import Database
from tasks.errors import DeployError
from tasks.model.archive import Archive, Contents, time_text

DATA = "/var/lib/vikunja"
EPOCH = 1764000000
FILL = """
set -e
rm -rf "$1" "$2" && install -d -o vikunja -g vikunja "$1" "$1/files"
seq 1 50000 | awk '{ print "insert into tasks values (" $1 ", 1);" }' |
    { echo 'create table tasks (id, a); begin;'; cat; echo 'commit;'; } | sqlite3 "$1/vikunja.db"
for id in $(seq 1 300); do head -c $((id * 37)) /dev/urandom >"$1/files/$id"; done
head -c 3000000 /dev/urandom >"$1/files/301"
chown -R vikunja:vikunja "$1" && chmod 0640 "$1"/files/*
"""
LIST = 'cd "$1" && find . -type f -printf "%P %u:%g %m %s " -exec sha256sum {} \\; | sort'


def database_of(box: LxcContainer) -> Database:
    return Database(box, "sqlite", (f"{DATA}/vikunja.db", "vikunja:vikunja"), "database")


def describe(counted: Counted) -> Contents:
    return Contents(
        backup_version="1.0.0",
        instance_id="vikunja-main",
        created_at=time_text(EPOCH),
        vikunja_version="v1.0.0",
        vikunja_commit=None,
        database_type="sqlite",
        database_size_bytes=counted.database_size_bytes,
        files_count=counted.files_count,
        files_size_bytes=counted.files_size_bytes,
        hostname="vikunja.example.com",
        backup_trigger="manual",
        tables={},
    )


def listed(box: LxcContainer, folder: str) -> str:
    """Every file with owner, mode, size and digest."""
    return box.run(["sh", "-c", LIST, "sh", folder]).stdout.decode()


def back_up(box: LxcContainer, archive: Archive) -> None:
    produce = container_stream(box, create_argv(archive.root, STAGING, DATA), timeout=300)
    write_archive(archive, produce, describe, own={}, level=2, expected=5_000_000)


@pytest.fixture
def filled(box: LxcContainer) -> LxcContainer:
    box.run(["sh", "-c", FILL, "sh", DATA, STAGING], timeout=120)
    database_of(box).dump(f"{STAGING}/database")
    return box


def test_what_left_a_container_comes_back_to_the_byte(filled: LxcContainer, tmp_path: Path) -> None:
    archive = Archive(EPOCH, tmp_path / "backups")
    before = listed(filled, f"{DATA}/files")
    rows = tables(database_of(filled))
    back_up(filled, archive)
    checked = verify(archive)
    assert checked.sidecars
    assert checked.metadata.files_count == 301
    assert checked.metadata.files_size_bytes == sum(id * 37 for id in range(1, 301)) + 3_000_000

    filled.run(["sh", "-c", 'rm -rf "$@" && mkdir /root/aside', "sh", DATA, STAGING])

    def consume(stream: IO[bytes]) -> None:
        filled.run(extract_argv("/root/aside"), stdin=stream, timeout=300)

    assert unpack(archive, consume) == checked
    assert listed(filled, "/root/aside/files") == before
    filled.run(["mkdir", DATA])
    database_of(filled).load("/root/aside/database", "restored")
    database_of(filled).swap("restored", "replaced")
    assert tables(database_of(filled)) == rows
    filled.run(["rm", "-r", "/root/aside"])


def test_metadata_in_the_archive_has_the_digests_of_the_container(
    filled: LxcContainer, tmp_path: Path
) -> None:
    archive = Archive(EPOCH, tmp_path / "backups")
    back_up(filled, archive)
    argv = ["tar", "-xzOf", str(archive.path), f"{archive.root}/metadata.json"]
    members = json.loads(subprocess.run(argv, check=True, stdout=subprocess.PIPE).stdout)["members"]
    there = [line.split() for line in listed(filled, f"{DATA}/files").splitlines()]
    expected = {f"files/{fields[0]}": fields[4] for fields in there}
    members.pop("database/vikunja.db")
    members.pop("database/tables.tsv")
    assert members == expected


def test_attachments_that_come_and_go_do_no_harm(filled: LxcContainer, tmp_path: Path) -> None:
    archive = Archive(EPOCH, tmp_path / "backups")
    script = 'while :; do for id in $(seq 400 700); do echo "$id" >"$1/files/$id"; done; rm -f '
    script += '"$1"/files/[4-6]??; done'
    start = 'setsid sh -c "$2" sh "$1" >/dev/null 2>&1 & echo $!'
    writer = filled.run(["sh", "-c", start, "sh", DATA, script]).stdout.decode().strip()
    try:
        back_up(filled, archive)
    finally:
        filled.run(["kill", writer])
    assert verify(archive).metadata.files_count >= 301


def test_a_folder_that_cannot_be_read_is_a_failure_with_tars_own_words(
    filled: LxcContainer, tmp_path: Path
) -> None:
    filled.run(["rm", "-r", f"{DATA}/files"])
    archive = Archive(EPOCH, tmp_path / "backups")
    with pytest.raises(DeployError, match="tar failed with exit code 2") as raised:
        back_up(filled, archive)
    assert any("files: Cannot stat" in line for line in raised.value.evidence)
    assert list(archive.folder.iterdir()) == []


def test_a_damaged_archive_stops_a_restore_before_it_counts(
    filled: LxcContainer, tmp_path: Path
) -> None:
    archive = Archive(EPOCH, tmp_path / "backups")
    back_up(filled, archive)
    whole = bytearray(archive.path.read_bytes())
    whole[len(whole) // 2] ^= 1
    archive.path.write_bytes(whole)
    filled.run(["mkdir", "/root/aside"])
    try:
        with pytest.raises(DeployError, match="the archive is damaged"):
            unpack(
                archive,
                lambda stream: _extract(filled, stream),
            )
    finally:
        filled.run(["rm", "-r", "/root/aside"])


def _extract(box: LxcContainer, stream: IO[bytes]) -> None:
    box.run(extract_argv("/root/aside"), stdin=stream, timeout=300)
