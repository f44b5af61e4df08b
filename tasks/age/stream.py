"""The format of age (age-encryption.org/v1), written and read as a stream.

    header   who can open it: the file's key, wrapped for each recipient or by a passphrase
    nonce    16 bytes
    chunks   64 KiB each, ChaCha20-Poly1305: the counter and a mark of the last are in the nonce

What is written here, age and rage read, and the other way round. Nothing that is read counts
before its chunk has been authenticated, and a stream cut short is seen: its last chunk is marked.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable, Sequence

from tasks.age.header import (
    KEY,
    NotAge,
    Source,
    derive,
    file_key,
    header,
    mac_of,
    read_header,
    wrap_for,
    wrap_with_passphrase,
)
from tasks.age.keys import Key, Lock, Passphrase

CHUNK = 64 * 1024
_SEALED = CHUNK + 16
_NONCE = 16


class Sealer:
    """Takes plain bytes, gives sealed ones to `write`. `close` ends the stream."""

    def __init__(
        self,
        write: Callable[[bytes], object],
        lock: Lock,
    ) -> None:
        """Writes the header."""
        from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

        key = os.urandom(KEY)
        nonce = os.urandom(_NONCE)
        if isinstance(lock, Passphrase):
            stanzas = [wrap_with_passphrase(key, lock)]
        else:
            stanzas = [wrap_for(key, recipient) for recipient in lock]
        self._write = write
        self._cipher = ChaCha20Poly1305(derive(key, nonce, b"payload"))
        self._counter = 0
        self._pending = bytearray()
        write(header(stanzas, key) + nonce)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._pending += data
        at = 0
        # The last chunk is sealed differently, so a full one waits until something follows.
        while len(self._pending) - at > CHUNK:
            self._seal(bytes(memoryview(self._pending)[at : at + CHUNK]), last=False)
            at += CHUNK
        del self._pending[:at]

    def close(self) -> None:
        self._seal(bytes(self._pending), last=True)
        self._pending.clear()

    def _seal(self, chunk: bytes, *, last: bool) -> None:
        self._write(self._cipher.encrypt(_nonce(self._counter, last), chunk, None))
        self._counter += 1


class Opener:
    """Reads plain bytes out of a sealed stream, as a file does."""

    def __init__(self, file: Source, keys: Sequence[Key]) -> None:
        """Reads the header. Raises NotAge, and NoKey where none of the keys opens it."""
        from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

        self._file = file
        stanzas, mac, covered = read_header(file)
        key = file_key(stanzas, keys)
        if not hmac.compare_digest(mac_of(key, covered), mac):
            raise NotAge("its header is not as it was made")
        nonce = file.read(_NONCE)
        if len(nonce) < _NONCE:
            raise NotAge("it ends within its header")
        self._cipher = ChaCha20Poly1305(derive(key, nonce, b"payload"))
        self._counter = 0
        self._next = file.read(_SEALED)
        self._open = memoryview(b"")
        self._ended = False

    def read(self, count: int) -> bytes:
        """Up to so many bytes: fewer at the end only. Raises NotAge."""
        parts = []
        while count and (self._open or not self._ended):
            if not self._open:
                self._open = memoryview(self._chunk())
                continue
            part = self._open[:count]
            self._open = self._open[len(part) :]
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def _chunk(self) -> bytes:
        from cryptography.exceptions import InvalidTag

        sealed = self._next
        self._next = self._file.read(_SEALED) if len(sealed) == _SEALED else b""
        self._ended = not self._next
        nonce = _nonce(self._counter, self._ended)
        try:
            chunk = self._cipher.decrypt(nonce, sealed, None)
        except (InvalidTag, ValueError) as error:
            where = self._counter * _SEALED
            raise NotAge(f"it was changed or cut short {where} bytes after its header") from error
        if not chunk and self._counter:
            raise NotAge("it ends with an empty chunk")
        self._counter += 1
        return chunk


def _nonce(counter: int, last: bool) -> bytes:
    return counter.to_bytes(11, "big") + bytes((last,))
