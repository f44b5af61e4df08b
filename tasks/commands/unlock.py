"""`unlock`: take away a lock whose holder cannot do it any more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.commands.base import YES_OPTION, DeployCommand, option
from tasks.commands.instances import the_one
from tasks.errors import CancelledError, LockedError, UsageError
from tasks.model.holder import LockInfo, inspect
from tasks.model.lock import force_unlock, locked
from tasks.model.operation_log import OPERATIONS, Log
from tasks.output import console
from tasks.paths import host_paths

JUDGEMENTS = {
    "alive": "Its process is alive",
    "dead": "Its process has ended",
    "unknown": "Whether its process is alive cannot be judged from here",
}


class Unlock(DeployCommand):
    name = "unlock"
    doc_purpose = "remove a stale lock"
    doc_usage = "[ID]"
    needs_root = True
    options = (
        option("force", bool, False, "even if its holder is alive, or may be", short="f"),
        YES_OPTION,
    )

    def perform(self, options: Mapping[str, Any], arguments: list[str]) -> int:
        paths = host_paths()
        instance_id = the_one(paths, options, arguments, "unlock")
        info = inspect(paths, instance_id)
        if info is None:
            console.result(f"{instance_id} is not locked")
            return 0
        if not options["force"]:
            refuse_held(info)
        console.note(f"{instance_id} is locked by {info.describe()}. {JUDGEMENTS[info.holder]}.")
        if not options["yes"]:
            confirm(instance_id)
        if force_unlock(paths, instance_id, info):
            if info.operation in OPERATIONS:
                log = Log(paths, instance_id, info.operation)
                log.warn(f"Removed the lock of {info.describe()} by unlock")
            console.result(f"Unlocked {instance_id}")
        else:
            console.result(f"{instance_id} was released meanwhile")
        return 0


def refuse_held(info: LockInfo) -> None:
    """Raise LockedError where the holder is alive, or may be and is not stale."""
    if info.holder == "alive":
        raise LockedError(
            f"locked by {info.describe()}, which is alive",
            where=info.instance_id,
            hint=(
                f"Wait for it, or end process {info.pid}. What it does may be left half done by "
                f"./doit unlock --force {info.instance_id}"
            ),
        )
    if info.holder == "unknown" and not info.stale:
        raise locked(info)


def confirm(instance_id: str) -> None:
    if not console.interactive():
        raise UsageError(
            "unlock cannot ask without a terminal",
            hint=f"To go on without asking: ./doit unlock --yes {instance_id}",
        )
    if console.ask(f"Remove the lock of {instance_id}? [y/N] ").lower() not in ("y", "yes"):
        raise CancelledError("cancelled, the lock stays", where=instance_id)
