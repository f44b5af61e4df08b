"""An archive's tar stream, decrypted, unpacked on all cores, and its SHA-256 on the way."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol

from tasks.backup import blocks
from tasks.backup.blocks import HEADER, Broken
from tasks.backup.compress import AHEAD_PER_THREAD, threads
from tasks.backup.memory import keep_freed
from tasks.errors import DeployError, UsageError
from tasks.host.files import named
from tasks.model.archive import Archive

if TYPE_CHECKING:
    from tasks.age import Key


_WORTH_A_THREAD = 64 * 1024
_MOST_UNDER_WAY = 8


class Stream(Protocol):
    """Plain bytes: read gives fewer than asked for at the end only."""

    def read(self, count: int, /) -> bytes: ...


class Damaged(DeployError):
    """An archive that is not as it was made."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(
            f"the archive is damaged: {what}",
            where=str(path),
            hint="`./doit backups` lists the others; copy it again if it came from elsewhere.",
        )


class Sealed(UsageError):
    """An encrypted archive that none of the keys at hand opens."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(
            f"the archive is encrypted: {what}",
            where=str(path),
            hint="Name a file with the private key or the passphrase: --identity FILE",
        )


class Source:
    """An archive's file. bytes: read so far; sha256: of those, hex, made in a thread beside."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="digest")
        self._under_way: deque[Future[None]] = deque()
        self._waiting: list[bytes] = []
        self._size = 0
        self.bytes = 0

    @property
    def sha256(self) -> str:
        self._pass_on(0)
        return self._digest.hexdigest()

    def read(self, count: int) -> bytes:
        return self._seen(self._file.read(count))

    def readline(self, count: int) -> bytes:
        return self._seen(self._file.readline(count))

    def close(self) -> None:
        """Nothing more is read; `sha256` stays."""
        self._pass_on(0)
        self._pool.shutdown()

    def _seen(self, data: bytes) -> bytes:
        self.bytes += len(data)
        self._waiting.append(data)
        self._size += len(data)
        if self._size >= _WORTH_A_THREAD:
            self._pass_on(_MOST_UNDER_WAY)
        return data

    def _pass_on(self, most: int) -> None:
        """Have what waits hashed; then no more than so many batches are under way."""
        if self._waiting:
            self._under_way.append(self._pool.submit(self._update, self._waiting))
            self._waiting, self._size = [], 0
        while len(self._under_way) > most:
            self._under_way.popleft().result()

    def _update(self, batch: Sequence[bytes]) -> None:
        for data in batch:
            self._digest.update(data)


class Reader:
    """One pass over an archive. read: bytes of the file so far; sha256: of those, hex.

    keys: what opens it where it is encrypted.
    """

    def __init__(self, archive: Archive, keys: Sequence[Key] = ()) -> None:
        self.path = archive.path
        self._encrypted = archive.encrypted
        self._keys = keys
        self._source: Source | None = None
        self._at = 0

    @property
    def read(self) -> int:
        return self._source.bytes if self._source else 0

    @property
    def sha256(self) -> str:
        return self._source.sha256 if self._source else hashlib.sha256().hexdigest()

    def blocks(self) -> Iterator[bytes | bytearray]:
        """The tar stream, block by block, each proven by its own checksum.

        Raises Damaged where a block is not whole, and where the file ends within one.
        """
        keep_freed()
        # What is unpacked is checked in this thread: it has a core of its own where there are two.
        unpacking = max(1, threads() - 1)
        pool = ThreadPoolExecutor(unpacking, thread_name_prefix="unpack")
        under_way: deque[tuple[int, Future[bytes | bytearray]]] = deque()
        most = unpacking * AHEAD_PER_THREAD
        try:
            with named(self.path, "cannot be read"), self.path.open("rb", blocks.LONGEST) as file:
                stream = self._opened(file)
                while member := self._member(stream):
                    under_way.append((self._at, pool.submit(blocks.unpack, member)))
                    while len(under_way) > most or (under_way and under_way[0][1].done()):
                        yield self._unpacked(*under_way.popleft())
            while under_way:
                yield self._unpacked(*under_way.popleft())
        finally:
            pool.shutdown(cancel_futures=True)
            if self._source is not None:
                self._source.close()

    def _opened(self, file: IO[bytes]) -> Stream:
        self._source = Source(file)
        if not self._encrypted:
            return self._source
        from tasks.age import NoKey, Opener

        if not self._keys:
            raise Sealed(self.path, "no key was given")
        with self._decrypting():
            try:
                return Opener(self._source, self._keys)
            except NoKey as error:
                raise Sealed(self.path, str(error)) from error

    @contextmanager
    def _decrypting(self) -> Iterator[None]:
        from tasks.age import NotAge

        try:
            yield
        except NotAge as error:
            raise Damaged(self.path, str(error)) from error

    def _member(self, stream: Stream) -> bytes | None:
        """The next member without its header, or None at the end."""
        if self._encrypted:
            with self._decrypting():
                return self._plain_member(stream)
        return self._plain_member(stream)

    def _plain_member(self, stream: Stream) -> bytes | None:
        header = stream.read(HEADER)
        if not header:
            return None
        if len(header) < HEADER:
            raise Damaged(self.path, f"it ends within a block, after {self._at} bytes")
        try:
            length = blocks.length_of(header)
        except Broken as error:
            raise Damaged(self.path, f"{error}, at byte {self._at}") from error
        rest = stream.read(length - HEADER)
        if len(rest) < length - HEADER:
            raise Damaged(self.path, f"it ends within a block, after {self._at} bytes")
        self._at += length
        return rest

    def _unpacked(self, end: int, block: Future[bytes | bytearray]) -> bytes | bytearray:
        try:
            return block.result()
        except Broken as error:
            raise Damaged(self.path, f"{error}, before byte {end}") from error
