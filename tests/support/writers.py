"""People who write all the time, what is there afterwards, and somebody who kills the tool."""

from __future__ import annotations

import http.client
import json
import signal
import ssl
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from data import database
from inside import Inside
from journey import DOIT, Site

from tasks.resources.migration import HOME

PATIENCE = 120.0


class Writer:
    """Somebody who adds tasks. acknowledged: titles, each once. answers: how often each status or
    failure came."""

    def __init__(self, site: Site, name: str = "somebody") -> None:
        self.address = site.address
        self.name = name
        self.acknowledged: list[str] = []
        self.answers: Counter[str] = Counter()
        self._connection: http.client.HTTPSConnection | None = None

    def write(self, title: str) -> str:
        """Add one task: the answer's status, or the name of what went wrong."""
        if self._connection is None:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self._connection = http.client.HTTPSConnection(
                self.address, context=context, timeout=PATIENCE
            )
        try:
            headers = {"Content-Type": "application/json"}
            body = json.dumps({"title": title})
            self._connection.request("POST", "/api/v1/tasks", body, headers)
            response = self._connection.getresponse()
            response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection = None
            return type(error).__name__
        if response.status == 503:
            assert response.headers["Retry-After"], "a refusal must say when to come again"
        if response.status == 201:
            self.acknowledged.append(title)
        return str(response.status)

    def write_until(self, end: threading.Event) -> None:
        number = 0
        while not end.wait(0.02):
            number += 1
            self.answers[self.write(f"{self.name} {number}")] += 1


@contextmanager
def writing(site: Site, what: str) -> Iterator[list[Writer]]:
    """Three people write meanwhile."""
    writers = [Writer(site, f"{what} {number}") for number in range(3)]
    end = threading.Event()
    threads = [threading.Thread(target=one.write_until, args=(end,)) for one in writers]
    for thread in threads:
        thread.start()
    try:
        yield writers
        for one in writers:
            await_write(one)
    finally:
        end.set()
        for thread in threads:
            thread.join()


def await_write(writer: Writer) -> None:
    """Until something more has been acknowledged."""
    before = len(writer.acknowledged)
    until = time.monotonic() + PATIENCE
    while len(writer.acknowledged) == before:
        assert time.monotonic() < until, f"nothing is taken any more: {writer.answers}"
        time.sleep(0.05)


def get(site: Site, path: str) -> Any:
    argv = ["curl", "-skf", "--max-time", "60", f"https://{site.address}{path}"]
    return json.loads(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)


def version(site: Site) -> str:
    found: str = get(site, "/api/v1/info")["version"]
    return found


def assert_nothing_lost(
    site: Site, writers: list[Writer], what: str, *, others: bool = False
) -> None:
    """Of these writers' tasks exactly those that were acknowledged are there, each once. others:
    connections may have failed."""
    titles = Counter(task["title"] for task in get(site, "/api/v1/tasks"))
    there = {title: count for title, count in titles.items() if title.startswith(f"{what} ")}
    assert there == {title: 1 for writer in writers for title in writer.acknowledged}
    answers = sum((writer.answers for writer in writers), Counter[str]())
    assert others or answers.keys() <= {"201", "503"}, answers


def assert_nothing_left(site: Site) -> None:
    """Neither copies of the database nor notes, and requests are taken."""
    assert database(site).places() == ()
    left = Inside(site).shell(
        "find /var/lib/vikunja-deploy/migration /etc/vikunja/active/maintenance -type f || true"
    )
    assert left == ""


def killed_at(site: Site, at: str, what: str) -> None:
    """Apply, and `kill -9` it as soon as it says that it is about this.

    what: `container`, then that loses its power first, and is started again; `last word`, then it
    is when the word that all is for good is under way, which never arrives. `at` is before that.
    """
    argv = [str(DOIT), "apply", "--yes", "--config", str(site.file)]
    pipe, null = subprocess.PIPE, subprocess.DEVNULL
    process = subprocess.Popen(argv, env=site.environment, stdout=null, stderr=pipe, text=True)
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if at in line:
            if what == "container":
                # It must neither notice nor end before the container is gone.
                process.send_signal(signal.SIGSTOP)
                cut = ["lxc-stop", f"--lxcpath={site.paths.lxc}", f"--name={site.id}", "--kill"]
                subprocess.run(cut, check=True)
            if what == "last word":
                process.send_signal(signal.SIGSTOP)
                with _held_last_word(Inside(site)):
                    process.send_signal(signal.SIGCONT)
                    _await_last_word(Inside(site), process)
                    process.send_signal(signal.SIGKILL)
                    process.wait(timeout=PATIENCE)
            process.send_signal(signal.SIGKILL)
            break
    process.stderr.close()
    assert process.wait(timeout=PATIENCE) == -signal.SIGKILL, "".join(said)
    if what == "container":
        Inside(site).container.start()


LAST_WORD = "grep -lzx 'commi[t]' /proc/[0-9]*/cmdline || true"
"""Finds the script that writes it, by its argument."""


@contextmanager
def _held_last_word(inside: Inside) -> Iterator[None]:
    """Let the word wait for a reader who never comes; at the end its script is killed."""
    aside = f"{HOME}/journal.new"
    inside.shell(f"mkfifo {aside}")
    try:
        yield
    finally:
        inside.shell(f"for one in $({LAST_WORD}); do kill -KILL $(basename ${{one%/*}}); done")
        inside.shell(f"rm {aside}")


def _await_last_word(inside: Inside, process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + PATIENCE
    while not inside.shell(LAST_WORD):
        assert time.monotonic() < until and process.poll() is None, "it never came to the last word"
        time.sleep(0.1)


def await_closed(site: Site) -> None:
    """Until the write-stop that was cut short is over."""
    inside = Inside(site)
    until = time.monotonic() + PATIENCE
    ask = "cat /var/lib/vikunja-deploy/migration/journal 2>/dev/null || true"
    while inside.shell(ask):
        assert time.monotonic() < until, "nobody ended what was cut short"
        time.sleep(0.1)
