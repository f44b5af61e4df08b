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


STOPPED = """
case $*:$unit in
show*:vikunja-backend@green.service) echo not-found ;;
show*) echo loaded ;;
*is-active*:vikunja-backend@green.service) exit 1 ;;
*is-active*) ;;
stop*:vikunja-backend@green.service) exit 5 ;;
stop*) echo "stopped $unit" ;;
esac
"""
"""systemctl where nothing was ever prepared for green."""


def test_a_color_that_was_never_prepared_rests_already(tmp_path: Path) -> None:
    shell = HostShell(tmp_path)
    shell.program("systemctl", f'for unit in "$@"; do :; done{STOPPED}')
    names = ("health", "in-hand", "proxy-log", "websockets", "color", "lifecycle", "stop")
    units = ("vikunja-backend@green.service", "vikunja-backend@blue.service")
    done = shell.run(GuestScript("stop", names, guard=False).argv("0", *units))
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == b"stopped vikunja-backend@blue.service\n"


def test_a_unit_whose_file_is_gone_already_goes(tmp_path: Path) -> None:
    shell = HostShell(tmp_path)
    shell.program("systemctl", f'for unit in "$@"; do :; done{STOPPED}')
    shell.program("mkdir", "")
    shell.program("rm", "")
    script = GuestScript("unit", ("health", "kept-proxy", "unit"), guard=False)
    for color, said in (("green", b""), ("blue", b"stopped vikunja-backend@blue.service\n")):
        done = shell.run(script.argv(f"vikunja-backend@{color}.service", "stop", "no", "-"))
        assert (done.returncode, done.stdout, done.stderr) == (0, said, b"")
