"""Updates of the container's packages: really installed by themselves, and what runs the libraries
of before is replaced with nobody noticing."""

from __future__ import annotations

from pathlib import Path

import pytest
from asking import Clients, status, wait_for
from inside import Inside
from journey import Site

LAB = Path(__file__).parent
OURS = "ls /etc/apt/apt.conf.d /etc/systemd/system /usr/local/lib/vikunja | grep -i updat || :"
TOLD = "cat /var/lib/vikunja-deploy/updates 2>/dev/null || :"
VERSION = "dpkg-query -W -f '${Version}' libc6"


@pytest.fixture
def inside(deployed: Site) -> Inside:
    return Inside(deployed)


def run_updates(inside: Inside) -> None:
    """As the timer does. Nobody waits for it by systemctl: the C library has systemd start itself
    anew, which ends every connection to it."""
    before = inside.shell(TOLD)
    inside.run("systemctl", "start", "--no-block", "vikunja-updates.service")
    wait_for(lambda: inside.shell(TOLD) != before, "the updates came to an end")


def replaced(deployed: Site, color: str) -> None:
    """The plan says that libraries are of before; an apply under load replaces what runs them."""
    entries = {entry["address"].partition("/")[2]: entry for entry in deployed.plan()}
    said = "runs libraries that were updated since: libc6"
    assert said in str(entries["color:active"]["reasons"])
    assert said in str(entries["unit:nginx.service"]["reasons"])
    assert not any(entry["interrupts"] for entry in entries.values())
    with Clients(deployed) as clients:
        deployed.run("apply", "--yes")
        answered = clients.answered
        wait_for(lambda: clients.answered > answered + 10, "answers afterwards")
    assert clients.failures == []
    assert Inside(deployed).serving == color
    assert deployed.addresses() == []


def test_a_security_update_comes_by_itself_and_is_taken_up(deployed: Site, inside: Inside) -> None:
    before = inside.shell(VERSION)
    color = inside.serving
    deployed.edit({"system": {"updates": "security"}})
    deployed.run("apply", "--yes")
    assert deployed.addresses() == []
    assert "vikunja-updates.timer" in inside.run("systemctl", "list-timers", "--no-pager")
    inside.shell((LAB / "security_update.sh").read_text())

    inside.run("apt-mark", "hold", "libc6")
    run_updates(inside)
    assert inside.shell(VERSION) == before
    inside.run("apt-mark", "unhold", "libc6")
    found = status(deployed)["health"]["packages"]
    assert (found["release"], found["pending_security"] >= 1) == ("trixie", True)

    run_updates(inside)
    assert inside.shell(VERSION) == f"{before}+lab1"
    health = status(deployed)["health"]["packages"]
    assert (health["pending_security"], health["update_failure"]) == (0, None)
    assert "libc6" in health["outdated"]
    assert health["updated_at"]
    replaced(deployed, "green" if color == "blue" else "blue")

    # A source that does not answer is why.
    inside.shell("echo 'deb [trusted=yes] file:/srv/none ./' >/etc/apt/sources.list.d/lab.list")
    run_updates(inside)
    (said,) = (one["what"] for one in status(deployed)["notes"] if "failed" in one["what"])
    assert "/srv/none" in said

    inside.shell(
        "rm -r /etc/apt/sources.list.d/lab.list /srv/updates && apt-get -q update &&"
        f" apt-get -q -y --allow-downgrades install libc6={before}"
    )
    deployed.edit({"system": {"updates": "none"}})
    replaced(deployed, color)
    assert inside.shell(OURS) == ""
    assert "vikunja-updates" not in inside.run("systemctl", "list-timers", "--all", "--no-pager")
