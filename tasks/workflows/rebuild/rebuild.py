"""A new container takes the old one's place: another Debian, a smaller disk, whatever only a new
one can have.

    with operation(paths, instance.id, "rebuild") as op:
        rebuild(find_site(instance, None, paths), op)

The new one is made, set up and filled beside the old one, which serves. Then writes stop, what came
since is copied, the old one rests, and the new one takes its name and address, proves itself and is
let in. Whatever fails until then, the old one serves. A journal (tasks/model/rebuild.py) says how
far it is; what broke off is put in order by recovery.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from msgspec import Struct

from tasks.containers.base import Container
from tasks.engine.instance_run import serve_on
from tasks.errors import DeployError, UnhealthyError
from tasks.guest.runner import GuestScript
from tasks.host.background import in_background
from tasks.model import rebuild as records
from tasks.model.operations import Operation
from tasks.progress import SILENT, Progress
from tasks.status.guest_facts import look_inside
from tasks.workflows.rebuild import data, guard, recovery
from tasks.workflows.rebuild.data import Copied
from tasks.workflows.rebuild.deployment import deploy_beside
from tasks.workflows.rebuild.site import RebuildSite
from tasks.workflows.rebuild.switch import Switch
from tasks.workflows.service_scripts import Services, start

CLOSE = GuestScript("close-site", ("close-site",))


class Rebuilt(Struct, frozen=True):
    """What became of it. write_stop: seconds that nobody could write. kept: the old container's
    name from now on."""

    write_stop: float
    attachments: int
    rows: int
    kept: str


def rebuild(site: RebuildSite, operation: Operation, progress: Progress = SILENT) -> Rebuilt:
    """Under an operation that has been entered, and with nothing left of one before.

    Raises RolledBackError where the old container serves again; before writes stop, the failure
    itself, and it never ceased to.
    """
    with _removed_on_failure(site, operation):
        site = deploy_beside(site, operation, progress)
        _fill_beside(site, operation, progress)
        _close(site)
    switch = Switch(site, site.journal, operation, progress)
    with guard.posted(site.instance, site.paths):
        with switch.way_back():
            switch.freeze()
            arrived = in_background(lambda: data.copy_attachments(site))
            database = _bring_database(site, progress)
            files = arrived()
            real = switch.move()
            if site.outside:
                recovery.start_on_the_database(site.instance, real, site.paths, operation)
            _prove(site, database, real, progress)
            switch.commit()
        recovery.open_new(site.instance, switch.journal, site.paths)
        stopped = time.monotonic() - switch.begun
        operation.info(f"The new container serves; writes go on after {stopped:.1f} s")
        recovery.finish(site.instance, switch.journal, site.paths, operation, progress, stopped)
    return Rebuilt(stopped, files.attachments, database.rows, switch.journal.kept.name)


@contextmanager
def _removed_on_failure(site: RebuildSite, operation: Operation) -> Iterator[None]:
    """Nothing is left of the new container where this fails; the old one has not noticed."""
    records.write(site.paths, site.journal)
    try:
        yield
    except BaseException:
        serve_on(operation)
        try:
            journal = records.read(site.paths, site.where)
            if journal is not None:
                recovery.undo(site.instance, journal, site.paths)
        except DeployError as left:
            operation.warn(f"The new container could not be removed: {left}")
        raise


def _fill_beside(site: RebuildSite, operation: Operation, progress: Progress) -> None:
    """All that is there now, while the old container serves: what is copied while writes stop is
    little then, and known to be loadable."""
    progress.step("Copying attachments")
    copied = data.copy_attachments(site)
    data.prove_attachments(site)
    operation.info(f"Copied {copied.added} attachments")
    if not site.outside:
        brought = data.bring_database(site, progress)
        data.discard_database(site)
        operation.info(f"The database of {brought.rows} rows can be loaded there")


def _bring_database(site: RebuildSite, progress: Progress) -> Copied:
    """What was frozen is the new container's database; nothing is brought of one outside."""
    if site.outside:
        return data.counted(site)
    brought = data.bring_database(site, progress)
    data.activate_database(site)
    return brought


def _close(site: RebuildSite) -> None:
    """Nothing in the new container has the database open, and only the tool gets anything from it,
    until the end."""
    data.carry_made(site, data.configured_inside(site))
    CLOSE.run(site.new)


def _prove(site: RebuildSite, frozen: Copied, real: Container, progress: Progress) -> None:
    """The application answers in the new container, with every row that was frozen."""
    progress.step("checking the new container")

    def failure(_: int, lines: list[str]) -> DeployError:
        return UnhealthyError(
            "the application does not come up in the new container",
            where=site.where,
            evidence=lines,
            hint="Mend the cause, then rebuild again.",
        )

    data.prove_database(site, frozen, real)
    start(Services(site.instance, real, look_inside(site.instance, real)), failure)
