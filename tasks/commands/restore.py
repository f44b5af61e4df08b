"""`restore`: an archive becomes what an instance serves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tasks.commands.base import (
    PROGRESS_OPTION,
    WAIT_OPTION,
    YES_OPTION,
    DeployCommand,
    caller_folder,
    load,
    only,
    option,
)
from tasks.errors import (
    CancelledError,
    DeployError,
    ResourceError,
    RollbackFailedError,
    RolledBackError,
    UnhealthyError,
    UsageError,
)
from tasks.output import console

if TYPE_CHECKING:
    from tasks.backup.verify import Checked
    from tasks.model.archive import Archive
    from tasks.model.instance import Instance
    from tasks.model.operations import Operation
    from tasks.model.state import Status
    from tasks.workflows.restore import RestoreTarget


class Restore(DeployCommand):
    name = "restore"
    doc_purpose = "bring a backup back"
    doc_usage = "[ID] --from latest|ARCHIVE"
    needs_root = True
    changes = True
    options = (
        option("from", str, "", "an archive's path, its name, or latest"),
        option("identity", str, "", "file with the private key or passphrase of an encrypted one"),
        option("allow_version", bool, False, "also where the application would migrate it"),
        option("no_backup", bool, False, "take no backup of what is there first"),
        WAIT_OPTION,
        PROGRESS_OPTION,
        YES_OPTION,
    )

    def perform(self, options: Mapping[str, Any], arguments: list[str]) -> int:
        from tasks.backup.keys import keys_of
        from tasks.backup.staging import refuse_other_engine
        from tasks.backup.verify import verify
        from tasks.containers import container_for
        from tasks.model import state as states
        from tasks.model.operations import operation
        from tasks.output.show_progress import show_progress
        from tasks.paths import host_paths
        from tasks.workflows.restore import RestoreRequest, find_target, restore

        instance = only(load(options, arguments), arguments, "restore")
        archive = chosen(instance, options["from"])
        identity = caller_folder() / options["identity"] if options["identity"] else None
        keys = keys_of(instance.backup.encrypt, identity)
        paths = host_paths()
        with show_progress([instance.id], lines=options["progress"]) as progress:
            checked = verify(archive, progress(instance.id), keys)
        target = find_target(instance, container_for(instance, paths), paths)
        refuse_other_engine(checked.contents, target.instance)
        for line in comparison(archive, checked, target):
            console.note(line)
        if not options["yes"]:
            confirm(instance.id)
        request = RestoreRequest(
            archive,
            checked.contents,
            keys=keys,
            allow_version=options["allow_version"],
            safety=not options["no_backup"],
        )
        before = states.read(paths, instance.id)
        with (
            show_progress([instance.id], lines=options["progress"]) as progress,
            operation(
                paths, instance.id, "restore", wait_seconds=options["wait"], warn=console.warning
            ) as under_way,
            serving_on(under_way, before.status if before else None),
        ):
            restored = restore(target, request, paths, under_way, progress(instance.id))
        console.result(f"{instance.id}: {archive.created_at} is back: {instance.public_url}")
        if restored.safety is not None:
            console.note(f"What was there before: {restored.safety.path}")
        if restored.kept:
            console.note(
                f"No database was there, and {restored.kept} attachments that the archive lacks: "
                "they were kept."
            )
        return 0


@contextmanager
def serving_on(operation: Operation, before: Status | None) -> Iterator[None]:
    """A restore that failed before it touched anything leaves the instance as it was."""
    try:
        yield
    except BaseException as error:
        state = operation.state
        touched = isinstance(error, (RolledBackError, RollbackFailedError, UnhealthyError))
        if state is not None and state.status == "updating" and not touched:
            operation.become("stopped" if before == "stopped" else "running")
        raise


def chosen(instance: Instance, named: str) -> Archive:
    """The archive that is meant: `latest`, a name in the instance's folder, or a path."""
    from tasks.backup.take import folder_of
    from tasks.commands.verify import archive_at
    from tasks.model import archive as model

    folder = folder_of(instance)
    if not named:
        raise UsageError(
            "restore needs --from", hint=f"--from latest, or one of ./doit backups {instance.id}"
        )
    if named == "latest":
        newest = model.newest_meant(folder)
        if newest is None:
            raise ResourceError(
                f"there is no backup in {folder}",
                where=instance.id,
                hint="Name an archive that is elsewhere: --from PATH",
            )
        return newest
    if "/" not in named and not (caller_folder() / named).exists():
        return archive_at(folder / named)
    return archive_at(caller_folder() / named)


def comparison(archive: Archive, checked: Checked, target: RestoreTarget) -> list[str]:
    """What is there against what is in the archive, line by line."""
    from tasks.backup.listing import size_text
    from tasks.databases import database_for

    contents = checked.contents
    running = target.running
    try:
        database = database_for(target.instance, target.container, running.color)
        there = database.occupied()
        rows = f"{sum(database.counts().values())} rows" if there else "no database"
    except DeployError as unreadable:
        rows = f"cannot be read: {unreadable.what}"
    secrets = "holds no secrets; those of the instance are kept"
    if archive.encrypted and contents.instance_id == target.instance.id:
        secrets = "brings back the secret that signs sessions; passwords are kept"
    elif archive.encrypted:
        secrets = "has another instance's secrets, which stay in it"
    now = f"{running.version}, {rows}, attachments of {size_text(running.files_bytes)}"
    new = (
        f"{contents.vikunja_version}, {sum(contents.tables.values())} rows, "
        f"{contents.files_count} attachments of {size_text(contents.files_size_bytes)}"
    )
    return [
        f"{target.instance.id} now:  {now}",
        f"the archive:  {new}",
        f"              taken {archive.created_at} from {contents.instance_id} "
        f"({contents.hostname}), whole, {secrets}",
        *(f"              may come back without: {what}" for what in contents.left_out),
        *(
            f"              without attachments, which are in {where}"
            for where in (contents.files_elsewhere,)
            if where
        ),
        f"All that {target.instance.id} holds now is replaced.",
    ]


def confirm(instance_id: str) -> None:
    if not console.interactive():
        raise UsageError(
            "restore needs --yes where nobody can be asked",
            hint=f"Run: ./doit restore --yes {instance_id} --from …",
        )
    if console.ask("Restore it? [y/N] ").lower() not in ("y", "yes"):
        raise CancelledError("cancelled; nothing was changed", where=instance_id)
