"""Secrets out of text that is kept or shown."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

from tasks.secret import Secret

MASK = "(sensitive)"
CHANGED = "(sensitive, changed)"
_SHORTEST_LINE = 8

_WORDS = "PASSWORD|PASSWD|PASSPHRASE|PWD|SECRET|TOKEN|KEY|CREDENTIAL"

# Texts, which re compiles where one is needed: most runs need none.
_SETTING = rf"(?i:(\s*(?:export\s+)?\w*(?:{_WORDS})\w*\s*[=:]\s*)(?=\S)(?!\"\"$))"

# All lengths are bounded: lines of logs are long, and some are written to be slow to read.
_IN_AN_ADDRESS = (
    r"(?<=[A-Za-z0-9])://(?:"
    # `user:password@`, where the password may hold what somebody should have escaped; digits up to
    # a slash are a port. A backslash is before a quote.
    r"(?P<login>[^\s/?#:@\"'<>]{0,256}:(?!\d{0,5}[/?#])(?:[^\s\"'<>\\]|\\.){1,1024})"
    # `key@`, as in a DSN.
    r"|(?P<key>(?:[^\s/?#@\"'<>\\]|\\.){1,1024})"
    r")@"
    # A DSN of Go's MySQL driver.
    r"|(?P<plain>\b[^\s:@/\"'=]{1,64}:[^\s\"']{1,256})@(?=(?:tcp|unix)\()"
)

_PARAMETER = (
    rf"(?i)(?P<name>(?:(?:{_WORDS}|SIGNATURE)[\w.-]{{0,64}}|\b(?:sig|auth|pass))(?<![_-]file))="
    r"(?:(?!\(sensitive)[^\s\"'&;,<>]+|'[^']+'|\"[^\"]+\")"
)

_PRIVATE_KEY = (
    r"-----BEGIN (?:[A-Z0-9]+ ){0,4}PRIVATE KEY(?: BLOCK)?-----(?:[A-Za-z0-9+/=\s\\:,-]*?"
    r"-----END (?:[A-Z0-9]+ ){0,4}PRIVATE KEY(?: BLOCK)?-----|[A-Za-z0-9+/=\s\\]*)"
    r"|AGE-SECRET-KEY-1[0-9A-Z]+"
)

_ONLY_A_USER = ("ssh", "ftp")
"""Ends of the schemes in which a name before the host is no secret: ssh, git+ssh, sftp."""

_protected: frozenset[Secret[str]] = frozenset()


def protect(*secrets: Secret[str]) -> None:
    """From now on these never reach an operation log of this process."""
    # One assignment of a new set: another thread that is masking sees the old or the new one.
    global _protected
    _protected |= set(secrets)


def protected() -> frozenset[Secret[str]]:
    return _protected


def redact(text: str, secrets: Iterable[Secret[str]]) -> str:
    """`text` with every secret masked, in the spellings it travels in.

    Those are: as it is, without the space around it, each longer line of it (keys), as part of
    a URL, and as part of a JSON text.
    """
    values = [secret.reveal() for secret in secrets]
    spellings = {spelling for value in values if value.strip() for spelling in _spellings(value)}
    # The longest first, or a short secret would leave the rest of a longer one that holds it.
    for spelling in sorted(spellings, key=lambda spelling: (-len(spelling), spelling)):
        text = text.replace(spelling, MASK)
    return text


def masked(text: str, mask: str = MASK) -> str:
    """`text` without what is secret by its form: private keys, and logins and keys in addresses."""
    if "PRIVATE KEY" in text or "AGE-SECRET-KEY-" in text:
        text = re.sub(_PRIVATE_KEY, mask, text)
    if "@" in text and ("://" in text or "(" in text):
        text = re.sub(_IN_AN_ADDRESS, lambda found: _without_login(found, mask), text)
    if "=" in text:
        text = re.sub(_PARAMETER, lambda found: f"{found['name']}={mask}", text)
    return text


def _without_login(found: re.Match[str], mask: str) -> str:
    if found["plain"]:
        return f"{mask}@"
    before = found.string[max(0, found.start() - 3) : found.start()].lower()
    if found["key"] == MASK or (found["key"] and before in _ONLY_A_USER):
        return found[0]
    return f"://{mask}@"


def is_secret(name: str, value: str) -> bool:
    """Whether the value of a setting of this name must not be shown: by its name, or its form."""
    line = f"{name}={value or 'x'}"
    return _masked(line, False) != line


def masked_settings(text: str, before: str = "") -> list[str]:
    """The lines of a file (of settings, `NAME=value`) without what is secret by name or form.

    before: the text that this one replaces; a masked line that is not in it says that it changed.
    Names that end in _FILE hold paths and stay.
    """
    known = set(before.splitlines())
    keys = set(re.findall(_PRIVATE_KEY, before))

    def key(found: re.Match[str]) -> str:
        return CHANGED if before and found[0] not in keys else MASK

    lines = re.sub(_PRIVATE_KEY, key, text).splitlines()
    return [_masked(line, bool(before) and line not in known) for line in lines]


def _masked(line: str, changed: bool) -> str:
    found = re.match(_SETTING, line)
    mask = CHANGED if changed else MASK
    if found is None or re.search(r"_FILE\s*[=:]", found[1], re.IGNORECASE):
        return masked(line, mask)
    return found[1] + mask


def _spellings(secret: str) -> Iterable[str]:
    lines = [line.strip() for line in secret.splitlines()]
    for part in (secret, secret.strip(), *(x for x in lines if len(x) >= _SHORTEST_LINE)):
        encoded = part.encode("utf-8", "surrogateescape")
        yield part
        yield quote(encoded, safe="")
        yield quote_plus(encoded)
        yield json.dumps(part)[1:-1]
        yield json.dumps(part, ensure_ascii=False)[1:-1]
