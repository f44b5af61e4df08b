"""What start, stop and restart share in the container."""

from __future__ import annotations

from pathlib import Path

from shells import HostShell

from tasks.guest.runner import GuestScript


def test_a_failed_unit_is_told_of_and_what_cannot_be_read_of_it_is_not(tmp_path: Path) -> None:
    shell = HostShell(tmp_path)
    shell.program("journalctl", "echo from the journal; echo complaint >&2")
    call = 'seen="no answer"; unhealthy "$1"'
    script = GuestScript("start", ("health", "lifecycle"), call, guard=False)
    done = shell.run(script.argv("vikunja-backend@blue.service"))
    assert (done.returncode, done.stderr) == (10, b"from the journal\nno answer\n")
