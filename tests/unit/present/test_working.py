"""Progress of work that is no plan, as a terminal and a pipe see it."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from tasks.paths import ROOT

WORK = """
from tasks.output.show_progress import show_progress
with show_progress(["one", "another"], lines=LINES) as progress:
    watched = progress("one")
    watched.step("Copying")
    for part in range(201):
        watched.step("Writing", part / 200)
"""


def run(lines: bool, stderr: int) -> subprocess.Popen[bytes]:
    code = WORK.replace("LINES", str(lines))
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    return subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=stderr, env=environment)


def test_a_terminal_sees_percentage_and_step() -> None:
    own, theirs = os.openpty()
    process = run(False, theirs)
    os.close(theirs)
    seen = b""
    try:
        while piece := os.read(own, 65536):
            seen += piece
    except OSError:
        # The other end has gone: how a terminal says that.
        pass
    os.close(own)
    assert process.wait() == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen.decode())
    assert re.search(r"one +\S+ +100% +\S+ +Writing", text), text
    assert re.search(r"another .* waiting", text)


@pytest.mark.parametrize("lines", [False, True])
def test_a_pipe_sees_a_line_for_each_step_where_asked(lines: bool) -> None:
    process = run(lines, subprocess.PIPE)
    said = process.communicate()[1].decode().splitlines()
    assert process.returncode == 0
    assert [line.split()[-1] for line in said] == (["Copying", "Writing"] if lines else [])
