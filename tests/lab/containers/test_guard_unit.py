"""The unit that stands by in a container while writes are stopped: nothing of it stays behind."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from msgspec.structs import replace

from tasks.containers.lxc.container import LxcContainer
from tasks.databases.base import Database
from tasks.databases.watchdog import Watchdog, guard_text, post_watchdog
from tasks.databases.write_freeze import Journal
from tasks.guest.runner import GuestScript, wait_for_leftovers
from tasks.paths import Paths
from tasks.resources.migration import HOME, JOURNAL

NEVER_BACK = GuestScript("never-back", call="exit 7", guard=False)
"""A database that does not answer: going back ends with exit code 12."""


@pytest.fixture(scope="module")
def box(make_container: Callable[[str], LxcContainer], lab_paths: Paths) -> Iterator[LxcContainer]:
    """Of Debian 12, whose systemd writes a description of many lines as it is."""
    spec = replace(make_container("guard").spec, template="bookworm")
    container = LxcContainer(spec, lab_paths)
    container.create()
    container.start()
    yield container
    container.destroy()


def shell(box: LxcContainer, script: str, *arguments: str) -> str:
    return box.run(["sh", "-c", script, "sh", *arguments]).stdout.decode().strip()


def reload_says(box: LxcContainer) -> str:
    """What systemd says of our units while it reads all of them again."""
    return shell(
        box,
        "journalctl --sync; journalctl -q -o cat --cursor-file=/run/cursor >/dev/null;"
        "systemctl daemon-reload 2>&1; journalctl --sync;"
        "journalctl -q -o cat --cursor-file=/run/cursor | grep vikunja || :",
    )


AS_WRITTEN = str(Journal("blue", "green", 1, "v1", 1, False))
AS_ONCE = "blue green 1 v1 1 no"


def posted(box: LxcContainer, journal: str = AS_WRITTEN) -> Watchdog:
    database = Database(box, "sqlite", ("/nowhere/vikunja.db", "root:root"), "database")
    guard = post_watchdog(box, database, NEVER_BACK)
    box.run(["sh", "-c", f"cat >{JOURNAL}"], stdin=f"saved {journal}\n".encode())
    return guard


@pytest.fixture(autouse=True)
def cleared(box: LxcContainer) -> Iterator[None]:
    yield
    shell(box, f"rm -rf {HOME}")


@pytest.mark.parametrize("journal", [AS_WRITTEN, AS_ONCE])
def test_a_guard_that_could_not_put_anything_back_leaves_no_failed_unit(
    box: LxcContainer, journal: str
) -> None:
    guard = posted(box, journal)
    said = reload_says(box)
    described = shell(box, 'systemctl show -p Description --value "$1"', guard.unit)
    guard.trigger()

    assert guard.answer is not None and guard.answer.returncode == 12
    assert (said, described) == ("", "Way back of a change of Vikunja's database")
    assert shell(box, "systemctl --failed --plain --no-legend") == ""
    assert shell(box, "systemctl is-system-running || :") == "running"
    assert shell(box, "ls /run/systemd/transient | grep vikunja || :") == ""
    assert reload_says(box) == ""


def test_what_an_older_version_left_failed_is_forgotten_by_whatever_comes_next(
    box: LxcContainer,
) -> None:
    """As it was made then: its text is its command and its description, of many lines."""
    unit = "vikunja-deploy-guard-4711.service"
    argv = ["systemd-run", "--quiet", "--pipe", "--wait", "--collect", f"--unit={unit}"]
    argv = [*argv, "bash", "-c", guard_text("/nowhere", 60).replace("exit 0", "exit 12")]
    process: list[int] = []
    hold = [
        "sh",
        "-c",
        'mkfifo /run/held; sleep 600 >/run/held & echo $! >/run/holder; "$@" </run/held',
        "sh",
        *argv,
    ]
    thread = threading.Thread(
        target=lambda: process.append(box.run(hold, timeout=120, check=False).returncode)
    )
    thread.start()
    waiting = 'until systemctl -q is-active "$1"; do sleep 0.1; done'
    box.run(["sh", "-c", waiting, "sh", unit], timeout=60)
    assert unit in reload_says(box)
    shell(box, "kill $(cat /run/holder)")
    thread.join()
    assert unit in shell(box, "systemctl --failed --plain --no-legend")

    wait_for_leftovers(box)

    assert shell(box, "systemctl --failed --plain --no-legend") == ""
    assert shell(box, "systemctl is-system-running || :") == "running"
    assert reload_says(box) == ""
