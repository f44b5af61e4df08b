"""Whether an archive of packages answers: asked of all hosts at once, by the real apt-helper."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from tasks.guest.runner import script_text


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """The address of a server that gives everybody this answer; silent where it is empty."""

    def serve() -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            kept.append(client)
            if answer:
                client.recv(4096)
                client.sendall(answer)
                client.close()

    kept: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://localhost:{server.getsockname()[1]}/"
        server.shutdown(socket.SHUT_RDWR)
    thread.join()
    for client in kept:
        client.close()


def reach(folder: Path, *urls: str) -> tuple[int, str, float]:
    """Exit code, what was said, and seconds."""
    programs = folder / "bin"
    programs.mkdir()
    listed = "\\n".join(urls)
    (programs / "apt-get").write_text(f"#!/bin/sh\nprintf '{listed}\\n'\n")
    (programs / "apt-get").chmod(0o755)
    text = f"set -eu\n{script_text('reach')}\nreach_archive\necho reached"
    begun = time.monotonic()
    process = subprocess.Popen(
        ["sh", "-c", text],
        env={
            **os.environ,
            "PATH": f"{programs}:{os.environ['PATH']}",
            "TMPDIR": str(folder),
            "APT_CONFIG": str(direct(folder)),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=100)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert [path for path in folder.iterdir() if path.name.startswith("tmp")] == []
    return process.returncode, said, time.monotonic() - begun


def direct(folder: Path) -> Path:
    file = folder / "apt.conf"
    file.write_text('Acquire::http::Proxy "DIRECT";\n')
    return file


def refused() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://localhost:{server.getsockname()[1]}/"


@pytest.mark.parametrize("status", ["200 OK", "404 Not Found", "503 Service Unavailable"])
def test_whoever_answers_has_been_reached(tmp_path: Path, status: str) -> None:
    answer = f"HTTP/1.1 {status}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nxx".encode()
    with answering(answer) as url:
        code, said, _ = reach(tmp_path, url)
    assert (code, said) == (0, "reached\n")


def test_nobody_is_waited_for_once_one_has_answered(tmp_path: Path) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nxx"
    with answering(b"") as silent, answering(answer) as url:
        code, said, seconds = reach(tmp_path, silent, url)
    assert (code, said) == (0, "reached\n")
    assert seconds < 15


def test_several_that_are_silent_are_waited_for_at_once(tmp_path: Path) -> None:
    """One after the other, they would take 20 s each."""
    with ExitStack() as stack:
        silent = [stack.enter_context(answering(b"")) for _ in range(4)]
        code, said, seconds = reach(tmp_path, refused(), *silent)
    assert code == 6
    assert said.count("E:") >= 5
    assert seconds < 45


def test_sources_that_are_no_servers_need_none(tmp_path: Path) -> None:
    assert reach(tmp_path, "file:/srv/packages")[:2] == (0, "reached\n")
