from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from backup_samples import EPOCH, tar_of

from tasks.backup import blocks
from tasks.backup.verify import verify
from tasks.errors import DeployError
from tasks.model import archive as model
from tasks.model.archive import Archive, root_of

Make = Callable[..., Archive]


def flip(path: Path, position: int, bit: int = 0) -> None:
    whole = bytearray(path.read_bytes())
    whole[position] ^= 1 << bit
    path.write_bytes(whole)


def members(archive: Archive) -> list[tuple[int, int]]:
    """Where each gzip member begins and ends."""
    whole = archive.path.read_bytes()
    found = []
    at = 0
    while at < len(whole):
        length = blocks.length_of(whole[at : at + blocks.HEADER])
        found.append((at, at + length))
        at += length
    return found


def test_a_whole_archive_is_found_whole(archive: Archive) -> None:
    checked = verify(archive)
    assert checked.sidecars
    assert checked.metadata == model.read_metadata(archive)


def test_an_archive_without_sidecars_stands_for_itself(archive: Archive) -> None:
    archive.sidecar.unlink()
    checked = verify(archive)
    assert not checked.sidecars
    assert checked.metadata.total_size_bytes == archive.path.stat().st_size


def test_verifying_changes_nothing(archive: Archive) -> None:
    before = {path: path.lstat() for path in archive.folder.iterdir()}
    verify(archive)
    after = {path: path.lstat() for path in archive.folder.iterdir()}
    assert {p: (s.st_mtime_ns, s.st_size, s.st_ino) for p, s in before.items()} == {
        p: (s.st_mtime_ns, s.st_size, s.st_ino) for p, s in after.items()
    }


def test_a_flipped_bit_is_found_wherever_it_is(archive: Archive) -> None:
    whole = archive.path.read_bytes()
    positions = set(random.Random(3).sample(range(len(whole)), 60))
    for begin, end in members(archive):
        positions |= {*range(begin, begin + 4), begin + 12, begin + 17, begin + blocks.HEADER}
        positions |= {end - 9, end - 8, end - 1}
    for number, position in enumerate(sorted(positions)):
        flip(archive.path, position, number % 8)
        with pytest.raises(DeployError) as raised:
            verify(archive)
        assert raised.value.hint or raised.value.where
        archive.path.write_bytes(whole)
    verify(archive)


def test_every_byte_of_the_sidecars_counts(archive: Archive) -> None:
    for sidecar in (archive.sidecar, archive.checksum):
        whole = sidecar.read_bytes()
        positions = range(0, len(whole), 7)
        for position in positions:
            flip(sidecar, position)
            with pytest.raises(DeployError, match="contradict each other"):
                verify(archive)
            sidecar.write_bytes(whole)
    verify(archive)


@pytest.mark.parametrize("with_sidecars", [True, False])
def test_a_truncated_archive_is_found_at_every_place(archive: Archive, with_sidecars: bool) -> None:
    if not with_sidecars:
        archive.sidecar.unlink()
        archive.checksum.unlink()
    whole = archive.path.read_bytes()
    lengths = {0, 1, len(whole) - 1, len(whole) - 8}
    lengths |= {end for _, end in members(archive)[:-1]}
    lengths |= set(random.Random(4).sample(range(len(whole)), 40))
    for length in lengths:
        archive.path.write_bytes(whole[:length])
        with pytest.raises(DeployError, match="damaged"):
            verify(archive)


def test_what_follows_the_end_is_found(archive: Archive) -> None:
    archive.checksum.unlink()
    archive.sidecar.unlink()
    whole = archive.path.read_bytes()
    archive.path.write_bytes(whole + b"\0")
    with pytest.raises(DeployError, match="ends within a block"):
        verify(archive)
    archive.path.write_bytes(whole + b"".join(blocks.pack(b"more", 1)))
    with pytest.raises(DeployError, match="follows its end"):
        verify(archive)


def test_swapped_and_missing_blocks_are_found(back_up: Make) -> None:
    archive = back_up(EPOCH)
    archive.checksum.unlink()
    archive.sidecar.unlink()
    whole = archive.path.read_bytes()
    places = members(archive)
    (a, b), (c, d) = places[2], places[3]
    for damaged in (whole[:a] + whole[c:d] + whole[a:b] + whole[d:], whole[:a] + whole[b:]):
        archive.path.write_bytes(damaged)
        with pytest.raises(DeployError, match="damaged"):
            verify(archive)


def test_another_archive_under_its_name_is_found(back_up: Make) -> None:
    first, second = back_up(EPOCH), back_up(EPOCH + 1)
    second.path.write_bytes(first.path.read_bytes())
    with pytest.raises(DeployError, match=f"outside vikunja-backup-{EPOCH + 1}"):
        verify(second)


def test_a_member_that_is_not_what_metadata_says_is_named(
    back_up: Make, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks.backup.manifest import Manifest
    from tasks.backup.members import Member

    add = Manifest.add

    def wrong(self: Manifest, member: Member) -> None:
        if member.name.endswith("files/7"):
            member = Member(member.name, member.size, "0" * 64)
        add(self, member)

    with monkeypatch.context() as patch:
        patch.setattr(Manifest, "add", wrong)
        archive = back_up(produce=tar_of(data, root_of(EPOCH)))
    with pytest.raises(DeployError, match=r'says otherwise of "files/7"'):
        verify(archive)


def test_something_else_is_no_archive(archive: Archive, data: Path) -> None:
    subprocess.run(["tar", "-czf", archive.path, "-C", data, "files"], check=True)
    with pytest.raises(DeployError, match="no header of a block"):
        verify(archive)


def test_a_missing_archive_is_named(archive: Archive) -> None:
    archive.path.unlink()
    with pytest.raises(DeployError, match=rf"{EPOCH}\.tar\.gz: cannot be read: No such file"):
        verify(archive)


def test_the_metadata_in_the_archive_is_readable_json(archive: Archive) -> None:
    name = f"{archive.root}/metadata.json"
    text = subprocess.run(
        ["tar", "-xzOf", archive.path, name], check=True, stdout=subprocess.PIPE
    ).stdout
    assert json.loads(text)["members"]
