"""`rebuild`: a new container takes the old one's place, with all its data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tasks.commands.base import (
    PROGRESS_OPTION,
    WAIT_OPTION,
    YES_OPTION,
    DeployCommand,
    load,
    only,
    option,
)
from tasks.errors import CancelledError, DeployError, UsageError
from tasks.output import console

if TYPE_CHECKING:
    from tasks.model.instance import Instance
    from tasks.model.plan import Plan
    from tasks.paths import Paths
    from tasks.planning.inspection import Inspection
    from tasks.progress import Progress
    from tasks.workflows.drill_site import DrillNetwork
    from tasks.workflows.rebuild.rebuild import Rebuilt
    from tasks.workflows.rebuild.site import RebuildSite


class Rebuild(DeployCommand):
    name = "rebuild"
    doc_purpose = "a new container with all the data: another Debian, a smaller disk"
    doc_usage = "[ID]"
    needs_root = True
    changes = True
    options = (
        YES_OPTION,
        option("address", str, "", "of the new container meanwhile [one of its own]"),
        option("recover", bool, False, "only put in order what one that broke off has left"),
        WAIT_OPTION,
        PROGRESS_OPTION,
    )

    def perform(self, options: Mapping[str, Any], arguments: list[str]) -> int:
        from tasks.output.show_progress import show_progress
        from tasks.paths import host_paths

        instance = only(load(options, arguments), arguments, self.name)
        paths = host_paths()
        if options["recover"]:
            recover_left(instance, paths, options["wait"])
            return 0
        ask_and_recover(instance, paths, options)
        with show_progress([instance.id], lines=options["progress"]) as progress:
            went = rebuild_one(instance, paths, options, progress(instance.id))
        report(instance, went)
        return 0


def ask_and_recover(instance: Instance, paths: Paths, options: Mapping[str, Any]) -> None:
    """Say what would become of it, and ask. What one before has left is put in order first."""
    recover_left(instance, paths, options["wait"])
    site = look(instance, paths, options["address"])
    for line in described(site):
        console.note(line)
    if not options["yes"]:
        if not console.interactive():
            raise UsageError(
                "rebuild needs --yes where nobody can be asked",
                hint=f"Run: ./doit rebuild {instance.id} --yes",
            )
        if console.ask("Rebuild it? [y/N] ").lower() not in ("y", "yes"):
            raise CancelledError("cancelled; nothing was changed")


def recover_left(instance: Instance, paths: Paths, wait_seconds: float = 0) -> None:
    """Put in order what a rebuild that broke off has left; nothing where there is nothing."""
    from tasks.model import rebuild as records
    from tasks.model.operations import operation
    from tasks.workflows.rebuild.recovery import recover

    if records.read(paths, instance.id) is None:
        return
    with operation(
        paths, instance.id, "rebuild", wait_seconds=wait_seconds, warn=console.warning
    ) as under_way:
        said = recover(instance, paths, under_way, console.Lines())
    if said:
        console.note(f"{instance.id}: {said}")


def look(instance: Instance, paths: Paths, address: str) -> RebuildSite:
    """What it would be done with. Raises what refuses it."""
    from tasks.workflows.rebuild.site import find_site

    return find_site(instance, network_of(instance, address), paths)


def network_of(instance: Instance, address: str) -> DrillNetwork | None:
    """Where the new container is meanwhile: as an option says, or the configuration."""
    from tasks.commands.drill import network_at

    said_by = "--address"
    if not address and instance.rebuild.address:
        address, said_by = instance.rebuild.address, "rebuild.address"
    return network_at(instance, address, said_by)


def described(site: RebuildSite) -> list[str]:
    """What the new container has otherwise, and what becomes of the old one."""
    from tasks.workflows.rebuild.site import differences

    journal, days = site.journal, site.instance.rebuild.keep_days
    changes = differences(site) or ["the same as the old one, made anew"]
    kept = f"kept, stopped, {kept_for(days)}, as {journal.kept.name}"
    return [
        f"{site.where}: a new container with all its data takes the place of {site.old.spec.name}",
        *(f"  {change}" for change in changes),
        f"  made as {journal.new.name}, at {journal.new.ip_address} until it takes over",
        f"  the same release, {site.running.version}; nobody can write for some seconds",
        f"  the old container is {kept}",
    ]


def kept_for(days: int) -> str:
    return f"for {days} days" if days else "until the next apply"


def rebuild_one(
    instance: Instance, paths: Paths, options: Mapping[str, Any], progress: Progress
) -> Rebuilt:
    """One instance's rebuild, under its lock. Raises DeployError."""
    from tasks.model.operations import operation
    from tasks.workflows.rebuild.rebuild import rebuild

    with operation(
        paths, instance.id, "rebuild", wait_seconds=options["wait"], warn=console.warning
    ) as under_way:
        # What was shown may have changed before the lock was taken.
        site = look(instance, paths, options["address"])
        return rebuild(site, under_way, progress)


def refused(looks: Mapping[str, Inspection], plan: Plan, paths: Paths) -> dict[str, DeployError]:
    """What would refuse the rebuilds of a plan, by instance."""
    found = {}
    for one in plan.instances:
        if one.replaces:
            try:
                if plan.targets:
                    raise UsageError(
                        "a new container takes the old one's place as a whole",
                        where=one.instance,
                        hint="Leave out --target.",
                    )
                refuse_configured(looks[one.instance], paths)
            except DeployError as failure:
                failure.where = failure.where or one.instance
                found[one.instance] = failure
    return found


def refuse_configured(inspection: Inspection, paths: Paths) -> None:
    """Raise UsageError where what is configured lets no container be made beside the one there."""
    from tasks.workflows.rebuild import site as sites

    instance, found = inspection.instance, inspection.facts.container
    assert found is not None
    network = network_of(instance, "")
    sites.refuse_configured(instance, network, found, paths)


def carry_out(looks: Mapping[str, Inspection], plan: Plan, paths: Paths) -> dict[str, DeployError]:
    """The rebuilds of a plan that was agreed to, one after the other. Returns failures by
    instance."""
    from tasks.output.show_progress import show_progress

    failures = refused(looks, plan, paths)
    due = [one.instance for one in plan.instances if one.replaces and one.instance not in failures]
    with show_progress(due) as progress:
        for name in due:
            try:
                instance = looks[name].asked or looks[name].instance
                options = {"address": "", "wait": 0}
                report(instance, rebuild_one(instance, paths, options, progress(name)))
            except DeployError as failure:
                failures[name] = failure
    return failures


def report(instance: Instance, went: Rebuilt) -> None:
    console.result(
        f"{instance.id}: the new container serves, rows: {went.rows}, attachments: "
        f"{went.attachments}; nobody could write for {went.write_stop:.1f} s"
    )
    days = kept_for(instance.rebuild.keep_days)
    console.note(f"The old container is kept, stopped, {days}, as {went.kept}")
