"""Secrets out of text that is kept or shown."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

MASK = "(sensitive)"
_SHORTEST_LINE = 8

_SETTING = re.compile(
    r"(\s*(?:export\s+)?\w*(?:PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|KEY|CREDENTIAL)\w*\s*[=:]\s*)"
    r"(?=\S)(?!\"\"$)",
    re.IGNORECASE,
)

_protected: set[str] = set()


def protect(*secrets: str) -> None:
    """From now on these never reach an operation log of this process."""
    # One assignment of a new set: another thread that is masking sees the old or the new one.
    global _protected
    _protected = _protected | {secret for secret in secrets if secret.strip()}


def protected() -> frozenset[str]:
    return frozenset(_protected)


def redact(text: str, secrets: Iterable[str]) -> str:
    """`text` with every secret masked, in the spellings it travels in.

    Those are: as it is, without the space around it, each longer line of it (keys), as part of
    a URL, and as part of a JSON text.
    """
    spellings = {
        spelling for secret in secrets if secret.strip() for spelling in _spellings(secret)
    }
    # The longest first, or a short secret would leave the rest of a longer one that holds it.
    for spelling in sorted(spellings, key=lambda spelling: (-len(spelling), spelling)):
        text = text.replace(spelling, MASK)
    return text


def masked_settings(text: str, before: str = "") -> list[str]:
    """The lines of a file of settings (`NAME=value`), values of names that sound secret masked.

    before: the text that this one replaces; a masked line that is not in it says that it changed.
    Names that end in _FILE hold paths and stay.
    """
    known = set(before.splitlines())
    return [_masked(line, bool(before) and line not in known) for line in text.splitlines()]


def _masked(line: str, changed: bool) -> str:
    found = _SETTING.match(line)
    if found is None or re.search(r"_FILE\s*[=:]", found[1], re.IGNORECASE):
        return line
    return found[1] + ("(sensitive, changed)" if changed else MASK)


def _spellings(secret: str) -> Iterable[str]:
    lines = [line.strip() for line in secret.splitlines()]
    for part in (secret, secret.strip(), *(x for x in lines if len(x) >= _SHORTEST_LINE)):
        encoded = part.encode("utf-8", "surrogateescape")
        yield part
        yield quote(encoded, safe="")
        yield quote_plus(encoded)
        yield json.dumps(part)[1:-1]
        yield json.dumps(part, ensure_ascii=False)[1:-1]
