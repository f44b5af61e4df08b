"""Who puts things back in the container where an update or a restore breaks off in its write-stop.

All that it takes lies there before the first write is refused (recover.sh), and a process there
waits for the word that all went well: if this one dies, or its connection does, that one goes back
by itself. A connection may be gone without a word: so this one says that it is there all the time.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from typing import BinaryIO

from tasks.containers.base import Container
from tasks.databases.base import Database
from tasks.errors import DeployError
from tasks.guest.runner import LAND, GuestScript, last_lines
from tasks.host.process import Completed
from tasks.resources.files import File, Link
from tasks.resources.landing import landing
from tasks.resources.migration import HOME, JOURNAL

RECOVER = GuestScript("recover", ("health", "color", "recover"), guard=False, shell="bash")
"""Puts in order what a write freeze that broke off has left; says what it did."""

RECOVERY_SECONDS = 7200.0

BEAT = 10.0
SILENCE = 60
"""Seconds between two words that this process is there, and without one until it is held for gone:
many times as long, for a machine that is busy may be late."""


def guard_text(home: str, silence: int) -> str:
    """For bash: puts back by what lies in `home`, unless its input says `done` before it ends or is
    silent for so many seconds. Where nothing lies there any more, somebody else has done it."""
    return f"""\
while IFS= read -r -t {silence} word; do
    [ "$word" != 'done' ] || exit 0
done
sleep 1
[ -e {home}/recover ] || exit 0
exec bash {home}/recover
"""


DESCRIPTION = "Way back of a change of Vikunja's database"

AT_BOOT = "/etc/systemd/system/vikunja-deploy-recover.service"
WANTED = "/etc/systemd/system/multi-user.target.wants/vikunja-deploy-recover.service"
AT_BOOT_UNIT = f"""\
# Written by vikunja-deploy while an update changes the database; gone after it.
[Unit]
Description=Ends an update of Vikunja that was cut short
After=network.target postgresql.service mariadb.service redis-server.service
ConditionPathExists={JOURNAL}

[Service]
Type=oneshot
ExecStart=/bin/bash {HOME}/recover
""".encode()
"""Where the container itself went down in between."""


def guard_argv(unit: str) -> list[str]:
    """What starts the guard that was laid ready, as a unit that is gone once it has ended, however.

    systemd writes the command and the description into a file of the unit, and reads that again
    when anything in the container reloads it: both are one plain line each.
    """
    said = f"--description={DESCRIPTION}"
    argv = ["systemd-run", "--quiet", "--pipe", "--wait", "--collect", f"--unit={unit}", said]
    return [*argv, "bash", f"{HOME}/guard"]


class Watchdog:
    """A process in the container that puts the database back unless it is told that all is well.

    It hears of the end of this process, however sudden, by the end of its input, and of the end of
    a connection to it by silence.
    """

    def __init__(self, container: Container) -> None:
        self.unit = f"vikunja-deploy-guard-{time.time_ns()}.service"
        self.answer: Completed | None = None
        self._container = container
        reading, writing = os.pipe()
        self._told = os.fdopen(writing, "wb", buffering=0)
        self._thread = threading.Thread(
            target=self._wait, args=(os.fdopen(reading, "rb"),), daemon=True
        )
        self._thread.start()
        self._over = threading.Event()
        self._beating = threading.Thread(target=self._beat, daemon=True)
        self._beating.start()

    def _beat(self) -> None:
        # Where nobody reads any more, whoever asks for the guard is told.
        with contextlib.suppress(OSError):
            while not self._over.wait(BEAT):
                self._told.write(b"here\n")

    def _hush(self) -> None:
        self._over.set()
        self._beating.join()

    def _wait(self, given: BinaryIO) -> None:
        # Without an answer what is left is put in order from here.
        with given, contextlib.suppress(DeployError):
            self.answer = self._container.run(
                guard_argv(self.unit), stdin=given, timeout=86400, check=False
            )

    def must_be_there(self) -> None:
        """Wait until it is on its post. Raises DeployError where it does not come."""
        until = time.monotonic() + 30
        while self._thread.is_alive() and time.monotonic() < until:
            found = self._container.run(["systemctl", "is-active", self.unit], check=False)
            if found.stdout.strip() == b"active":
                return
            time.sleep(0.1)
        self.trigger()
        evidence = last_lines(self.answer.stderr) if self.answer else []
        raise DeployError("systemd-run in the container starts nothing", evidence=evidence)

    def disarm(self) -> None:
        """All went well: there is nothing to guard."""
        self._hush()
        # Where it has gone already, for it heard nothing, it found nothing to put back.
        with contextlib.suppress(BrokenPipeError), self._told:
            self._told.write(b"done\n")
        self._thread.join()

    def trigger(self) -> None:
        """Let it put the database back, and wait for that."""
        self._hush()
        self._told.close()
        self._thread.join()


def post_watchdog(container: Container, database: Database, script: GuestScript) -> Watchdog:
    """Lay what puts the database back in the container, and have somebody there who does.

    script: that knows how, in the database's engine. Raises DeployError where not all of it is
    there; nothing has been touched then.
    """
    contents = {
        "guard": guard_text(HOME, SILENCE),
        "recover": RECOVER.text,
        "database": script.text,
        "connection": "".join(f"{word}\n" for word in database.connection),
    }
    files = [
        File(path=f"{HOME}/{name}", content=content.encode(), mode="0600")
        for name, content in contents.items()
    ]
    landed = [*files, File(path=AT_BOOT, content=AT_BOOT_UNIT), Link(path=WANTED, target=AT_BOOT)]
    LAND.run(
        container,
        stdin=landing(landed),
        failure=lambda _, lines: DeployError(
            "what would put everything back could not be laid ready; nothing was changed",
            where=container.spec.instance_id,
            evidence=lines,
            hint="Is the container's disk full or read-only? Mend that, then run it again.",
        ),
    )
    watchdog = Watchdog(container)
    watchdog.must_be_there()
    return watchdog


COMMITTED = "The update was done already: the new version serves"
"""What recover.sh says where there was nothing to put back."""
