"""Nobody writes to the database while something is done to it; then what came of it serves for
good, or what was there before serves again. An update's migrations, a restore and a move to another
database are this with another thing in the middle:

    frozen = WriteFreeze(container, journal, post_watchdog(…))
    frozen.begin(…)         requests are refused, those under way are waited for, what served stops
    frozen.mark_saved()     from here on what lies in the place `saved` is what is put back
    frozen.commit()         what serves now serves for good: requests are let in
    frozen.put_back(…)      or what was there before does

How far it is stands in a journal in the container, beside all that it takes to go back; somebody
there (watchdog.py) does that by himself where this process ends or the container does, and whoever
comes next goes on with it (`recover`).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from msgspec import Struct

from tasks.containers.base import Container
from tasks.databases.watchdog import COMMITTED, RECOVER, RECOVERY_SECONDS, Watchdog
from tasks.errors import DeployError, RollbackFailedError, RolledBackError
from tasks.guest.runner import UNIT_TIMEOUT, GuestScript, last_line_says
from tasks.model.instance import Color, Instance

FREEZE = GuestScript("migrate", ("health", "in-hand", "migrate"))
"""The steps of one."""

MOVE = "database-move"
"""What a journal says where another database takes over, and the script that goes back from it."""

SAVED = "saved"
"""The place of what was live before it."""


class Journal(Struct, frozen=True):
    """What going back needs to know. old: the color that served, new: the one that is to; the same
    where the color stays. version: that old has to answer with, `-` for any.

    moves: the database is another one afterwards, and that of before is never touched.
    """

    old: Color
    new: Color
    port: int
    version: str
    timeout: int
    mcp: bool
    moves: bool = False

    def __str__(self) -> str:
        """As recover.sh reads it, behind the word that says how far it is."""
        words = {
            "old": self.old,
            "new": self.new,
            "port": self.port,
            "version": self.version,
            "timeout": self.timeout,
            "mcp": "yes" if self.mcp else "no",
            "kind": MOVE if self.moves else "update",
        }
        return " ".join(f"{name}={word}" for name, word in words.items())

    def units(self, color: Color) -> tuple[str, ...]:
        """A color's, in the order in which they stop."""
        names = ("mcp", "backend") if self.mcp else ("backend",)
        return tuple(f"vikunja-{name}@{color}.service" for name in names)


def journal_of(
    instance: Instance,
    old: Color,
    new: Color,
    version: str | None,
    *,
    port: int | None = None,
    moves: bool = False,
) -> Journal:
    """port: of old, where it need not be as it is configured."""
    return Journal(
        old=old,
        new=new,
        port=port or instance.backend_port(old),
        version=version or "-",
        timeout=instance.vikunja.start_timeout_seconds,
        mcp=instance.services.mcp.enabled,
        moves=moves,
    )


@dataclass
class WriteFreeze:
    """One that is under way. start_seconds: how long what is to serve may take to come up, its
    migrations included. begun: monotonic."""

    container: Container
    journal: Journal
    watchdog: Watchdog
    start_seconds: int = 0
    begun: float = field(default_factory=time.monotonic)

    def begin(self, upload_wait: int) -> None:
        """Refuse requests, wait for those under way, stop what served.

        upload_wait: seconds that uploads may take.
        """
        old, self.begun = self.journal.old, time.monotonic()
        words = ("stop", str(self.journal), old, str(upload_wait), *self.journal.units(old))
        self._step(words, timeout=upload_wait + UNIT_TIMEOUT)

    def mark_saved(self) -> None:
        self._step(("saved",))

    def commit(self) -> float:
        """What serves now serves for good. Returns how many seconds writes were stopped; what was
        saved is left to `recover`."""
        self._step(("commit", *self.journal.units(self.journal.new)))
        seconds = time.monotonic() - self.begun
        self.watchdog.disarm()
        return seconds

    def put_back(self, cause: DeployError, name: str, done: str) -> DeployError:
        """What a failure becomes: RolledBackError once what was there serves again,
        RollbackFailedError where it does not, the failure itself where all was done already.

        name: of what was there; done: what is said of it then.
        """
        where = cause.where or self.container.spec.instance_id
        try:
            said = self._undo(where)
        except DeployError as second:
            return RollbackFailedError(
                f"{cause.what}; and {name} does not serve: {second.what}",
                where=where,
                evidence=[*cause.evidence, *second.evidence],
                hint="The database as it was is kept, and no request is taken. Mend the cause, then"
                f" run ./doit apply {where}: it goes on with putting it back.",
            )
        if said == COMMITTED:
            return cause
        return RolledBackError(
            f"{cause.what}; {name} {done}", where=where, evidence=cause.evidence, hint=cause.hint
        )

    def _undo(self, where: str) -> str:
        self.watchdog.trigger()
        answer = self.watchdog.answer
        said = answer.stdout.decode().strip() if answer and answer.returncode == 0 else ""
        return said or recover(self.container, where)

    def _step(self, words: Sequence[str], timeout: float = UNIT_TIMEOUT) -> None:
        failed = f"the write freeze failed ({words[0]})"
        where = self.container.spec.instance_id
        failure = last_line_says(DeployError, failed, where=where)
        FREEZE.run(self.container, *words, failure=failure, timeout=timeout)


def recover(container: Container, where: str) -> str:
    """Put in order what one that broke off has left; what it says that it did, nothing where there
    was nothing to do.

    Raises RollbackFailedError where what was there does not serve yet.
    """

    def failure(_: int, lines: list[str]) -> DeployError:
        return RollbackFailedError(
            f"what was there is not back: {lines[-1] if lines else 'no word of why'}",
            where=where,
            evidence=lines[:-1],
            hint=f"No request is taken until it is. Mend the cause, then: ./doit apply {where}",
        )

    recovered = RECOVER.run(container, failure=failure, timeout=RECOVERY_SECONDS)
    return recovered.stdout.decode().strip()
