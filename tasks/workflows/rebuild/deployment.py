"""The new container of a rebuild is made and set up beside the old one, with the same release."""

from __future__ import annotations

from msgspec.structs import replace

from tasks import builds, execution
from tasks.containers.registry_entry import found_number
from tasks.desired.places import container_at
from tasks.desired.release import ReleaseTarget
from tasks.engine.instance_run import InstanceRun
from tasks.engine.run import run_steps
from tasks.engine.session import Session
from tasks.errors import UsageError
from tasks.execution.guest_changes import LANDED
from tasks.model import rebuild as records
from tasks.model.instance import Instance
from tasks.model.operations import Operation
from tasks.model.plan import STEPS
from tasks.planning import inspection
from tasks.planning.inputs import gather
from tasks.planning.inspection import Inspection
from tasks.progress import Progress
from tasks.resources.system import DaemonReload, Script
from tasks.workflows.rebuild.data import carry_made, configured_inside
from tasks.workflows.rebuild.site import RebuildSite


def deploy_beside(site: RebuildSite, operation: Operation, progress: Progress) -> RebuildSite:
    """Make the new container and let the same release serve in it, from an empty database; with one
    outside, have all ready but what would use it. Returns the site with what is known of it then.
    """
    site = replace(site, beside=_with_release(site.beside, site.running.version))
    target = same_release(site.beside, site.running.version, site.running.commit)
    new = site.new
    new.prepare_machine(progress)
    new.preflight(new.observe())
    new.create(progress)
    site = _known(site)
    site.new.start(progress)
    operation.info(f"Made {site.new.spec.name}, a new container beside the one that serves")
    carry_made(site, configured_inside(site))
    _apply(site, target, progress)
    operation.info(f"{target.version} is set up in {site.new.spec.name}")
    return site


def same_release(instance: Instance, version: str, commit: str | None) -> ReleaseTarget:
    """What serves, as what is to serve in a container of this instance, whose Debian may be
    another. Raises UsageError where it cannot be had from what is configured."""
    if instance.release is None and commit is not None:
        return ReleaseTarget(commit, builds.artifact_key(instance, commit), version)
    release = instance.release
    if release is None or (release.url is not None and release.version != version):
        raise UsageError(
            f"{version} serves, which does not come from what is configured now",
            where=f"{instance.id}: {'git' if release is None else 'release'}",
            hint="Do one after the other: update with the container as it is; then rebuild.",
        )
    return ReleaseTarget(None, builds.artifact_key(_with_release(instance, version), None), version)


def _with_release(instance: Instance, version: str) -> Instance:
    """With the published version that serves, whatever its channel stands for by now."""
    if instance.release is None or instance.release.url is not None:
        return instance
    return replace(instance, release=replace(instance.release, version=version))


def _known(site: RebuildSite) -> RebuildSite:
    """With what the new container is known by."""
    found = site.new.observe()
    number = found_number(found)
    journal = replace(
        site.journal,
        new_identity=found.identity,
        new=replace(site.journal.new, container_id=number),
    )
    records.write(site.paths, journal)
    new = container_at(site.instance, journal.new, site.own)
    return replace(site, journal=journal, new=new)


def _apply(site: RebuildSite, target: ReleaseTarget, progress: Progress) -> None:
    def inspect(*_: object) -> Inspection:
        inputs = gather(site.beside, site.own)
        facts = inspection.find(inputs, site.new, site.own)
        return inspection.build_plan(inputs, site.new, target, facts, site.own)

    session = Session(site.own, lambda _: progress)
    run = InstanceRun(site.beside, inspection=inspect(), inspect=inspect)
    session.runs[site.beside.id] = run
    try:
        session.begin(run, "deploy")
        if site.outside:
            for step in STEPS[: STEPS.index("switch")]:
                session.perform(site.beside, step)
        else:
            run_steps([site.beside], session)
    finally:
        session.close()
    if run.failure is not None:
        raise run.failure
    if site.outside:
        _prepare_services(site, inspect(), progress)


def _prepare_services(site: RebuildSite, found: Inspection, progress: Progress) -> None:
    """All that what serves is started with lies ready; nothing is started by it."""
    prepared = (*LANDED, Script, DaemonReload)
    switch = [one for one in found.plan.entries if one.step == "switch"]
    entries = [one for one in switch if isinstance(one.resource, prepared)]
    run = InstanceRun(site.beside, inspection=found)
    execution.apply("switch", entries, Session(site.own, lambda _: progress).prepare(run, "deploy"))
