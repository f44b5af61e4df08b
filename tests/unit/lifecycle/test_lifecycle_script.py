"""What start, stop and restart share in the container."""

from __future__ import annotations

from pathlib import Path

from shells import HostShell

from tasks.guest.runner import script_texts


def test_a_failed_unit_is_told_of_and_what_cannot_be_read_of_it_is_not(tmp_path: Path) -> None:
    shell = HostShell(tmp_path)
    shell.program("journalctl", "echo from the journal; echo complaint >&2")
    text = f'{script_texts("health", "lifecycle")}\nseen="no answer"\nunhealthy "$1"'
    done = shell.run(["sh", "-c", text, "start", "vikunja-backend@blue.service"])
    assert (done.returncode, done.stderr) == (10, b"from the journal\nno answer\n")
