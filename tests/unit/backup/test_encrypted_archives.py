"""Archives that are encrypted: with the key as checkable as plain ones, without it closed."""

from __future__ import annotations

import hashlib
import io
import random
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pyrage
import pytest
from backup_samples import EPOCH, OWN, describe, tar_of

from tasks.age import Passphrase, parse_identities, parse_recipient
from tasks.backup.evaluation import evaluate
from tasks.backup.reading import Damaged, Sealed
from tasks.backup.stream import write_archive
from tasks.backup.unpack import unpack
from tasks.backup.verify import verify, verify_sealed
from tasks.errors import DeployError
from tasks.model import archive as model
from tasks.model.archive import Archive, root_of

OWNER = pyrage.x25519.Identity.generate()
LOCK = (parse_recipient(str(OWNER.to_public())),)
KEYS = parse_identities(str(OWNER))
FOREIGN = parse_identities(str(pyrage.x25519.Identity.generate()))


@pytest.fixture
def sealed(data: Path, backups: Path) -> Archive:
    archive = Archive(EPOCH, backups, encrypted=True)
    produce = tar_of(data, root_of(EPOCH))
    write_archive(archive, produce, describe, own=OWN, level=2, expected=4_000_000, lock=LOCK)
    return archive


def test_the_name_says_that_it_is_encrypted(sealed: Archive) -> None:
    assert sorted(path.name for path in sealed.folder.iterdir()) == [
        f"{EPOCH}.json",
        f"{EPOCH}.tar.gz.age",
        f"{EPOCH}.tar.gz.age.sha256",
        "latest",
    ]
    assert model.archives(sealed.folder) == [sealed]
    assert model.linked(sealed.folder, "latest") == sealed
    assert model.leftovers(sealed.folder) == []
    metadata = model.read_metadata(sealed)
    assert metadata is not None
    assert metadata.checksum_sha256 == hashlib.sha256(sealed.path.read_bytes()).hexdigest()
    subprocess.run(
        ["sha256sum", "--quiet", "-c", sealed.checksum.name], cwd=sealed.folder, check=True
    )


def test_its_owner_finds_it_whole_and_unpacks_it(sealed: Archive, tmp_path: Path) -> None:
    checked = verify(sealed, keys=KEYS)
    assert checked.sidecars
    assert verify(sealed, keys=(*FOREIGN, *KEYS)) == checked
    out = tmp_path / "out"
    out.mkdir()
    argv = ["tar", "-x", "-C", str(out)]
    assert checked == unpack(
        sealed, lambda stream: void(subprocess.run(argv, stdin=stream, check=True)), keys=KEYS
    )
    assert (out / sealed.root / "environment").read_bytes() == OWN["environment"]


def void(_: object) -> None:
    pass


def test_age_and_tar_read_it_without_this_tool(sealed: Archive, data: Path) -> None:
    plain = pyrage.decrypt(sealed.path.read_bytes(), [OWNER])
    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
        member = tar.extractfile(f"{sealed.root}/files/1000")
        assert member is not None
        assert member.read() == (data / "files/1000").read_bytes()


def test_nobody_else_reads_it(sealed: Archive) -> None:
    with pytest.raises(Sealed, match="another key") as raised:
        verify(sealed, keys=FOREIGN)
    assert "--identity FILE" in raised.value.hint
    assert raised.value.exit_code == 3
    with pytest.raises(Sealed, match="no key was given"):
        verify(sealed)


def test_without_a_key_its_bytes_are_compared_with_its_sidecars(sealed: Archive) -> None:
    assert verify_sealed(sealed) == verify(sealed, keys=KEYS).metadata
    whole = sealed.path.read_bytes()
    for position in (0, 30, 200, len(whole) // 2, len(whole) - 1):
        changed = bytearray(whole)
        changed[position] ^= 4
        sealed.path.write_bytes(changed)
        with pytest.raises(Damaged, match="not what its sidecars were made for"):
            verify_sealed(sealed)
    sealed.path.write_bytes(whole)
    sealed.sidecar.unlink()
    with pytest.raises(Sealed, match="nothing is known"):
        verify_sealed(sealed)


def test_a_flipped_bit_is_found_wherever_it_is(sealed: Archive) -> None:
    sealed.sidecar.unlink()
    sealed.checksum.unlink()
    whole = sealed.path.read_bytes()
    positions = {*range(0, 260, 3), *random.Random(5).sample(range(len(whole)), 40)}
    positions |= {len(whole) - 1, len(whole) - 17}
    for number, position in enumerate(sorted(positions)):
        changed = bytearray(whole)
        changed[position] ^= 1 << number % 8
        sealed.path.write_bytes(changed)
        with pytest.raises((Damaged, Sealed)):
            verify(sealed, keys=KEYS)
    sealed.path.write_bytes(whole)
    verify(sealed, keys=KEYS)


def test_a_truncated_one_is_found_at_50_places(sealed: Archive) -> None:
    whole = sealed.path.read_bytes()
    for length in {0, 1, 100, len(whole) - 1, *random.Random(6).sample(range(len(whole)), 46)}:
        sealed.path.write_bytes(whole[:length])
        with pytest.raises(DeployError, match="damaged"):
            verify(sealed, keys=KEYS)


def test_a_plain_one_under_its_name_is_found(
    sealed: Archive, back_up: Callable[..., Archive]
) -> None:
    plain = back_up(EPOCH + 1)
    sealed.path.write_bytes(plain.path.read_bytes())
    with pytest.raises(Damaged, match="no archive that was encrypted"):
        verify(sealed, keys=KEYS)


def test_the_name_and_the_lock_go_together(data: Path, backups: Path) -> None:
    for encrypted, lock in ((True, None), (False, LOCK)):
        with pytest.raises(DeployError, match="says whether it is encrypted"):
            write_archive(
                Archive(EPOCH, backups, encrypted),
                tar_of(data, root_of(EPOCH)),
                describe,
                own=OWN,
                level=2,
                expected=0,
                lock=lock,
            )
    assert list(backups.iterdir()) == []


def test_a_passphrase_does_as_well(data: Path, backups: Path) -> None:
    archive = Archive(EPOCH, backups, encrypted=True)
    key = Passphrase("correct horse battery staple")
    produce = tar_of(data, root_of(EPOCH))
    write_archive(archive, produce, describe, own=OWN, level=2, expected=0, lock=key)
    assert verify(archive, keys=[key]).sidecars


def test_a_check_without_the_key_marks_nothing(sealed: Archive) -> None:
    evaluated = evaluate(sealed)
    assert evaluated.failure is None
    assert "not checked" in evaluated.note
    assert model.linked(sealed.folder, "verified") is None
    evaluated = evaluate(sealed, KEYS)
    assert (evaluated.failure, evaluated.note) == (None, "")
    assert model.linked(sealed.folder, "verified") == sealed
