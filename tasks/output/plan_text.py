"""How a plan and its outcome read on a terminal. Values in, lines out; nothing is printed here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from tasks.model.plan import Action, AttributeChange, InstancePlan, Lost, Plan, PlanEntry

Style = Callable[[str, str], str]
"""Text and the name of a style of tasks.output.console → the text in it."""

SIGNS: dict[Action, str] = {"create": "+", "update": "~", "replace": "±", "delete": "-", "run": "▸"}
COLORS: dict[Action, str] = {
    "create": "green",
    "update": "yellow",
    "replace": "red",
    "delete": "red",
    "run": "cyan",
}
WORDS: dict[Action, str] = {
    "create": "to create",
    "update": "to update",
    "replace": "to replace",
    "delete": "to remove",
    "run": "to run",
}

WIDEST_ADDRESS = 62


def plain(text: str, style: str) -> str:
    return text


REFUSED = "apply refuses without --allow-destroy"


def plan_lines(
    plan: Plan, *, style: Style = plain, diffs: bool = False, refused: str = REFUSED
) -> list[str]:
    """The whole plan: a block an instance that changes, then one line of sums.

    refused: what is said where data is lost.
    """
    lines: list[str] = []
    for instance in plan.instances:
        if instance.entries:
            lines += instance_lines(instance, style=style, diffs=diffs)
            lines.append("")
    unchanged = [instance.instance for instance in plan.instances if not instance.entries]
    idle = [one for one in plan.instances if not one.entries]
    kept = [style(text, "dim") for one in idle for text in (*_kept(one), *_notices(one, idle))]
    if not plan.entries:
        return [*lines, f"Nothing to do: {_names(unchanged)} up to date.", *kept]
    if unchanged:
        lines.append(f"Nothing to do for {', '.join(unchanged)}.")
    lines.append(f"Plan: {counts(plan.entries)}.")
    lost = [entry.full_address for entry in plan.destructive]
    if lost:
        warning = f"Data is lost by {', '.join(lost)}: {refused}."
        lines.append(style(warning, "red"))
    return lines


def _names(ids: Sequence[str]) -> str:
    if not ids:
        return "no instance is configured, everything is"
    return f"{', '.join(ids)} {'is' if len(ids) == 1 else 'are'}"


def counts(entries: Iterable[PlanEntry]) -> str:
    """`2 to create, 1 to run`"""
    found = Counter(entry.action for entry in entries)
    return ", ".join(f"{found[act]} {word}" for act, word in WORDS.items() if found[act])


def instance_lines(
    instance: InstancePlan, *, style: Style = plain, diffs: bool = False
) -> list[str]:
    """One line an entry, indented below the instance's name; changes of values below them."""
    widest = max(len(entry.address) for entry in instance.entries)
    width = min(widest, WIDEST_ADDRESS)
    lines = [style(instance.instance, "bold")]
    if instance.update is not None:
        from tasks.output.update_text import update_lines

        lines += update_lines(instance.update, style)
    if instance.database_move is not None:
        from tasks.output.database_move_text import move_lines

        lines += move_lines(instance.database_move, style)
    taken_over = _taken_over(instance)
    if taken_over:
        lines.append(f"    {style(taken_over, 'bold')}")
    if instance.lost is not None:
        lines += [
            f"    {style(text, 'red')}" for text in lost_lines(instance.lost, instance.instance)
        ]
    lines += [f"    {style(text, 'dim')}" for text in (*_kept(instance), *instance.notices)]
    for entry in instance.entries:
        lines += entry_lines(entry, width, style, diffs)
    if any(entry.address == "migrations:unfinished" for entry in instance.entries):
        lines.append("    What comes after that is planned then.")
    elif instance.database_move is not None and instance.database_move.first:
        lines.append("    This comes first; the other database is planned then.")
    elif instance.unseen:
        lines.append("    The container is stopped: what is in it is (known after apply).")
    return lines


def _taken_over(instance: InstancePlan) -> str:
    """`settings: 2 changed, blue → green, no request interrupted`, or `color: blue → green, …`.

    Empty where no color takes over with the same release and database.
    """
    if instance.update is not None or instance.database_move is not None:
        return ""
    colors = [
        f"{change.before} → {change.after}"
        for entry in instance.entries
        if entry.address == "color:active"
        for change in entry.changes
        if change.name == "color"
    ]
    keys = {
        reason.subject
        for entry in instance.entries
        for reason in entry.reasons
        if reason.kind == "configuration" and entry.step == "switch"
    }
    if not colors:
        return ""
    interrupts = any(entry.interrupts for entry in instance.entries)
    requests = "" if interrupts else ", no request interrupted"
    what = f"settings: {len(keys)} changed, " if keys else "color: "
    return f"{what}{colors[0]}{requests}"


def lost_lines(lost: Lost, instance_id: str) -> list[str]:
    first = "Its container is gone, with all that was in it. A new one is made, without its data."
    when = "bring it back after this"
    if lost.things:
        are = "is" if len(lost.things) == 1 else "are"
        first = f"{', '.join(lost.things)} {are} gone, with the data."
        when = "bring it back instead of this"
    if lost.newest_backup is None:
        return [first, "There is no backup of it in backup.directory."]
    back = f"./doit restore {instance_id} --from latest"
    lines = [first, f"The newest backup is of {lost.newest_backup}; {when}: {back}"]
    if lost.fuller is not None:
        name, then, now = lost.fuller
        lines.append(f"It holds {now}, {name} {then}: --from {name} brings back that one.")
    return lines


def _kept(instance: InstancePlan) -> list[str]:
    if not instance.kept:
        return []
    from tasks.output.database_move_text import kept_lines

    return kept_lines(instance.kept, instance.instance)


def _notices(instance: InstancePlan, others: Sequence[InstancePlan]) -> list[str]:
    """Its notices, under its name where there are others."""
    name = f"{instance.instance}: " if len(others) > 1 else ""
    return [f"{name}{text}" for text in instance.notices]


def entry_lines(entry: PlanEntry, width: int, style: Style, diffs: bool) -> list[str]:
    sign = style(SIGNS[entry.action], COLORS[entry.action])
    reasons = ", ".join(reason.text for reason in entry.reasons if reason.text)
    lines = [f"  {sign} {entry.address.ljust(width)}  {style(reasons, 'dim')}".rstrip()]
    lines += [f"      {change_text(change)}" for change in entry.changes]
    if entry.interrupts:
        lines.append(style(f"      interrupts: {entry.interrupts}", "yellow"))
    if entry.destructive:
        what = "lost already: made anew, it is empty" if entry.lost else "data is lost"
        lines.append(style(f"      destructive: {what}", "red"))
    if diffs and entry.diff:
        lines += [f"      {style_diff(line, style)}" for line in entry.diff.splitlines()]
    return lines


def change_text(change: AttributeChange) -> str:
    """`memory_mb: 2048 → 4096`"""
    if change.before is None:
        return f"{change.name}: {change.after}"
    return f"{change.name}: {change.before} → {change.after}"


def style_diff(line: str, style: Style) -> str:
    if line.startswith("+"):
        return style(line, "green")
    if line.startswith("-"):
        return style(line, "red")
    return style(line, "cyan") if line.startswith("@@") else line


def duration(seconds: float) -> str:
    """`0.8 s`, `12 s`, `3 min 5 s`"""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60} s"
