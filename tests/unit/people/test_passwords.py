"""Which passwords reach the application as they are, and that none is said anywhere."""

from __future__ import annotations

import pytest

from tasks.errors import UsageError
from tasks.workflows.passwords import password_of, random_password, typed_twice


@pytest.mark.parametrize(
    "text",
    ["a", "two words", "'\"`$HOME \\x41 %s !", "-lead", "äöü €", "x" * 72, "ü" * 36, "pw=1;rm"],
)
def test_it_is_typed_as_it_was_given(text: str) -> None:
    for end in ("", "\n", "\r\n"):
        password = password_of(f"{text}{end}".encode())
        assert typed_twice(password) == f"{text}\n{text}\n".encode()


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"x" * 73, "has 73 bytes; Vikunja takes at most 72"),
        ("ü".encode() * 37, "has 74 bytes"),
        (b" x", "begins or ends with a space"),
        (b"x ", "begins or ends with a space"),
        ("x\N{NO-BREAK SPACE}".encode(), "begins or ends with a space"),
        (b"one\ntwo\n", "control character"),
        (b"a\tb", "control character"),
        (b"a\x03b", "control character"),
        (b"a\x7f", "control character"),
        (b"a\0b", "control character"),
        (b"\xff\xfe", "no text of UTF-8"),
    ],
)
def test_one_that_would_arrive_as_another_is_refused(data: bytes, what: str) -> None:
    with pytest.raises(UsageError) as refused:
        password_of(data)
    assert what in str(refused.value)
    shown = f"{refused.value}{refused.value.hint}"
    assert data.decode(errors="replace").strip() not in shown or not data.strip()


def test_a_made_one_is_long_and_another_each_time() -> None:
    made = {random_password().reveal() for _ in range(50)}
    assert len(made) == 50
    assert all(len(password) == 20 for password in made)
