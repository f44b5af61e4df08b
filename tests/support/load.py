"""Users of a site, who add tasks with attachments all the time, and what they were promised."""

from __future__ import annotations

import http.client
import json
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from journey import Site

from bench.support.clients import Clients

PATIENCE = 120.0
"""Seconds that anything of this may take on a busy machine."""


def unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@dataclass
class Promised:
    """task: its id. file: of its attachment. content: of the file."""

    task: int
    file: int
    content: bytes


@dataclass
class Writer:
    """promised: what the site has acknowledged, oldest first."""

    site: Site
    promised: list[Promised] = field(default_factory=list)
    failure: BaseException | None = None
    _stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        try:
            connection = http.client.HTTPSConnection(
                self.site.address, context=unverified(), timeout=PATIENCE
            )
            while not self._stop.is_set():
                self.promised.append(self._write(connection, len(self.promised)))
            connection.close()
        except BaseException as error:
            self.failure = error

    def stop(self) -> None:
        self._stop.set()

    def wait_for(self, count: int) -> None:
        """Until so many more have been promised."""
        wanted = len(self.promised) + count
        deadline = time.monotonic() + PATIENCE
        while len(self.promised) < wanted:
            assert self.failure is None and time.monotonic() < deadline, self.failure
            time.sleep(0.02)

    def _write(self, connection: http.client.HTTPSConnection, number: int) -> Promised:
        task = self._send(
            connection,
            "/api/v1/tasks",
            json.dumps({"title": f"task {number}"}).encode(),
            "application/json",
        )["id"]
        content = f"attachment {number} of task {task}\n".encode() * (number % 50 + 1)
        head = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.txt"\r\n\r\n'
        answer = self._send(
            connection,
            f"/api/v1/tasks/{task}/attachments",
            head + content + b"\r\n--x--\r\n",
            "multipart/form-data; boundary=x",
        )
        return Promised(task, answer["success"][0]["file"]["id"], content)

    def _send(
        self, connection: http.client.HTTPSConnection, path: str, body: bytes, kind: str
    ) -> dict:  # type: ignore[type-arg]
        host = self.site.document["network"]["domain"]
        connection.request("POST", path, body, {"Content-Type": kind, "Host": host})
        response = connection.getresponse()
        data = response.read()
        assert response.status in (200, 201), (response.status, data[:300])
        answer: dict = json.loads(data)  # type: ignore[type-arg]
        return answer


@contextmanager
def written_to(site: Site) -> Iterator[Writer]:
    """While somebody writes; it has begun, and has met no error at the end."""
    writer = Writer(site)
    thread = threading.Thread(target=writer.run)
    thread.start()
    try:
        writer.wait_for(5)
        yield writer
    finally:
        writer.stop()
        thread.join()
    assert writer.failure is None, writer.failure


def tasks_there(site: Site) -> set[int]:
    """Ids of the tasks that the site has."""
    argv = ["curl", "-sk", "--max-time", "20", f"https://{site.address}/api/v1/tasks"]
    answer = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    return {task["id"] for task in json.loads(answer)}


def assert_kept(site: Site, writer: Writer) -> None:
    """Each attachment that was acknowledged is served as it was sent."""
    context = unverified()
    host = {"Host": site.document["network"]["domain"]}
    connection = http.client.HTTPSConnection(site.address, context=context, timeout=PATIENCE)
    for one in writer.promised:
        path = f"/api/v1/tasks/{one.task}/attachments/{one.file}"
        connection.request("GET", path, headers=host)
        response = connection.getresponse()
        assert (response.status, response.read()) == (200, one.content), path
    connection.close()


def assert_unharmed(site: Site, load: Clients) -> None:
    """No request failed, some were answered, and everything acknowledged is there."""
    assert load.tally.failures == []
    assert load.tally.of("keep-alive") and load.tally.of("new") and load.tally.of("slow")
    assert load.tally.acknowledged
    assert set(load.tally.acknowledged) <= tasks_there(site)
