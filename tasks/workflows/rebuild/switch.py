"""The part of a rebuild in which nobody writes: the old container rests, the new one takes its
place.

While it is only frozen, it goes on by itself (tasks/databases/write_freeze.py); from the moment it
is to rest, the journal says what brings it back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from msgspec.structs import replace

from tasks.backup.cutover import cutover_script
from tasks.containers import spec_for
from tasks.containers.base import Container
from tasks.containers.drivers import driver_of
from tasks.databases.watchdog import post_watchdog
from tasks.databases.write_freeze import WriteFreeze, journal_of
from tasks.desired.places import container_at, numbered
from tasks.errors import CancelledError, DeployError, RollbackFailedError, RolledBackError
from tasks.host.background import in_background
from tasks.model import rebuild as records
from tasks.model.instance import Instance
from tasks.model.operations import Operation
from tasks.model.rebuild import Phase, Rebuild
from tasks.paths import Paths
from tasks.progress import Progress
from tasks.workflows.rebuild import recovery
from tasks.workflows.rebuild.data import databases_of
from tasks.workflows.rebuild.site import RebuildSite

NAME, GOES_ON = "the old container", "serves again, nothing of it is lost"


def _in_place(instance: Instance, journal: Rebuild, paths: Paths) -> Container:
    """The new container in the old one's place. Whoever knows that one by its hardware address, a
    DHCP server or a switch, takes it for the same."""
    instance = numbered(instance, journal.new.container_id)
    spec = spec_for(instance)
    spec = replace(spec, mac_address=spec.mac_address or journal.hardware_address)
    return driver_of(instance).container(spec, instance, paths)


@dataclass
class Switch:
    """How far it is. frozen: the write freeze that is under way in the old container."""

    site: RebuildSite
    journal: Rebuild
    operation: Operation
    progress: Progress
    frozen: WriteFreeze | None = None
    begun: float = 0.0

    def freeze(self) -> None:
        """Nobody writes to the old container any more."""
        site, running = self.site, self.site.running
        self._enter("frozen")
        self.progress.step("stopping writes")
        inside = journal_of(running.instance, running.color, running.color, running.version)
        database = databases_of(site)[0]
        watchdog = post_watchdog(site.old, database, cutover_script(database.engine))
        self.frozen = WriteFreeze(site.old, inside, watchdog)
        self.begun = self.frozen.begun
        self.frozen.begin(running.instance.update.upload_wait_seconds)
        self.begun = self.frozen.begun

    def move(self) -> Container:
        """The old container rests, out of every network, and the new one is in its place and runs;
        only the tool gets anything from it."""
        site, journal = self.site, self.journal
        assert self.frozen is not None and journal.new_identity is not None
        self._enter("moving")
        # From here on who starts the old container does what the watchdog would.
        self.frozen.watchdog.disarm()
        self.frozen = None
        recovery.end_proxy(site.old)
        resting = in_background(lambda: site.new.stop(self.progress))
        site.old.retire(self.progress)
        resting()
        kept = container_at(site.instance, journal.kept, site.paths)
        site.old.become(kept, journal.old_identity, self.progress)
        real = _in_place(site.instance, journal, site.paths)
        site.new.become(real, journal.new_identity, self.progress)
        real.start(self.progress)
        return real

    def commit(self) -> None:
        """The new container serves for good, whatever comes."""
        self._enter("committed")

    def _enter(self, phase: Phase) -> None:
        self.journal = records.enter(self.site.paths, self.journal, phase)

    @contextmanager
    def way_back(self) -> Iterator[None]:
        """The old container serves where anything in it fails before the commitment, or it is
        cancelled: RolledBackError then, RollbackFailedError where it does not."""
        try:
            yield
        except (DeployError, KeyboardInterrupt) as failure:
            if self.journal.phase == "committed":
                raise
            cause = failure
            if not isinstance(cause, DeployError):
                cause = CancelledError("cancelled", where=self.site.where)
            self.progress.step("letting the old container serve again")
            outcome = self._put_back(cause)
            raise outcome from failure

    def _put_back(self, cause: DeployError) -> DeployError:
        where = self.site.where
        try:
            outcome: DeployError = RolledBackError(
                f"{cause.what}; {NAME} {GOES_ON}",
                where=where,
                evidence=cause.evidence,
                hint=cause.hint,
            )
            frozen, self.frozen = self.frozen, None
            if frozen is not None:
                outcome = frozen.put_back(cause, NAME, GOES_ON)
            if not isinstance(outcome, RollbackFailedError):
                recovery.undo(self.site.instance, self.journal, self.site.paths, self.progress)
            return outcome
        except DeployError as second:
            return RollbackFailedError(
                f"{cause.what}; and {NAME} does not serve: {second.what}",
                where=where,
                evidence=[*cause.evidence, *second.evidence],
                hint=f"Mend the cause, then: ./doit rebuild --recover {where}",
            )
