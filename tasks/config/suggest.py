"""What somebody who mistyped a word most likely meant."""

from __future__ import annotations

import json
from collections.abc import Iterable

from tasks.config.finding import Finding, Key, dotted
from tasks.config.schema import DEPLOYMENT_SCHEMA, keys, subschema


def nearest(word: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The known word that is most alike, if any is: cutoff is 0 for anything, 1 for the same."""
    return next(iter(alike(word, known, 1, cutoff)), None)


def alike(word: str, known: Iterable[str], count: int, cutoff: float = 0.6) -> list[str]:
    """Up to so many known words that are alike, the nearest first, whatever their case."""
    import difflib

    plain = {_plain(name): name for name in known}
    found = difflib.get_close_matches(_plain(word[:80]), plain, count, cutoff)
    return [plain[name] for name in found]


def _plain(word: str) -> str:
    return word.lower().replace("-", "_")


def unknown_key(section: Key, name: str) -> Finding:
    """What to say about a key that the schema does not know in this section."""
    key = (*section, name)
    if key in _recorded():
        return Finding(key, "is recorded by the tool, remove this line")
    siblings = subschema(section).get("properties", {})
    if near := nearest(name, siblings):
        return Finding(key, f"unknown key, did you mean {near}?")
    if sections := [dotted(found[:-1]) for found, _ in keys() if found[-1] == name]:
        known = " or ".join(section or "the top level" for section in sections)
        return Finding(key, f"unknown key here, it belongs under {known}")
    names = (found[-1] for found, _ in keys() if isinstance(found[-1], str))
    if near := nearest(name, (str(found) for found in names), 0.8):
        full = next(found for found, _ in keys() if found[-1] == near)
        return Finding(key, f"unknown key, did you mean {dotted(full)}?")
    where = f"{dotted(section)} has" if section else "The sections are"
    return Finding(key, "unknown key", f"{where}: {', '.join(siblings)}")


def _recorded() -> frozenset[Key]:
    """The keys of the recorded document that are not set by anybody."""
    recorded = {key for key, _ in keys(json.loads(DEPLOYMENT_SCHEMA.read_bytes()))}
    return frozenset(recorded - {key for key, _ in keys()})
