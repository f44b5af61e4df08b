"""`verify`: whether archives are whole; nothing is restored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import asdict

from tasks.commands.base import (
    JSON_OPTION,
    PROGRESS_OPTION,
    DeployCommand,
    caller_folder,
    load,
    only,
    option,
)
from tasks.errors import DeployError, ResourceError, UsageError
from tasks.output import console

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tasks.age import Key
    from tasks.backup.evaluation import Evaluation
    from tasks.model.archive import Archive


class Verify(DeployCommand):
    name = "verify"
    doc_purpose = "check that a backup is whole"
    doc_usage = "[ID|ARCHIVE]"
    needs_root = True
    options = (
        option("all", bool, False, "every archive of the instance, not only the newest"),
        option("identity", str, "", "file with the private key or passphrase of encrypted ones"),
        PROGRESS_OPTION,
        JSON_OPTION,
    )

    def perform(self, options: Mapping[str, Any], arguments: list[str]) -> int:
        from tasks.backup.evaluation import evaluate
        from tasks.output.show_progress import show_progress

        archives, keys = self.chosen(options, arguments)
        evaluated: list[Evaluation] = []
        with show_progress([one.name for one in archives], lines=options["progress"]) as progress:
            for archive in archives:
                evaluated.append(evaluate(archive, keys, progress(archive.name)))
        return report(evaluated, as_json=options["json"])

    @staticmethod
    def chosen(
        options: Mapping[str, Any], arguments: Sequence[str]
    ) -> tuple[list[Archive], tuple[Key, ...]]:
        """The archives that are meant, and what opens them."""
        from tasks.backup.keys import keys_of
        from tasks.backup.take import folder_of
        from tasks.model import archive as model

        named = options["identity"]
        identity = caller_folder() / named if named else None
        if len(arguments) > 1:
            raise UsageError("verify takes one instance or one archive")
        if arguments and looks_like_a_path(arguments[0]):
            return [archive_at(caller_folder() / arguments[0])], keys_of(None, identity)
        instance = only(load(options, arguments), arguments, "verify")
        there = model.archives(folder_of(instance))
        if not there:
            raise ResourceError(
                "there is no backup yet",
                where=instance.id,
                hint=f"Take one: ./doit backup {instance.id}",
            )
        wanted = there[::-1] if options["all"] else [there[-1]]
        return wanted, keys_of(instance.backup.encrypt, identity)


def looks_like_a_path(argument: str) -> bool:
    """Instance ids have neither dots nor slashes."""
    return "/" in argument or "." in argument


def archive_at(path: Path) -> Archive:
    """The archive in a file, or that a link names. Raises UsageError, ResourceError."""
    from tasks.host.files import named
    from tasks.model.archive import archive_of

    with named(path, "cannot be looked at"):
        if not path.exists():
            raise ResourceError(
                "there is no such archive", where=str(path), hint="./doit backups lists them."
            )
        archive = archive_of(path.resolve() if path.is_symlink() else path)
    if archive is None:
        raise UsageError(
            "this is not the name of an archive",
            where=str(path),
            hint="An archive keeps its name, such as 1729338000.tar.gz: rename it back.",
        )
    return archive


def report(evaluated: Sequence[Evaluation], *, as_json: bool) -> int:
    """Say what was found. Returns the exit code of the first that is not whole."""
    if as_json:
        documents = [document(one) for one in evaluated]
        console.result(json.dumps(documents, indent=2, ensure_ascii=False))
    code = 0
    for one in evaluated:
        if one.failure is not None:
            console.error(one.failure)
            code = code or one.failure.exit_code
        elif not as_json:
            console.result(f"{one.archive.path}: {one.found}")
            if one.note:
                console.note(f"  {one.note}")
    return code


def document(one: Evaluation) -> dict[str, object]:
    failure: DeployError | None = one.failure
    return {
        "archive": str(one.archive.path),
        "whole": failure is None and not one.note,
        "found": one.found,
        "note": one.note or None,
        "metadata": asdict(one.metadata) if one.metadata else None,
        "error": str(failure) if failure else None,
        "exit_code": failure.exit_code if failure else 0,
    }
