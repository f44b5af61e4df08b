"""What was restored aside becomes live, all of it or nothing: the write-stop of a restore.

It is an update's write-stop (tasks/execution/write_freeze.py) with another thing in the middle: the
same journal and script in the container put everything back if this process dies, the container
does, or the application does not come up with what was restored. So the next `apply`, or
`restore`, finds at most a journal, and goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tasks.backup.watchdog import (
    COMMITTED,
    RECOVERY_SECONDS,
    SAVED,
    Watchdog,
    post_watchdog,
    recovery,
)
from tasks.containers.base import Container
from tasks.databases import Database
from tasks.databases.base import script
from tasks.errors import (
    CancelledError,
    DeployError,
    RollbackFailedError,
    RolledBackError,
    UnhealthyError,
)
from tasks.guest.runner import SCRIPT, UNIT_TIMEOUT, guarded, last_lines, script_text, while_stopped
from tasks.host.process import Completed
from tasks.model.instance import Color, Instance
from tasks.progress import Progress

RESTORED = "restored"
"""The place of what was restored, until it is live."""


@dataclass(frozen=True)
class Cutover:
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

    @property
    def units(self) -> list[str]:
        """Of the serving color, in the order of their start."""
        names = ["backend", "mcp"] if self.instance.services.mcp.enabled else ["backend"]
        return [f"vikunja-{name}@{self.color}.service" for name in names]

    def perform(self, secret: str = "") -> None:
        """Swap in what is in the place `restored`, and let the application start on it.

        secret: file in the container with the service secret of the archive, where it is to come.
        Raises RolledBackError where what was there serves again, RollbackFailedError where it does
        not yet, and what the guard raises where nothing was touched.
        """
        guard = self.post_watchdog()
        try:
            self._stop()
            self.progress.step("swapping in what was restored")
            self.swap_in(secret)
            self._start()
            self._step("commit", *self.units)
        except (DeployError, KeyboardInterrupt) as failure:
            raise self._put_back(failure, guard) from failure
        guard.well()
        recover(self.container, self.where)

    def swap_in(self, secret: str = "") -> None:
        """What is in the place `restored` becomes live, what was live is in the place `saved`. With
        services stopped, and the guard on its post."""
        replace(self.database, within=while_stopped).swap(RESTORED, SAVED)
        self._beside("swap-attachments", RESTORED, SAVED, within=while_stopped)
        if secret:
            self._beside("swap-secret", secret, within=while_stopped)

    def bring_attachments(self, folder: str, *, keep: bool = False) -> int:
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

    def _text(self) -> str:
        return f"{script_text('attachments')}\n{script(self.database.engine)}"

    def _beside(
        self,
        action: str,
        *arguments: str,
        within: Callable[[Sequence[str]], Sequence[str]] = list,
    ) -> Completed:
        argv = ["bash", "-c", script_text("attachments"), "exchange", action, *arguments]
        return self.container.run(within(argv), timeout=self.database.timeout)

    def post_watchdog(self) -> Watchdog:
        """Lay what puts everything back in the container, and have somebody there who does."""
        return post_watchdog(self.container, self.database, self._text())

    def _stop(self) -> None:
        instance = self.instance
        timeout, mcp = instance.vikunja.start_timeout_seconds, instance.services.mcp.enabled
        port = instance.backend_port(self.color)
        # The same color serves whatever comes of it: it is the old one and the new one.
        words = (self.color, self.color, port, self.version, timeout, "yes" if mcp else "no")
        wait = instance.update.upload_wait_seconds
        self.progress.step("stopping writes")
        self._step(
            "stop",
            " ".join(str(word) for word in words),
            self.color,
            str(wait),
            *reversed(self.units),
            timeout=wait + UNIT_TIMEOUT,
        )
        # From here on, where there is a place `saved`, it is put back.
        self._step("saved")

    def _start(self) -> None:
        instance, timeout = self.instance, self.instance.vikunja.start_timeout_seconds
        self.progress.step("starting on what was restored")
        start = while_stopped(["systemctl", "start", "--", *self.units])
        self.container.run(start, timeout=UNIT_TIMEOUT)
        checks: list[tuple[str, ...]] = [
            ("health_backend", str(instance.backend_port(self.color)), self.version)
        ]
        if instance.services.mcp.enabled:
            checks.append(("health_mcp", str(instance.mcp_port(self.color))))
        for name, *arguments in checks:
            text = f'{script_text("health")}\n{name} "$@"'
            completed = self.container.run(
                [SCRIPT, "-c", text, "health", *arguments, str(timeout)],
                timeout=timeout + UNIT_TIMEOUT,
                check=False,
            )
            if completed.returncode != 0:
                raise UnhealthyError(
                    "the application does not come up with what was restored",
                    where=self.where,
                    evidence=last_lines(completed.stderr),
                    hint=f"./doit logs {self.where} --component backend shows why.",
                )

    def _step(self, *arguments: str, timeout: float = UNIT_TIMEOUT) -> Completed:
        return self.container.run(
            [SCRIPT, "-c", guarded("migrate"), "migrate", *arguments], timeout=timeout
        )

    def _put_back(self, failure: BaseException, guard: Watchdog) -> DeployError:
        self.progress.step("putting back what was there")
        cause = (
            failure
            if isinstance(failure, DeployError)
            else CancelledError("cancelled", where=self.where)
        )
        try:
            guard.go()
            said = guard.answer.stdout.decode().strip() if guard.answer else ""
            said = recover(self.container, self.where) or said
        except DeployError as second:
            return RollbackFailedError(
                f"{cause.what}; and what was there does not serve: {second.what}",
                where=self.where,
                evidence=[*cause.evidence, *second.evidence],
                hint="What was there is kept, and no request is taken. Mend the cause, then run"
                f" ./doit apply {self.where}: it goes on with putting it back.",
            )
        if said == COMMITTED:
            return cause
        return RolledBackError(
            f"{cause.what}; what was there serves again, nothing of it is lost",
            where=self.where,
            evidence=cause.evidence,
            hint=cause.hint,
        )


def recover(container: Container, where: str) -> str:
    """Put in order what an update or a restore left that broke off; what it says that it did.

    Raises RollbackFailedError where what was there does not serve yet.
    """
    completed = container.run(
        ["bash", "-c", recovery(), "recover"], timeout=RECOVERY_SECONDS, check=False
    )
    if completed.returncode != 0:
        lines = last_lines(completed.stderr)
        raise RollbackFailedError(
            f"what was there is not back: {lines[-1] if lines else 'no word of why'}",
            where=where,
            evidence=lines[:-1],
            hint=f"No request is taken until it is. Mend the cause, then: ./doit apply {where}",
        )
    return completed.stdout.decode().strip()
