"""`backup`: take one of each instance; quiet from cron but for what it leaves out, one message
where it fails."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from msgspec.structs import asdict, replace

from tasks.commands.base import (
    JSON_OPTION,
    PROGRESS_OPTION,
    WAIT_OPTION,
    DeployCommand,
    option,
)
from tasks.errors import CancelledError, DeployError, UsageError
from tasks.output import console

if TYPE_CHECKING:
    from tasks.backup.take import Taken
    from tasks.model.archive import Trigger
    from tasks.model.instance import Instance
    from tasks.paths import Paths
    from tasks.progress import Progress


class Backup(DeployCommand):
    name = "backup"
    doc_purpose = "take a backup"
    doc_usage = "[ID...]"
    needs_root = True
    options = (
        WAIT_OPTION,
        option("level", str, "", "1 (fastest) to 9 (smallest), or small, for this one"),
        PROGRESS_OPTION,
        JSON_OPTION,
    )

    def perform(self, options: Mapping[str, Any], arguments: list[str]) -> int:
        from tasks.backup.compress import level_of
        from tasks.notify.ping import pinged
        from tasks.output.show_progress import show_progress
        from tasks.paths import host_paths

        if options["wait"] < 0:
            raise UsageError(f"--wait {options['wait']}: less than the minimum 0")
        level = level_of(options["level"]) if options["level"] else None
        chosen = [with_level(one, level) for one in self.selected(options, arguments)]
        paths = host_paths()
        outcomes: dict[str, Taken | DeployError] = {}
        with (
            pinged(chosen, console.warning) as failures,
            show_progress([one.id for one in chosen], lines=options["progress"]) as progress,
        ):
            for instance in chosen:
                try:
                    outcomes[instance.id] = take_one(
                        instance, paths, progress(instance.id), options["wait"]
                    )
                except CancelledError:
                    raise
                except DeployError as failure:
                    outcomes[instance.id] = failures[instance.id] = failure
        return report(outcomes, as_json=options["json"])


def with_level(instance: Instance, level: int | None) -> Instance:
    if level is None:
        return instance
    return replace(instance, backup=replace(instance.backup, level=level))


def take_one(instance: Instance, paths: Paths, progress: Progress, wait: float) -> Taken:
    """One instance's backup and its copy elsewhere, under its lock. Raises DeployError."""
    from tasks.backup.hook import run_hook
    from tasks.backup.take import take
    from tasks.containers import container_for
    from tasks.model.operations import operation

    trigger: Trigger = "manual" if sys.stderr.isatty() else "scheduled"
    progress.step("Waiting for the lock")
    with operation(
        paths, instance.id, "backup", wait_seconds=wait, warn=console.warning
    ) as under_way:
        container = container_for(instance, paths)
        taken = take(instance, container, paths, under_way, trigger=trigger, progress=progress)
        if instance.backup.after:
            progress.step("Copying the archive to its second target")
            under_way.info(f"Running backup.after: {instance.backup.after[0]}")
            run_hook(instance, taken.archive)
    if taken.shrunk:
        console.warning(f"{instance.id}: {taken.shrunk}")
    return taken


def take_alone(instance: Instance) -> None:
    """One instance's backup as `./doit backup ID` takes it, for its step. Raises DeployError."""
    from tasks.host.caller import require_root
    from tasks.notify.ping import pinged
    from tasks.output.show_progress import show_progress
    from tasks.paths import host_paths

    require_root("backup", f"backup:{instance.id}")
    with pinged([instance], console.warning), show_progress([instance.id]) as progress:
        taken = take_one(instance, host_paths(), progress(instance.id), 0)
    report({instance.id: taken}, as_json=False)


def report(outcomes: Mapping[str, Taken | DeployError], *, as_json: bool) -> int:
    """Say what came of each. Returns the exit code of the first that failed."""
    code = 0
    for name, outcome in outcomes.items():
        if isinstance(outcome, DeployError):
            outcome.where = outcome.where or name
            console.error(outcome)
            code = code or outcome.exit_code
    if as_json:
        documents = [document(name, outcome) for name, outcome in outcomes.items()]
        console.result(json.dumps(documents, indent=2, ensure_ascii=False))
        return code
    for name, outcome in outcomes.items():
        if not isinstance(outcome, DeployError):
            if sys.stderr.isatty():
                from tasks.backup.listing import size_text

                size = size_text(outcome.metadata.total_size_bytes)
                console.result(f"{name}: {outcome.archive.path} ({size})")
            # Whoever reads cron's mail must not learn of it when a restore is needed.
            for remark in remarks(outcome):
                console.note(f"{name}: {remark}")
    return code


def remarks(taken: Taken) -> Iterator[str]:
    """What the archive does not hold, a line each."""
    from tasks.backup.take import ELSEWHERE, LEFT_OUT

    if taken.left_out:
        yield f"{LEFT_OUT}: {', '.join(taken.left_out)}"
    if taken.elsewhere:
        yield f"{ELSEWHERE} {taken.elsewhere}"


def document(name: str, outcome: Taken | DeployError) -> dict[str, object]:
    """One instance's outcome as JSON."""
    if isinstance(outcome, DeployError):
        return {"instance_id": name, "error": str(outcome), "exit_code": outcome.exit_code}
    return {
        "instance_id": name,
        "archive": str(outcome.archive.path),
        "metadata": asdict(outcome.metadata),
        "removed": [archive.name for archive in outcome.removed],
        "left_out": list(outcome.left_out),
        "files_elsewhere": outcome.elsewhere,
        "exit_code": 0,
    }
