"""Reads an instance's logs: those in the container in one round trip, and the host's own."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from tasks.containers.base import Container
from tasks.guest.runner import GuestScript
from tasks.host.files import named
from tasks.logs.lines import FIRST, Line, merged, moment_of, timed
from tasks.logs.sources import Source
from tasks.model.operation_log import format_entry, read_entries
from tasks.paths import Paths

LOGS = GuestScript("logs", ("logs",), guard=False)
"""What services, and files, have logged; and what they log. See `arguments`."""

READ_SECONDS = 120.0
FOLLOW_SECONDS = 7 * 86400.0
POLL_SECONDS = 0.3
PAST = "past"
"""What the script says when everything that was there has been sent."""

DEPLOY = "deploy"


def arguments(
    sources: Sequence[Source], since: datetime, newest: int | None, follow: bool
) -> list[str]:
    """Of the script in the container."""
    words = [word for source in sources for word in (source.name, source.location)]
    wanted = "all" if newest is None or since > FIRST else str(newest)
    return [wanted, str(int(since.timestamp())), "yes" if follow else "no", *words]


def past(
    container: Container | None,
    sources: Sequence[Source],
    deploy: tuple[Paths, str] | None,
    since: datetime,
    newest: int | None,
) -> list[Line]:
    """What is there, in the order of its times. container: None where it does not run."""
    logs = []
    if container is not None and sources:
        asked = arguments(sources, since, newest, False)
        answer = LOGS.run(container, *asked, timeout=READ_SECONDS)
        by_name: dict[str, list[str]] = {}
        for name, text in _parted(answer.stdout.decode("utf-8", "replace").splitlines()):
            by_name.setdefault(name, []).append(text)
        for name, texts in by_name.items():
            # A log and what systemd says of its unit have one name.
            logs.append(sorted(timed(name, texts), key=lambda line: line.time))
    if deploy is not None:
        logs.append(list(timed(DEPLOY, map(format_entry, read_entries(*deploy)))))
    return merged(logs, since, newest)


def follow(
    container: Container | None,
    sources: Sequence[Source],
    deploy: tuple[Paths, str] | None,
    since: datetime,
    newest: int | None,
    show: Callable[[Line], None],
) -> None:
    """Show what is there, then what comes, until KeyboardInterrupt.

    Everything that was started for it has ended when this returns.
    """
    stop = threading.Event()
    writing = threading.Lock()

    def shown(line: Line) -> None:
        with writing:
            show(line)

    threads = []
    waiting: list[Line] = []
    if deploy is not None:
        tail = threading.Thread(target=_follow_file, args=(*deploy, shown, stop), daemon=True)
        waiting = past(None, (), deploy, since, newest)
        threads.append(tail)
    if container is None or not sources:
        for line in waiting:
            shown(line)
        _start(threads)
        try:
            stop.wait(FOLLOW_SECONDS)
        finally:
            _end(threads, stop)
        return
    theirs, ours = os.pipe()
    reader = threading.Thread(
        target=_follow_pipe, args=(theirs, waiting, since, newest, shown), daemon=True
    )
    threads.append(reader)
    try:
        _start(threads)
        with os.fdopen(ours, "wb") as stream:
            # Ctrl-C reaches this thread: the driver ends what it started in the container.
            asked = arguments(sources, since, newest, True)
            LOGS.run(container, *asked, stdout=stream, timeout=FOLLOW_SECONDS)
    finally:
        _end(threads, stop)


def _start(threads: Sequence[threading.Thread]) -> None:
    for thread in threads:
        thread.start()


def _end(threads: Sequence[threading.Thread], stop: threading.Event) -> None:
    stop.set()
    for thread in threads:
        thread.join(timeout=5)


def _follow_pipe(
    descriptor: int,
    waiting: list[Line],
    since: datetime,
    newest: int | None,
    show: Callable[[Line], None],
) -> None:
    """Of what is there everything at once and in order, of what comes each line as it comes."""
    with os.fdopen(descriptor, encoding="utf-8", errors="replace", newline="\n") as stream:
        there: dict[str, list[str]] = {}
        for text in stream:
            if text == f"{PAST}\n":
                break
            for name, rest in _parted([text.removesuffix("\n")]):
                there.setdefault(name, []).append(rest)
        logs = [
            sorted(timed(name, texts), key=lambda line: line.time) for name, texts in there.items()
        ]
        for line in sorted([*merged(logs, since, newest), *waiting], key=lambda line: line.time):
            show(line)
        for text in stream:
            for name, rest in _parted([text.removesuffix("\n")]):
                show(Line(name, moment_of(rest) or FIRST, rest))


def _follow_file(
    paths: Paths, instance_id: str, show: Callable[[Line], None], stop: threading.Event
) -> None:
    """Show each line that is added to the operation log, also after it was rotated."""
    path = paths.log(instance_id)
    position, file_id = _end_of(path)
    rest = b""
    while not stop.wait(POLL_SECONDS):
        with named(path, "cannot be read"):
            try:
                with path.open("rb") as file:
                    found = os.fstat(file.fileno())
                    if found.st_ino != file_id or found.st_size < position:
                        position, file_id = 0, found.st_ino
                    file.seek(position)
                    data = file.read()
                    position += len(data)
            except FileNotFoundError:
                continue
        *whole, rest = (rest + data).split(b"\n")
        for line in timed(DEPLOY, (text.decode("utf-8", "replace") for text in whole)):
            show(line)


def _end_of(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_size, found.st_ino


def _parted(lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        name, tab, text = line.partition("\t")
        if tab:
            yield name, text
