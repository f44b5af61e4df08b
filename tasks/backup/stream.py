"""One pass: a tar stream, as it is made where the files are, becomes a finished archive.

    tar in the container ─▶ digest a member ─▶ gzip on all cores [─▶ age] ─▶ SHA-256 ─▶ file aside

The archive gets its name when it is whole and on disk; until then nothing has a final name.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import tarfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from tasks.backup import manifest as manifests
from tasks.backup.blocks import Parts
from tasks.backup.compress import Compressor, Write, compressing
from tasks.backup.flushing import Flusher
from tasks.backup.manifest import Counted, Manifest
from tasks.backup.members import RECORD, BrokenTar, MemberReader
from tasks.errors import DeployError
from tasks.host.files import make_folder, named, sync_folder, write_all, write_atomically
from tasks.model import archive as model
from tasks.model.archive import Archive, Contents, Metadata
from tasks.progress import SILENT, Progress

if TYPE_CHECKING:
    from tasks.age import Lock

Produce = Callable[[IO[bytes]], None]
"""Writes a tar stream to the open file, which has a descriptor; raises DeployError."""

Describe = Callable[[Counted], Contents]
"""What went by → what the archive says of itself."""


class CutShort(BrokenTar):
    """A stream that ends before its end."""


END = bytes(2 * RECORD)
_PIPE = 1024 * 1024
_STEP = "Writing the archive"


def write_archive(
    archive: Archive,
    produce: Produce,
    describe: Describe,
    *,
    own: Mapping[str, bytes],
    level: int,
    expected: int,
    lock: Lock | None = None,
    progress: Progress = SILENT,
) -> Metadata:
    """Make the archive and its sidecars, and let `latest` name it.

    produce: makes the stream, all names below archive.root. own: further members of the host's,
    name below the root → content. expected: bytes of the stream, about, for the percentage.
    lock: whom an encrypted archive is made for; None of a plain one.
    Raises DeployError; nothing is left then. The caller holds the instance's lock.
    """
    with named(archive.folder, "cannot be made"):
        make_folder(archive.folder)
    if archive.path.exists():
        raise DeployError("an archive of this name is there", where=str(archive.path))
    if archive.encrypted != (lock is not None):
        raise DeployError("an archive's name says whether it is encrypted", where=archive.name)
    with _nothing_left(archive), _aside(archive) as descriptor:
        output = _Output(descriptor)
        with (
            manifests.manifest(archive.root, archive.folder) as manifest,
            _sealing(output, lock) as write,
            compressing(write, level) as compressor,
        ):
            reader = MemberReader(manifest.add)
            for name, data in own.items():
                _add_own(compressor, reader, f"{archive.root}/{name}", data, archive.epoch)
            with produced(produce) as stream:
                _pass(stream, reader, compressor, expected, progress)
            contents = describe(manifest.counted)
            _add_manifest(compressor, manifest, contents, archive)
            compressor.write(END)
        os.fsync(descriptor)
        metadata = model.sealed(contents, output.size, output.sha256)
        write_atomically(archive.sidecar, model.sidecar_text(metadata))
        write_atomically(archive.checksum, model.checksum_text(archive.name, output.sha256))
        model.aside(archive.path).rename(archive.path)
        sync_folder(archive.folder)
        model.point(archive, "latest")
    progress.step(_STEP, 1)
    return metadata


class _Output:
    """The file aside. size, sha256: of what was written to it so far."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._digest = hashlib.sha256()
        self._flusher = Flusher(descriptor)
        self.size = 0

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def write(self, parts: Parts) -> None:
        size = 0
        for part in parts:
            self._digest.update(part)
            size += len(part)
        written = os.writev(self._descriptor, parts)
        if written < size:
            # The disk is about to be full, or it is not a disk: write(2) tells.
            write_all(self._descriptor, b"".join(parts)[written:])
        self.size += size
        self._flusher.written(self.size)


@contextmanager
def _sealing(output: _Output, lock: Lock | None) -> Iterator[Write]:
    """Where compressed bytes go: to the output as they are, or encrypted."""
    if lock is None:
        yield output.write
        return
    from tasks.age import Sealer

    sealer = Sealer(lambda data: output.write([data]), lock)

    def write(parts: Parts) -> None:
        for part in parts:
            sealer.write(part)

    yield write
    sealer.close()


def _pass(
    stream: IO[bytes],
    reader: MemberReader,
    compressor: Compressor,
    expected: int,
    progress: Progress,
) -> None:
    """Take the stream up to its end-of-archive records, which are left out."""
    while not reader.ended:
        room = compressor.room()
        count = _fill(stream, room)
        if count % RECORD:
            raise CutShort(f"it ends within {reader.current or 'its first member'}")
        taken = reader.feed(room[:count])
        compressor.filled(taken)
        progress.step(_STEP, min(0.99, compressor.taken / expected) if expected else None)
        if count < len(room) and not reader.ended:
            raise CutShort(f"it ends too early, after {reader.current or 'nothing'}")
    while stream.read(_PIPE):
        pass


def _fill(stream: IO[bytes], room: memoryview) -> int:
    """Read until the room is full or the stream ends: what is fed is whole records."""
    count = 0
    while count < len(room):
        got = os.readv(stream.fileno(), [room[count:]])
        if got == 0:
            break
        count += got
    return count


def _header(name: str, size: int, epoch: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = size
    info.mtime = epoch
    info.mode = 0o600
    info.uname = info.gname = "root"
    return info.tobuf(tarfile.GNU_FORMAT)


def _add_own(
    compressor: Compressor, reader: MemberReader, name: str, data: bytes, epoch: int
) -> None:
    whole = _header(name, len(data), epoch) + data + bytes(-len(data) % RECORD)
    reader.feed(memoryview(whole))
    compressor.write(whole)


def _add_manifest(
    compressor: Compressor, manifest: Manifest, contents: Contents, archive: Archive
) -> None:
    size = manifest.size(contents)
    compressor.write(_header(f"{archive.root}/{manifests.NAME}", size, archive.epoch))
    for piece in manifest.text(contents):
        compressor.write(piece)
    compressor.write(bytes(-size % RECORD))


@contextmanager
def produced(produce: Produce) -> Iterator[IO[bytes]]:
    """The stream that `produce` writes, in a thread; its own failure goes before any other.

    Where the reader stops early the pipe closes, and who writes to it ends by that.
    """
    failures: list[BaseException] = []
    reading, writing = os.pipe2(os.O_CLOEXEC)
    with suppress(OSError):
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, _PIPE)

    def run() -> None:
        with os.fdopen(writing, "wb", buffering=0) as output:
            try:
                produce(output)
            except BaseException as error:
                failures.append(error)

    thread = threading.Thread(target=run, name="produce")
    damage: BrokenTar | None = None
    try:
        with os.fdopen(reading, "rb", buffering=0) as stream:
            thread.start()
            yield stream
    except BrokenTar as error:
        damage = error
    finally:
        # A cancellation may come before the thread has said that it began.
        with suppress(RuntimeError):
            thread.join()
    # Who makes the stream fails by the closed pipe, too, where it was the reader that gave up.
    if failures and (damage is None or isinstance(damage, CutShort)):
        raise failures[0]
    if damage is not None:
        raise DeployError(f"the stream of files is damaged: {damage}") from damage


@contextmanager
def _aside(archive: Archive) -> Iterator[int]:
    path = model.aside(archive.path)
    with named(path, "cannot be written"):
        descriptor = os.open(
            path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
        )
        try:
            yield descriptor
        finally:
            os.close(descriptor)


@contextmanager
def _nothing_left(archive: Archive) -> Iterator[None]:
    """Where it fails, no file of this archive stays: the archive's own name first."""
    paths: tuple[Path, ...] = (archive.path, archive.sidecar, archive.checksum)
    try:
        yield
    except BaseException:
        for path in (*paths, *map(model.aside, paths)):
            with suppress(OSError):
                path.unlink(missing_ok=True)
        raise
