"""Start and stop a container: by itself, or through the HA manager where that has it.

The HA manager starts again what anybody else stops. So it is asked for another state, and the
container is looked at until it has it: what a container's own calls ask for is only passed on to
the manager, and their tasks are over when that was told.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from msgspec import Struct

from tasks.containers.proxmox.api import Method, Session, Value
from tasks.containers.proxmox.guests import Found
from tasks.containers.proxmox.tasks import FIRST_PAUSE, LONGEST_PAUSE, Finished, wait
from tasks.errors import DeployError, LockedError
from tasks.progress import Progress

START_LIMIT = 180
STOP_LIMIT = 60
"""Seconds. After STOP_LIMIT a container that does not shut down is stopped by force."""


def managed(found: Found) -> bool:
    """Whether the HA manager starts and stops it."""
    return found.ha is not None and found.ha.state != "ignored"


def _starts(found: Found) -> bool:
    """Whether the HA manager is to start it."""
    return managed(found) and found.ha is not None and found.ha.state == "started"


class Power(Struct, frozen=True):
    """Of one container. where: its name in errors. find: what is there now, None for nothing."""

    session: Session
    where: str
    find: Callable[[], Found | None]

    def do(
        self,
        what: str,
        call: tuple[Method, str, Mapping[str, Value | None]],
        timeout: float,
        progress: Progress,
    ) -> Finished:
        """A call that makes a task, and the wait for it."""
        answer = self.session.call(*call)
        return wait(
            self.session, answer, what, timeout=timeout, progress=progress, where=self.where
        )

    def start(self, found: Found, progress: Progress) -> None:
        """Start a container that does not run."""
        guest = found.guest
        if managed(found):
            self._ask(found, "started", progress)
            self._await(found, progress, running=True)
            return
        self.do(
            f"start container {guest.vmid}",
            ("POST", f"{guest.path}/status/start", {}),
            START_LIMIT,
            progress,
        )

    def stop(self, found: Found, progress: Progress, *, at_once: bool = False) -> None:
        """Stop a container that runs. Where that fails it is brought back to what it was.

        at_once: by force; else it is shut down, and by force after STOP_LIMIT.
        """
        try:
            self._stop(found, progress, at_once)
        except BaseException as error:
            self._bring_back(found, error, progress)
            raise

    def _stop(self, found: Found, progress: Progress, at_once: bool) -> None:
        guest = found.guest
        if managed(found):
            self._ask(found, "stopped", progress)
            self._await(found, progress, running=False)
            return
        what, how = "shut down", "shutdown"
        parameters: dict[str, Value] = {"timeout": STOP_LIMIT, "forceStop": 1}
        if at_once:
            what, how, parameters = "stop", "stop", {}
        self.do(
            f"{what} container {guest.vmid}",
            ("POST", f"{guest.path}/status/{how}", parameters),
            STOP_LIMIT + START_LIMIT,
            progress,
        )

    @contextmanager
    def stopped(
        self, found: Found, progress: Progress, *, at_once: bool = False, goes: bool = False
    ) -> Iterator[None]:
        """Within it the container does not run. At its end, come what may, what is still there is
        brought back to the state that it was found in. goes: it is gone where all went well."""
        if found.running or _starts(found):
            self.stop(found, progress, at_once=at_once)
        try:
            yield
        except BaseException as error:
            self._bring_back(found, error, progress)
            raise
        if not goes:
            self._resume(found, progress)

    def _bring_back(self, was: Found, error: BaseException, progress: Progress) -> None:
        try:
            self._resume(was, progress)
        except DeployError as second:
            note(error, f"container {was.guest.vmid} is left stopped ({second.what})")

    def _resume(self, was: Found, progress: Progress) -> None:
        """Let a container run that ran, in the state that the HA manager kept it in."""
        now = self._same(was)
        if now is None:
            return
        if was.running and not now.running:
            if now.lock:
                # Starting it would fail, and put the HA manager's resource in error.
                raise LockedError(f"Proxmox VE works on it: {now.lock}", where=self.where)
            self.start(now, progress)
        elif _starts(was):
            self._ask(was, "started", progress)

    def _same(self, was: Found) -> Found | None:
        """The container as it is now; None where it is gone, whatever clones of it there are."""
        now = self.find()
        return now if now is not None and now.guest.vmid == was.guest.vmid else None

    def _ask(self, found: Found, state: str, progress: Progress) -> None:
        progress.step(f"the HA manager is asked for: container {found.guest.vmid} {state}")
        sid = f"ct:{found.guest.vmid}"
        self.session.call("PUT", f"/cluster/ha/resources/{sid}", {"state": state})

    def _await(self, found: Found, progress: Progress, *, running: bool) -> None:
        number, limit = found.guest.vmid, STOP_LIMIT + START_LIMIT
        state = "started" if running else "stopped"
        deadline = time.monotonic() + limit
        pause = FIRST_PAUSE
        while True:
            now = self._same(found)
            if now is None or now.running == running:
                return
            if time.monotonic() >= deadline:
                raise DeployError(
                    f"the HA manager has not {state} container {number} in {limit} s",
                    where=self.where,
                    hint="`ha-manager status` on a node shows what it does; where that says error: "
                    f"`ha-manager set ct:{number} --state disabled` there, then apply again",
                )
            progress.step(f"container {number}: the HA manager has not {state} it yet")
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)


def note(error: BaseException, what: str) -> None:
    """Add to an error what it leaves behind; an apply is what mends it."""
    if isinstance(error, DeployError):
        error.what += f"; {what}"
        error.hint = f"{error.hint}; then `./doit apply` starts it".removeprefix("; then ")
        error.args = (f"{error.where}: {error.what}" if error.where else error.what,)
