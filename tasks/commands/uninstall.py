"""`uninstall`: a last backup, then container, registry entry, records and state go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from tasks.commands.base import YES_OPTION, DeployCommand, load, only, option
from tasks.errors import CancelledError, UsageError
from tasks.output import console

if TYPE_CHECKING:
    from tasks.model.instance import Instance
    from tasks.workflows.remains import Remains
    from tasks.workflows.uninstall import UninstallRequest


class Uninstall(DeployCommand):
    name = "uninstall"
    doc_purpose = "remove an instance, after a last backup"
    doc_usage = "[ID]"
    needs_root = True
    changes = True
    options = (
        YES_OPTION,
        option("keep_data", bool, False, "the container stays, stopped, with all data in it"),
        option("no_backup", bool, False, "take no last backup"),
        option("force", bool, False, "go on where the last backup fails", short="f"),
    )

    def perform(self, options: Mapping[str, Any], arguments: list[str]) -> int:
        from tasks.paths import host_paths
        from tasks.workflows.remains import inspect_remains
        from tasks.workflows.uninstall import UninstallRequest, uninstall

        paths = host_paths()
        instance = only(load(options, arguments), arguments, "uninstall")
        remains = inspect_remains(instance, paths)
        if remains.nothing:
            console.result(f"{instance.id}: nothing is left of it")
            return 0
        request = UninstallRequest(
            backup=not (options["no_backup"] or options["keep_data"]),
            keep_data=options["keep_data"],
            force=options["force"],
        )
        for line in what_goes(instance, remains, request):
            console.note(line)
        if not options["yes"]:
            request = asked(instance, remains, request)
        archive = uninstall(instance, paths, request, console.Lines(), console.warning)
        console.result(f"{instance.id}: removed")
        for line in what_stays(instance, remains, request, str(archive.path) if archive else ""):
            console.note(line)
        return 0


def what_goes(instance: Instance, remains: Remains, request: UninstallRequest) -> list[str]:
    """What is about to be lost, a line each."""
    lines = [f"Of {instance.id} go:"]
    for container in remains.containers:
        what = "is stopped and stays" if request.keep_data else "with everything in it"
        lines.append(f"  container {container.spec.name} ({instance.network.ip_address}), {what}")
    if remains.registered or remains.state or remains.records:
        lines.append("  its registry entry, records and state on this machine")
    if remains.containers and not request.keep_data:
        backup = f"a last backup is taken into {instance.backup.directory / instance.id}"
        lines.append(f"Before that {backup if request.backup else 'no backup is taken'}")
    return lines


def what_stays(
    instance: Instance, remains: Remains, request: UninstallRequest, archive: str
) -> list[str]:
    lines = []
    if archive:
        lines.append(f"Its last backup: {archive}")
    if request.keep_data and remains.containers:
        lines.append(
            f"Its container stays, stopped, and nothing starts it by itself: ./doit apply "
            f"{instance.id} takes it over again"
        )
    for name in remains.copies:
        lines.append(f"Container {name} stays as it is: it says that it is {instance.id}'s, a copy")
    if instance.database.host:
        database = instance.database
        kept = "was not touched"
        if database.by_socket:
            kept = "is gone with the container where its server was there, else was not touched"
            if request.keep_data:
                kept = "was not touched"
        lines.append(f"Its database {database.name} on {database.host} {kept}")
    files = instance.vikunja.files
    if files.in_bucket:
        lines.append(f"Its attachments in {files.s3.place} were not touched")
    folder = instance.backup.directory / instance.id
    if folder.is_dir():
        lines.append(f"Its backups stay in {folder}")
    return lines


def asked(instance: Instance, remains: Remains, request: UninstallRequest) -> UninstallRequest:
    """Ask whether to, and for a last backup. Raises UsageError without a terminal."""
    if not console.interactive():
        raise UsageError(
            "uninstall needs --yes where nobody can be asked",
            hint=f"Run: ./doit uninstall --yes {instance.id}; it takes a last backup"
            " unless --no-backup says otherwise",
        )
    if request.backup and remains.containers:
        answer = console.ask("Take a last backup first? [Y/n] ").lower()
        request = replace(request, backup=answer not in ("n", "no"))
    if console.ask(f"Type {instance.id} to remove it: ") != instance.id:
        raise CancelledError("cancelled; nothing was removed", where=instance.id)
    return request
