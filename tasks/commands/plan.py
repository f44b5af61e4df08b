"""`plan`: what would change, why, and the diff; changes nothing."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from tasks.commands.base import CHANGES_PENDING, JSON_OPTION, DeployCommand, option
from tasks.errors import DeployError
from tasks.output import console

if TYPE_CHECKING:
    from tasks.model.instance import Instance
    from tasks.model.plan import Plan as PlanValue
    from tasks.paths import Paths
    from tasks.planning.inspection import Inspection

TARGET_OPTION = {
    **option("target", list, [], "only the entry of this address; `…*` for all that begin so"),
}
DIFF_OPTION = option("diff", bool, False, "show the contents that change")


class Plan(DeployCommand):
    name = "plan"
    doc_purpose = "show what would change, and why; change nothing"
    doc_usage = "[ID...]"
    needs_root = True
    options = (
        DIFF_OPTION,
        TARGET_OPTION,
        option("out", str, None, "save the plan for apply --plan FILE"),
        option("detailed_exitcode", bool, False, "exit 2 where changes are pending"),
        JSON_OPTION,
    )

    def perform(self, options: Mapping[str, Any], arguments: list[str]) -> int:
        from tasks.paths import host_paths

        instances = self.selected(options, arguments)
        paths = host_paths()
        looks, failures = look_at(instances, paths)
        warn_of_work(instances, paths)
        plan = plan_of(looks, options["target"])
        if options["out"]:
            save(plan, Path(options["out"]))
        if looks or not failures:
            show(plan, options)
        if plan.entries:
            from tasks.commands.rebuild import refused
            from tasks.planning.refusals import all_refused

            failures |= all_refused(as_planned(looks, plan), paths)
            failures = in_order(instances, {**refused(looks, plan, paths), **failures})
        for failure in failures.values():
            console.error(failure)
        if failures:
            return next(iter(failures.values())).exit_code
        return CHANGES_PENDING if plan.entries and options["detailed_exitcode"] else 0


def as_planned(looks: Mapping[str, Inspection], plan: PlanValue) -> list[Inspection]:
    """The looks with what the plan has of each."""
    return [replace(looks[one.instance], plan=one) for one in plan.instances]


def in_order(
    instances: Sequence[Instance], failures: Mapping[str, DeployError]
) -> dict[str, DeployError]:
    """The failures in the order of the instances: the first one's code is the command's."""
    return {one.id: failures[one.id] for one in instances if one.id in failures}


def warn_of_work(instances: Sequence[Instance], paths: Paths) -> None:
    """Say where an operation is under way: the plan shows what it has not done yet."""
    from tasks.model.holder import inspect

    for instance in instances:
        held = inspect(paths, instance.id)
        if held is not None and held.holder == "alive":
            console.warning(
                f"{instance.id}: {held.describe()} is under way: plan again when it has ended"
            )


def look_at(
    instances: Sequence[Instance], paths: Paths, *, sweep: bool = False
) -> tuple[dict[str, Inspection], dict[str, DeployError]]:
    """Look at all instances at once. Returns looks and failures, by id.

    sweep: databases that were kept are to go.
    """
    from tasks import builds
    from tasks.host.background import in_background
    from tasks.planning.inspection import inspect

    looks: dict[str, Inspection] = {}
    failures: dict[str, DeployError] = {}
    ask = builds.asking_once() if len(instances) > 1 else builds.asking
    works = {
        instance.id: partial(inspect, instance, paths, sweep=sweep, ask=ask)
        for instance in instances
    }
    waits: dict[str, Callable[[], Inspection]] = (
        {name: in_background(work) for name, work in works.items()} if len(works) > 1 else {**works}
    )
    for name, wait in waits.items():
        try:
            looks[name] = wait()
        except DeployError as failure:
            failure.where = failure.where or name
            failures[name] = failure
    return looks, failures


def plan_of(looks: Mapping[str, Inspection], targets: Sequence[str]) -> PlanValue:
    """The plan of what was looked at, of these addresses only where any are named."""
    from tasks.errors import UsageError
    from tasks.model.plan import Plan as PlanValue

    plan = PlanValue(tuple(inspection.plan for inspection in looks.values()))
    for target in targets:
        if not any(instance.only([target]).entries for instance in plan.instances):
            known = {
                r.address for inspection in looks.values() for r in inspection.desired.resources
            }
            if target.partition("/")[2] not in known and target not in known and "*" not in target:
                raise UsageError(
                    f"--target {target}: no such address",
                    hint="./doit plan --json lists addresses of what would change.",
                )
    if targets:
        plan = PlanValue(
            tuple(instance.only(targets) for instance in plan.instances), tuple(targets)
        )
    return plan


def save(plan: PlanValue, path: Path) -> None:
    """Write the plan for `apply --plan`; readable by its owner only.

    Raises UsageError where the file is there and no plan.
    """
    from tasks.host.files import write_atomically
    from tasks.model.plan import refuse_to_replace

    refuse_to_replace(path)
    write_atomically(path, plan.text().encode(), mode=0o600)
    console.note(f"Saved to {path}. Apply it: ./doit apply --plan {path}")


def show(plan: PlanValue, options: Mapping[str, Any], refused: str = "") -> None:
    """refused: what is said of a loss of data; of an apply's where it is empty."""
    from tasks.output.plan_text import REFUSED, plan_lines

    if options["json"]:
        console.result(json.dumps(plan.as_data(), indent=2, ensure_ascii=False))
        return
    lines = plan_lines(
        plan,
        style=lambda text, style: console.styled(text, style, sys.stdout),
        diffs=options["diff"],
        refused=refused or REFUSED,
    )
    console.result("\n".join(lines))
