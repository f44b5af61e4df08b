"""Timers on a real systemd: that of the shared container stands for a host's.

The commands that they run are read there, and nothing of the instance is touched.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from inside import Inside
from journey import Site

from tasks.errors import ResourceError, UsageError
from tasks.host import timers
from tasks.host.process import Completed
from tasks.host.timers import JOBS, are_installed, install, remove, service, standings, timer
from tasks.paths import ROOT, Paths

CONFIG = Path("/etc/vikunja deploy/100% $HOME.yaml")


@pytest.fixture
def machine(deployed: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Paths]:
    """The paths of a machine whose systemd is the container's."""
    inside = Inside(deployed)
    argv = ["lxc-info", "-P", str(deployed.paths.lxc), "-n", deployed.id, "-pH"]
    pid = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()

    def run(argv: Sequence[str], **_: Any) -> Completed:
        return inside.container.run(argv, check=False)

    monkeypatch.setattr(timers, "run", run)
    answers(inside, 'printf "%s|" "$@" >/run/asked')
    paths = Paths(Path(f"/proc/{pid}/root"))
    yield paths
    remove(paths)
    inside.shell('rm -f "$1" /run/asked', str(ROOT / "doit"))


def answers(inside: Inside, script: str) -> None:
    """What the tool's own program does, where the timers look for it."""
    put = 'mkdir -p "${1%/*}"; printf "#!/bin/sh\\n%s\\n" "$2" >"$1"; chmod 755 "$1"'
    inside.shell(put, str(ROOT / "doit"), script)


def test_they_run_their_commands_with_the_very_configuration(
    deployed: Site, machine: Paths
) -> None:
    inside = Inside(deployed)
    install(machine, {"backup": "*-*-* 03:30", "drill": "monthly", "apply": "hourly"}, CONFIG)
    for name, job in JOBS.items():
        assert are_installed(machine, name)
        assert inside.active(timer(name)) == "active"
        inside.run("systemctl", "start", service(name))
        asked = inside.shell("cat /run/asked").strip("|").split("|")
        assert asked == [name, *job.arguments, "--config", str(CONFIG)]
        # What systemd-analyze says of them, it says on stderr.
        checked = inside.shell(
            f"systemd-analyze verify /etc/systemd/system/{service(name)}"
            f" /etc/systemd/system/{timer(name)} 2>&1 | grep vikunja-deploy || :"
        )
        assert checked == ""
    found = standings(machine)
    assert {name: one.calendar for name, one in found.items()} == {
        "backup": "*-*-* 03:30", "drill": "monthly", "apply": "hourly",
    }  # fmt: skip
    assert all(" 03:" in found["backup"].next or one.next for one in found.values())


def test_installed_again_they_are_as_asked_then_and_removed_nothing_is_left(
    deployed: Site, machine: Paths
) -> None:
    inside = Inside(deployed)
    before = inside.shell("ls -A /etc/systemd/system/timers.target.wants")
    install(machine, {"backup": "daily", "drill": "monthly", "apply": "hourly"}, CONFIG)
    install(machine, {"backup": "*-*-* 05:00", "drill": "", "apply": ""}, CONFIG)
    assert list(standings(machine)) == ["backup"]
    assert " 05:" in standings(machine)["backup"].next
    assert standings(machine)["backup"].result == ""
    assert not are_installed(machine, "drill")
    answers(inside, "exit 7")
    inside.shell(f"systemctl start {service('backup')} || :")
    failed = standings(machine)["backup"]
    assert failed.result == "exit-code" and failed.last
    with pytest.raises(UsageError, match="no time that systemd knows"):
        install(machine, {"backup": "every night", "drill": "", "apply": ""}, CONFIG)
    assert " 05:" in standings(machine)["backup"].next
    assert remove(machine) == ["backup"]
    assert remove(machine) == []
    assert inside.shell("ls -A /etc/systemd/system/timers.target.wants") == before
    assert inside.shell("ls /etc/systemd/system | grep vikunja-deploy- || :") == ""


def test_without_systemd_nothing_is_written(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    for work in (lambda: install(paths, {"backup": "daily"}, CONFIG), lambda: remove(paths)):
        with pytest.raises(ResourceError, match="systemd does not run this machine"):
            work()
    assert list(tmp_path.iterdir()) == []
