"""What keeps a plan from being done, found before anything of it is.

The session asks under the instance's lock, whichever way it came there; whoever shows a plan says
the same, so that a plan that would be refused says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from tasks.containers.registry_entry import entry as entry_of
from tasks.errors import BuildError, DeployError, UsageError
from tasks.guest.runner import GuestScript
from tasks.model import registry
from tasks.model.instance import COLORS
from tasks.model.layout import FILES, attachments, environment
from tasks.model.plan import InstancePlan, PlanEntry
from tasks.paths import Paths
from tasks.planning.inspection import Inspection
from tasks.planning.settings_versions import known_from, older
from tasks.progress import SILENT, Progress
from tasks.resources.container import DesiredContainer
from tasks.resources.data_move import ALL_NEXT, LOGIN
from tasks.resources.files import File
from tasks.resources.release import active_color
from tasks.resources.system import Script

LEFT = GuestScript(
    "left",
    ("attachments-folder", "bucket"),
    call='bucket_is_used || [ "$(attachments_folder)" = "$1" ] || '
    'echo "$(find "$(attachments_folder)" -type f 2>/dev/null | wc -l) $(attachments_folder)"',
    guard=False,
)
"""How many attachments are in which folder, where that is another one than the argument, `-` for a
bucket. What is in a bucket is nothing that a plan looks at."""

WITHOUT_SECRET_FILES = re.compile(r"v?0\.\d+\.\d+")
"""Versions of Vikunja that read no `_FILE` variables. What is some commits further may do so."""


def refuse(inspection: Inspection, paths: Paths, progress: Progress = SILENT) -> None:
    """Raise what must keep the plan of this look from beginning; nothing has been changed then.

    ResourceError where the container, its name, address or network cannot be had; UsageError or
    DatabaseError for its migrations, where the data would move to another database in parts, where
    what serves would stop with nothing in its place, or where a first deployment could never be
    backed up;
    UsageError where attachments would stay behind;
    BuildError where its commit cannot be built here; UsageError where it would not read its
    settings. A plan without entries costs nothing.
    """
    if not inspection.plan.entries:
        return
    try:
        _refuse_place(inspection, paths)
        _refuse_server(inspection)
        _refuse_parts(inspection)
        _refuse_missing_tools(inspection, paths, progress)
        _refuse_unread_settings(inspection, paths)
        _refuse_left_attachments(inspection)
    except DeployError as failure:
        failure.where = failure.where or inspection.instance.id
        raise


def all_refused(looks: Iterable[Inspection], paths: Paths) -> dict[str, DeployError]:
    """What an apply of these looks would end with before it changed anything, by instance."""
    found = {}
    for inspection in looks:
        try:
            refuse(inspection, paths)
        except DeployError as failure:
            found[inspection.plan.instance] = failure
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


def refuse_replacing(plan: InstancePlan) -> None:
    """Raise UsageError where a new container is to take the place of the one that is there: that is
    no step, but all of them, with the data in between."""
    if plan.replaces:
        raise UsageError(
            f"a new container takes the place of {plan.instance}'s, which no step does alone",
            where=plan.instance,
            hint=f"./doit apply {plan.instance} does it, or ./doit rebuild {plan.instance}.",
        )


def _refuse_server(inspection: Inspection) -> None:
    """Where something about a server outside changes, or what it is reached with, that has to
    work."""
    if any(map(_about_server, inspection.plan.entries)):
        from tasks.databases.greeting import refuse_unknown
        from tasks.databases.trust import refuse_untrusted

        refuse_untrusted(inspection.instance)
        refuse_unknown(inspection.instance, inspection.sources.host_files)
        _try_server(inspection)


def _try_server(inspection: Inspection) -> None:
    """As the container reaches it, where that runs and stays where it is."""
    found = inspection.facts.container
    changing = any(isinstance(one.resource, DesiredContainer) for one in inspection.plan.entries)
    if found is not None and found.running and not changing:
        from tasks.databases.trial import refuse_failing

        refuse_failing(inspection.instance, inspection.sources.host_files, inspection.container)


def _about_server(entry: PlanEntry) -> bool:
    resource = entry.resource
    if isinstance(resource, Script) and resource.outside:
        return True
    login = isinstance(resource, File) and resource.path in (*LOGIN, *ALL_NEXT)
    return login or any(reason.text.startswith("database.") for reason in entry.reasons)


def _refuse_place(inspection: Inspection, paths: Paths) -> None:
    entries = inspection.plan.entries
    containers = [entry for entry in entries if isinstance(entry.resource, DesiredContainer)]
    if containers or any(entry.address == "record:registry" for entry in entries):
        desired = entry_of(
            inspection.instance, inspection.sources.applied, inspection.facts.container
        )
        registry.refuse_conflicts(desired, registry.read(paths))
    if containers and inspection.facts.container is not None:
        inspection.container.preflight(inspection.facts.container)
    if containers and registry.find(paths, inspection.instance.id) is None:
        from tasks.databases.greeting import refuse_newer_server

        refuse_newer_server(inspection.instance, inspection.sources.host_files)


def _refuse_parts(inspection: Inspection) -> None:
    if inspection.plan.database_move is not None:
        from tasks.planning import database_move

        database_move.refuse(inspection.plan)
    if inspection.plan.update is not None:
        from tasks.planning import migrations

        migrations.refuse(inspection.plan)
    _refuse_rest_alone(inspection)


def _refuse_rest_alone(inspection: Inspection) -> None:
    """Of a switch that was cut: what served before rests once it does not serve any more."""
    serving = active_color(inspection.facts)
    left = {entry.address for entry in inspection.plan.entries}
    rest = [
        one.address
        for one in inspection.desired.steps.get("switch", ())
        if "color:active" in one.follows
    ]
    if inspection.color != serving and "color:active" not in left and left.intersection(rest):
        raise UsageError(
            f"{serving} serves, and stops only once {inspection.color} does",
            hint="Leave out --target, or name color:active, too.",
        )


def _refuse_missing_tools(inspection: Inspection, paths: Paths, progress: Progress) -> None:
    building = any(entry.step == "build" for entry in inspection.plan.entries)
    if inspection.instance.git is None or not building:
        return
    from tasks import builds
    from tasks.builds.git import fetch

    assert inspection.target.commit is not None
    progress.step("looking at what the build needs")
    fetch(inspection.instance.git, inspection.target.commit, paths, progress)
    problems = builds.check_toolchain(inspection.instance, inspection.target.commit, paths)
    if problems:
        raise BuildError(
            problems[0],
            where=inspection.instance.id,
            evidence=problems[1:],
            hint="See docs/building.md, section Toolchains; nothing was changed.",
        )


def _refuse_unread_settings(inspection: Inspection, paths: Paths) -> None:
    settings = inspection.instance.vikunja
    by_version = known_from(settings, inspection.instance.database)
    if settings.secrets != "files" and not by_version:
        return
    version = _version(inspection, paths)
    for key, oldest in by_version.items():
        if older(version, oldest):
            raise UsageError(
                f"Vikunja {version} does not know it",
                where=f"{inspection.instance.id}: {key}",
                hint=f"Remove it, or choose Vikunja {oldest} or later.",
            )
    if settings.secrets == "files" and WITHOUT_SECRET_FILES.fullmatch(version):
        raise UsageError(
            f"{version} reads no secrets from files: every start would log everybody out",
            where=f"{inspection.instance.id}: vikunja.secrets",
            hint="Set vikunja.secrets: auto, or choose Vikunja 1.0 or later.",
        )


def _refuse_left_attachments(inspection: Inspection) -> None:
    """What is in another folder than the one that is configured would look gone."""
    plan, applied = inspection.plan, inspection.sources.applied
    found = inspection.facts.container
    moved = any(applied.configuration.get(key) != plan.configuration[key] for key in FILES)
    settings = [f"file:{environment(color)}" for color in COLORS]
    switched = any(entry.address in settings for entry in plan.entries)
    if not (moved and switched and found is not None and found.running):
        return
    files = inspection.instance.vikunja.files
    new = "-" if files.in_bucket else attachments(inspection.instance)
    count, _, old = LEFT.run(inspection.container, new).stdout.decode().strip().partition(" ")
    if not old or count == "0":
        return
    name = inspection.instance.id
    to = files.s3.place if files.in_bucket else new
    how = (
        f"copy what is in it into the bucket, as its number under {files.s3.prefix}/ each (rclone "
        "does), and give the folder another name"
        if files.in_bucket
        else f"mkdir -p {files.path} && mv {old} {new}"
    )
    raise UsageError(
        f"{count} attachments are in {old} of the container, and would not be found in {to}",
        where=f"{name}: vikunja.files",
        hint=f"Move them while nobody adds any: ./doit stop {name}; in the container, {how}; then "
        f"./doit apply {name}. Nothing was changed.",
    )


def _version(inspection: Inspection, paths: Paths) -> str:
    """Of what is to serve, as far as it is known before it is built."""
    target, update = inspection.target, inspection.plan.update
    known = target.version or (update.after.version if update else "")
    if known or inspection.instance.git is None or target.commit is None:
        return known
    from tasks.builds import git

    return git.describe(git.fetch(inspection.instance.git, target.commit, paths), target.commit)
