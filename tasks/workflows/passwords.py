"""Passwords that reach the application by its own prompt, at a terminal. Pure."""

from __future__ import annotations

import secrets
import unicodedata

from tasks.errors import UsageError
from tasks.secret import Secret

MOST_BYTES = 72
"""bcrypt takes no more, and the application refuses them."""


def password_of(data: bytes) -> Secret[str]:
    """The password in what was typed or piped in, without the end of its line. Raises UsageError
    for one that would arrive as another one, or not at all."""
    line = data.removesuffix(b"\n").removesuffix(b"\r")
    try:
        text = line.decode()
    except UnicodeDecodeError:
        raise UsageError("the password is no text of UTF-8") from None
    refuse_password(text, len(line))
    return Secret(text)


def refuse_password(text: str, length: int) -> None:
    """Raise UsageError. length: bytes."""
    if not text:
        raise UsageError("the password is empty")
    if length > MOST_BYTES:
        raise UsageError(f"the password has {length} bytes; Vikunja takes at most {MOST_BYTES}")
    if any(unicodedata.category(character) == "Cc" for character in text):
        raise UsageError(
            "the password holds a control character, such as a line's end or a tab",
            hint="It goes through a terminal, which would obey it. Choose another.",
        )
    if text != text.strip():
        raise UsageError(
            "the password begins or ends with a space",
            hint="Vikunja drops it from what is typed at its prompt: the login would fail.",
        )


def typed_twice(password: Secret[str]) -> bytes:
    """What somebody types who is asked for it and for it again."""
    return 2 * f"{password.reveal()}\n".encode()


def random_password() -> Secret[str]:
    return Secret(secrets.token_urlsafe(15))
