"""`import --data`: what an installation holds is brought into the instance that stands for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tasks.commands.base import caller_folder, load, only
from tasks.commands.restore import serving_on
from tasks.errors import CancelledError, UsageError
from tasks.output import console

if TYPE_CHECKING:
    from tasks.imports.data import SourceData
    from tasks.imports.found import Found
    from tasks.model.instance import Instance
    from tasks.workflows.data_import import Imported
    from tasks.workflows.dump_import import DumpSource
    from tasks.workflows.restore import RestoreTarget


def bring(options: Mapping[str, Any], arguments: list[str]) -> int:
    """Look, say what is replaced by what, ask, and bring it. Raises DeployError."""
    from tasks.containers import container_for
    from tasks.imports.data import data_of
    from tasks.imports.look import look
    from tasks.imports.sources import place_of, split
    from tasks.imports.stopping import require_possible, require_stopped
    from tasks.model import state as states
    from tasks.model.operations import operation
    from tasks.output.show_progress import show_progress
    from tasks.paths import host_paths
    from tasks.workflows.data_import import ImportRequest, import_data, refuse_other_engine
    from tasks.workflows.dump_import import DumpSource
    from tasks.workflows.restore import find_target

    instance = only(load(options, arguments), arguments, "import")
    paths = host_paths()
    kind, rest = split(options["from"])
    if kind == "dump":
        return bring_dump(instance, DumpSource(options["from"], caller_folder() / rest), options)
    place = place_of(options["from"], caller_folder(), paths)
    found = look(place.source, place.base, options["unit"])
    data = data_of(found, place.source)
    target = find_target(instance, container_for(instance, paths), paths)
    refuse_other_engine(data, target)
    require_possible(data, stop=options["stop_source"])
    if not options["stop_source"] and not console.interactive():
        require_stopped(data)
    for line in comparison(found, data.said, target):
        console.note(line)
    if not options["yes"]:
        confirm(instance)
    before = states.read(paths, instance.id)
    request = ImportRequest(ask=asked_to_stop, stop=options["stop_source"])
    with (
        show_progress([instance.id], lines=options["progress"]) as progress,
        operation(
            paths, instance.id, "import", wait_seconds=options["wait"], warn=console.warning
        ) as under_way,
        serving_on(under_way, before.status if before else None),
    ):
        imported = import_data(target, data, request, paths, under_way, progress(instance.id))
    report(instance, data, imported, stopped=options["stop_source"])
    return 0


def bring_dump(instance: Instance, source: DumpSource, options: Mapping[str, Any]) -> int:
    """What the application's own dump holds."""
    from tasks.backup.listing import size_text
    from tasks.containers import container_for
    from tasks.imports.dump import look_at_dump
    from tasks.model import state as states
    from tasks.model.operations import operation
    from tasks.output.show_progress import show_progress
    from tasks.paths import host_paths
    from tasks.workflows.dump_import import import_dump
    from tasks.workflows.restore import find_target

    paths = host_paths()
    found = look_at_dump(source.said, source.path)
    target = find_target(instance, container_for(instance, paths), paths)
    if options["stop_source"]:
        raise UsageError(f"--stop-source: {source.said} has no unit that could be stopped")
    for line in comparison(found, source.said, target):
        console.note(line)
    if not options["yes"]:
        confirm(instance)
    before = states.read(paths, instance.id)
    with (
        show_progress([instance.id], lines=options["progress"]) as progress,
        operation(
            paths, instance.id, "import", wait_seconds=options["wait"], warn=console.warning
        ) as under_way,
        serving_on(under_way, before.status if before else None),
    ):
        imported = import_dump(target, source, paths, under_way, progress(instance.id))
    console.result(
        f"{instance.id}: all that {source.said} holds is in: tables: {imported.tables}, rows: "
        f"{imported.rows}, attachments: {imported.files} ({size_text(imported.files_bytes)}): "
        f"{instance.public_url}"
    )
    console.note(
        f"To go back: ./doit restore {instance.id} --from {imported.safety.path}, which is what it "
        "held before."
    )
    return 0


def comparison(found: Found, said: str, target: RestoreTarget) -> list[str]:
    """What comes, and what it replaces."""
    from tasks.backup.listing import size_text
    from tasks.databases import database_for
    from tasks.imports.report import found_lines

    database = database_for(target.instance, target.container, target.running.color)
    rows = f"{sum(database.counts().values())} rows" if database.occupied() else "no database"
    now = (
        f"{target.running.version}, {rows}, attachments of {size_text(target.running.files_bytes)}"
    )
    return [
        *found_lines(found),
        f"{target.instance.id} now: {now}",
        f"All that {target.instance.id} holds now is replaced; a backup of it is taken first. What "
        f"is at {said} stays as it is.",
    ]


def confirm(instance: Instance) -> None:
    if not console.interactive():
        raise UsageError(
            "import --data needs --yes where nobody can be asked",
            hint=f"Run: ./doit import --yes {instance.id} --data --from …",
        )
    if console.ask("Bring it in? [y/N] ").lower() not in ("y", "yes"):
        raise CancelledError("cancelled; nothing was changed", where=instance.id)


def asked_to_stop(service: str) -> None:
    """Have whoever is there stop it. Raises CancelledError where he does not."""
    if not console.interactive():
        return
    console.note(f"Everything else is done. Stop {service} now, so that nothing more is written.")
    if console.ask("Is it stopped? [y/N] ").lower() not in ("y", "yes"):
        raise CancelledError("cancelled; nothing was changed")


def report(instance: Instance, data: SourceData, imported: Imported, *, stopped: bool) -> None:
    from tasks.backup.listing import size_text

    console.result(
        f"{instance.id}: all that {data.said} holds is in, every row and file compared: tables: "
        f"{imported.tables}, rows: {imported.rows}, attachments: {imported.files} "
        f"({size_text(imported.files_bytes)}): {instance.public_url}"
    )
    console.note(
        f"Writes were stopped for {imported.seconds:.1f} s. What {instance.id} held before: "
        f"{imported.safety.path}"
    )
    start = f"systemctl start {data.unit}" if data.unit else f"start {data.service}"
    if stopped:
        console.note(
            f"{data.unit} at {data.said} is stopped, and would start with its machine: "
            f"systemctl disable {data.unit} there keeps it off."
        )
    console.note(
        f"To go back: {start} at {data.said}, which holds all that it held; what was written to "
        f"{instance.id} since stays there."
    )
