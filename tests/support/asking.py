"""People who ask a deployed site all the time, and what its status says meanwhile."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any

from journey import Site

LIMIT_SECONDS = 60


def wait_for(what: Callable[[], bool], name: str) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    while not what():
        assert time.monotonic() < deadline, f"never: {name}"
        time.sleep(0.02)


def status(site: Site, code: int = 0) -> dict[str, Any]:
    (document,) = json.loads(site.run("status", "--json", code=code).stdout)
    found: dict[str, Any] = document
    return found


class Clients:
    """People who ask for the page and its API all the time, each over one kept connection."""

    def __init__(self, site: Site, count: int = 3) -> None:
        self.answered = 0
        self.failures: list[str] = []
        self._site = site
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(count)]

    def _ask(self) -> None:
        context = ssl._create_unverified_context()
        connection = http.client.HTTPSConnection(self._site.address, timeout=30, context=context)
        number = 0
        while not self._stop.is_set():
            path = ("/", "/api/v1/info", "/api/v1/tasks")[number % 3]
            number += 1
            try:
                connection.request("GET", path)
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(f"{path}: {error!r}")
                connection.close()
                continue
            self.answered += 1
            if answer.status != 200:
                self.failures.append(f"{path}: {answer.status}")

    def __enter__(self) -> Clients:
        for thread in self._threads:
            thread.start()
        wait_for(lambda: self.answered > 10, "the clients are answered")
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
