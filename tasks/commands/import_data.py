"""`import --data`: what an installation holds is brought into the instance that stands for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tasks.commands.base import caller_folder, load, only
from tasks.commands.restore import serving_on
from tasks.errors import CancelledError, UsageError
from tasks.output import console

if TYPE_CHECKING:
    from tasks.imports.data import SourceData
    from tasks.imports.found import Found
    from tasks.model.instance import Instance
    from tasks.model.operations import Operation
    from tasks.paths import Paths
    from tasks.progress import Progress
    from tasks.workflows.data_import import Imported
    from tasks.workflows.restore import RestoreTarget


def bring(options: Mapping[str, Any], arguments: list[str]) -> int:
    """Look, say what is replaced by what, ask, and bring it. Raises DeployError."""
    from tasks.imports.sources import split
    from tasks.paths import host_paths

    instance = only(load(options, arguments), arguments, "import")
    kind, _ = split(options["from"])
    (bring_dump if kind == "dump" else bring_installation)(instance, options, host_paths())
    return 0


def bring_installation(instance: Instance, options: Mapping[str, Any], paths: Paths) -> None:
    """What one holds that is where it was installed."""
    from tasks.containers import container_for
    from tasks.imports.data import data_of
    from tasks.imports.look import look
    from tasks.imports.sources import place_of
    from tasks.imports.stopping import require_possible, require_stopped
    from tasks.workflows.data_import import (
        ImportRequest,
        import_data,
        refuse_other_bucket,
        refuse_other_engine,
    )
    from tasks.workflows.restore import find_target

    place = place_of(options["from"], caller_folder(), paths)
    found = look(place.source, place.base, options["unit"])
    data = data_of(found, place.source)
    target = find_target(instance, container_for(instance, paths), paths)
    refuse_other_engine(data, target)
    refuse_other_bucket(data, target)
    require_possible(data, stop=options["stop_source"])
    if not options["stop_source"] and not console.interactive():
        require_stopped(data)
    agree(found, data.said, target, options)
    request = ImportRequest(ask=asked_to_stop, stop=options["stop_source"])
    imported = under_way(
        target,
        options,
        paths,
        lambda operation, progress: import_data(target, data, request, paths, operation, progress),
    )
    report(instance, data.said, imported, "every row and file compared")
    console.note(f"Writes were stopped for {imported.seconds:.1f} s.")
    if options["stop_source"]:
        console.note(
            f"{data.unit} at {data.said} is stopped, and would start with its machine: "
            f"systemctl disable {data.unit} there keeps it off."
        )
    console.note(way_back(instance, data))


def bring_dump(instance: Instance, options: Mapping[str, Any], paths: Paths) -> None:
    """What the application's own dump holds."""
    from tasks.containers import container_for
    from tasks.imports.dump import look_at_dump
    from tasks.imports.sources import split
    from tasks.workflows.dump_import import DumpSource, import_dump
    from tasks.workflows.restore import find_target

    said = options["from"]
    source = DumpSource(said, caller_folder() / split(said)[1])
    found = look_at_dump(said, source.path)
    if options["stop_source"]:
        raise UsageError(f"--stop-source: {said} has no unit that could be stopped")
    target = find_target(instance, container_for(instance, paths), paths)
    agree(found, said, target, options)
    imported = under_way(
        target,
        options,
        paths,
        lambda operation, progress: import_dump(target, source, paths, operation, progress),
    )
    report(instance, said, imported, "every row counted, every file compared")
    console.note(
        f"To go back to what {instance.id} held before: ./doit restore {instance.id} --from "
        f"{imported.safety.path}"
    )


def under_way(
    target: RestoreTarget,
    options: Mapping[str, Any],
    paths: Paths,
    work: Callable[[Operation, Progress], Imported],
) -> Imported:
    """Do it under the instance's lock, and show how far it is."""
    from tasks.model import state as states
    from tasks.model.operations import operation
    from tasks.output.show_progress import show_progress

    name = target.instance.id
    before = states.read(paths, name)
    with (
        show_progress([name], lines=options["progress"]) as progress,
        operation(
            paths, name, "import", wait_seconds=options["wait"], warn=console.warning
        ) as entered,
        serving_on(entered, before.status if before else None),
    ):
        return work(entered, progress(name))


def agree(found: Found, said: str, target: RestoreTarget, options: Mapping[str, Any]) -> None:
    """Say what comes and what it replaces, and ask. Raises CancelledError and UsageError."""
    from tasks.backup.listing import size_text
    from tasks.databases import database_for
    from tasks.imports.report import found_lines

    name, running = target.instance.id, target.running
    database = database_for(target.instance, target.container, running.color)
    rows = f"{sum(database.counts().values())} rows" if database.occupied() else "no database"
    for line in found_lines(found):
        console.note(line)
    held = f"{running.version}, {rows}, attachments of {size_text(running.files_bytes)}"
    console.note(f"{name} now: {held}")
    console.note(
        f"All that {name} holds now is replaced; a backup of it is taken first. What is at {said} "
        "stays as it is."
    )
    if options["yes"]:
        return
    if not console.interactive():
        raise UsageError(
            "import --data needs --yes where nobody can be asked",
            hint=f"Run: ./doit import --yes {name} --data --from …",
        )
    if console.ask("Bring it in? [y/N] ").lower() not in ("y", "yes"):
        raise CancelledError("cancelled; nothing was changed", where=name)


def asked_to_stop(service: str) -> None:
    """Have whoever is there stop it. Raises CancelledError where he does not."""
    if not console.interactive():
        return
    console.note(f"Everything else is done. Stop {service} now, so that nothing more is written.")
    if console.ask("Is it stopped? [y/N] ").lower() not in ("y", "yes"):
        raise CancelledError("cancelled; nothing was changed")


def report(instance: Instance, said: str, imported: Imported, proven: str) -> None:
    from tasks.backup.listing import size_text

    console.result(
        f"{instance.id}: all that {said} holds is in, {proven}: tables: "
        f"{imported.tables}, rows: {imported.rows}, attachments: {imported.files} "
        f"({size_text(imported.files_bytes)}): {instance.public_url}"
    )
    console.note(f"What {instance.id} held before: {imported.safety.path}")


def way_back(instance: Instance, data: SourceData) -> str:
    """The last line."""
    start = f"systemctl start {data.unit}" if data.unit else f"start {data.service}"
    return (
        f"To go back: {start} at {data.said}, which holds all that it held; what was written to "
        f"{instance.id} since stays there."
    )
