"""Words of a command line as a systemd unit has them. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tasks.errors import UsageError


def unit_words(words: Sequence[str]) -> str:
    """What follows the program in an `ExecStart=`, so that it gets exactly these.

    Raises UsageError for what no unit can hold.
    """
    return " ".join(f'"{within_quotes(word)}"' for word in words)


def within_quotes(text: str) -> str:
    """The text as it stands between the double quotes of a unit's word."""
    if "\0" in text or not _is_utf8(text):
        raise UsageError("a word of the command is no text of UTF-8")
    return re.sub(r"[^\w/.,:=@+-]", _escaped, text, flags=re.ASCII)


def _escaped(found: re.Match[str]) -> str:
    character = found[0]
    # Specifiers and variables are told from others after the quotes have gone.
    if character in "%$":
        return character * 2
    return f"\\x{ord(character):02x}" if character < "\x80" else character


def _is_utf8(text: str) -> bool:
    return not re.search("[\ud800-\udfff]", text)
