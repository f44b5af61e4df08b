"""The health checks that run in the container, against a server on loopback."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tasks.guest.runner import script_text

PAGE = b'<!doctype html><html><body><div id="app"></div></body></html>'
INFO = {"motd": 'a "quoted", {odd} text', "version": "v1.2.3", "auth": {"local": {}}}


@dataclass
class Application:
    port: int = 0
    answers: dict[str, list[tuple[int, bytes]]] = field(default_factory=dict)

    def says(self, path: str, *answers: tuple[int, bytes]) -> None:
        """Answers in turn; the last one stays."""
        self.answers[path] = list(answers)


@pytest.fixture
def application() -> Iterator[Application]:
    """Healthy until a test says otherwise."""
    known = Application()
    known.says("/health", (200, b"OK"))
    known.says("/api/v1/info", (200, json.dumps(INFO).encode()))
    known.says("/", (200, PAGE))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            left = known.answers.get(self.path, [(404, b"")])
            status, body = left.pop(0) if len(left) > 1 else left[0]
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    known.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield known
    server.shutdown()
    thread.join()
    server.server_close()


def check(name: str, *arguments: object) -> tuple[int, str, str]:
    text = f'set -eu\n{script_text("health")}\nhealth_{name} "$@"'
    argv = ["sh", "-c", text, "health", *map(str, arguments)]
    completed = subprocess.run(argv, capture_output=True, text=True, check=False)
    return completed.returncode, completed.stdout.strip(), completed.stderr.strip()


@pytest.mark.parametrize(
    "call",
    [
        '_health_site_once "http://127.0.0.1:$1" 127.0.0.1',
        '_health_backend_once "$1" v1.2.3',
        '_health_backend_once "$1" v9',
        'health_backend "$1" - 1',
        '_health_mcp_once "$1"',
    ],
)
def test_whoever_asks_again_and_again_keeps_its_variables(
    application: Application, call: str
) -> None:
    names = "code body failed main port site seconds socket status url version"
    mine = " ".join(f"{name}=mine" for name in names.split())
    shown = f'for name in {names}; do eval echo "$name=\\$$name"; done'
    script = f"{mine}\n{script_text('health')}\n({call}; {call}; {shown}) 2>&1"
    argv = ["sh", "-c", script, "health", str(application.port)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-11:] == [f"{name}=mine" for name in names.split()]
    # Nor any other than these.
    own = re.findall(r"^\s*([a-z]\w*)=", script_text("health"), re.MULTILINE)
    assert set(own) == {"seen"}


def test_another_version_stays_another_one(application: Application) -> None:
    """A switch looks at what it has switched to again and again."""
    call = '_health_backend_once "$1" "$version"'
    script = f"{script_text('health')}\nversion=v9; {call}; echo $?; {call}; echo $?; echo $seen"
    argv = ["sh", "-c", script, "health", str(application.port)]
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()
    assert said[:2] == ["1", "1"] and said[2].endswith("says version v1.2.3, not v9")


@pytest.mark.parametrize("version", ["v1.2.3", "-"])
def test_a_healthy_backend_is_said_to_be_with_the_time_it_took(
    application: Application, version: str
) -> None:
    code, said, complaint = check("backend", application.port, version, 60)

    assert (code, complaint) == (0, "")
    word, seconds = said.split()
    assert word == "healthy" and float(seconds) >= 0


def test_a_backend_that_needs_a_moment_is_waited_for(application: Application) -> None:
    application.says("/health", *[(500, b"")] * 3, (200, b"OK"))

    assert check("backend", application.port, "-", 60)[0] == 0


@pytest.mark.parametrize(
    ("path", "answer", "complaint"),
    [
        ("/health", (500, b"database is gone"), "/health answered 500: database is gone"),
        ("/health", (404, b""), "/health answered 404: "),
        ("/api/v1/info", (200, b'{"version":"v1"}'), "/api/v1/info says version v1, not v1.2.3"),
        ("/api/v1/info", (200, b"<html>"), "/api/v1/info names no version: something else listens"),
        ("/", (200, b"<html></html>"), "/ answered 200, but its page holds no application"),
    ],
)
def test_what_is_wrong_with_a_backend_is_said_in_one_line(
    application: Application, path: str, answer: tuple[int, bytes], complaint: str
) -> None:
    application.says(path, answer)
    code, said, complained = check("backend", application.port, "v1.2.3", 1)

    assert (code, said) == (1, "")
    assert complained.startswith(f"http://127.0.0.1:{application.port}{complaint}".strip())
    assert len(complained.splitlines()) == 1


def test_nothing_that_listens_is_said_as_curl_says_it() -> None:
    code, _, complained = check("backend", 1, "-", 1)

    assert code == 1
    assert complained.startswith("http://127.0.0.1:1/health: curl: (7) Failed to connect")


@pytest.mark.parametrize(
    ("answer", "code", "complaint"),
    [
        ((200, b'{"status":"ok","version":"1"}'), 0, ""),
        ((200, b'{ "status" : "healthy" }'), 0, ""),
        ((200, b'{"status":"degraded"}'), 1, "answered 200 with status degraded"),
        ((200, b"{}"), 1, "answered 200 with status missing"),
        ((503, b'{"status":"degraded"}'), 1, 'answered 503: {"status":"degraded"}'),
    ],
)
def test_the_mcp_server_is_judged_by_its_own_words(
    application: Application, answer: tuple[int, bytes], code: int, complaint: str
) -> None:
    application.says("/health", answer)
    found, _, complained = check("mcp", application.port, 1)

    assert found == code
    assert complained.endswith(complaint)


@pytest.mark.parametrize(("name", "arguments"), [("backend", ["-", 1]), ("mcp", [1])])
def test_what_listens_must_be_the_unit_s_own_process(
    application: Application, tmp_path: Path, name: str, arguments: list[object]
) -> None:
    application.says("/health", (200, b'{"status":"ok"}'))
    program = tmp_path / "systemctl"
    found = []
    for pid in (os.getpid(), os.getppid()):
        program.write_text(f"#!/bin/sh\ncase $* in *NRestarts*) echo 0 ;; *) echo {pid} ;; esac\n")
        program.chmod(0o755)
        text = (
            f"PATH={tmp_path}:$PATH; health_unit=a.service\n"
            f'{script_text("health")}\nhealth_{name} "$@"'
        )
        argv = ["sh", "-c", text, "health", *map(str, (application.port, *arguments))]
        found.append(subprocess.run(argv, capture_output=True, text=True, check=False))
    assert [one.returncode for one in found] == [0, 1]
    port = application.port
    assert found[1].stderr == f"port {port} is another process's than that of a.service\n"


def test_what_ends_again_and_again_is_not_waited_for(tmp_path: Path) -> None:
    program = tmp_path / "systemctl"
    program.write_text("#!/bin/sh\necho 5\n")
    program.chmod(0o755)
    text = (
        f"PATH={tmp_path}:$PATH; health_unit=a.service\n"
        f'{script_text("health")}\nhealth_backend "$@"'
    )
    argv = ["sh", "-c", text, "health", "1", "-", "600"]
    found = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert found.returncode == 1
    assert found.stderr.startswith("a.service has ended 5 times: http://127.0.0.1:1/health: curl:")


def answered(programs: Path, active: bool, unit: str, *arguments: object) -> str:
    """What a plan's probe says. active: whether systemd calls the unit that, since long ago."""
    state = "case $1 in show) echo @1000000000 ;; esac" if active else "exit 3"
    (programs / "systemctl").write_text(f"#!/bin/sh\n{state}\n")
    (programs / "systemctl").chmod(0o755)
    text = f'set -fu\n{script_text("answers")}\nprobe_answers "$@"'
    argv = ["sh", "-c", text, "answers", unit, *map(str, arguments)]
    path = {"PATH": f"{programs}:{os.environ['PATH']}"}
    return subprocess.run(argv, env=path, capture_output=True, text=True, check=True).stdout


BLUE = "vikunja-backend@blue.service"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((200, b"OK"), "well"),
        ((500, b"database: is gone"), "answers 500"),
        ((404, b""), "answers 404"),
    ],
)
def test_a_plan_says_what_a_backend_answers(
    application: Application, tmp_path: Path, answer: tuple[int, bytes], said: str
) -> None:
    application.says("/health", answer)
    assert answered(tmp_path, True, BLUE, "backend", application.port) == f"{said}\n"


@pytest.mark.parametrize(
    ("body", "said"),
    [(b'{"status":"ok"}', "well"), (b'{"status":"degraded"}', "says it is degraded")],
)
def test_a_plan_says_what_an_mcp_server_answers(
    application: Application, tmp_path: Path, body: bytes, said: str
) -> None:
    application.says("/health", (200, body))
    unit = "vikunja-mcp@blue.service"
    assert answered(tmp_path, True, unit, "mcp", application.port) == f"{said}\n"


def test_who_does_not_listen_does_not_answer_and_who_is_stopped_is_stopped(
    tmp_path: Path,
) -> None:
    assert answered(tmp_path, True, BLUE, "backend", 1) == "does not answer\n"
    assert answered(tmp_path, False, BLUE, "backend", 1) == "stopped\n"


def test_who_accepts_and_says_nothing_is_waited_for_some_seconds_and_not_for_ever(
    tmp_path: Path,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        begun = time.monotonic()
        port = silent.getsockname()[1]
        assert answered(tmp_path, True, BLUE, "backend", port) == "does not answer\n"
    assert 2.5 < time.monotonic() - begun < 60


def test_of_two_colors_the_one_at_rest_is_not_asked(
    application: Application, tmp_path: Path
) -> None:
    green = BLUE.replace("blue", "green")
    assert answered(tmp_path, True, green, "backend", application.port) == "idle\n"
