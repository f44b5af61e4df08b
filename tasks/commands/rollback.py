"""`rollback`: back to the release that served before, without a build."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from tasks.commands.apply import carry_out, refuse_locked
from tasks.commands.base import YES_OPTION, DeployCommand, caller_folder, load, only, option
from tasks.commands.plan import show
from tasks.errors import CancelledError, UsageError
from tasks.output import console

if TYPE_CHECKING:
    from pathlib import Path

    from tasks.paths import Paths
    from tasks.planning.inspection import Inspection
    from tasks.resources.staged import StagedRestore


class Rollback(DeployCommand):
    name = "rollback"
    doc_purpose = "go back to the release that served before"
    doc_usage = "[ID]"
    needs_root = True
    changes = True
    options = (
        YES_OPTION,
        option("allow_destroy", bool, False, "with --yes: also over a migration, by a backup"),
        option("identity", str, "", "file with the private key or passphrase of that backup"),
    )

    def perform(self, options: Mapping[str, Any], arguments: list[str]) -> int:
        from tasks.model.plan import Plan
        from tasks.paths import host_paths
        from tasks.workflows.rollback import inspect_rollback, restored_by

        paths = host_paths()
        instance = only(load(options, arguments), arguments, "rollback")
        identity = caller_folder() / options["identity"] if options["identity"] else None
        refuse_locked([instance], paths)
        inspect = partial(inspect_rollback, identity=identity)
        inspection = inspect(instance, paths)
        plan = Plan((inspection.plan,))
        show(plan, {"json": False, "diff": False}, REFUSED)
        staged = restored_by(inspection)
        question = f"Go back to {inspection.target.label}? [y/N] "
        if staged is not None:
            since = staged.archive.created_at
            question = (
                f"Go back to {inspection.target.label}, and lose what was written since {since}?"
            )
            question += " [y/N] "
            refuse_loss(instance.id, since, options)
            show_loss(inspection, staged, paths, identity)
        if not options["yes"]:
            confirm(instance.id, question, losing=staged is not None)
        failures = carry_out(
            {instance.id: inspection},
            plan,
            paths,
            whole=False,
            allow_destroy=True,
            name="rollback",
            inspection=inspect,
        )
        for failure in failures.values():
            console.error(failure)
            return failure.exit_code
        console.note(
            f"{instance.id}: {inspection.target.label} serves. ./doit apply goes forward again to"
            " what is configured; ./doit plan shows it."
        )
        if staged is not None:
            from tasks.model.archive import archives

            console.note(f"What was there before: {archives(staged.archive.folder)[-1].path}")
        return 0


REFUSED = "--yes alone does not do that, --allow-destroy does"


def show_loss(
    inspection: Inspection, staged: StagedRestore, paths: Paths, identity: Path | None
) -> None:
    """Check the archive that comes back, and say what is there against what is in it."""
    from tasks.backup.keys import keys_of
    from tasks.backup.verify import verify
    from tasks.commands.restore import comparison
    from tasks.model import measured
    from tasks.output.show_progress import show_progress
    from tasks.output.update_text import length
    from tasks.workflows.restore import find_target

    instance = inspection.instance
    with show_progress([instance.id]) as progress:
        keys = keys_of(instance.backup.encrypt, identity)
        checked = verify(staged.archive, progress(instance.id), keys)
    target = find_target(instance, inspection.container, paths)
    for line in comparison(staged.archive, checked, target):
        console.note(line)
    took = measured.read(paths, instance.id)
    how_long = f"It takes {length(took.rollback, took.rollback_stop)}. " if took.rollback else ""
    console.note(f"{how_long}What is there now is backed up first.")


def refuse_loss(instance_id: str, since: str, options: Mapping[str, Any]) -> None:
    if options["yes"] and not options["allow_destroy"]:
        raise UsageError(
            f"what was written since {since} would be lost",
            where=instance_id,
            hint=f"Where losing that is meant: ./doit rollback --yes --allow-destroy {instance_id}",
        )


def confirm(instance_id: str, question: str, *, losing: bool) -> None:
    if not console.interactive():
        options = "--yes --allow-destroy" if losing else "--yes"
        raise UsageError(
            f"rollback needs {options} where nobody can be asked",
            hint=f"Run: ./doit rollback {options} {instance_id}",
        )
    if console.ask(question).lower() not in ("y", "yes"):
        raise CancelledError("cancelled; nothing was changed", where=instance_id)
