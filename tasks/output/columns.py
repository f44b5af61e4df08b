"""Tables of text: columns, and which of them go where a terminal is too narrow. Pure."""

from __future__ import annotations

from collections.abc import Sequence


def columns(
    rows: Sequence[Sequence[str]],
    headers: Sequence[str] = (),
    *,
    width: int | None = None,
    less: Sequence[str] = (),
) -> str:
    """The rows below their headers, each column as wide as its widest text.

    width: of the terminal, None for any. less: headers of columns that go, the first one first,
    until a line fits.
    """
    shown = list(headers)
    text = _aligned(rows, shown)
    for header in less:
        if width is None or max(map(len, text), default=0) <= width:
            break
        index = shown.index(header)
        del shown[index]
        rows = [[*row[:index], *row[index + 1 :]] for row in rows]
        text = _aligned(rows, shown)
    return "\n".join(text)


def _aligned(rows: Sequence[Sequence[str]], headers: Sequence[str]) -> list[str]:
    from tabulate import tabulate

    text = tabulate(rows, headers, tablefmt="plain", disable_numparse=True)
    return [line.rstrip() for line in text.splitlines()]
