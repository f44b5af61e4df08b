"""What was restored aside becomes live, all of it or nothing.

It is a write freeze (tasks/databases/write_freeze.py) with a swap in the middle: what was there is
put back if this process dies, the container does, or the application does not come up with what
was restored. So the next `apply`, or `restore`, finds at most a journal, and goes on.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from tasks.containers.base import Container
from tasks.databases import Database
from tasks.databases.base import script
from tasks.databases.watchdog import Watchdog, post_watchdog
from tasks.databases.write_freeze import SAVED, WriteFreeze, journal_of, recover
from tasks.errors import (
    CancelledError,
    DeployError,
    UnhealthyError,
)
from tasks.guest.runner import UNIT_TIMEOUT, GuestScript, run, while_stopped
from tasks.host.process import Completed
from tasks.model.instance import Color, DatabaseType, Instance
from tasks.progress import Progress

ATTACHMENTS = GuestScript("cutover", ("attachments",), guard=False, shell="bash")
"""What changes places with the database. Arguments: ACTION …"""

HEALTH = GuestScript("health", ("health",), call='"$@"', guard=False)
"""One of its checks. Arguments: its function and that one's."""

RESTORED = "restored"
"""The place of what was restored, until it is live."""


class Cutover(Struct, frozen=True):
    """version: that the application has to answer with. color: the one that serves."""

    instance: Instance
    container: Container
    database: Database
    color: Color
    version: str
    progress: Progress

    @property
    def where(self) -> str:
        return self.instance.id

    def perform(self, secret: str = "") -> None:
        """Swap in what is in the place `restored`, and let the application start on it.

        secret: file in the container with the service secret of the archive, where it is to come.
        Raises RolledBackError where what was there serves again, RollbackFailedError where it does
        not yet, and what the watchdog raises where nothing was touched.
        """
        # The same color serves whatever comes of it: it is the old one and the new one.
        journal = journal_of(self.instance, self.color, self.color, self.version)
        frozen = WriteFreeze(self.container, journal, self.post_watchdog())
        try:
            self.progress.step("stopping writes")
            frozen.begin(self.instance.update.upload_wait_seconds)
            # From here on, where there is a place `saved`, it is put back.
            frozen.mark_saved()
            self.progress.step("swapping in what was restored")
            self.activate(secret)
            self._start(journal.units(self.color)[::-1])
            frozen.commit()
        except (DeployError, KeyboardInterrupt) as failure:
            self.progress.step("putting back what was there")
            cause = failure
            if not isinstance(cause, DeployError):
                cause = CancelledError("cancelled", where=self.where)
            done = "serves again, nothing of it is lost"
            raise frozen.put_back(cause, "what was there", done) from failure
        recover(self.container, self.where)

    def activate(self, secret: str = "") -> None:
        """What is in the place `restored` becomes live, what was live is in the place `saved`. With
        services stopped, and the watchdog on its post."""
        replace(self.database, within=while_stopped).swap(RESTORED, SAVED)
        self._beside("swap-attachments", RESTORED, SAVED, frozen=True)
        if secret:
            self._beside("swap-secret", secret, frozen=True)

    def stage_attachments(self, folder: str, *, keep: bool = False) -> int:
        """Move unpacked attachments beside the live ones. keep: and all live ones that they lack
        with them; how many these are."""
        if not keep:
            self._beside("bring-attachments", folder, RESTORED)
            return 0
        said = self._beside("bring-attachments", folder, RESTORED, "keep")
        return int(said.stdout.strip() or 0)

    def drop(self) -> None:
        """What was restored and is not wanted goes."""
        self.database.drop(RESTORED)
        self._beside("drop", RESTORED)

    def _beside(self, *arguments: str, frozen: bool = False) -> Completed:
        timeout = self.database.timeout
        return ATTACHMENTS.run(self.container, *arguments, timeout=timeout, frozen=frozen)

    def post_watchdog(self) -> Watchdog:
        """Lay what puts everything back in the container, and have somebody there who does."""
        return post_watchdog(self.container, self.database, cutover_script(self.database.engine))

    def _start(self, units: Sequence[str]) -> None:
        instance, timeout = self.instance, self.instance.vikunja.start_timeout_seconds
        self.progress.step("starting on what was restored")
        run(self.container, while_stopped(["systemctl", "start", "--", *units]))
        checks: list[tuple[str, ...]] = [
            ("health_backend", str(instance.backend_port(self.color)), self.version)
        ]
        if instance.services.mcp.enabled:
            checks.append(("health_mcp", str(instance.mcp_port(self.color))))
        for check in checks:
            HEALTH.run(
                self.container,
                *check,
                str(timeout),
                timeout=timeout + UNIT_TIMEOUT,
                failure=lambda _, lines: UnhealthyError(
                    "the application does not come up with what was restored",
                    where=self.where,
                    evidence=lines,
                    hint=f"./doit logs {self.where} --component backend shows why.",
                ),
            )


def cutover_script(engine: DatabaseType) -> GuestScript:
    """That knows how to put back the database and what changed places with it."""
    return replace(ATTACHMENTS, parts=(*ATTACHMENTS.parts, *script(engine).parts))
