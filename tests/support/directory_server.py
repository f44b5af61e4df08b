"""A directory of RFC 4511 on loopback, as much of it as a bind and a search of one entry need."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field

from loopback_server import LoopbackServer

_BIND, _SEARCH, _UNBIND = 0x60, 0x63, 0x42
_INVALID_CREDENTIALS, _NO_SUCH_OBJECT = 49, 32


def element(tag: int, content: bytes) -> bytes:
    """In BER."""
    size = len(content)
    length = bytes([size]) if size < 128 else bytes([0x82, size >> 8, size & 0xFF])
    return bytes([tag]) + length + content


def elements(data: bytes) -> list[tuple[int, bytes]]:
    """Tag and content of each that follow each other."""
    found = []
    while data:
        tag, size, start = data[0], data[1], 2
        if size & 0x80:
            start += size & 0x7F
            size = int.from_bytes(data[2:start], "big")
        found.append((tag, data[start : start + size]))
        data = data[start + size :]
    return found


@dataclass
class DirectoryServer(LoopbackServer):
    """Runs within its `with`. login: name and password that are let in; base: what there is.
    binds: who came."""

    login: tuple[str, str]
    base: str
    binds: list[tuple[str, str]] = field(default_factory=list)

    def talk(self, connection: socket.socket) -> None:
        while (data := connection.recv(65536)) and self._answer(connection, data):
            pass

    def _answer(self, connection: socket.socket, data: bytes) -> bool:
        for _, message in elements(data):
            (_, number), (tag, request), *_ = elements(message)
            if tag == _UNBIND:
                return False
            code, done = 0, 0x61
            if tag == _BIND:
                _, (_, name), (_, password) = elements(request)
                self.binds.append((name.decode(), password.decode()))
                code = 0 if self.binds[-1] == self.login else _INVALID_CREDENTIALS
            elif tag == _SEARCH:
                base, done = elements(request)[0][1].decode(), 0x65
                code = 0 if base == self.base else _NO_SUCH_OBJECT
                if code == 0:
                    entry = element(0x64, element(4, base.encode()) + element(0x30, b""))
                    connection.sendall(element(0x30, element(2, number) + entry))
            result = element(10, bytes([code])) + element(4, b"") + element(4, b"")
            connection.sendall(element(0x30, element(2, number) + element(done, result)))
        return True
