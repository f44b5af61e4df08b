"""How an update reads above the entries of its plan. Values in, lines out."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.model.update import PlannedUpdate
from tasks.output.plan_text import Style, duration

MOST_IDS = 6
"""Migrations that are named; of more only the number."""


def update_lines(update: PlannedUpdate, style: Style) -> list[str]:
    """What changes, the migrations, the expected write-stop, and the way back afterwards."""
    lines = [f"backend: {versions(update)}"]
    if update.beyond:
        lines.append(style(f"migrations: {too_new(update)}", "red"))
    elif update.migrates:
        lines += [f"migrations: {migrations(update)}", f"write-stop: {write_stop(update)}"]
    else:
        lines.append("migrations: none pending, both versions overlap")
    lines.append(f"rollback afterwards: {way_back(update)}")
    return [f"    {line}" for line in lines]


def versions(update: PlannedUpdate) -> str:
    """`1a2b3c4 (v1.2.0) → 5d6e7f8 (v1.3.0), 12 commits`"""
    before, after = update.before, update.after
    text = f"{before.label} → {after.label}"
    if after.commit is not None and before.commit == after.commit:
        return f"{text}, the same commit built anew"
    counts = []
    if update.commits:
        counts.append(_commits(update.commits))
    if update.dropped:
        counts.append(f"{_commits(update.dropped)} taken back")
    return ", ".join([text, *counts])


def _commits(count: int) -> str:
    return "1 commit" if count == 1 else f"{count} commits"


def too_new(update: PlannedUpdate) -> str:
    return (
        f"the database has been through {_named(update.beyond)}, which {update.after.label} "
        "does not know: apply refuses"
    )


def migrations(update: PlannedUpdate) -> str:
    how = {
        "rehearse": "rehearsed on a copy, then run while writes wait",
        "online": "run while the old version serves",
        "refuse": "apply refuses, as update.migrations says",
    }[update.mode]
    if update.pending is None:
        if update.mode == "rehearse":
            how = "the rehearsal on a copy shows them, then writes wait for them"
        return f"cannot be known before; {how}"
    return f"{len(update.pending)} pending ({_named(update.pending)}), {how}"


def _named(ids: Sequence[str]) -> str:
    if len(ids) <= MOST_IDS:
        return ", ".join(ids)
    return f"{ids[0]} to {ids[-1]}"


def write_stop(update: PlannedUpdate) -> str:
    if update.mode != "rehearse":
        return "none"
    if update.write_stop_seconds is None:
        return "(known after the rehearsal)"
    return f"about {duration(update.write_stop_seconds)}, as the last one took"


def way_back(update: PlannedUpdate) -> str:
    if update.way_back == "instant":
        return "instant"
    if update.way_back == "impossible":
        return f"impossible, there is no backup of {update.before.version}"
    took = update.way_back_seconds
    how_long = f"in {length(took, update.way_back_stop_seconds)}" if took else "of unknown duration"
    since = f"since {update.way_back_since}" if update.way_back_since else "since"
    return f"restore {how_long}, what was written {since} is lost"


def length(seconds: float, stopped: float | None) -> str:
    """How long a rollback over a migration takes, and for how long of it nobody writes."""
    text = f"about {duration(seconds)}"
    return text if stopped is None else f"{text} (writes stop for about {duration(stopped)} of it)"
