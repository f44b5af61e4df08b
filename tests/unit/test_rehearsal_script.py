"""What is seen of a rehearsal that does not answer: how it is, and its last words."""

from __future__ import annotations

from pathlib import Path

import pytest
from shells import HostShell

from tasks.execution.rehearsal import LOOK

LOG = "log=/run/vikunja-deploy/rehearsal.log\n"


@pytest.mark.parametrize(
    ("state", "said"),
    [("failed", "ended\n"), ("active", "http://127.0.0.1:19000/health: nobody answers\n")],
)
def test_what_ends_while_it_is_looked_at_has_said_its_last_words(
    tmp_path: Path, state: str, said: str
) -> None:
    log = tmp_path / "log"
    log.write_text("begun\n")
    shell = HostShell(tmp_path)
    shell.program("curl", "echo nobody answers; exit 7")
    # It says why, and ends, just before systemd is asked about it.
    shell.program("systemctl", f"echo migration failed >>{log}; echo {state}")
    assert LOG in LOOK.text
    text = LOOK.text.replace(LOG, f"log={log}\n")
    done = shell.run(["sh", "-c", text, "rehearse", "look", "19000", "v1.1.0"])
    assert done.returncode == 0
    assert (done.stdout.decode(), done.stderr.decode()) == (said, "begun\nmigration failed\n")
