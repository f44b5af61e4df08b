"""What keeps a plan from being done, found before anything of it is.

The session asks under the instance's lock, whichever way it came there; whoever shows a plan says
the same, so that a plan that would be refused says so.
"""

from __future__ import annotations

from collections.abc import Iterable

from tasks import record
from tasks.containers.base import SILENT, Progress
from tasks.errors import BuildError, DeployError, UsageError
from tasks.look import Look
from tasks.model import registry
from tasks.model.plan import InstancePlan
from tasks.paths import Paths
from tasks.resources.place import ContainerWish


def refuse(look: Look, paths: Paths, progress: Progress = SILENT) -> None:
    """Raise what must keep the plan of this look from beginning; nothing has been changed then.

    ResourceError where the container, its name, address or network cannot be had; UsageError or
    DatabaseError for its migrations, where the data would move to another database in parts, or
    where a first deployment could never be backed up;
    BuildError where its commit cannot be built here. A plan without entries costs nothing.
    """
    if not look.plan.entries:
        return
    try:
        _refuse_place(look, paths)
        _refuse_parts(look)
        _refuse_missing_tools(look, paths, progress)
    except DeployError as failure:
        failure.where = failure.where or look.instance.id
        raise


def all_refused(looks: Iterable[Look], paths: Paths) -> dict[str, DeployError]:
    """What an apply of these looks would end with before it changed anything, by instance."""
    found = {}
    for look in looks:
        try:
            refuse(look, paths)
        except DeployError as failure:
            found[look.plan.instance] = failure
    return found


def refuse_loss(plans: Iterable[InstancePlan]) -> None:
    """Raise UsageError where data would be lost by one of these, or is already, and something empty
    would come in its place."""
    found = [(plan, entry) for plan in plans for entry in plan.entries if entry.destructive]
    lost = [(plan, entry) for plan, entry in found if entry.lost]
    if lost:
        saved = dict.fromkeys(p.instance for p, _ in lost if p.lost and p.lost.newest_backup)
        back = ", ".join(f"./doit restore {name} --from latest" for name in saved)
        first = f"Bring back the newest backup: {back}" if back else "There is no backup of it"
        raise UsageError(
            f"data is gone: {', '.join(entry.full_address for _, entry in lost)}",
            hint=f"{first}. To go on with nothing in its place, which gives it up: ./doit apply "
            "--allow-destroy",
        )
    if found:
        raise UsageError(
            f"data would be lost by {', '.join(entry.full_address for _, entry in found)}",
            hint="Take a backup first: ./doit backup. Then, where what is there now may be lost: "
            "./doit apply --allow-destroy",
        )


def _refuse_place(look: Look, paths: Paths) -> None:
    entries = look.plan.entries
    places = [entry for entry in entries if isinstance(entry.resource, ContainerWish)]
    if places or any(entry.address == "record:registry" for entry in entries):
        wished = record.entry(look.instance, look.sources.applied, look.facts.container)
        registry.refuse_conflicts(wished, registry.read(paths))
    if any(entry.action == "replace" for entry in places):
        look.container.require_removable()
    if places and look.facts.container is not None:
        look.container.preflight(look.facts.container)
    if places and registry.find(paths, look.instance.id) is None:
        from tasks.backup.databases.greeting import refuse_newer_server

        refuse_newer_server(look.instance, look.sources.given)


def _refuse_parts(look: Look) -> None:
    if look.plan.carry is not None:
        from tasks import carrying

        carrying.refuse(look.plan)
    if look.plan.update is not None:
        from tasks import migrations

        migrations.refuse(look.plan)


def _refuse_missing_tools(look: Look, paths: Paths, progress: Progress) -> None:
    building = any(entry.step == "build" for entry in look.plan.entries)
    if look.instance.git is None or not building:
        return
    from tasks import build
    from tasks.build.git import fetch

    assert look.target.commit is not None
    progress.step("looking at what the build needs")
    fetch(look.instance.git, look.target.commit, paths, progress)
    problems = build.check_toolchain(look.instance, look.target.commit, paths)
    if problems:
        raise BuildError(
            problems[0],
            where=look.instance.id,
            evidence=problems[1:],
            hint="See docs/building.md, section Toolchains; nothing was changed.",
        )
