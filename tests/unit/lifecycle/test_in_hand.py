"""How long a color is waited for, by what it has in hand, and what the proxy's log tells after."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from shells import HostShell

from tasks.guest.runner import GuestScript

CURL = 'for url; do :; done; kind=${url#http://localhost/}; cat "$ANSWERS/${kind%/blue}"'

LONG = "600"


@pytest.mark.parametrize(
    ("in_hand", "limits", "code", "seconds"),
    [
        ("", (LONG, LONG, LONG), 0, 0),
        ("websockets", (LONG, LONG, "2"), 0, 2),
        ("websockets", (LONG, LONG, "0"), 0, 0),
        ("websockets", ("0", "0", "2"), 0, 2),
        ("requests", ("2", LONG, "0"), 1, 2),
        ("requests websockets", ("2", LONG, LONG), 1, 2),
        ("requests uploads", ("0", "2", "0"), 1, 2),
    ],
)
def test_what_is_in_hand_is_waited_for_as_long_as_its_kind_may_take(
    tmp_path: Path, in_hand: str, limits: tuple[str, ...], code: int, seconds: int
) -> None:
    shell = HostShell(tmp_path)
    shell.program("curl", CURL)
    for kind in ("requests", "uploads", "websockets"):
        (tmp_path / kind).write_text("503" if kind in in_hand.split() else "204")
    drained = GuestScript("drained", ("health", "in-hand"), 'drained blue "$@"', guard=False)
    begun = time.monotonic()
    done = shell.run(drained.argv(*limits), environment={"ANSWERS": str(tmp_path)})
    assert done.returncode == code, done.stderr
    assert seconds <= time.monotonic() - begun < seconds + 20


def line(color: str, status: int, path: str = "/api/v1/ws") -> str:
    request = f'192.0.2.7 - - [2026-11-29T12:00:00+00:00] "GET {path} HTTP/1.1"'
    return f'{request} {status} 0 "Browser 1.0 (blue)" 12.3 {color} {status} 12.3\n'


SINCE = [
    line("blue", 101),
    line("blue", 101),
    line("green", 101),
    line("blue", 200, "/api/v1/tasks/101"),
]


@pytest.mark.parametrize("rotated", [False, True])
def test_of_the_websockets_that_ended_since_are_counted_those_of_the_color(
    tmp_path: Path, rotated: bool
) -> None:
    shell = HostShell(tmp_path)
    shell.program("curl", "printf 204")
    log = tmp_path / "log"
    log.write_text(line("blue", 101))
    rotate = 'mv "$proxy_log" "$proxy_log.1"' if rotated else ":"
    call = f"""
        proxy_log=$1
        mark_log
        printf %s "$2" >>"$proxy_log"
        {rotate}
        printf %s "$3" >>"$proxy_log"
        tell_ended blue
        tell_ended none"""
    parts = ("health", "in-hand", "proxy-log", "websockets")
    ended = GuestScript("ended", parts, call, guard=False)
    done = shell.run(ended.argv(str(log), *("".join(SINCE),) * 2))
    assert (done.stdout, done.stderr) == (b"blue 4\n", b"")
