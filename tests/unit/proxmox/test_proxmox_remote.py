"""Programs on a node: arguments arrive as they are, and errors are told apart."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.containers.proxmox import stream as streams
from tasks.containers.proxmox.access import Local, OpenSsh
from tasks.containers.proxmox.api import open_session
from tasks.containers.proxmox.remote import RECEIVE, SESSIONS, execute, head, ssh_argv
from tasks.containers.proxmox.stream import stream
from tasks.errors import DeployError, NetworkError, ResourceError

SHOW = [sys.executable, "-c", "import json, sys; print(json.dumps(sys.argv[1:]))"]

arguments = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


def received(argv: list[str], shell: str = "sh") -> subprocess.CompletedProcess[bytes]:
    """What a node's shell makes of the head of stdin."""
    return subprocess.run(
        [shell, "-c", RECEIVE], input=head(argv), capture_output=True, check=False
    )


@settings(max_examples=30, deadline=None)
@given(st.lists(arguments, max_size=5))
def test_arguments_arrive_as_they_were_given(argv: list[str]) -> None:
    assert json.loads(received([*SHOW, *argv]).stdout) == argv


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_every_shell_of_a_node_understands_them(shell: str) -> None:
    argv = ["", "a b", "$(id)", "`id`", "'\"\\", "line\nline\n", "%s %b \\061", "-n", "wörld", "="]
    assert json.loads(received([*SHOW, *argv], shell).stdout) == argv


def test_what_follows_the_arguments_is_left_to_the_program() -> None:
    done = subprocess.run(
        ["sh", "-c", RECEIVE],
        input=head(["cat"]) + b"=data\n\n\xff",
        capture_output=True,
        check=True,
    )
    assert done.stdout == b"=data\n\n\xff"


@pytest.mark.parametrize(("code", "expected"), [(0, 0), (7, 7), (254, 254), (255, 254)])
def test_255_is_left_to_ssh_itself(code: int, expected: int) -> None:
    assert received(["sh", "-c", f"exit {code}"]).returncode == expected


@pytest.fixture
def over_ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OpenSsh:
    """An ssh on PATH that runs its line here, as sshd does there: by the user's shell, in an
    environment of its own; for the host `down` it fails as ssh does."""
    programs = tmp_path / "ssh-bin"
    programs.mkdir()
    shim = programs / "ssh"
    shim.write_text(
        "#!/bin/sh\n"
        f'printf "%s\\n" "$@" > {tmp_path}/argv\n'
        "while [ $# -gt 2 ]; do shift; done\n"
        '[ "$1" != down ] || { echo "ssh: connect to host down port 22: refused" >&2; exit 255; }\n'
        f'exec env -i "PATH=$PATH" "PVE_STANDIN=$PVE_STANDIN" sh -c "$2"\n'
    )
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return OpenSsh("pve.example.org", tmp_path / "control")


def test_no_more_programs_run_at_once_than_a_connection_takes(
    over_ssh: OpenSsh, tmp_path: Path
) -> None:
    """Each waits until as many as may be have begun, and says how many are there then."""
    for name in ("begun", "there"):
        (tmp_path / name).mkdir()
    count = """
        touch "$1/there/$$" "$1/begun/$$"
        until [ "$(ls "$1/begun" | wc -l)" -ge "$2" ]; do sleep 0.02; done
        ls "$1/there" | wc -l
        sleep 0.1
        rm "$1/there/$$"
    """

    def program() -> int:
        argv = ["sh", "-c", count, "sh", str(tmp_path), str(SESSIONS)]
        return int(execute(over_ssh, argv, timeout=60).stdout)

    with ThreadPoolExecutor(3 * SESSIONS) as pool:
        seen = list(pool.map(lambda _: program(), range(3 * SESSIONS)))
    assert max(seen) <= SESSIONS


def test_ssh_asks_nothing_and_shares_one_connection(over_ssh: OpenSsh) -> None:
    argv = ssh_argv(over_ssh)
    assert argv[-2:] == ["--", "pve.example.org"]
    for option in ("BatchMode=yes", "ControlMaster=auto", f"ControlPath={over_ssh.control}/%C"):
        assert argv[argv.index(option) - 1] == "-o"


def test_a_program_runs_on_the_node(over_ssh: OpenSsh, tmp_path: Path) -> None:
    done = execute(over_ssh, ["sh", "-c", 'echo "$1 $LC_ALL"; exit 3', "sh", "a  b"], timeout=10)
    assert (done.returncode, done.stdout) == (3, b"a  b C\n")
    assert over_ssh.control.stat().st_mode & 0o777 == 0o700
    assert "a  b" not in (tmp_path / "argv").read_text()


def test_a_program_starts_before_its_input_says_a_word(over_ssh: OpenSsh, tmp_path: Path) -> None:
    """What stands by for the tool's end hears nothing else of it."""
    reading, writing = os.pipe()
    began = tmp_path / "began"
    argv = ["sh", "-c", ': >"$1"; cat', "sh", str(began)]

    def program() -> bytes:
        with os.fdopen(reading, "rb") as given:
            done = stream(
                over_ssh, argv, stdin=given, stdout=None, timeout=120, where="pve", name="sh"
            )
        return done.stdout

    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(program)
        deadline = time.monotonic() + 60
        while not began.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        there = began.exists()
        os.write(writing, b"done\n")
        os.close(writing)
        assert answer.result() == b"done\n"
    assert there


def test_what_a_program_left_unread_is_its_givers_when_it_has_ended(over_ssh: OpenSsh) -> None:
    """As an update's input, which goes on for as long as the tool lives."""
    threads = threading.enumerate()
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as given, os.fdopen(writing, "wb", 0) as giver:
        done = stream(
            over_ssh, ["true"], stdin=given, stdout=None, timeout=60, where="pve", name="true"
        )
        assert done.returncode == 0
        assert threading.enumerate() == threads
        giver.write(b"unread")
        assert os.read(reading, 6) == b"unread"


def test_an_input_longer_than_a_pipe_arrives_whole(over_ssh: OpenSsh, tmp_path: Path) -> None:
    data = os.urandom(1 << 20)
    file = tmp_path / "input"
    file.write_bytes(data)
    with file.open("rb") as opened:
        for given in (data, opened):
            done = stream(
                over_ssh, ["cat"], stdin=given, stdout=None, timeout=60, where="pve", name="cat"
            )
            assert done.stdout == data


def test_an_input_without_an_end_does_not_keep_a_program_beyond_its_time(over_ssh: OpenSsh) -> None:
    argv = ["sh", "-c", "exec cat >/dev/null"]
    with (
        Path("/dev/zero").open("rb") as given,
        pytest.raises(DeployError, match="did not finish in"),
    ):
        stream(over_ssh, argv, stdin=given, stdout=None, timeout=0.3, where="pve", name="sh")


def test_a_program_that_reads_no_input_is_not_broken_by_it(over_ssh: OpenSsh) -> None:
    argv = ["sh", "-c", "exec 0<&-; sleep 0.1; echo done"]
    done = stream(
        over_ssh, argv, stdin=bytes(1 << 20), stdout=None, timeout=60, where="pve", name="sh"
    )
    assert done.stdout == b"done\n"


def test_what_was_not_started_yet_when_it_was_to_be_killed_is_killed_all_the_same(
    over_ssh: OpenSsh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, pid = tmp_path / "go", tmp_path / "pid"
    os.mkfifo(go)
    # As lxc-attach: what it starts does not have its environment.
    inner = 'echo $$ >"$1.new"; mv "$1.new" "$1"; exec sleep 600'
    late = 'read -r _ <"$1"; env -i sh -c "$3" sh "$2"'
    looked = 0

    def look_then_go(*arguments: Any, **options: Any) -> Any:
        nonlocal looked
        done = execute(*arguments, **options)
        looked += 1
        if looked == 1:
            go.write_text("now\n")
            deadline = time.monotonic() + 60
            while not pid.exists() and time.monotonic() < deadline:
                time.sleep(0.02)
        return done

    monkeypatch.setattr(streams, "execute", look_then_go)
    argv = ["sh", "-c", late, "sh", str(go), str(pid), inner]
    with pytest.raises(DeployError, match="did not finish in"):
        stream(over_ssh, argv, stdin=None, stdout=None, timeout=0.1, where="pve", name="sh")
    assert looked > 1
    status = Path(f"/proc/{pid.read_text().strip()}/stat")
    assert not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "Z"


def test_a_node_that_ssh_does_not_reach_is_told(over_ssh: OpenSsh) -> None:
    with pytest.raises(NetworkError, match="root@down: ssh did not get through") as caught:
        execute(OpenSsh("down", over_ssh.control), ["true"], timeout=10)
    assert caught.value.evidence == ("ssh: connect to host down port 22: refused",)


def test_the_api_answers_over_ssh(with_pvesh: None, over_ssh: OpenSsh) -> None:
    session = open_session(over_ssh)
    assert session.call("GET", "/version")["version"]
    assert session.call("GET", "/nodes/pve/lxc") == []
    with pytest.raises(ResourceError, match=r"no nodes/pve/lxc/100\.conf"):
        session.call("GET", "/nodes/pve/lxc/100/config")


def test_a_program_that_takes_too_long_is_left_to_finish(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    script = 'sleep 0.6; seq 100000; seq 100000 >&2; : > "$1"'
    argv = ["sh", "-c", script, "sh", str(mark)]
    with pytest.raises(DeployError, match=r"sh did not finish in 0\.2 s and still runs"):
        execute(Local(), argv, timeout=0.2)
    assert not mark.exists()
    deadline = time.monotonic() + 60
    while not mark.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
