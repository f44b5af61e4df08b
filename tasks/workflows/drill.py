"""A drill: an archive brought back in a container made for it alone, proven, and thrown away.

    with operation(paths, instance.id, "drill") as op:
        drill(instance, DrillRequest(archive), paths, op)

What a killed drill left goes before the next begins.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from shutil import rmtree

from msgspec import Struct

from tasks.age import Key
from tasks.backup.staged_proof import prove_staged
from tasks.backup.staging import refuse_other_engine
from tasks.backup.verify import verify
from tasks.containers import container_for
from tasks.desired.release import ReleaseTarget
from tasks.engine.instance_run import InstanceRun
from tasks.engine.run import run_steps
from tasks.engine.session import Session
from tasks.errors import RollbackFailedError, RolledBackError, UnhealthyError
from tasks.host.files import named
from tasks.model import last_drill
from tasks.model.archive import Archive, Contents
from tasks.model.instance import Instance
from tasks.model.last_drill import LastDrill
from tasks.model.operation_log import format_time, utc_now
from tasks.model.operations import Operation
from tasks.paths import Paths
from tasks.planning import inspection
from tasks.planning.inputs import gather
from tasks.planning.inspection import Inspection
from tasks.progress import SILENT, Progress
from tasks.resources.release import ReleaseLine, active_color, released
from tasks.workflows.drill_site import DrillNetwork, DrillSite, drill_site
from tasks.workflows.restore import Restored, RestoreRequest, RestoreTarget, find_target, restore


class DrillRequest(Struct, frozen=True):
    """keys: what opens an encrypted archive. network: where the container is; None for a bridge
    and subnet of its own."""

    archive: Archive
    keys: Sequence[Key] = ()
    network: DrillNetwork | None = None

    def restoring(self, expected: Contents) -> RestoreRequest:
        """expected: what a check of the archive has found. Nothing is there that could be lost."""
        return RestoreRequest(self.archive, expected, self.keys, allow_version=True, safety=False)


def drill(
    instance: Instance,
    request: DrillRequest,
    paths: Paths,
    operation: Operation,
    progress: Progress = SILENT,
) -> LastDrill:
    """Bring the archive back from nothing, prove it, note how long it took, leave nothing.

    Raises what failed; the instance itself is never touched.
    """
    site = drill_site(instance, request.network, paths)
    with _thrown_away(site, progress):
        begun = time.monotonic()
        expected = verify(request.archive, progress, request.keys).contents
        refuse_other_engine(expected, site.original)
        _deploy(site, paths, progress)
        operation.info(f"Made {site.container.spec.name}; restoring {request.archive.name} into it")
        ready = time.monotonic()
        target = find_target(site.instance, site.container, site.paths)
        restored = _restore(site, target, request.restoring(expected), operation, progress)
        ended = time.monotonic()
    went = LastDrill(
        drilled_at=format_time(utc_now()),
        archive=request.archive.name,
        version=target.running.version,
        rows=sum(restored.contents.tables.values()),
        files=restored.contents.files_count,
        restore_seconds=round(ended - ready, 1),
        total_seconds=round(ended - begun, 1),
    )
    last_drill.write(paths, instance.id, went)
    return went


@contextmanager
def _thrown_away(site: DrillSite, progress: Progress) -> Iterator[None]:
    """Nothing of an earlier drill is there before, and nothing of this one after it."""
    progress.step("Removing what an earlier drill left")
    _remove(site)
    try:
        yield
    finally:
        progress.step("Removing the throw-away container")
        _remove(site)


def _remove(site: DrillSite) -> None:
    records = site.paths.records
    if site.container.observe().exists:
        site.container.destroy()
    with named(records, "cannot be removed"):
        if records.exists():
            rmtree(records)
        with suppress(OSError):
            # Of the last drill under way.
            records.parent.rmdir()


def _deploy(site: DrillSite, paths: Paths, progress: Progress) -> None:
    """An apply of the drill's instance: with the release that serves, where one does."""

    def inspect(*_: object) -> Inspection:
        return _inspect(site, paths)

    session = Session(site.paths, lambda _: progress)
    run = InstanceRun(site.instance, inspection=inspect(), inspect=inspect)
    session.runs[site.instance.id] = run
    try:
        session.begin(run, "deploy")
        run_steps([site.instance], session)
    finally:
        session.close()
    if run.failure is not None:
        raise run.failure


def _inspect(site: DrillSite, paths: Paths) -> Inspection:
    serving = _serving_release(site.original, paths)
    if serving is None:
        return inspection.inspect(site.instance, site.paths)
    commit = None if serving.commit in ("", "-") else serving.commit
    target = ReleaseTarget(commit, serving.key, serving.version)
    inputs = gather(site.instance, site.paths)
    container = container_for(site.instance, site.paths)
    facts = inspection.find(inputs, container, site.paths)
    return inspection.build_plan(inputs, container, target, facts, site.paths)


def _serving_release(instance: Instance, paths: Paths) -> ReleaseLine | None:
    container = container_for(instance, paths)
    if not container.observe().running:
        return None
    facts = inspection.find(gather(instance, paths), container, paths)
    return released(facts, active_color(facts))


def _restore(
    site: DrillSite,
    target: RestoreTarget,
    request: RestoreRequest,
    operation: Operation,
    progress: Progress,
) -> Restored:
    """Raises UnhealthyError where the application does not come up with what was restored: what
    serves again then is the drill's own, which is nothing."""
    prove = partial(prove_staged, site.instance, site.container)
    try:
        return restore(target, request, site.paths, operation, progress, prove)
    except (RolledBackError, RollbackFailedError) as failure:
        raise UnhealthyError(
            f"{request.archive.name} is whole, but the application does not come up with it",
            where=site.original.id,
            evidence=[failure.what, *failure.evidence],
            hint="A restore would put back what was there. Drill an older one: --from ARCHIVE",
        ) from failure
