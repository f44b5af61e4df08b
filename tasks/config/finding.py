"""What is wrong with one key, before it is known in which file and line the key is."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

Key = tuple[str | int, ...]
"""Path of a value in a document: names of keys, indexes of list items."""

_PLAIN_NAME = re.compile(r"[\w.-]{1,80}")
_SECRET_NAME = re.compile(
    r"password|secret(?!s)|token|environment|content|repository|url", re.IGNORECASE
)
_LONGEST_SHOWN = 60


class Finding(Struct, frozen=True):
    """line: 1-based, where it is another than the key's own."""

    key: Key
    what: str
    hint: str = ""
    line: int | None = None


def parse(key: str) -> Key:
    """`network.domain` → ("network", "domain"). Names only, no list indexes."""
    return tuple(key.split("."))


def dotted(key: Key) -> str:
    """("files", 0, "mode") → `files[0].mode`; a strange name is quoted and cut."""
    text = ""
    for name in key:
        if isinstance(name, int):
            text += f"[{name}]"
            continue
        shown = name if _PLAIN_NAME.fullmatch(name) else quoted(name)
        text += f".{shown}" if text else shown
    return text


def quoted(text: str) -> str:
    """Text in double quotes, control characters escaped, cut where it is long."""
    if len(text) > _LONGEST_SHOWN:
        text = text[: _LONGEST_SHOWN - 1] + "…"
    return printable(json.dumps(text, ensure_ascii=False))


def printable(text: str) -> str:
    """The text with escapes for what a terminal would obey or not show."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode-escape").decode() for char in text
    )


def may_be_secret(key: Key) -> bool:
    """Whether a value of this key must not be shown."""
    return any(isinstance(name, str) and _SECRET_NAME.search(name) for name in key)


def shown(key: Key, value: object) -> str:
    """A value for a message; nothing where it may be secret."""
    if may_be_secret(key):
        return "the value"
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def value_at(document: Mapping[str, Any], key: str) -> Any:
    """The value at a dotted key (names only); None where it or a section above is not there."""
    value: Any = document
    for name in key.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def has_login(url: str) -> bool:
    """Whether an address holds a user name or a password."""
    return "@" in url.partition("://")[2].partition("/")[0]
