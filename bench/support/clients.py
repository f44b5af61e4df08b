"""Clients that notice every failure: no retry, no second try, each answer read to its end.

All run in one thread of their own on asyncio, over TLS. A connection that the server closed between
two requests counts as a failed request as soon as the next one is sent on it.
"""

from __future__ import annotations

import asyncio
import base64
import os
import ssl
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

TIMEOUT = 60.0
INFO = "/api/v1/info"


@dataclass(frozen=True)
class Answered:
    """One request that was answered. at: epoch seconds of the last byte; took: seconds."""

    kind: str
    at: float
    took: float
    version: str


@dataclass
class Tally:
    """What came of all requests. failures: `kind: why`."""

    answered: list[Answered] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    acknowledged: list[int] = field(default_factory=list)
    """Ids of the tasks that were created."""

    @property
    def requests(self) -> int:
        return len(self.answered) + len(self.failures)

    def of(self, *kinds: str) -> list[Answered]:
        return [one for one in self.answered if one.kind in kinds]


class Refused(Exception):
    """Not the answer that was to come."""


class Clients:
    """Clients of one site, in a thread. address: where it listens; domain: its name."""

    def __init__(self, address: str, domain: str, port: int = 443) -> None:
        self.tally = Tally()
        self.cutting = False
        """Whether long connections may be closed now: a color is stopped at its drain limit."""
        self._address, self._domain, self._port = address, domain, port
        self._tls = ssl.create_default_context()
        self._tls.check_hostname, self._tls.verify_mode = False, ssl.CERT_NONE
        self._tls.set_alpn_protocols(["http/1.1"])
        self._stopping = False
        self._works: list[Callable[[], Coroutine[Any, Any, None]]] = []
        self._thread = threading.Thread(target=lambda: asyncio.run(self._all()), daemon=True)

    # What they do: each adds clients of one kind, before the start.

    def keep_alive(self, count: int, pause: float, path: str = INFO) -> Clients:
        """Requests one after another on one connection each, `pause` seconds between."""
        return self._add(count, lambda: self._repeat("keep-alive", pause, path))

    def probing(self) -> Clients:
        """Asks which version answers, every few milliseconds."""
        return self._add(1, lambda: self._repeat("probe", 0.004, INFO))

    def new_connections(self, count: int, pause: float, path: str = INFO) -> Clients:
        """Each request on a connection of its own."""
        return self._add(count, lambda: self._repeat("new", pause, path, fresh=True))

    def slow(self, count: int, seconds: float) -> Clients:
        """Requests that are answered after so long."""
        path = f"/api/v1/slow?seconds={seconds:g}"
        return self._add(count, lambda: self._repeat("slow", 0.1, path))

    def writing(self, count: int, pause: float) -> Clients:
        """Creates tasks; what was acknowledged is in the tally."""
        return self._add(count, lambda: self._write(pause))

    def uploading(self, count: int, size: int, seconds: float, task: int) -> Clients:
        """Attaches files of `size` bytes to a task, each sent over about so long."""
        return self._add(count, lambda: self._upload(size, seconds, task))

    def web_sockets(self, count: int, pause: float) -> Clients:
        """Holds a WebSocket open and has a message echoed again and again."""
        return self._add(count, lambda: self._web_socket(pause))

    def event_streams(self, count: int) -> Clients:
        """Holds an event stream open."""
        return self._add(count, self._event_stream)

    def _add(self, count: int, work: Callable[[], Coroutine[Any, Any, None]]) -> Clients:
        self._works += [work] * count
        return self

    # Their life.

    def __enter__(self) -> Clients:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping = True
        self._thread.join()

    def one_more(self, seconds: float = 30) -> None:
        """Wait until another request has been answered."""
        before, until = len(self.tally.answered), time.monotonic() + seconds
        while len(self.tally.answered) == before and time.monotonic() < until:
            time.sleep(0.01)

    async def _all(self) -> None:
        await asyncio.gather(*(work() for work in self._works))

    # Single clients.

    async def _repeat(self, kind: str, pause: float, path: str, fresh: bool = False) -> None:
        connection: Connection | None = None
        while not self._stopping:
            begun = time.perf_counter()
            try:
                if connection is None:
                    connection = await self._connect()
                head, _ = await connection.ask("GET", path)
                took = time.perf_counter() - begun
                self.tally.answered.append(Answered(kind, time.time(), took, head))
                if fresh or connection.ended:
                    await connection.close()
                    connection = None
            except (OSError, EOFError, TimeoutError, Refused) as error:
                self._failed(f"{kind} {path}", error)
                connection = None
            await asyncio.sleep(max(0.0, pause - (time.perf_counter() - begun)))

    async def _write(self, pause: float) -> None:
        number = 0
        connection: Connection | None = None
        while not self._stopping:
            number += 1
            begun = time.perf_counter()
            try:
                if connection is None or connection.ended:
                    connection = await self._connect()
                body = b'{"title": "written %d"}' % number
                _, answer = await connection.ask("PUT", "/api/v1/tasks", body)
                identity = answer.partition(b'"id":')[2].partition(b",")[0]
                self.tally.acknowledged.append(int(identity))
                took = time.perf_counter() - begun
                self.tally.answered.append(Answered("write", time.time(), took, ""))
            except (OSError, EOFError, TimeoutError, ValueError, Refused) as error:
                self._failed("write", error)
                connection = None
            await asyncio.sleep(pause)

    async def _upload(self, size: int, seconds: float, task: int) -> None:
        boundary = b"--vkd\r\n"
        head = boundary + b'Content-Disposition: form-data; name="files"; filename="f"\r\n\r\n'
        tail = b"\r\n--vkd--\r\n"
        chunk = os.urandom(1 << 16)
        chunks = max(1, size // len(chunk))
        while not self._stopping:
            begun = time.perf_counter()
            try:
                connection = await self._connect()
                await connection.begin(
                    "PUT",
                    f"/api/v1/tasks/{task}/attachments",
                    len(head) + chunks * len(chunk) + len(tail),
                    "Content-Type: multipart/form-data; boundary=vkd\r\n",
                )
                connection.writer.write(head)
                for number in range(chunks):
                    connection.writer.write(chunk)
                    await connection.writer.drain()
                    due = begun + seconds * (number + 1) / chunks
                    await asyncio.sleep(max(0.0, due - time.perf_counter()))
                connection.writer.write(tail)
                version, _ = await connection.answer()
                took = time.perf_counter() - begun
                self.tally.answered.append(Answered("upload", time.time(), took, version))
                await connection.close()
            except (OSError, EOFError, TimeoutError, Refused) as error:
                self._failed("upload", error)
            await asyncio.sleep(0.2)

    async def _web_socket(self, pause: float) -> None:
        while not self._stopping:
            try:
                connection = await self._upgraded()
                while not self._stopping:
                    begun = time.perf_counter()
                    await connection.echo(os.urandom(8).hex().encode())
                    took = time.perf_counter() - begun
                    self.tally.answered.append(Answered("websocket", time.time(), took, ""))
                    await asyncio.sleep(pause)
                await connection.close()
            except (OSError, EOFError, TimeoutError, Refused) as error:
                if not self.cutting:
                    self._failed("websocket", error)
                await asyncio.sleep(0.1)

    async def _event_stream(self) -> None:
        while not self._stopping:
            try:
                connection = await self._connect()
                await connection.begin("GET", "/api/v1/events", None, "")
                status = await connection.line()
                if b" 200" not in status:
                    raise Refused(status.decode().strip())
                self.tally.answered.append(Answered("events", time.time(), 0.0, ""))
                while not self._stopping:
                    try:
                        await asyncio.wait_for(connection.line(), 0.5)
                    except TimeoutError:
                        continue
                await connection.close()
            except (OSError, EOFError, Refused) as error:
                if not self.cutting:
                    self._failed("events", error)
                await asyncio.sleep(0.1)

    def _failed(self, what: str, error: Exception) -> None:
        why = str(error) or type(error).__name__
        self.tally.failures.append(f"{time.time():.3f} {what}: {why}")

    async def _connect(self) -> Connection:
        opened = asyncio.open_connection(
            self._address, self._port, ssl=self._tls, server_hostname=self._domain
        )
        reader, writer = await asyncio.wait_for(opened, TIMEOUT)
        return Connection(reader, writer, self._domain)

    async def _upgraded(self) -> Connection:
        connection = await self._connect()
        key = base64.b64encode(os.urandom(16)).decode()
        await connection.begin(
            "GET",
            "/api/v1/ws",
            None,
            f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
            f"Sec-WebSocket-Version: 13\r\nOrigin: https://{self._domain}\r\n",
        )
        status = await connection.line()
        if b" 101 " not in status:
            raise Refused(status.decode().strip())
        while (await connection.line()).strip():
            pass
        return connection


@dataclass
class Connection:
    """One HTTP/1.1 connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    domain: str
    ended: bool = False
    """Whether the server said that the last answer ends the connection."""

    async def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[str, bytes]:
        """Send a request, read its answer; the version that an answer of INFO names, the body."""
        await self.begin(method, path, None if body is None else len(body), "")
        if body:
            self.writer.write(body)
        return await self.answer()

    async def begin(self, method: str, path: str, length: int | None, more: str) -> None:
        size = "" if length is None else f"Content-Length: {length}\r\n"
        head = f"{method} {path} HTTP/1.1\r\nHost: {self.domain}\r\n{size}{more}\r\n"
        self.writer.write(head.encode())
        await self.writer.drain()

    async def line(self) -> bytes:
        line = await self.reader.readline()
        if not line:
            raise EOFError("closed by the server")
        return line

    async def answer(self) -> tuple[str, bytes]:
        return await asyncio.wait_for(self._answer(), TIMEOUT)

    async def _answer(self) -> tuple[str, bytes]:
        status = await self.line()
        length, chunked = 0, False
        while header := (await self.line()).strip():
            name, _, value = header.partition(b":")
            match name.lower():
                case b"connection":
                    self.ended = value.strip().lower() == b"close"
                case b"content-length":
                    length = int(value)
                case b"transfer-encoding":
                    chunked = b"chunked" in value
        body = await self._chunks() if chunked else await self.reader.readexactly(length)
        if status.split(b" ")[1][:1] != b"2":
            raise Refused(f"{status.decode().strip()} {body[:80]!r}")
        return body.partition(b'"version":"')[2].partition(b'"')[0].decode(), body

    async def _chunks(self) -> bytes:
        body = b""
        while size := int((await self.line()).strip(), 16):
            body += await self.reader.readexactly(size)
            await self.line()
        await self.line()
        return body

    async def echo(self, message: bytes) -> None:
        """Send a masked text frame and wait until it comes back; other frames are passed over."""
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(message))
        self.writer.write(bytes([0x81, 0x80 | len(message)]) + mask + masked)
        await self.writer.drain()
        while await asyncio.wait_for(self._frame(), TIMEOUT) != message:
            pass

    async def _frame(self) -> bytes:
        first, second = await self.reader.readexactly(2)
        if first & 0x0F == 8:
            raise EOFError("closed by a WebSocket's close frame")
        length = second & 0x7F
        if length >= 126:
            length = int.from_bytes(await self.reader.readexactly(2 if length == 126 else 8))
        return await self.reader.readexactly(length)

    async def close(self) -> None:
        self.writer.close()
