"""Whether an archive is whole: every block, every member, both sidecars. Nothing is restored.

What the sidecars must say follows from the archive alone, so they are compared to the letter:
a changed byte is found wherever it is.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from msgspec import Struct

from tasks.backup import manifest as manifests
from tasks.backup.manifest import Manifest
from tasks.backup.members import BrokenTar, Member, MemberReader
from tasks.backup.reading import Damaged, Reader, Sealed, Source
from tasks.host.files import named
from tasks.model import archive as model
from tasks.model.archive import Archive, Contents, Metadata
from tasks.progress import SILENT, Progress

if TYPE_CHECKING:
    from tasks.age import Key

_STEP = "Checking the archive"
_IN_MEMORY = 1024 * 1024


class Checked(Struct, frozen=True):
    """An archive found whole.

    contents: what it says of itself inside, with its tables. sidecars: whether it has both; without
    them it stands for itself.
    """

    metadata: Metadata
    contents: Contents
    sidecars: bool


class Inspector:
    """Follows an archive's tar stream; what it must say of itself is known at the end."""

    def __init__(self, path: Path, manifest: Manifest, said: IO[bytes]) -> None:
        self._path = path
        self._manifest = manifest
        self._said = said
        self._last = ""
        self._members = MemberReader(self._seen, f"{manifest.root}/{manifests.NAME}", said.write)

    def feed(self, block: bytes | bytearray) -> None:
        """Raises Damaged."""
        if self._members.ended:
            if any(block):
                raise Damaged(self._path, "something follows its end")
            return
        try:
            taken = self._members.feed(memoryview(block))
        except BrokenTar as error:
            raise Damaged(self._path, str(error)) from error
        if block.count(0, taken) != len(block) - taken:
            raise Damaged(self._path, "something follows its end")

    def finish(self) -> Contents:
        """What the archive says of itself, after all of it was fed. Raises Damaged."""
        if not self._members.ended:
            current = self._members.current or "its beginning"
            raise Damaged(self._path, f"it ends too early, after {current}")
        if self._last != f"{self._manifest.root}/{manifests.NAME}":
            raise Damaged(self._path, f"{manifests.NAME} is not its last member")
        try:
            contents = manifests.read_contents(self._said)
        except ValueError as error:
            raise Damaged(self._path, f"{manifests.NAME}: {error}") from error
        counted = self._manifest.counted
        if (counted.database_size_bytes, counted.files_count, counted.files_size_bytes) != (
            contents.database_size_bytes,
            contents.files_count,
            contents.files_size_bytes,
        ):
            raise Damaged(self._path, f"{manifests.NAME} counts other files than there are")
        line = manifests.first_difference(self._said, lambda: self._manifest.text(contents))
        if line is not None:
            raise Damaged(self._path, f"{manifests.NAME} says otherwise of {line}")
        return contents

    def _seen(self, member: Member) -> None:
        self._last = member.name
        self._manifest.add(member)


@contextmanager
def inspecting(path: Path, root: str) -> Iterator[Inspector]:
    with manifests.manifest(root) as manifest, tempfile.SpooledTemporaryFile(_IN_MEMORY) as said:
        yield Inspector(path, manifest, said)


def verify(archive: Archive, progress: Progress = SILENT, keys: Sequence[Key] = ()) -> Checked:
    """Read all of it once. Raises Damaged that says what is wrong and where, and Sealed where
    it is encrypted and none of the keys opens it."""
    path = archive.path
    with named(path, "cannot be read"):
        size = path.stat().st_size
    reader = Reader(archive, keys)
    with inspecting(path, archive.root) as inspector:
        for block in reader.blocks():
            inspector.feed(block)
            progress.step(_STEP, min(0.99, reader.read / size))
        contents = inspector.finish()
    checked = compare_sidecars(archive, contents, reader)
    progress.step(_STEP, 1)
    return checked


def verify_sealed(archive: Archive, progress: Progress = SILENT) -> Metadata:
    """Whether an encrypted archive is, to the byte, what its sidecars say it was made as.

    That needs no key, and leaves open what is in it. Raises Damaged; Sealed where there are no
    sidecars to compare it with.
    """
    metadata = model.read_metadata(archive)
    if metadata is None:
        raise Sealed(archive.path, "without its sidecars nothing is known of it")
    with named(archive.path, "cannot be read"), archive.path.open("rb") as file:
        size = archive.path.stat().st_size
        with closing(Source(file)) as source:
            while source.read(_IN_MEMORY):
                progress.step(_STEP, min(0.99, source.bytes / size))
    if (source.bytes, source.sha256) != (metadata.total_size_bytes, metadata.checksum_sha256):
        raise Damaged(archive.path, "it is not what its sidecars were made for")
    _same(archive.sidecar, model.sidecar_text(metadata))
    _same(archive.checksum, model.checksum_text(archive.name, source.sha256))
    progress.step(_STEP, 1)
    return metadata


def compare_sidecars(archive: Archive, contents: Contents, reader: Reader) -> Checked:
    """The sidecars against an archive that was read to its end. Raises Damaged."""
    metadata = model.sealed(contents, reader.read, reader.sha256)
    sidecars = {
        archive.sidecar: model.sidecar_text(metadata),
        archive.checksum: model.checksum_text(archive.name, reader.sha256),
    }
    there = [_same(sidecar, text) for sidecar, text in sidecars.items()]
    return Checked(metadata, contents, all(there))


def _same(sidecar: Path, text: bytes) -> bool:
    """Whether it is there. Raises Damaged where it says something else than it must."""
    with named(sidecar, "cannot be read"):
        try:
            said = sidecar.read_bytes()
        except FileNotFoundError:
            return False
    if said != text:
        raise Damaged(sidecar, "it and its archive contradict each other")
    return True
