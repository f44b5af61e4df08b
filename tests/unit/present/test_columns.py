from __future__ import annotations

import pytest

from tasks.output.columns import columns

HEADERS = ("NAME", "HEALTH", "COMMIT", "URL")
ROWS = (
    ("a", "healthy", "0123456789", "https://a.example.com"),
    ("longer", "degraded", "-", "-"),
)
LESS = ("COMMIT", "URL")


def test_without_a_terminal_every_column_is_there() -> None:
    assert columns(ROWS, HEADERS, less=LESS).splitlines() == [
        "NAME    HEALTH    COMMIT      URL",
        "a       healthy   0123456789  https://a.example.com",
        "longer  degraded  -           -",
    ]


@pytest.mark.parametrize(
    ("width", "first"),
    [
        (51, "NAME    HEALTH    COMMIT      URL"),
        (50, "NAME    HEALTH    URL"),
        (38, "NAME    HEALTH"),
        (5, "NAME    HEALTH"),
    ],
)
def test_on_a_narrow_terminal_columns_go_one_after_another_and_the_others_never(
    width: int, first: str
) -> None:
    assert columns(ROWS, HEADERS, width=width, less=LESS).splitlines()[0] == first


def test_nothing_to_show_is_nothing_but_headers() -> None:
    assert columns((), HEADERS, width=80, less=LESS).split() == list(HEADERS)
    assert columns(()) == ""
