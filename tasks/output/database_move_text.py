"""How a move of the data to another database reads in a plan. Values in, lines out."""

from __future__ import annotations

from collections.abc import Iterable

from tasks.model.database_move import KeptDatabase, PlannedMove
from tasks.output.plan_text import Style, duration


def move_lines(move: PlannedMove, style: Style) -> list[str]:
    """What becomes of the data, how long writes stop, and what is left of the old database."""
    before, after = move.before.label, move.after.label
    if move.occupied:
        text = (
            f"database: {before} → {after}, which holds tables already: it is used as it is, what "
            f"{before} holds stays there"
        )
        return [f"    {style(text, 'red')}"]
    how = f"database: {before} → {after}, data copied table by table"
    if move.first:
        return [f"    {how}, once this is done"]
    stop = "for an unknown time"
    if move.seconds is not None:
        stop = f"for about {duration(move.seconds)}"
    lines = [f"{how}, writes stop {stop}", f"kept afterwards: {before}, as it is then"]
    if move.replaces is not None:
        lines.append(f"replaced: what {after} was kept with since {move.replaces}")
    return [f"    {line}" for line in lines]


def kept_lines(kept: Iterable[KeptDatabase], name: str) -> list[str]:
    """One line for each database that is not in use any more, with the way to remove it."""
    return [f"kept: {item.database.label}, {item.unused}; {kept_hint(item, name)}" for item in kept]


def kept_hint(item: KeptDatabase, name: str) -> str:
    """`./doit apply NAME --allow-destroy removes it`"""
    verb = "removes it" if item.database.inside else "forgets it, it stays on its server"
    return f"./doit apply {name} --allow-destroy {verb}"
