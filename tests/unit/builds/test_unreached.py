"""Waits that end for the network, of whatever kind: exit code 6, and what was waited for."""

from __future__ import annotations

import io
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, cast

import pytest

from tasks.builds import remote
from tasks.builds.download import download
from tasks.builds.fetching import _script
from tasks.builds.pace import Pace, PacedProgress
from tasks.builds.recipe import Part
from tasks.builds.remote import Remote
from tasks.builds.run import BuildRun
from tasks.builds.unreached import unreached
from tasks.builds.workplace import Command, Outcome
from tasks.containers.base import Container
from tasks.databases.base import Database
from tasks.errors import BuildError, DatabaseError, DeployError, GitError, NetworkError
from tasks.host.process import Completed
from tasks.progress import SILENT

GO = 'Get "https://modules.example.org/x/net/@v/list": dial tcp 192.0.2.1:443: i/o timeout'
NAME = "go: lookup modules.example.org on 127.0.0.53:53: no such host"
NPM = (
    "npm error code EAI_AGAIN\n"
    "npm error request to https://packages.example.org/vite failed, reason: getaddrinfo EAI_AGAIN"
)


@pytest.mark.parametrize(
    ("output", "server"),
    [
        (GO, "modules.example.org"),
        (NAME, "modules.example.org"),
        (NPM, "packages.example.org"),
        ("connect ECONNREFUSED 127.0.0.1:4873", "127.0.0.1:4873"),
        ("GET https://r.example.com/a: 503 Service Unavailable", "r.example.com"),
        ("fatal: Could not resolve host: github.com", "github.com"),
        ("error ETIMEDOUT", "a server"),
        ("main.go:3: undefined: timeout", None),
        ("npm error code E404\nnpm error 404 Not Found - GET https://packages.example.org/x", None),
        ("", None),
    ],
)
def test_what_the_tools_of_a_build_say_of_a_server_that_nobody_reaches(
    output: str, server: str | None
) -> None:
    assert unreached(output.splitlines()) == server


class FailingWorkplace:
    """Where every command fails with the same words."""

    name, home, tree = "this machine", "/home", "/tree"

    def __init__(self, output: str) -> None:
        self._output = output

    def provide(self, packages: Sequence[str], progress: object) -> bool:
        return False

    def execute(
        self, command: Command, *, stdout: IO[bytes], stdin: IO[bytes] | None = None
    ) -> Outcome:
        stdout.write(self._output.encode())
        stdout.flush()
        return Outcome(1)


def test_a_toolchain_that_cannot_be_fetched_says_from_whom() -> None:
    with pytest.raises(NetworkError, match=r"go1\.25 cannot be fetched: modules\.example\.org was"):
        _script(FailingWorkplace(GO), "", (), {}, "go1.25")
    with pytest.raises(BuildError, match=r"go1\.25 cannot be fetched$"):
        _script(FailingWorkplace("checksum mismatch"), "", (), {}, "go1.25")


def test_a_build_that_fails_for_the_network_is_no_wrong_build(tmp_path: Path) -> None:
    part = Part("frontend", "frontend", (("npm", "ci"),))
    for said, kind, words in (
        (NPM, NetworkError, r"frontend: npm ci waited for packages\.example\.org"),
        ("syntax error", BuildError, "frontend: npm ci failed with exit code 1"),
    ):
        paced = PacedProgress(SILENT, Pace())
        run = BuildRun(FailingWorkplace(said), {}, io.StringIO(), tmp_path / "log", 60, paced)
        with pytest.raises(DeployError, match=words) as caught:
            run.command(part, ("npm", "ci"))
        assert type(caught.value) is kind


# git and releases


@contextmanager
def saying(answer: bytes) -> Iterator[str]:
    """The address of a server that says this to the first who asks, and no more."""

    def serve() -> None:
        client, _ = server.accept()
        with client:
            client.recv(4096)
            client.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/vikunja.zip"
        thread.join()


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", NetworkError, "answers 503"),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", BuildError, "answers 404"),
        (b"", NetworkError, "cannot be downloaded"),
        (b"nonsense\r\n\r\n", NetworkError, "cannot be downloaded"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nbroken off",
            NetworkError,
            "cannot be downloaded",
        ),
    ],
)
def test_a_release_that_its_server_does_not_give(
    answer: bytes, kind: type[DeployError], words: str, tmp_path: Path
) -> None:
    with saying(answer) as url, pytest.raises(DeployError, match=words) as caught:
        download(url, tmp_path / "file", SILENT, "look there")
    assert type(caught.value) is kind


def test_a_server_that_falls_silent_says_that_it_was_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.builds.web.SILENT_SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/vikunja.zip"
        with pytest.raises(NetworkError, match="was waited for, and sent nothing for 1 s"):
            download(url, tmp_path / "file", SILENT, "look there")


def command_lines() -> Iterator[bytes]:
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            yield process.read_bytes()


def test_git_that_is_slow_on_this_machine_waits_for_no_network() -> None:
    argv = ["-c", "alias.wait=!exec sleep 5.0625", "wait"]
    with pytest.raises(GitError, match="had not finished after"):
        remote.run(argv, Remote("the mirror"), timeout=0.2, local=True)
    with pytest.raises(NetworkError, match="git waited for the repository"):
        remote.run(argv, Remote("https://example.com/x.git"), timeout=0.2)
    # What git has started ends with it.
    assert b"sleep\x005.0625\x00" not in set(command_lines())


def test_a_git_server_that_has_fallen_silent_is_not_waited_for_to_the_end() -> None:
    values = remote.environment(Remote("https://example.com/x.git"), {})
    assert values["GIT_HTTP_LOW_SPEED_TIME"] == "120"
    kept = remote.environment(Remote("https://x/"), {"GIT_HTTP_LOW_SPEED_TIME": "9"})
    assert kept["GIT_HTTP_LOW_SPEED_TIME"] == "9"
    said = "fatal: unable to access 'x': Operation too slow. Less than 1 bytes/sec transferred"
    assert isinstance(remote.failure(Remote("x"), said), NetworkError)


# Databases outside


class Failing:
    """A container in which every command says this and fails."""

    spec = type("Spec", (), {"instance_id": "vikunja-main"})

    def __init__(self, said: str, code: int) -> None:
        self._said, self._code = said, code

    def run(self, argv: Sequence[str], **_: Any) -> Completed:
        return Completed(tuple(argv), self._code, b"", self._said.encode())


REFUSED = 'psql: error: connection to server at "db" (192.0.2.1), port 5432 failed: timeout expired'
WRONG = (
    'psql: error: connection to server at "db" (192.0.2.1), port 5432 failed: FATAL:  password '
    'authentication failed for user "vikunja"'
)
MYSQL = "ERROR 2002 (HY000): Can't connect to server on 'db' (110)"


@pytest.mark.parametrize(
    ("engine", "host", "said", "code", "kind"),
    [
        ("postgresql", "db", REFUSED, 2, NetworkError),
        ("postgresql", "db", f'{REFUSED}\nuser "x" cannot log in', 7, NetworkError),
        ("postgresql", "db", WRONG, 2, DatabaseError),
        ("postgresql", "", REFUSED, 2, DatabaseError),
        ("mysql", "db", MYSQL, 1, NetworkError),
        ("mysql", "db", 'mariadb-dump: Got error: 2003: "Can\'t connect"', 2, NetworkError),
        ("mysql", "db", "ERROR 1045 (28000): Access denied", 1, DatabaseError),
    ],
)
def test_a_database_server_that_does_not_answer_is_a_matter_of_the_network(
    engine: Any, host: str, said: str, code: int, kind: type[DeployError]
) -> None:
    connection = (host, "5432", "vikunja", "vikunja", "", "db-password", "")
    container = cast(Container, Failing(said, code))
    with pytest.raises(DeployError) as caught:
        Database(container, engine, connection, "database vikunja").dump("/folder")
    assert type(caught.value) is kind
    assert ("was waited for and does not answer" in caught.value.what) == (kind is NetworkError)


PSQL = 'psql: error: connection to server at "db" (192.0.2.1), port 5432 failed: '


@pytest.mark.parametrize(
    ("engine", "said", "why"),
    [
        ("postgresql", f"{PSQL}SSL error: certificate verify failed", "certificate verify failed"),
        (
            "postgresql",
            f'{PSQL}server certificate for "x" does not match host name "db"',
            'certificate for "x" does not match host name "db"',
        ),
        (
            "postgresql",
            f"{PSQL}FATAL:  connection requires a valid client certificate",
            "says nothing of it: connection requires a valid client certificate",
        ),
        (
            "postgresql",
            f"{PSQL}server does not support SSL, but SSL was required",
            "server does not support SSL, but SSL was required",
        ),
        (
            "mysql",
            "ERROR 2026 (HY000): TLS/SSL error: certificate has expired",
            "certificate has expired",
        ),
        (
            "mysql",
            'mariadb-dump: Got error: 2026: "TLS/SSL error: self-signed certificate" when trying',
            "self-signed certificate",
        ),
    ],
)
def test_a_database_server_that_is_not_trusted_is_said_to_be_that(
    engine: Any, said: str, why: str
) -> None:
    connection = ("db", "5432", "vikunja", "vikunja", "", "db-password", "verify-full")
    container = cast(Container, Failing(said, 2))
    with pytest.raises(DatabaseError) as caught:
        Database(container, engine, connection, "database vikunja").dump("/folder")
    assert "db port 5432 is not reached over TLS: " in caught.value.what
    assert caught.value.what.endswith(why.rpartition("says nothing of it: ")[2])
    assert "database.tls" in caught.value.hint
