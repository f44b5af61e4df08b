"""What a bench prints: tables for people, one line of JSON for everything else."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from bench.support.measure import Series, Target


def times(series: Series, names: Sequence[str]) -> str:
    """A table of medians, one line a command."""
    from tabulate import tabulate

    rows = [
        (name, f"{series.wall(name):.3f}", f"{series.cpu(name):.3f}", len(series.of(name)))
        for name in names
    ]
    return tabulate(rows, ("command", "wall s", "cpu s", "runs"), "simple", disable_numparse=True)


def verdicts(targets: Sequence[Target], measured: Mapping[str, float | None]) -> str:
    """A table of what was to be reached and what was."""
    from tabulate import tabulate

    rows = []
    for target in targets:
        value = measured[target.key]
        shown = "not measured" if value is None else f"{value:.3g}"
        verdict = "" if value is None else "met" if target.met(value) else "not met"
        rows.append((target.what, shown, f"{target.bound} {target.value:g}", verdict))
    head = ("", "measured", "target", "")
    return tabulate(rows, head, "simple", disable_numparse=True)


def compared(
    columns: Sequence[tuple[str, str]], measured: Mapping[str, Mapping[str, float]]
) -> str:
    """A table with a line for each of what was compared. columns: key and heading."""
    from tabulate import tabulate

    rows = [(name, *(_shown(found[key]) for key, _ in columns)) for name, found in measured.items()]
    head = ("", *(heading for _, heading in columns))
    return tabulate(rows, head, "simple", disable_numparse=True)


def _shown(figure: float) -> str:
    return str(figure) if isinstance(figure, int) else f"{figure:.3g}"


def last_line(measured: Mapping[str, object]) -> str:
    """The JSON object that ends a bench's output; figures rounded to three places."""
    return json.dumps(_rounded(measured), ensure_ascii=False)


def _rounded(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _rounded(inner) for key, inner in value.items()}
    return round(value, 3) if isinstance(value, float) else value
