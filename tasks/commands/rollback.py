"""`rollback`: back to the release that served before, without a build."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks import console
from tasks.commands.apply import carry_out, refuse_locked
from tasks.commands.base import YES_OPTION, DeployCommand, load, only
from tasks.commands.plan import show
from tasks.errors import CancelledError, UsageError


class Rollback(DeployCommand):
    name = "rollback"
    doc_purpose = "go back to the release that served before"
    doc_usage = "[ID]"
    needs_root = True
    changes = True
    options = (YES_OPTION,)

    def perform(self, options: Mapping[str, Any], arguments: list[str]) -> int:
        from tasks.model.plan import Plan
        from tasks.paths import host_paths
        from tasks.rollback import look_back

        paths = host_paths()
        instance = only(load(options), arguments, "rollback")
        refuse_locked([instance], paths)
        look = look_back(instance, paths)
        plan = Plan((look.plan,))
        show(plan, {"json": False, "diff": False})
        if not options["yes"]:
            confirm(instance.id, look.target.label)
        failures = carry_out(
            {instance.id: look}, plan, paths, whole=False, name="rollback", look=look_back
        )
        for failure in failures.values():
            console.error(failure)
            return failure.exit_code
        console.note(
            f"{instance.id}: {look.target.label} serves. ./doit apply goes forward again to what"
            " the configuration wishes; ./doit plan shows it."
        )
        return 0


def confirm(instance_id: str, label: str) -> None:
    if not console.interactive():
        raise UsageError(
            "rollback needs --yes where nobody can be asked",
            hint=f"Run: ./doit rollback --yes {instance_id}",
        )
    answer = console.ask(f"Go back to {label}? [y/N] ")
    if answer.lower() not in ("y", "yes"):
        raise CancelledError("cancelled; nothing was changed", where=instance_id)
