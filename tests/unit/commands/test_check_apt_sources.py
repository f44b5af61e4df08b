"""What check says of further sources of packages, asked by this machine's own apt."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from instance_samples import sample_instance

from tasks.checks import apt_sources
from tasks.model.finding import World
from tasks.paths import Paths

KEY = b"\x99\x01\x0dkey"


@pytest.fixture
def address() -> Iterator[str]:
    """A server that has nothing."""

    class Nothing(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Nothing)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def world(tmp_path: Path, *uris: str) -> World:
    (tmp_path / "key.gpg").write_bytes(KEY)
    sources = [
        {
            "uris": [uri],
            "suites": ["lab"],
            "key_file": str(tmp_path / "key.gpg"),
            "packages": ["one", "two"],
        }
        for uri in uris
    ]
    instance = sample_instance(system={"apt_sources": sources})
    return World(instance, Paths(tmp_path), lambda: None)


def test_without_further_sources_nothing_is_said(tmp_path: Path) -> None:
    assert list(apt_sources.check(world(tmp_path))) == []


def test_a_source_that_has_nothing_is_a_problem_of_one_line(tmp_path: Path, address: str) -> None:
    (found,) = apt_sources.check(world(tmp_path, address))
    assert found.what == (
        f"system.apt_sources[0]: The repository '{address} lab Release' does not have a Release "
        "file."
    )
    assert found.hint == (
        "Check uris, suites and key_file of system.apt_sources[0], and the way there"
    )
    assert (found.level, found.exit_code) == ("problem", 6)


def test_what_a_source_has_not_is_named(tmp_path: Path) -> None:
    desired = world(tmp_path, "http://apt.example.com")
    (source,) = desired.instance.system.apt_sources
    missing = apt_sources.evaluate(desired, 0, source, "", frozenset({"two"}))
    assert missing.what == "system.apt_sources[0]: http://apt.example.com has no package one"
    assert missing.hint == "Check suites and packages of system.apt_sources[0]"
    whole = apt_sources.evaluate(desired, 0, source, "", frozenset({"one", "two"}))
    assert (whole.level, whole.what) == (
        "ok",
        "http://apt.example.com is signed with its key, and has one, two",
    )
