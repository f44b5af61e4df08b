"""An archive's tar stream, unpacked on all cores, and the SHA-256 of the archive on the way."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO

from tasks.backup import blocks
from tasks.backup.blocks import HEADER, Broken
from tasks.backup.compress import AHEAD_PER_THREAD, threads
from tasks.errors import DeployError
from tasks.model.files import named


class Damaged(DeployError):
    """An archive that is not as it was made."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(
            f"the archive is damaged: {what}",
            where=str(path),
            hint="`./doit backups` lists the others; copy it again if it came from elsewhere.",
        )


class Reader:
    """One pass over an archive. read: bytes of the file so far; sha256: of those, hex."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.read = 0
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def blocks(self) -> Iterator[bytes]:
        """The tar stream, block by block, each proven by its own checksum.

        Raises Damaged where a block is not whole, and where the file ends within one.
        """
        pool = ThreadPoolExecutor(threads(), thread_name_prefix="unpack")
        under_way: deque[tuple[int, Future[bytes]]] = deque()
        most = threads() * AHEAD_PER_THREAD
        try:
            with named(self.path, "cannot be read"), self.path.open("rb", blocks.LONGEST) as file:
                while member := self._member(file):
                    under_way.append((self.read, pool.submit(blocks.unpack, member)))
                    while len(under_way) > most or (under_way and under_way[0][1].done()):
                        yield self._unpacked(*under_way.popleft())
            while under_way:
                yield self._unpacked(*under_way.popleft())
        finally:
            pool.shutdown(cancel_futures=True)

    def _member(self, file: IO[bytes]) -> memoryview | None:
        header = file.read(HEADER)
        if not header:
            return None
        if len(header) < HEADER:
            raise Damaged(self.path, f"it ends within a block, after {self.read} bytes")
        try:
            length = blocks.length_of(header)
        except Broken as error:
            raise Damaged(self.path, f"{error}, at byte {self.read}") from error
        member = bytearray(length)
        member[:HEADER] = header
        if file.readinto(memoryview(member)[HEADER:]) < length - HEADER:  # type: ignore[attr-defined]
            raise Damaged(self.path, f"it ends within a block, after {self.read} bytes")
        self._digest.update(member)
        self.read += length
        return memoryview(member)

    def _unpacked(self, end: int, block: Future[bytes]) -> bytes:
        try:
            return block.result()
        except Broken as error:
            raise Damaged(self.path, f"{error}, before byte {end}") from error
